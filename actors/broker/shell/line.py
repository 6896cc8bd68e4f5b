"""The line to the exchange: every call goes through the limiter and a breaker, highest priority first.

Cancels have a breaker of their own, so that failing entries don't close their way, and the limiter's
reserve. Who waits, waits in one queue by priority; only its head looks at the clock.
"""

from collections.abc import Awaitable, Callable, Mapping
from math import inf
from typing import TypeVar

import trio

from actors.broker.breaker import Breaker, Circuit, Permit
from actors.broker.limiter import MICROSECONDS, Limiter, Priority
from actors.broker.paging import counted
from actors.broker.port import ExchangePort, Priced, Unavailable, Usage
from actors.model.clock import Clock

T = TypeVar("T")

CIRCUIT = "circuit"
"""The `kind` of an Unavailable that never left, because the circuit is open."""

_ONE_REQUEST: Mapping[str, int] = {"requests": 1}


class _Waiter:
    __slots__ = ("changed", "priority")

    def __init__(self, priority: Priority) -> None:
        self.priority = priority
        self.changed = trio.Event()


class _Asking:
    """One question on its way: the permit and the time limit of the request that is out now."""

    def __init__(self, line: "Line", name: str, priority: Priority, seconds: float) -> None:
        self._line = line
        self._name = name
        self._priority = priority
        self._permit: Permit | None = None
        self._wanted = seconds
        self.seconds = seconds
        self.scope = trio.CancelScope()

    async def begin(self, cost: str) -> None:
        """Take room and leave for a request; raise Unavailable while the circuit is open."""
        self.scope.deadline = inf
        await self._line.admit(cost, self._priority)
        self._permit = self._line.permit()
        if self._permit is None:
            raise Unavailable(CIRCUIT, f"{self._name}: the circuit is open")
        # A slower answer to a trial counts as none, so waiting for it would only delay the next trial.
        slow_after = self._line.slow_after
        self.seconds = min(self._wanted, slow_after) if self._permit.trial else self._wanted
        self.scope.deadline = trio.current_time() + self.seconds

    async def next_page(self) -> None:
        """A request was answered, and the question needs one more."""
        self.end(good=True)
        await self.begin(f"{self._name}_page")

    def end(self, *, good: bool) -> None:
        """What came of the request that is out."""
        permit, self._permit = self._permit, None
        if permit is not None:
            self._line.done(permit, good)

    def give_up(self) -> None:
        """Nobody waits for it any more: it had no answer in time, or whoever asked is gone."""
        permit, self._permit = self._permit, None
        if permit is None:
            return
        if self.scope.cancelled_caught:
            self._line.done(permit, good=False)
        else:
            self._line.release(permit)


class Line:
    """`limiter` and the breakers outlive the broker: a restart must not forget what was used or that a line
    is down.
    """

    def __init__(
        self,
        port: ExchangePort,
        clock: Clock,
        limiter: Limiter,
        breaker: Breaker,
        cancel_breaker: Breaker,
    ) -> None:
        self._clock = clock
        self._limiter = limiter
        self._breaker = breaker
        self._cancel_breaker = cancel_breaker
        self._queue: list[_Waiter] = []
        self._cost: Callable[[str], Mapping[str, int]] = (
            port.cost if isinstance(port, Priced) else lambda _call: _ONE_REQUEST
        )

    def circuit(self) -> Circuit:
        """The state of the circuit for everything but cancels."""
        return self._breaker.circuit(self._clock.monotonic())

    @property
    def slow_after(self) -> float:
        """From when on an answer counts as slow."""
        return self._breaker.settings.slow_after

    @property
    def seconds_to_trial(self) -> float:
        """How long until an open circuit lets trial calls through; 0 when it is not open."""
        if self.circuit() is not Circuit.OPEN:
            return 0.0
        return max(0.0, self._breaker.retry_at - self._clock.monotonic())

    def admit_nowait(self, call: str, priority: Priority) -> bool:
        """Take room in the budgets if there is some and nobody waits for it."""
        return not self._queue and self._take(self._cost(call), priority) == 0

    def trip(self) -> None:
        """Open the circuit: a stream was lost and connecting again failed."""
        self._breaker.trip(self._clock.monotonic())

    async def admit(self, call: str, priority: Priority) -> None:
        """Wait for room in the budgets and take it. Cancelled while waiting, nothing is taken."""
        cost = self._cost(call)
        if not self._queue and self._take(cost, priority) == 0:
            return
        waiter = _Waiter(priority)
        self._enqueue(waiter)
        try:
            while self._queue[0] is not waiter or (wait_us := self._take(cost, priority)):
                if self._queue[0] is waiter:
                    with trio.move_on_after(wait_us / MICROSECONDS):
                        await waiter.changed.wait()
                else:
                    await waiter.changed.wait()
                waiter.changed = trio.Event()
        finally:
            self._queue.remove(waiter)
            if self._queue:
                self._queue[0].changed.set()

    def permit(self, *, cancel: bool = False) -> Permit | None:
        """The breaker's leave for one call, or None."""
        return self._pick(cancel).permit(self._clock.monotonic())

    def done(self, permit: Permit, good: bool, *, cancel: bool = False) -> None:
        """What came of a permitted call: `good` when the exchange answered, whatever it said."""
        self._pick(cancel).done(permit, self._clock.monotonic(), good)

    def release(self, permit: Permit, *, cancel: bool = False) -> None:
        """A permitted call was given up on our side: it counts for nothing."""
        self._pick(cancel).release(permit)

    async def ask(self, name: str, priority: Priority, seconds: float, call: Callable[[], Awaitable[T]]) -> T:
        """Put a question to the exchange; raise Unavailable when it can't be put or has no answer in time.

        One that takes several requests (see `actors.broker.paging`) has this time for each.
        """
        asking = _Asking(self, name, priority, seconds)
        await asking.begin(name)
        try:
            with asking.scope, counted(asking.next_page):
                answer = await call()
                asking.end(good=True)
                return answer
        except Unavailable as problem:
            asking.end(good=problem.kind in ("throttled", "banned"))
            self.heed(problem.retry_after_seconds)
            raise
        finally:
            asking.give_up()
        raise Unavailable("timeout", f"{name}: no answer in {asking.seconds:g} s")

    async def insist(self, name: str, seconds: float, call: Callable[[], Awaitable[T]]) -> T:
        """Put a question whatever the circuit says, as a kill must; raise Unavailable when it has no
        answer.
        """
        await self.admit(name, Priority.CANCEL)
        try:
            with trio.fail_after(seconds):
                return await call()
        except trio.TooSlowError:
            raise Unavailable("timeout", f"{name}: no answer in {seconds:g} s") from None
        except Unavailable as problem:
            self.heed(problem.retry_after_seconds)
            raise

    def heed(self, retry_after_seconds: float | None) -> None:
        """The exchange asked for silence."""
        if retry_after_seconds is not None:
            self._limiter.block(self._now_us() + round(retry_after_seconds * MICROSECONDS))

    def learn(self, usage: Usage) -> None:
        """The exchange's headers said what is used."""
        self._limiter.learn(self._now_us(), self._clock.now_us(), usage)

    def _take(self, cost: Mapping[str, int], priority: Priority) -> int:
        now_us = self._now_us()
        wait_us = self._limiter.wait_us(now_us, cost, priority)
        if wait_us == 0:
            self._limiter.spend(now_us, cost)
        return wait_us

    def _enqueue(self, waiter: _Waiter) -> None:
        index = len(self._queue)
        while index and self._queue[index - 1].priority > waiter.priority:
            index -= 1
        self._queue.insert(index, waiter)

    def _now_us(self) -> int:
        return int(self._clock.monotonic() * MICROSECONDS)

    def _pick(self, cancel: bool) -> Breaker:
        return self._cancel_breaker if cancel else self._breaker
