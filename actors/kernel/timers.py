"""Timers that belong to a life: keyed, gone with it, and never heard of after they were cancelled.

A timer that has fired and lies in the mailbox is taken back when it is cancelled or started anew: its
envelope rests on the timer's token. A repeating timer has at most one message queued and keeps to its
grid; periods that a busy actor missed are skipped, not made up for.
"""

from __future__ import annotations

import math
from collections.abc import Hashable
from typing import TYPE_CHECKING

from actors.kernel.envelope import Envelope, Token
from actors.kernel.mailbox import Lane

if TYPE_CHECKING:
    from actors.kernel.cell import Cell

__all__ = ["Timer", "Timers"]


class Timer(Token):
    """One running timer; also the conflation key of its own messages."""

    __slots__ = ("_at", "_cell", "_message", "_period", "key")

    def __init__(self, cell: Cell, key: Hashable, at: float, period: float | None, message: object) -> None:
        super().__init__()
        self._cell = cell
        self.key = key
        self._at = at
        self._period = period
        self._message = message

    @property
    def wanted(self) -> bool:
        """Whether it was not cancelled."""
        return self.live

    def taken(self) -> None:
        """Forget a one-shot timer: it has done what it was for."""
        if self._period is None:
            self._cell.timers.forget(self)

    def expire(self, now: float) -> None:
        """Put the message in the mailbox; called by the agenda."""
        self._cell.mailbox.put(Envelope(self._message, now, self), Lane.NORMAL)
        if self._period is not None:
            missed = math.floor((now - self._at) / self._period)
            self._at += self._period * (missed + 1)
            self._cell.system.agenda.add(self._at, self)


class Timers:
    """The timers of one life, by key."""

    __slots__ = ("_by_key", "_cell")

    def __init__(self, cell: Cell) -> None:
        self._cell = cell
        self._by_key: dict[Hashable, Timer] = {}

    def start(self, key: Hashable, seconds: float, message: object) -> None:
        """Tell the actor `message` once, `seconds` from now. A timer with the same key is replaced."""
        self._begin(key, seconds, None, message)

    def every(self, key: Hashable, seconds: float, message: object) -> None:
        """Tell the actor `message` each `seconds`, first one period from now; replaces the same key."""
        if not seconds > 0:
            msg = f"a repeating timer needs a period above 0 s, got {seconds}"
            raise ValueError(msg)
        self._begin(key, seconds, seconds, message)

    def _begin(self, key: Hashable, seconds: float, period: float | None, message: object) -> None:
        if not 0 <= seconds < math.inf:
            msg = f"a timer needs a finite time of 0 s or more, got {seconds}"
            raise ValueError(msg)
        self.cancel(key)
        if self._cell.mailbox.closed:
            return  # the life is ending: nothing would ever hear this timer
        at = self._cell.system.now() + seconds
        timer = Timer(self._cell, key, at, period, message)
        self._by_key[key] = timer
        self._cell.system.agenda.add(at, timer)

    def cancel(self, key: Hashable) -> bool:
        """Stop the timer and take back what it has queued; whether there was one."""
        timer = self._by_key.pop(key, None)
        if timer is None:
            return False
        timer.live = False
        self._cell.system.agenda.settled()
        return True

    def cancel_all(self) -> None:
        """Stop every timer of this life."""
        for key in list(self._by_key):
            self.cancel(key)

    def active(self) -> tuple[Hashable, ...]:
        """Return the keys of the running timers in the order in which they were started."""
        return tuple(self._by_key)

    def forget(self, timer: Timer) -> None:
        """Forget a timer that has run out."""
        if self._by_key.get(timer.key) is timer:
            del self._by_key[timer.key]
