"""The line between one process and an exchange: the exchange port of a simulated process.

A request that has left is on its way whatever becomes of its sender: it is carried by the world, not by the
process, so a crash or a cancellation loses the answer and not the deed. What came back is classified as an
adapter has to: definitely taken, definitely refused, not sent, or unknown.
"""

import heapq
from collections.abc import Callable, Sequence
from random import Random
from typing import Generic, TypeVar

import msgspec
import trio

from actors.broker.adapters.simulated.admission import Refusal
from actors.broker.port import (
    Capabilities,
    Confirmed,
    NotSent,
    OrderReport,
    Outcome,
    PositionReport,
    Rejected,
    StreamItem,
    Unavailable,
    Unresolved,
)
from actors.model.clock import Clock
from actors.model.fill import Fill
from actors.model.instrument import Instrument
from actors.model.messages import Balance, Tick
from actors.model.order import OrderIntent
from ops.proof.life import Life
from ops.proof.venue import FOREIGN, Listed, Listener, SimVenue
from ops.proof.weather import Fate, Weather

T = TypeVar("T")
RECEIVE_WINDOW = 5.0
TIMEOUT = 6.0
"""How long a patient adapter waits for an answer, in seconds; longer than a request can be on its way."""

SHORT_TIMEOUT = 1.5
"""How long an impatient one waits: what it gives up may still be taken."""


class Submitted(msgspec.Struct, kw_only=True):
    """One submit as the outside saw it leave. `durable`: its intent was committed before."""

    life: int
    exchange: str
    venue_id: str
    order_id: str
    began: float
    durable: bool
    over: float | None = None
    taken: bool = False


class Amended(msgspec.Struct, frozen=True, kw_only=True):
    """One amend in place as the outside saw it leave. `durable`: its very terms were committed before."""

    life: int
    exchange: str
    venue_id: str
    order_id: str
    began: float
    durable: bool


class _Answer(Generic[T]):
    """Where a carried request leaves what the exchange said."""

    def __init__(self) -> None:
        self.value: T | None = None
        self.came = trio.Event()


class _Session:
    """One stream that is open."""

    def __init__(self) -> None:
        self.broken = False
        self.news = trio.Event()


class Wire:
    """`carry` starts a task that belongs to the world. `durable` looks whether the disk has a venue id,
    `intended` whether it has an amend to these terms.
    """

    def __init__(
        self,
        venue: SimVenue,
        life: Life,
        weather: Weather,
        *,
        clock: Clock,
        rng: Random,
        carry: Callable[..., None],
        durable: Callable[[str], bool],
        intended: Callable[[OrderIntent], bool],
        notes: list[Submitted],
        amend_notes: list[Amended],
        capabilities: Capabilities,
        timeout: float = TIMEOUT,
    ) -> None:
        self._venue = venue
        self._life = life
        self._weather = weather
        self._clock = clock
        self._rng = rng
        self._carry = carry
        self._durable = durable
        self._intended = intended
        self._notes = notes
        self._amend_notes = amend_notes
        self._capabilities = capabilities
        self._timeout = timeout
        self._sessions: dict[_Session, None] = {}
        self.bug: Callable[[str], None] | None = None
        """Called at each call: may raise what an adapter with a bug would."""

    @property
    def capabilities(self) -> Capabilities:
        return self._capabilities

    def cut(self) -> None:
        """Every stream of this process breaks."""
        for session in tuple(self._sessions):
            session.broken = True
            session.news.set()

    # Calls.

    async def submit(self, intent: OrderIntent) -> Outcome:
        note = Submitted(
            life=self._life.number,
            exchange=self._venue.name,
            venue_id=intent.venue_id,
            order_id=intent.order_id,
            began=trio.current_time(),
            durable=self._durable(intent.venue_id),
        )
        if self._life.alive:
            self._notes.append(note)
        signed_us = self._clock.now_us()

        def arrive() -> Outcome:
            age = (self._venue.now_us() - signed_us) / 1_000_000
            if age > RECEIVE_WINDOW or age < -1.0:
                return Rejected(code="TIMESTAMP", reason=f"signed {age:.3f} s ago")
            if fate.refused_later:
                self._venue.refuse_later(intent)
                return Rejected(code="MARGIN", reason="an answer that gets lost")
            if fate.hidden_seconds:
                self._venue.hide(intent.venue_id, fate.hidden_seconds)
            answer = self._venue.place(intent, intent.venue_id)
            if isinstance(answer, Refusal):
                return Rejected(code=answer.code, reason=answer.reason, gone=answer.gone)
            note.taken = True
            listed, fills = answer
            return self._told(listed, fills, fate)

        fate = self._fate("submit")
        try:
            return await self._order_call("submit", arrive, signed_us, fate)
        finally:
            note.over = trio.current_time()

    async def amend(self, intent: OrderIntent, exchange_order_id: str | None) -> Outcome:
        note = Amended(
            life=self._life.number,
            exchange=self._venue.name,
            venue_id=intent.venue_id,
            order_id=intent.order_id,
            began=trio.current_time(),
            durable=self._intended(intent),
        )
        if self._life.alive:
            self._amend_notes.append(note)
        signed_us = self._clock.now_us()

        def arrive() -> Outcome:
            age = (self._venue.now_us() - signed_us) / 1_000_000
            if age > RECEIVE_WINDOW or age < -1.0:
                return Rejected(code="TIMESTAMP", reason=f"signed {age:.3f} s ago")
            answer = self._venue.amend(intent)
            if isinstance(answer, Refusal):
                return Rejected(code=answer.code, reason=answer.reason, gone=answer.gone)
            return self._confirmed(*answer)

        return await self._order_call("amend", arrive, signed_us, self._fate("amend"))

    async def cancel(self, symbol: str, venue_id: str, exchange_order_id: str | None) -> Outcome:
        def arrive() -> Outcome:
            if fate.cancel_refused:
                return Rejected(code="CANCEL_REFUSED", reason="not now")
            answer = self._venue.cancel(symbol, venue_id, too_late=fate.late_fill)
            if isinstance(answer, Refusal):
                return Rejected(code=answer.code, reason=answer.reason, gone=answer.gone)
            if answer.status == "open":
                self._carry(self._venue.fill_late, answer)
                return self._confirmed(msgspec.structs.replace(answer, status="canceled"), ())
            return self._confirmed(answer, self._fills_of(answer))

        fate = self._fate("cancel")
        return await self._order_call("cancel", arrive, self._clock.now_us(), fate)

    def _told(self, listed: Listed, fills: tuple[Fill, ...], fate: Fate) -> Outcome:
        """The truth, or what an exchange or a proxy in front of it says instead."""
        if fate.hidden_seconds or fate.says_refused or fate.says_unsent:
            self._venue.lied[listed.venue_id] = None
        if fate.says_refused:
            return Rejected(code="INTERNAL", reason="says the exchange, and takes it all the same")
        if fate.says_unsent:
            return NotSent(reason="says a proxy, and passes it on all the same")
        return self._confirmed(listed, fills)

    def _confirmed(self, listed: Listed, fills: tuple[Fill, ...]) -> Confirmed:
        """The answer of an exchange that tells much, or of one that tells little."""
        much = self._capabilities.fills_with_answer
        return Confirmed(
            exchange_order_id=listed.exchange_order_id,
            status=listed.status,
            executed=listed.executed if much else None,
            fills=fills if much else (),
        )

    def _fills_of(self, listed: Listed) -> tuple[Fill, ...]:
        key = (listed.symbol, listed.exchange_order_id)
        traded = self._venue.traded
        return tuple(i.fill for i in traded if (i.fill.symbol, i.fill.exchange_order_id) == key)

    async def _order_call(
        self, operation: str, arrive: Callable[[], Outcome], signed_us: int, fate: Fate
    ) -> Outcome:
        try:
            return await self._call(operation, arrive, fate)
        except Unavailable as problem:
            if problem.kind == "refused":
                return NotSent(reason=problem.detail)
            if problem.kind in ("throttled", "banned"):
                return Rejected(
                    code="RATE_LIMITED",
                    reason=problem.detail,
                    throttled=True,
                    retry_after_seconds=problem.retry_after_seconds,
                )
            return Unresolved(reason=str(problem), signed_at_us=signed_us)

    async def _call(self, operation: str, arrive: Callable[[], T], fate: Fate) -> T:
        life = self._life
        life.passed(f"{operation} begins")
        await life.reach()
        if self.bug is not None:
            self.bug(operation)
        rng = self._rng
        if fate.refused:
            await self._pause(rng.uniform(0.001, 0.02))
            raise Unavailable("refused", "connection refused")
        there, back = rng.uniform(0.002, 0.03), rng.uniform(0.002, 0.03)
        if fate.maintenance:
            await self._pause(there + back)
            raise Unavailable("exchange", "503 in maintenance")
        if fate.banned_seconds is not None:
            await self._pause(there + back)
            raise Unavailable("throttled", "429 too many requests", fate.banned_seconds)
        answer: _Answer[T] = _Answer()
        if fate.arrives:
            ahead, behind = there + fate.late_request, back + fate.late_answer
            self._carry(self._travel, ahead, arrive, behind if fate.answers else None, answer)
        with trio.move_on_after(self._timeout):
            await answer.came.wait()
        life.passed(f"{operation} ends")
        await life.reach()
        if not answer.came.is_set() or answer.value is None:
            raise Unavailable("timeout", f"no answer to {operation} in {self._timeout:g} s")
        if not fate.readable:
            raise Unavailable("exchange", f"the answer to {operation} can't be read")
        return answer.value

    def _fate(self, operation: str) -> Fate:
        return self._weather.call(operation) if self._life.alive else Fate()

    async def _pause(self, seconds: float) -> None:
        await trio.sleep(seconds)
        await self._life.reach()

    async def _travel(
        self, ahead: float, arrive: Callable[[], T], behind: float | None, answer: "_Answer[T]"
    ) -> None:
        await trio.sleep(ahead)
        answer.value = arrive()
        if behind is not None:
            await trio.sleep(behind)
            answer.came.set()

    # Questions.

    async def connect(self) -> None:
        await self._ask("connect", lambda: True)

    async def close(self) -> None:
        await self._life.reach()

    async def instruments(self) -> Sequence[Instrument]:
        return await self._ask("instruments", lambda: self._venue.instruments)

    async def order(self, symbol: str, venue_id: str) -> OrderReport | None:
        found = await self._ask("order", lambda: (self._venue.order(venue_id),))
        return found[0]

    async def open_orders(self, symbol: str | None = None) -> Sequence[OrderReport]:
        return await self._ask("open_orders", lambda: self._venue.open_orders(symbol))

    async def fills_since(self, symbol: str, since_us: int) -> Sequence[Fill]:
        return await self._ask("fills", lambda: self._venue.fills_since(symbol, since_us))

    async def balances(self) -> Sequence[Balance]:
        def arrive() -> Sequence[Balance]:
            return tuple(
                Balance(exchange=self._venue.name, asset=asset, total=total, free=free)
                for asset, total, free in self._venue.balances()
            )

        return await self._ask("balances", arrive)

    async def positions(self) -> Sequence[PositionReport]:
        def arrive() -> Sequence[PositionReport]:
            found = []
            for symbol in self._venue.symbols:
                held = self._venue.total(symbol.partition("/")[0])
                if held:
                    mid = self._venue.mid(symbol)
                    found.append(PositionReport(symbol=symbol, quantity=held, average_price=mid))
            return tuple(found)

        return await self._ask("positions", arrive)

    async def server_time_us(self) -> int:
        return await self._ask("server_time", self._venue.now_us)

    async def _ask(self, operation: str, arrive: Callable[[], T]) -> T:
        try:
            return await self._call(operation, arrive, self._fate(operation))
        except Unavailable as problem:
            kind = "network" if problem.kind == "refused" else problem.kind
            raise Unavailable(kind, problem.detail, problem.retry_after_seconds) from None

    # Streams.

    async def follow_orders(self, deliver: Callable[[StreamItem], None]) -> None:
        due: list[tuple[float, int, StreamItem]] = []
        session = _Session()
        count = 0

        def hear(item: StreamItem) -> None:
            nonlocal count
            for delay in self._weather.event():
                count += 1
                at = trio.current_time() + self._rng.uniform(0.001, 0.02) + delay
                heapq.heappush(due, (at, count, item))
            session.news.set()

        await self._ask("follow_orders", lambda: True)
        self._sessions[session] = None
        listener = Listener(hear, lambda _tick: None)
        self._venue.listeners[listener] = None
        try:
            while not session.broken:
                while due and due[0][0] <= trio.current_time():
                    await self._life.reach()
                    deliver(heapq.heappop(due)[2])
                session.news = trio.Event()
                with trio.CancelScope(deadline=due[0][0] if due else float("inf")):
                    await session.news.wait()
        finally:
            self._venue.listeners.pop(listener, None)
            self._sessions.pop(session, None)
        await self._life.reach()
        raise Unavailable("network", "the order stream broke")

    async def follow_market(self, symbols: Sequence[str], deliver: Callable[[Tick], None]) -> None:
        await self._ask("follow_market", lambda: True)
        session, life = _Session(), self._life
        self._sessions[session] = None

        def hear(tick: Tick) -> None:
            if life.alive and tick.symbol in symbols:
                deliver(tick)

        for symbol in symbols:
            if symbol in self._venue.symbols:
                hear(self._venue.tick(symbol))
        listener = Listener(lambda _item: None, hear)
        self._venue.listeners[listener] = None
        try:
            await session.news.wait()
        finally:
            self._venue.listeners.pop(listener, None)
            self._sessions.pop(session, None)
        await life.reach()
        raise Unavailable("network", "the market stream broke")


def is_foreign(venue_id: str) -> bool:
    """Whether another than the runtime placed the order."""
    return venue_id.startswith(FOREIGN)
