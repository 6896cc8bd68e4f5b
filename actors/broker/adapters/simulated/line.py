"""The way of one request to the simulated exchange and of its answer back.

Everything that a network does happens here: latency, requests that arrive late or never, answers that get
lost. What arrives must carry a signed time no older than the receive window, as real exchanges demand; that
is what makes absence provable.
"""

import random
from collections.abc import Awaitable, Callable
from heapq import heappop, heappush
from typing import Generic, TypeVar

import trio

from actors.broker.adapters.simulated.faults import CallFault, Faults
from actors.broker.adapters.simulated.ledger import LedgerUnavailable
from actors.model.clock import Clock

T = TypeVar("T")

RECEIVE_WINDOW_SECONDS = 5.0
_AHEAD_SECONDS = 1.0
_MICROSECONDS = 1_000_000


class CallFailed(Exception):
    """A call brought no usable answer. `kind`: refused (nothing was sent), throttled, late, lost."""

    def __init__(self, kind: str, reason: str, retry_after_seconds: float | None = None) -> None:
        super().__init__(reason)
        self.kind = kind
        self.reason = reason
        self.retry_after_seconds = retry_after_seconds


class _Parcel(Generic[T]):
    """A request on its way; `answer` holds what the exchange said, once it has arrived."""

    def __init__(self, signed_us: int, act: Callable[[int], T]) -> None:
        self.signed_us = signed_us
        self.act = act
        self.answer: list[T] = []
        self.too_late: str | None = None

    def arrive(self, exchange_us: int) -> None:
        age = (exchange_us - self.signed_us) / _MICROSECONDS
        if age > RECEIVE_WINDOW_SECONDS or age < -_AHEAD_SECONDS:
            self.too_late = f"signed {age:.3f} s before it arrived, outside of the receive window"
        else:
            self.answer.append(self.act(exchange_us))


class Line:
    """Carries requests. `arrived` is called right before a request arrives, to bring the markets up to date;
    `settle` makes durable what it did before the answer leaves."""

    def __init__(
        self,
        *,
        clock: Clock,
        faults: Faults,
        latency_seconds: float,
        rng: random.Random | None,
        timeout_seconds: float,
        arrived: Callable[[], None],
        settle: Callable[[], Awaitable[None]],
    ) -> None:
        self._clock = clock
        self._faults = faults
        self._half_way = latency_seconds / 2
        self._rng = rng
        self._timeout = timeout_seconds
        self._arrived = arrived
        self._settle = settle
        self._late: list[tuple[float, int, _Parcel[object]]] = []
        self._sent = 0
        self._offset_us = 0

    def exchange_us(self) -> int:
        """The exchange's own clock."""
        return self._clock.now_us() + self._faults.clock_skew_us()

    def signed_us(self) -> int:
        """The time that a request is signed with: our clock, corrected by what was seen of the exchange's."""
        return self._clock.now_us() + self._offset_us

    async def synchronise(self) -> None:
        """Ask for the exchange's time and sign with it from now on; raise CallFailed."""
        began_us = self._clock.now_us()
        seen_us = await self.ask_time()
        self._offset_us = seen_us - (began_us + self._clock.now_us()) // 2

    async def ask_time(self) -> int:
        """The exchange's time; the one question that needs no signature. Raises CallFailed."""
        with trio.move_on_after(self._timeout):
            fault = self._meet("server_time_us", "")
            await self._travel(fault.delay_seconds)
            if not (fault.arrives and fault.answers):
                await self._lose(fault)
            seen_us = self.exchange_us()
            await self._travel()
            return seen_us
        raise CallFailed("lost", f"no answer within {self._timeout:g} s")

    async def call(self, operation: str, subject: str, signed_us: int, act: Callable[[int], T]) -> T:
        """Let the exchange do `act(exchange time)` and bring its answer back.

        Raises CallFailed. Cancelled on the way there it was not done, cancelled later it was: nobody knows.
        """
        with trio.move_on_after(self._timeout):
            return await self._carry(operation, subject, _Parcel(signed_us, act))
        raise CallFailed("lost", f"no answer within {self._timeout:g} s")

    def next_late(self, now: float) -> float:
        """Seconds until the next delayed request arrives; infinity when none is on its way."""
        return max(0.0, self._late[0][0] - now) if self._late else float("inf")

    def deliver_late(self) -> None:
        """Let the delayed requests arrive whose time has come, whether or not anybody still waits."""
        now = self._clock.monotonic()
        while self._late and self._late[0][0] <= now:
            due, _, parcel = heappop(self._late)
            parcel.arrive(self.exchange_us() - int((now - due) * _MICROSECONDS))

    def _meet(self, operation: str, subject: str) -> CallFault:
        fault = self._faults.call(operation, subject)
        if fault.refused:
            raise CallFailed("refused", fault.reason or "connection refused")
        if fault.throttled:
            reason = fault.reason or "too many requests"
            raise CallFailed("throttled", reason, fault.retry_after_seconds)
        return fault

    async def _carry(self, operation: str, subject: str, parcel: _Parcel[T]) -> T:
        fault = self._meet(operation, subject)
        if not fault.arrives:
            await self._travel()
            await self._lose(fault)
        if fault.delay_seconds:
            await self._dawdle(parcel, fault.delay_seconds)
        else:
            await self._travel()
            self._arrived()
            parcel.arrive(self.exchange_us())
        try:
            await self._settle()
        except LedgerUnavailable as error:
            raise CallFailed("lost", f"the exchange answered with an internal error: {error}") from error
        if not fault.answers:
            await self._lose(fault)
        await self._travel()
        if parcel.too_late is not None:
            raise CallFailed("late", parcel.too_late)
        return parcel.answer[0]

    async def _dawdle(self, parcel: _Parcel[T], seconds: float) -> None:
        self._sent += 1
        due = self._clock.monotonic() + self._half_way + seconds
        # What happens to a request that is on its way does not depend on the one who waits for it.
        heappush(self._late, (due, self._sent, parcel))  # type: ignore[misc]
        while not (parcel.answer or parcel.too_late):
            await trio.sleep(max(0.0, due - self._clock.monotonic()))
            self._arrived()

    async def _lose(self, fault: CallFault) -> None:
        if fault.silent:
            await trio.sleep_forever()
        raise CallFailed("lost", fault.reason or "the connection broke")

    async def _travel(self, longer_seconds: float = 0.0) -> None:
        seconds = self._half_way
        if seconds and self._rng is not None:
            seconds *= 0.5 + self._rng.random()
        if seconds + longer_seconds:
            await trio.sleep(seconds + longer_seconds)
        else:
            await trio.lowlevel.checkpoint()
