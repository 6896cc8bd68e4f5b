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


def run(main: Callable[..., Awaitable[T]], *args: object, seed: str) -> T:
    """Run `main` on simulated time, scheduled by the seed alone; what it raises comes out."""
    allowed, coin = scheduler._ALLOW_DETERMINISTIC_SCHEDULING, scheduler._r.getstate()
    scheduler._ALLOW_DETERMINISTIC_SCHEDULING = True
    scheduler._r.seed(seed)
    try:
        return trio.run(main, *args, clock=MockClock(autojump_threshold=0))
    finally:
        scheduler._ALLOW_DETERMINISTIC_SCHEDULING = allowed
        scheduler._r.setstate(coin)
