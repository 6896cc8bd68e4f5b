"""An exchange that outlives every process, and its own books, which the checkers take as the truth.

The matching is that of the simulated exchange; the rest is as hard on its clients as real ones are: a
client's order id is unique among open orders only, order ids count per symbol, trade ids count per order.
It runs in the world, not in a process, so orders fill while nobody watches.
"""

from collections.abc import Callable, Sequence
from decimal import ROUND_DOWN, Decimal
from random import Random

import msgspec
import trio

from actors.broker.adapters.instruments import LOT, TICK, own_instruments
from actors.broker.adapters.simulated.admission import Refusal, Request
from actors.broker.adapters.simulated.engine import Quote
from actors.broker.adapters.simulated.ledger import OrderRow
from actors.broker.adapters.simulated.market import MarketEvent
from actors.broker.adapters.simulated.venue import Fees, Taken, Venue
from actors.broker.port import EXTERNAL, OrderReport, StreamItem
from actors.model.fill import Fill
from actors.model.messages import Tick
from actors.model.order import OrderIntent

OURS = "account"
STARTS = {"BTC": Decimal(40_000), "ETH": Decimal(2_500), "SOL": Decimal(150), "XRP": Decimal(2)}
FOREIGN = "ext-"
"""How the client ids of orders begin that others place on our account."""


class Listed(msgspec.Struct, kw_only=True):
    """One order as the exchange's books have it. `venue_id` is what the client called it."""

    number: int
    venue_id: str
    exchange_order_id: str
    symbol: str
    side: str
    quantity: Decimal
    taken_at: float
    executed: Decimal = Decimal(0)
    status: str = "open"
    over_at: float | None = None
    """When it ended, or was said to have ended."""
    asked: Decimal = Decimal(0)
    """What it was for when it was taken."""


class Traded(msgspec.Struct, frozen=True, kw_only=True):
    """One fill as the exchange's books have it."""

    venue_id: str
    fill: Fill


class Listener:
    """A connected client: what it is to be told."""

    def __init__(self, orders: Callable[[StreamItem], None], market: Callable[[Tick], None]) -> None:
        self.orders = orders
        self.market = market


class SimVenue:
    """`now_us` is the true time of the world; `skew_us` how far this exchange's clock is ahead of it."""

    def __init__(
        self,
        name: str,
        symbols: Sequence[str],
        *,
        rng: Random,
        now_us: Callable[[], int],
        opening: dict[str, Decimal],
        period: float,
        swing: float,
    ) -> None:
        self.name = name
        self.symbols = tuple(symbols)
        self.instruments = own_instruments(name, symbols)
        self.skew_us = 0
        self.swing = swing
        self.listed: dict[int, Listed] = {}
        self.traded: list[Traded] = []
        self.opening = dict(opening)
        self.listeners: dict[Listener, None] = {}
        self.lied: dict[str, None] = {}
        """Orders of which this exchange said, against what it documents, that it had not taken them."""
        self._hidden: dict[str, float] = {}
        self._refused: dict[str, OrderReport] = {}
        self._too_late: dict[str, OrderReport] = {}
        self._rng = rng
        self._world_us = now_us
        self._period = period
        self._mids = {symbol: STARTS[symbol.partition("/")[0]] for symbol in symbols}
        self._newest: dict[str, int] = {}
        self._uses: dict[str, int] = {}
        self._per_symbol: dict[str, int] = {}
        self._per_order: dict[str, int] = {}
        self._venue = Venue(
            name,
            self.instruments,
            fees=Fees(maker=Decimal("0.0005"), taker=Decimal("0.001")),
            opening=opening,
            quotes={symbol: self._quote(symbol) for symbol in symbols},
        )

    def now_us(self) -> int:
        """The exchange's clock."""
        return self._world_us() + self.skew_us

    # The market.

    def mid(self, symbol: str) -> Decimal:
        """The middle of the market."""
        return self._mids[symbol]

    async def move(self) -> None:
        """Let the markets live; never returns."""
        rng = self._rng
        while True:
            await trio.sleep(self._period * (0.5 + rng.random()))
            self._step(self.symbols[rng.randrange(len(self.symbols))])

    def _step(self, symbol: str) -> None:
        rng, start = self._rng, STARTS[symbol.partition("/")[0]]
        pull = (start - self._mids[symbol]) / 50
        moved = self._mids[symbol] + start * Decimal(str(round((rng.random() - 0.5) * self.swing, 6))) + pull
        self._mids[symbol] = max(start / 2, moved.quantize(TICK))
        quote = self._quote(symbol)
        side = "buy" if rng.random() < 0.5 else "sell"
        price = quote.ask if side == "buy" else quote.bid
        worth = Decimal(rng.randint(20, 2000))
        quantity = (worth / self._mids[symbol]).quantize(LOT, rounding=ROUND_DOWN)
        event = MarketEvent(at_us=0, quote=quote, price=price, quantity=quantity, side=side)
        self._venue.market(symbol, event, self.now_us())
        self._settle()
        tick = Tick(
            exchange=self.name,
            symbol=symbol,
            bid=quote.bid,
            ask=quote.ask,
            last=price,
            last_quantity=quantity,
            at_us=self.now_us(),
        )
        for listener in tuple(self.listeners):
            listener.market(tick)

    def _quote(self, symbol: str) -> Quote:
        half = max(TICK, (self._mids[symbol] / 5000).quantize(TICK))
        return Quote(
            bid=(self._mids[symbol] - half).quantize(TICK), ask=(self._mids[symbol] + half).quantize(TICK)
        )

    def tick(self, symbol: str) -> Tick:
        """How the market stands."""
        quote = self._quote(symbol)
        return Tick(exchange=self.name, symbol=symbol, bid=quote.bid, ask=quote.ask, at_us=self.now_us())

    # Requests, as they arrive.

    def place(self, intent: OrderIntent, venue_id: str) -> tuple[Listed, tuple[Fill, ...]] | Refusal:
        """Take an order. A client's id may be used again once its order is over, as real exchanges allow."""
        known = self._newest.get(venue_id)
        if known is not None and self.listed[known].status == "open":
            return Refusal(code="DUPLICATE_ORDER_ID", reason=f"{venue_id} is open")
        uses = self._uses[venue_id] = self._uses.get(venue_id, 0) + 1
        answer = self._venue.place(
            OURS,
            Request(
                client_id=f"{venue_id}#{uses}",
                symbol=intent.symbol,
                side=intent.side,
                type=intent.type,
                quantity=intent.quantity,
                limit_price=intent.limit_price,
                time_in_force=intent.time_in_force,
                post_only=intent.post_only,
                stop_price=intent.stop_price,
            ),
            self.now_us(),
        )
        if not isinstance(answer, Taken):
            return answer
        fills = tuple(self._named(fill) for fill in answer.fills)
        self._settle()
        return self.listed[answer.order.number], fills

    def amend(self, intent: OrderIntent) -> tuple[Listed, tuple[Fill, ...]] | Refusal:
        """Change a resting order."""
        if self._is_hidden(intent.venue_id) or intent.venue_id in self._too_late:
            return Refusal(code="UNKNOWN_ORDER", reason=f"{intent.venue_id} is not open", gone=True)
        client_id = f"{intent.venue_id}#{self._uses.get(intent.venue_id, 0)}"
        price = intent.limit_price or Decimal(0)
        answer = self._venue.amend(OURS, intent.symbol, client_id, intent.quantity, price, self.now_us())
        if not isinstance(answer, Taken):
            return answer
        fills = tuple(self._named(fill) for fill in answer.fills)
        self._settle()
        return self.listed[answer.order.number], fills

    def cancel(self, symbol: str, venue_id: str, *, too_late: bool = False) -> Listed | Refusal:
        """Take an order off. `too_late`: it is called canceled though its last trade is still to be booked;
        what comes back is open, and `fill_late` has to follow.
        """
        if self._is_hidden(venue_id) or venue_id in self._too_late:
            return Refusal(code="UNKNOWN_ORDER", reason=f"{venue_id} is not open", gone=True)
        listed = self.listed.get(self._newest.get(venue_id, -1))
        if too_late and listed is not None and listed.status == "open" and listed.symbol == symbol:
            report = self.order(venue_id)
            if report is not None:
                listed.over_at = trio.current_time()
                self._too_late[venue_id] = msgspec.structs.replace(report, status="canceled")
                return listed
        answer = self._venue.cancel(OURS, symbol, f"{venue_id}#{self._uses.get(venue_id, 0)}", self.now_us())
        self._settle()
        if isinstance(answer, Refusal):
            return answer
        return self.listed[answer.number]

    def order(self, venue_id: str) -> OrderReport | None:
        """An order by its client's id."""
        if self._is_hidden(venue_id):
            return None
        if venue_id in self._too_late or venue_id in self._refused:
            return self._too_late.get(venue_id) or self._refused[venue_id]
        row = self._venue.order(OURS, f"{venue_id}#{self._uses.get(venue_id, 0)}")
        return None if row is None else self._report(row)

    def open_orders(self, symbol: str | None) -> Sequence[OrderReport]:
        """What rests."""
        rows = ((row, row.client_id.partition("#")[0]) for row in self._venue.open_orders(OURS, symbol))
        return tuple(
            self._report(row)
            for row, venue_id in rows
            if not self._is_hidden(venue_id) and venue_id not in self._too_late
        )

    def fills_since(self, symbol: str, since_us: int) -> Sequence[Fill]:
        """The account's trades at or after the time."""
        return tuple(
            item.fill
            for item in self.traded
            if item.fill.symbol == symbol
            and item.fill.at_us >= since_us
            and not self._is_hidden(item.venue_id)
        )

    def balances(self) -> Sequence[tuple[str, Decimal, Decimal]]:
        """(asset, total, free)."""
        return self._venue.balances(OURS)

    def total(self, asset: str) -> Decimal:
        """What the account holds of an asset."""
        return next((total for name, total, _ in self.balances() if name == asset), Decimal(0))

    # What it does by itself, and where it is not as it should be.

    def end(self, listed: Listed, status: str) -> None:
        """End a resting order: `canceled` or `expired`."""
        client_id = f"{listed.venue_id}#{self._uses[listed.venue_id]}"
        self._venue.end(OURS, listed.symbol, client_id, self.now_us(), status, f"{status} by the exchange")
        self._settle()

    def hide(self, venue_id: str, seconds: float) -> None:
        """Show nothing of an order for a while, as an exchange whose listings are behind its engine."""
        self._hidden[venue_id] = trio.current_time() + seconds

    def _is_hidden(self, venue_id: str) -> bool:
        return self._hidden.get(venue_id, 0.0) > trio.current_time()

    def refuse_later(self, intent: OrderIntent) -> None:
        """Refuse an order so that it stands as rejected in the listing."""
        report = OrderReport(
            symbol=intent.symbol,
            venue_id=intent.venue_id,
            exchange_order_id="",
            side=intent.side,
            type=intent.type,
            quantity=intent.quantity,
            limit_price=intent.limit_price,
            executed=Decimal(0),
            status="rejected",
            reason="margin",
            at_us=self.now_us(),
        )
        self._refused[intent.venue_id] = report
        for listener in tuple(self.listeners):
            listener.orders(report)

    async def fill_late(self, listed: Listed) -> None:
        """Book the last trade of an order that was called canceled a moment ago, then end it."""
        await trio.sleep(self._rng.uniform(0.1, 4.0))
        self._too_late.pop(listed.venue_id, None)
        row = self._venue.order(OURS, f"{listed.venue_id}#{self._uses[listed.venue_id]}")
        if row is None or row.status != "open":
            return
        part = (row.quantity - row.executed) * Decimal(str(round(self._rng.uniform(0.2, 1.0), 2)))
        event = MarketEvent(
            at_us=0,
            quote=self._quote(listed.symbol),
            price=_price_that_executes(row),
            quantity=max(LOT, part.quantize(LOT, rounding=ROUND_DOWN)),
            side="sell" if listed.side == "buy" else "buy",
        )
        self._venue.market(listed.symbol, event, self.now_us())
        self._settle()
        if listed.status == "open":
            self.end(listed, "canceled")

    # The books.

    def _settle(self) -> None:
        changes = self._venue.drain()
        if changes is None:
            return
        for _account, item in changes.items:
            told: StreamItem = self._book(item) if isinstance(item, OrderRow) else self._trade(item)
            client_id = item.client_id if isinstance(item, OrderRow) else item.order_id
            if self._is_hidden(client_id.partition("#")[0]):
                continue
            for listener in tuple(self.listeners):
                listener.orders(told)

    def _book(self, row: OrderRow) -> OrderReport:
        listed = self._entry(row.number, row.client_id, row.symbol, row.side, row.quantity)
        listed.executed, listed.status, listed.quantity = row.executed, row.status, row.quantity
        if row.status != "open" and listed.over_at is None:
            listed.over_at = trio.current_time()
        return self._report(row)

    def _entry(self, number: int, client_id: str, symbol: str, side: str, quantity: Decimal) -> Listed:
        listed = self.listed.get(number)
        if listed is None:
            venue_id = client_id.partition("#")[0]
            count = self._per_symbol[symbol] = self._per_symbol.get(symbol, 0) + 1
            listed = self.listed[number] = Listed(
                number=number,
                venue_id=venue_id,
                exchange_order_id=str(count),
                symbol=symbol,
                side=side,
                quantity=quantity,
                asked=quantity,
                taken_at=trio.current_time(),
            )
            self._newest[venue_id] = number
        return listed

    def _named(self, fill: Fill) -> Fill:
        """The fill under the ids that clients see: order ids count per symbol, trade ids per order."""
        row = self._venue.order(OURS, fill.order_id)
        number = int(fill.exchange_order_id)
        if row is not None:
            self._entry(number, fill.order_id, row.symbol, row.side, row.quantity)
        listed = self.listed[number]
        trade = self._per_order.get(f"{number}/{fill.trade_id}")
        if trade is None:
            trade = self._per_order[str(number)] = self._per_order.get(str(number), 0) + 1
            self._per_order[f"{number}/{fill.trade_id}"] = trade
        return msgspec.structs.replace(
            fill,
            exchange_order_id=listed.exchange_order_id,
            trade_id=str(trade),
            order_id=EXTERNAL if listed.venue_id.startswith(FOREIGN) else listed.venue_id,
        )

    def _trade(self, fill: Fill) -> Fill:
        named = self._named(fill)
        venue_id = fill.order_id.partition("#")[0]
        self.traded.append(Traded(venue_id=venue_id, fill=named))
        return named

    def _report(self, row: OrderRow) -> OrderReport:
        venue_id = row.client_id.partition("#")[0]
        return OrderReport(
            symbol=row.symbol,
            venue_id="" if venue_id.startswith(FOREIGN) else venue_id,
            exchange_order_id=self.listed[row.number].exchange_order_id if row.number in self.listed else "",
            side=row.side,
            type=row.type,
            quantity=row.quantity,
            limit_price=row.limit_price,
            executed=row.executed,
            status=row.status,
            reason=row.reason,
            at_us=row.updated_us,
        )


def _price_that_executes(row: OrderRow) -> Decimal:
    """A trade at this price triggers a stop order that waits, and reaches any other."""
    waits = row.stop_price is not None and not row.triggered
    price = row.stop_price if waits else row.limit_price
    beyond = -TICK if (row.side == "buy") != waits else TICK
    return (price or Decimal(0)) + beyond
