"""What the parts of one broker's life share: the exchange, the journal, the clock, and the way evidence
leaves.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from random import Random
from typing import Protocol, TypeVar

import trio

from actors.broker.intake import Intake
from actors.broker.limiter import Priority
from actors.broker.outbox import Outbox
from actors.broker.port import ExchangePort, OrderReport, SendGate
from actors.broker.shell.line import Line
from actors.broker.shell.shared import Shared
from actors.broker.timings import BrokerTimings
from actors.model.clock import Clock
from actors.model.fill import Fill
from actors.model.instrument import Instrument
from actors.model.journal import CommittedLog
from actors.model.money import EXACT
from actors.model.order import Order
from actors.model.stages import NoStages, Stages

T = TypeVar("T")


class StartTask(Protocol):
    """Start a child task of the actor's life."""

    def __call__(
        self, fn: Callable[..., Awaitable[None]], *args: object, name: str | None = None
    ) -> None: ...


@dataclass(kw_only=True)
class Desk:
    """One life of a broker. `tell_halt` tells the operator that the exchange contradicts the journal,
    `tell_skew` risk by how many microseconds its clock is ahead of ours.
    """

    exchange: str
    symbols: tuple[str, ...]
    port: ExchangePort
    log: CommittedLog
    clock: Clock
    rng: Random
    gate: SendGate
    timings: BrokerTimings
    line: Line
    outbox: Outbox
    intake: Intake
    start_task: StartTask
    tell_halt: Callable[[str], None]
    tell_skew: Callable[[int], None]
    stages: Stages = field(default_factory=NoStages)
    trading: bool = False
    skewed: bool = False
    is_spot: bool = False
    halted: str = ""
    """Why nothing that opens may leave until a person has looked."""
    guarded_until: float | None = None
    """Until when (monotonic seconds) the dead-man's switch is known to be armed; None: none is wanted."""
    listed: Mapping[str, str] | None = None
    """The market type of each symbol that the exchange lists; None until it has told."""
    prices: dict[str, Decimal] = field(default_factory=dict)
    """The newest price of each symbol, to value a position found without history."""
    ghosts: dict[str, None] = field(default_factory=dict)
    """Open orders at the exchange with our name that the journal does not know."""
    woken: trio.Event = field(default_factory=trio.Event)
    _shared_orders: dict[str | None, Shared[Sequence[OrderReport]]] = field(default_factory=dict)
    _shared_fills: dict[str, Shared[Sequence[Fill]]] = field(default_factory=dict)
    _server_reading: tuple[float, int] = (float("-inf"), 0)

    @property
    def closed_to_openings(self) -> str:
        """Why nothing may leave now that opens; empty when it may."""
        if self.halted:
            return self.halted
        if self.skewed:
            return "the exchange's clock is too far from ours"
        if self.guarded_until is not None and self.clock.monotonic() >= self.guarded_until:
            return "the dead-man's switch is wanted and not armed"
        return ""

    def set_trading(self, trading: bool) -> None:
        """Whether orders may leave; those that wait look again."""
        self.trading = trading
        self.woken.set()
        self.woken = trio.Event()

    def halt(self, cause: str) -> None:
        """The exchange contradicts the journal: let nothing that opens leave until a person has looked."""
        self.halted = cause
        self.tell_halt(cause)

    def order_of(self, venue_id: str) -> Order | None:
        """Our order by its id at the exchange, if memory holds it."""
        order_id = self.log.book.venue_ids.get(venue_id)
        return None if order_id is None else self.log.book.order(order_id)

    def take_listing(self, wanted: Sequence[str], instruments: Sequence[Instrument]) -> None:
        """Work with those of the wanted symbols that the exchange lists.

        One that it lists no more is left alone, unless something of ours is there: then a person has to help.
        """
        market_types = self.listed = {each.symbol: each.market_type for each in instruments}
        self.symbols = tuple(symbol for symbol in wanted if symbol in market_types)
        self.is_spot = all(market_types[symbol] == "spot" for symbol in self.symbols)
        for symbol in wanted:
            if symbol not in market_types and self._is_exposed(symbol):
                self.halt(f"{symbol} is not listed any more, yet an order or a position of ours is there")

    def may_have(self, symbol: str) -> bool:
        """Whether anything of ours can be at the exchange in this symbol: it lists it, or the journal says
        so.
        """
        return self.listed is None or symbol in self.listed or self._is_exposed(symbol)

    def _is_exposed(self, symbol: str) -> bool:
        here = (self.exchange, symbol)
        working = any((o.intent.exchange, o.intent.symbol) == here for o in self.log.book.orders.values())
        return working or bool(self.log.book.position(*here).quantity)

    async def ask(self, name: str, call: Callable[[], Awaitable[T]]) -> T:
        """Put a question of reconciliation to the exchange; raise Unavailable."""
        return await self.line.ask(name, Priority.RECONCILE, self.timings.query, call)

    async def open_orders(self, symbol: str | None = None) -> Sequence[OrderReport]:
        """What rests at the exchange; raise Unavailable. Asked for by many at once, it is read once."""
        shared = self._shared_orders.get(symbol)
        if shared is None:
            name = "open_orders" if symbol is None else "open_orders_symbol"

            async def put(_since_us: int) -> Sequence[OrderReport]:
                return await self.ask(name, lambda: self.port.open_orders(symbol))

            shared = self._shared_orders[symbol] = Shared(put)
        return await shared.ask()

    async def fills_since(self, symbol: str, since_us: int) -> Sequence[Fill]:
        """The account's trades in the symbol since a time; raise Unavailable. Read once for all who wait."""
        shared = self._shared_fills.get(symbol)
        if shared is None:

            async def put(earliest_us: int) -> Sequence[Fill]:
                return await self.ask("fills_since", lambda: self.port.fills_since(symbol, earliest_us))

            shared = self._shared_fills[symbol] = Shared(put)
        return [fill for fill in await shared.ask(since_us) if fill.at_us >= since_us]

    async def server_us(self, since: float) -> int:
        """The exchange's clock, read no earlier than at `since` (monotonic seconds); raise Unavailable.

        An older reading shows less than the clock does now, so a proof that rests on it is only later.
        """
        asked_at, reading = self._server_reading
        if asked_at < since:
            asked_at = self.clock.monotonic()
            reading = await self.ask("server_time_us", self.port.server_time_us)
            self._server_reading = (asked_at, reading)
        return reading

    def is_ours(self, venue_id: str) -> bool:
        """Whether an order at the exchange is ours, not that of a person or another program on the
        account.
        """
        return venue_id in self.log.book.venue_ids or venue_id in self.ghosts

    def current(self, order: Order) -> Order:
        """The order as committed by now; as given when it has left memory."""
        return self.log.book.order(order.order_id) or order

    def executed(self, order: Order) -> Decimal:
        """What the order at the exchange has executed as far as we know, committed or on its way to the
        journal, in base units; what its predecessors executed is not counted.
        """
        current = self.current(order)
        underway = self.outbox.executed(order.intent.symbol, current.intent.venue_id, self.log.book)
        committed = current.placed_executed
        return EXACT.add(committed, underway) if underway else committed

    def take_fills(self, fills: Iterable[Fill]) -> int:
        """Make evidence of what is new among the fills; how many were. Other symbols have nobody to
        take it.
        """
        book = self.log.book
        return sum(self.intake.take(fill, book) for fill in fills if fill.symbol in self.symbols)
