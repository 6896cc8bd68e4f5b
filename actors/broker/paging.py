"""How a call that takes several requests tells the line of each of them.

A listing may take a hundred requests. Taken as one call it would count as slow when it is only long, run into
the time limit of a single answer, and spend the budget of one request. So whoever reads page after page says
so between two pages; the line that waits for the call counts, paces and times each page on its own.
"""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_turn: ContextVar[Callable[[], Awaitable[None]] | None] = ContextVar("turn", default=None)


async def next_page() -> None:
    """Before each further request of one call. Raise Unavailable when it may not leave; nothing is waited
    for where nobody counts.
    """
    turn = _turn.get()
    if turn is not None:
        await turn()


@contextmanager
def counted(turn: Callable[[], Awaitable[None]]) -> Iterator[None]:
    """Have `turn` called before each further request of the calls in this block."""
    token = _turn.set(turn)
    try:
        yield
    finally:
        _turn.reset(token)
