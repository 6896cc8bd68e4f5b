"""Seeing a blocked loop from outside: an OS thread that names who blocks it.

A handler that computes, or calls something synchronous, stops everything: no deadline fires, nobody is
stopped, and no task can say so. So the question is asked by a thread. The watchdog's task beats on the loop;
the thread looks whether the beat still comes, and when it has not come for `limit_seconds` it logs which
actor is at work on which message, with the stack, and again each time the wait has doubled.

It lives on real time. Leave it out of a tree that runs on simulated time.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType

import trio

from actors.kernel import Cell, TrioActor

__all__ = ["Blockage", "Sentry", "Watchdog"]

_log = logging.getLogger("supervisors.otp")


@dataclass(frozen=True, slots=True)
class Blockage:
    """The loop has not turned for `seconds`. `address` and `message_type` are known when an actor runs."""

    seconds: float
    address: str | None
    message_type: str | None
    stack: str


class Sentry:
    """Decides from beats and looks when the loop is blocked; knows threads, not time."""

    def __init__(self, loop_thread: int, limit_seconds: float, now: float) -> None:
        self._loop_thread = loop_thread
        self._limit = limit_seconds
        self._beat_at = now
        self._report_above = limit_seconds
        self._reported = False

    def beat(self, now: float) -> float:
        """Note that the loop turns; return how long it had not (called on the loop)."""
        silence = now - self._beat_at
        self._beat_at = now
        if self._reported:
            self._reported = False
            _log.warning("the loop turns again after %.3f s", silence)
        self._report_above = self._limit
        return silence

    def look(self, now: float) -> Blockage | None:
        """Return what blocks the loop if that is news (called from another thread)."""
        silence = now - self._beat_at
        if silence < self._report_above:
            return None
        self._report_above = 2 * silence
        self._reported = True
        frame = sys._current_frames().get(self._loop_thread)
        cell = None if frame is None else _cell_at_work(frame)
        message = None if cell is None or cell.current is None else type(cell.current.message).__name__
        stack = "" if frame is None else "".join(traceback.format_stack(frame))
        return Blockage(silence, None if cell is None else cell.address, message, stack)


def _cell_at_work(frame: FrameType | None) -> Cell | None:
    """Return the innermost life on a stack."""
    while frame is not None:
        if frame.f_code.co_qualname.startswith(("Cell.", "Handling.")):
            owner = frame.f_locals.get("self")
            if isinstance(owner, Cell):
                return owner
        frame = frame.f_back
    return None


def log_blockage(blockage: Blockage) -> None:
    """Name loudly who blocks the loop."""
    _log.error(
        "the loop has been blocked for %.3f s by %s handling %s:\n%s",
        blockage.seconds,
        blockage.address or "no actor",
        blockage.message_type or "no message",
        blockage.stack,
    )


class Watchdog(TrioActor):
    """Beats each `interval_seconds`, reports the loop's lag to the observer, and owns the watching thread."""

    def __init__(
        self,
        limit_seconds: float = 1.0,
        interval_seconds: float = 0.1,
        report: Callable[[Blockage], None] = log_blockage,
        now: Callable[[], float] = time.monotonic,  # not-deterministic: a blocked loop has no clock
    ) -> None:
        super().__init__()
        self._limit = limit_seconds
        self._interval = interval_seconds
        self._report = report
        self._now = now
        self.lag_seconds = 0.0

    async def on_start(self) -> None:
        """Begin to watch."""
        self.start_task(self._watch)

    async def _watch(self) -> None:
        sentry = Sentry(threading.get_ident(), self._limit, self._now())
        done = threading.Event()
        thread = threading.Thread(target=self._stand_guard, args=(sentry, done), name="watchdog", daemon=True)
        thread.start()
        try:
            while True:
                await trio.sleep(self._interval)
                self.lag_seconds = max(0.0, sentry.beat(self._now()) - self._interval)
                if self.system.observer is not None:
                    self.system.observer.loop_lag(self.lag_seconds)
        finally:
            done.set()
            thread.join()  # it waits for nothing but `done`

    def _stand_guard(self, sentry: Sentry, done: threading.Event) -> None:
        while not done.wait(self._interval):
            blockage = sentry.look(self._now())
            if blockage is not None:
                self._report(blockage)
