"""Putting messages aside until the actor is in a state to take them.

Meant for states such as "reconciling": what cannot be decided yet is kept in order and handled first once
`release` is called. It is bounded; what does not fit is refused, which does not end the actor.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from actors.kernel.errors import MailboxFull
from actors.kernel.future import Reply

if TYPE_CHECKING:
    from actors.kernel.cell import Cell
    from actors.kernel.envelope import Envelope

__all__ = ["Kept", "Stash"]


class Kept:
    """What a handler returns after it put its message aside: the asker is answered later."""

    __slots__ = ()


_KEPT = Kept()


class Stash:
    """The messages that one life has put aside."""

    __slots__ = ("_capacity", "_cell", "_kept")

    def __init__(self, cell: Cell, capacity: int) -> None:
        self._cell = cell
        self._capacity = capacity
        self._kept: deque[Envelope] = deque()

    def __len__(self) -> int:
        return len(self._kept)

    def keep(self) -> Kept:
        """Put the current message aside; return the result from the handler.

        When the stash is full an asker gets MailboxFull and a tell becomes a dead letter.
        """
        envelope = self._cell.current
        if envelope is None:
            msg = "stash.keep() works only inside on_receive"
            raise RuntimeError(msg)
        if len(self._kept) < self._capacity:
            self._kept.append(envelope)
        elif isinstance(envelope, Reply):
            envelope.reject(MailboxFull(self._cell.address, type(envelope.message).__name__, self._capacity))
        else:
            self._cell.dead_letter(envelope, "stash full")
        return _KEPT

    def release(self) -> int:
        """Put everything kept in front of the mailbox, in order; return how many."""
        if self._cell.mailbox.closed:
            return 0  # the end of the life deals with what is left here
        kept = self.drain()
        self._cell.mailbox.put_back(kept)
        return len(kept)

    def drain(self) -> list[Envelope]:
        """Take everything out (end of life)."""
        kept = list(self._kept)
        self._kept.clear()
        return kept
