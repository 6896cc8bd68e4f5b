"""What can be asked of the runtime, answered from the committed log, the store, or the actor that knows.

Nothing here changes anything. What comes from the store raises StoreUnavailable while the store is away;
what comes from an actor raises the kernel's errors when that actor does not answer.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from actors.kernel import Ref, System
from actors.model import messages as m
from actors.model import results as r
from actors.model.addresses import broker_address
from actors.model.book import Book, Change
from actors.model.fill import Fill
from actors.model.journal import CommittedLog, Record
from actors.model.order import Order
from actors.model.position import Position
from actors.queries import Archive, OrderFilter, TreeNode

ASK_SECONDS = 2.0
"""How long an actor may take to answer; its own work is synchronous, so this is far beyond what is normal."""


class Prices(Protocol):
    """The newest marks, and who follows them; the market room implements it."""

    def marks(self) -> tuple[m.Mark, ...]: ...

    def subscribe(self, listener: Callable[[m.Mark], None]) -> Callable[[], None]: ...


class Held(Protocol):
    """Positions read through a cache that is never older than what was shown before."""

    async def positions(self) -> Mapping[tuple[str, str], Position]: ...


class Questions:
    """The reading half of the command port."""

    def __init__(
        self,
        *,
        system: System,
        log: CommittedLog,
        archive: Archive,
        exchanges: Sequence[str],
        prices: Prices,
        tree: Callable[[], TreeNode],
        readiness: Callable[[], Sequence[r.NotReady]],
        held: Held | None = None,
    ) -> None:
        self._held = held
        self._system = system
        self._log = log
        self._archive = archive
        self._exchanges = tuple(exchanges)
        self._risk: Ref = system.ref("risk")
        self._operator: Ref = system.ref("operator")
        self._prices = prices
        self.tree = tree
        self.readiness = readiness

    @property
    def head(self) -> int:
        """The sequence of the newest committed event."""
        return self._log.head

    @property
    def book(self) -> Book:
        """The fold of everything up to `head`; only to be read."""
        return self._log.book

    async def order(self, order_id: str) -> Order | None:
        """One order, as committed."""
        return self._log.book.order(order_id) or await self._archive.order(order_id)

    async def orders(self, wanted: OrderFilter) -> Sequence[Order]:
        """Orders, newest first."""
        return await self._archive.orders(wanted)

    async def fills(
        self,
        *,
        exchange: str | None,
        symbol: str | None,
        order_id: str | None,
        limit: int,
        before: tuple[int, str] | None,
    ) -> Sequence[Fill]:
        """Fills, newest first; `before` is (at_us, fill_id) of the last one seen."""
        return await self._archive.fills(exchange, symbol, order_id, limit, before)

    async def events(self, *, after: int, limit: int, order_id: str | None = None) -> Sequence[Record]:
        """Journal records later than `after`, oldest first."""
        return await self._archive.events(after, limit, order_id)

    async def positions(self) -> Sequence[r.PositionView]:
        """All positions that ever were, ordered by exchange and symbol, with their marks."""
        if self._held is None:
            return self.position_views()
        return self._views(await self._held.positions())

    def position_views(self) -> Sequence[r.PositionView]:
        """The same without waiting."""
        return self._views(self._log.book.positions)

    def _views(self, positions: Mapping[tuple[str, str], Position]) -> Sequence[r.PositionView]:
        marks = {(mark.exchange, mark.symbol): mark.mark for mark in self._prices.marks()}
        return [
            r.PositionView(position=position, mark=marks.get(place))
            for place, position in sorted(positions.items())
        ]

    async def marks(self) -> Sequence[m.Mark]:
        """The newest prices, ordered by exchange and symbol."""
        return self._prices.marks()

    async def balances(self) -> Sequence[m.Balance]:
        """What each exchange account holds."""
        found: list[m.Balance] = []
        for exchange in self._exchanges:
            reply = await self._system.ref(broker_address(exchange)).ask(
                m.ReadBalances(), timeout=ASK_SECONDS
            )
            if not isinstance(reply, m.Balances):
                raise TypeError(f"BrokerActor answered {type(reply).__name__}")
            found.extend(reply.balances)
        return found

    async def limits(self) -> m.LimitsView:
        """The limits in force."""
        reply = await self._risk.ask(m.ReadLimits(), timeout=ASK_SECONDS)
        if not isinstance(reply, m.LimitsView):
            raise TypeError(f"RiskActor answered {type(reply).__name__}")
        return reply

    async def limit_changes(self, *, name: str | None, limit: int, before: int | None) -> Sequence[Record]:
        """The versions of the limits, or of one: `LimitChanged` records, newest first."""
        return await self._archive.limit_changes(name, limit, before)

    async def risk(self, *, reservations: bool = False) -> m.RiskView:
        """Limits used and left."""
        reply = await self._risk.ask(m.ReadRisk(reservations=reservations), timeout=ASK_SECONDS)
        if not isinstance(reply, m.RiskView):
            raise TypeError(f"RiskActor answered {type(reply).__name__}")
        return reply

    async def halt(self) -> m.HaltView:
        """The trading state and the progress of cancelling."""
        reply = await self._operator.ask(m.ReadHalt(), timeout=ASK_SECONDS)
        if not isinstance(reply, m.HaltView):
            raise TypeError(f"OperatorActor answered {type(reply).__name__}")
        return reply

    def subscribe(self, listener: Callable[[Sequence[Record], Sequence[Change]], None]) -> Callable[[], None]:
        """Call back with each committed batch and what each record changed, in order; return what ends it."""
        return self._log.watch(listener)

    def subscribe_market(self, listener: Callable[[m.Mark], None]) -> Callable[[], None]:
        """Call back with each new price; return what ends it."""
        return self._prices.subscribe(listener)
