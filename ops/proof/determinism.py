"""A trio run that is a function of its seed.

Three things decide the order in which tasks run: the clock, the order in which trio looks at runnable tasks,
and the coin that it throws between them. A mock clock that jumps when nobody can run replaces the first; the
other two are private to trio, so their names stand here alone and a canary test watches them.
"""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import trio
from trio._core import _run as scheduler
from trio.testing import MockClock

T = TypeVar("T")
MOST_TURNS = 30_000
"""More turns of the loop than any moment of a sound run takes."""


class Standstill(trio.abc.Instrument):
    """Notices tasks that keep each other busy without letting time pass: no deadline ever ends that."""

    def __init__(self, found: Callable[[str], None]) -> None:
        self._found = found
        self._at = -1.0
        self._turns = 0

    def before_io_wait(self, timeout: float) -> None:
        """One turn of the loop."""
        now = trio.current_time()
        if now != self._at:
            self._at, self._turns = now, 0
        self._turns += 1
        if self._turns == MOST_TURNS:
            self._found("time stands still")
            # What spins may well be shielded from the end of the run; a little time sets it free.
            clock = trio.lowlevel.current_clock()
            if isinstance(clock, MockClock):
                clock.jump(0.001)


def run(main: Callable[..., Awaitable[T]], *args: object, seed: str) -> T:
    """Run `main` on simulated time, scheduled by the seed alone; what it raises comes out."""
    allowed, coin = scheduler._ALLOW_DETERMINISTIC_SCHEDULING, scheduler._r.getstate()
    _allow(True)
    scheduler._r.seed(seed)
    try:
        return trio.run(main, *args, clock=MockClock(autojump_threshold=0))
    finally:
        _allow(allowed)
        scheduler._r.setstate(coin)


def _allow(allowed: bool) -> None:
    setattr(scheduler, "_ALLOW_DETERMINISTIC_SCHEDULING", allowed)  # noqa: B010 - trio calls the name final
