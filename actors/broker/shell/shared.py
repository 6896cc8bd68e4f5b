"""Many ask the same question at once: it is put once for all of them.

After an outage a broker asks about every unresolved order, and each of these inquiries reads all open orders
and trades of the symbol: page after page, for the same answer. Whoever comes while the question is on its way
does not join that answer, because it may be older than the moment that he has to prove something for; he
joins the next one, which begins after it, with everybody else who waits.
"""

from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import trio

T = TypeVar("T")


class _Round(Generic[T]):
    """One question on its way, or about to be: the earliest time asked for, and the answer once it is
    there.
    """

    def __init__(self, since_us: int) -> None:
        self.since_us = since_us
        self.over = trio.Event()
        self.answer: T | None = None
        self.problem: Exception | None = None
        self.answered = False


class Shared(Generic[T]):
    """The rounds of one question. `put` asks it, for the time given, and returns the answer or raises."""

    def __init__(self, put: Callable[[int], Awaitable[T]]) -> None:
        self._put = put
        self._running: _Round[T] | None = None
        self._next: _Round[T] | None = None

    async def ask(self, since_us: int = 0) -> T:
        """The answer to a question put after this call began. A problem is told to everybody in the round.

        Cancelled while it asks for others too, it hands the question on to one of them.
        """
        while True:
            ahead = self._running
            if ahead is None:
                return await self._run(self._take_next(since_us))
            joined = self._join(since_us)
            await ahead.over.wait()
            if self._next is joined:
                return await self._run(self._take_next(since_us))
            await joined.over.wait()
            if joined.problem is not None:
                raise joined.problem
            if joined.answered and joined.answer is not None:
                return joined.answer

    def _join(self, since_us: int) -> _Round[T]:
        if self._next is None:
            self._next = _Round(since_us)
        self._next.since_us = min(self._next.since_us, since_us)
        return self._next

    def _take_next(self, since_us: int) -> _Round[T]:
        round_, self._next = self._next or _Round(since_us), None
        round_.since_us = min(round_.since_us, since_us)
        return round_

    async def _run(self, round_: _Round[T]) -> T:
        self._running = round_
        try:
            answer = await self._put(round_.since_us)
            round_.answer, round_.answered = answer, True
            return answer
        except Exception as problem:
            round_.problem = problem
            raise
        finally:
            self._running = None
            round_.over.set()
