"""The simulated exchange itself, pure: accounts, books, fees, and what they tell.

It takes requests and market events one after the other and answers at once. What has changed is collected
until it is drained: as one ledger entry and as the items for the order streams, in the order in which they
happened. It keeps open orders, the newest closed ones and the newest fills; older ones are the ledger's to
remember. It has no clock: every call brings the exchange's time.

An account may sell what it does not have (it then owes it) but buys only with quote currency that no open
order has taken. A stop order triggers when the outside market prints at or beyond its stop price; one to buy
at the market takes nothing until then, and is canceled when the money is not there. Fees are taken in quote
currency, rounded half-even to 8 places.
"""

from collections import OrderedDict, deque
from collections.abc import Iterable, Mapping, Sequence
from decimal import ROUND_HALF_EVEN, Context, Decimal, InvalidOperation

import msgspec

from actors.broker.adapters.simulated.accounts import Accounts
from actors.broker.adapters.simulated.admission import (
    Refusal,
    Request,
    amend_objection,
    funds_objection,
    objection,
    remaining_of,
)
from actors.broker.adapters.simulated.engine import Match, OrderBook, Quote, Resting
from actors.broker.adapters.simulated.ledger import Entry, FillRow, Opening, OrderRow
from actors.broker.adapters.simulated.market import MarketEvent
from actors.broker.adapters.simulated.stops import Stops
from actors.model.fill import Fill
from actors.model.instrument import Instrument
from actors.model.money import EXACT

CLOSED_KEPT = 1024
FILLS_KEPT = 2048
_FEE_PLACES = Decimal("1e-8")
_FEES = Context(prec=76, rounding=ROUND_HALF_EVEN, traps=[InvalidOperation])


class Fees(msgspec.Struct, frozen=True, kw_only=True):
    """Shares of the notional: what a resting order pays, and one that takes from the book."""

    maker: Decimal = Decimal("0.001")
    taker: Decimal = Decimal("0.001")


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """The exchange has the order: as it is now, and what it executed at once."""

    order: OrderRow
    fills: tuple[Fill, ...] = ()


class Changes(msgspec.Struct, frozen=True, kw_only=True):
    """What happened since the last time: for the ledger, and for the streams by account."""

    entry: Entry
    items: tuple[tuple[str, OrderRow | Fill], ...]


class Venue:
    """One exchange with any number of accounts. `opening` gives a new account what it holds."""

    def __init__(
        self,
        name: str,
        instruments: Iterable[Instrument],
        *,
        fees: Fees,
        opening: Mapping[str, Decimal],
        quotes: Mapping[str, Quote],
    ) -> None:
        self.name = name
        self.instruments = {instrument.symbol: instrument for instrument in instruments}
        self._fees = fees
        self._books = {symbol: OrderBook(quotes.get(symbol)) for symbol in self.instruments}
        self._stops = {symbol: Stops() for symbol in self.instruments}
        self._lasts: dict[str, Decimal] = {}
        self._counters = Opening()
        self._open: dict[int, OrderRow] = {}
        self._closed: OrderedDict[int, OrderRow] = OrderedDict()
        self._numbers: dict[tuple[str, str], int] = {}
        self._fills: deque[FillRow] = deque()
        self._fills_from_us = 0
        self._accounts = Accounts(opening)
        self._dirty_orders: dict[int, OrderRow] = {}
        self._new_fills: list[FillRow] = []
        self._items: list[tuple[str, OrderRow | Fill]] = []
        self._now_us = 0

    # State.

    def restore(self, opening: Opening, now_us: int) -> None:
        """Begin where the ledger says that the exchange stopped; only before anything else."""
        self._counters = msgspec.structs.replace(opening, orders=(), balances=())
        self._accounts.restore(opening.balances)
        self._now_us = now_us
        for order in sorted(opening.orders, key=lambda row: row.number):
            self._now_us = max(self._now_us, order.updated_us)
            self._numbers[order.account, order.client_id] = order.number
            if order.status != "open":
                self._closed[order.number] = order
                continue
            self._open[order.number] = order
            self._reserve(order, remaining_of(order))
            if order.symbol in self._books:
                if order.stop_price is not None and not order.triggered:
                    self._stops[order.symbol].add(order.number, order.side, order.stop_price)
                else:
                    self._books[order.symbol].restore(_resting(order))
        # Fills from before this life are the ledger's to tell.
        self._fills_from_us = self._now_us + 1

    def quote(self, symbol: str) -> Quote:
        """The outside market's best prices: what the exchange publishes."""
        return self._books[symbol].outside

    def last(self, symbol: str) -> Decimal | None:
        """The price of the market's newest trade."""
        return self._lasts.get(symbol)

    def order(self, account: str, client_id: str) -> OrderRow | None:
        """An open or recently closed order; None says nothing about older ones."""
        number = self._numbers.get((account, client_id))
        return None if number is None else self._open.get(number) or self._closed.get(number)

    def open_orders(self, account: str, symbol: str | None = None) -> Sequence[OrderRow]:
        """What rests, in the order of arrival."""
        return tuple(
            order
            for order in self._open.values()
            if order.account == account and symbol in (None, order.symbol)
        )

    def fills_since(self, account: str, symbol: str, since_us: int) -> Sequence[Fill] | None:
        """Fills at or after the time, oldest first; None when some may be remembered by the ledger only."""
        if since_us < self._fills_from_us:
            return None
        return tuple(
            row.fill
            for row in self._fills
            if row.account == account and row.fill.symbol == symbol and row.fill.at_us >= since_us
        )

    def balances(self, account: str) -> Sequence[tuple[str, Decimal, Decimal]]:
        """(asset, total, free), by name."""
        return self._accounts.balances(account)

    # Requests.

    def place(self, account: str, request: Request, now_us: int) -> Taken | Refusal:
        """Take an order, or say why not. An order id that the account has used before is refused."""
        self._tick(now_us)
        refusal = self._objection(account, request)
        if refusal is not None:
            return refusal
        order = OrderRow(
            number=self._counters.next_order,
            account=account,
            client_id=request.client_id,
            symbol=request.symbol,
            side=request.side,
            type=request.type,
            quantity=request.quantity,
            limit_price=request.limit_price if request.type in ("limit", "stop_limit") else None,
            time_in_force=request.time_in_force,
            post_only=request.post_only,
            created_us=self._now_us,
            updated_us=self._now_us,
            stop_price=request.stop_price,
        )
        if order.stop_price is not None:
            return self._hold(order, order.stop_price)
        resting = _resting(order)
        placed = self._books[order.symbol].place(resting, order.time_in_force, post_only=order.post_only)
        if placed.status == "refused":
            return Refusal(code="POST_ONLY", reason="the post-only order would execute at once")
        self._admit(order)
        before = len(self._new_fills)
        self._execute(order.symbol, placed.matches)
        if placed.status == "canceled":
            self._close(order.number, "canceled", _why_canceled(order))
        elif placed.status == "open" and not placed.matches:
            self._announce(self._open[order.number])
        fills = tuple(row.fill for row in self._new_fills[before:] if row.order_number == order.number)
        return Taken(order=self._known(order.number), fills=fills)

    def cancel(self, account: str, symbol: str, client_id: str, now_us: int) -> OrderRow | Refusal:
        """Take an order out of the book."""
        return self.end(account, symbol, client_id, now_us, "canceled", "canceled by request")

    def end(
        self, account: str, symbol: str, client_id: str, now_us: int, status: str, reason: str
    ) -> OrderRow | Refusal:
        """Take an order out of the book for a reason of the exchange's own: `canceled` or `expired`."""
        self._tick(now_us)
        number = self._numbers.get((account, client_id))
        if number is None or number not in self._open or self._open[number].symbol != symbol:
            return Refusal(code="ORDER_NOT_OPEN", reason=f"order {client_id} is not open", gone=True)
        if symbol in self._books:
            self._books[symbol].cancel(number)
            self._stops[symbol].remove(number)
        self._close(number, status, reason)
        return self._closed[number]

    def amend(
        self,
        account: str,
        symbol: str,
        client_id: str,
        quantity: Decimal,
        limit_price: Decimal,
        now_us: int,
    ) -> Taken | Refusal:
        """Give a resting order another quantity (in all) and price; a refusal leaves it as it is."""
        self._tick(now_us)
        number = self._numbers.get((account, client_id))
        order = None if number is None else self._open.get(number)
        if order is None or order.symbol != symbol:
            return Refusal(code="ORDER_NOT_OPEN", reason=f"order {client_id} is not open", gone=True)
        instrument = self.instruments[symbol]
        free = self._accounts.free(account, instrument.quote)
        refusal = amend_objection(order, quantity, limit_price, instrument, free)
        if refusal is not None:
            return refusal
        changed = msgspec.structs.replace(
            order, quantity=quantity, limit_price=limit_price, updated_us=self._now_us
        )
        remaining = remaining_of(changed)
        placed = self._books[symbol].amend(order.number, limit_price, remaining, post_only=order.post_only)
        if placed is None or placed.status == "refused":
            return Refusal(code="POST_ONLY", reason="the post-only order would execute at once")
        self._reserve(order, remaining_of(order).copy_negate())
        self._open[order.number] = changed
        self._reserve(changed, remaining)
        before = len(self._new_fills)
        self._execute(symbol, placed.matches)
        if not placed.matches:
            self._announce(changed)
        fills = tuple(row.fill for row in self._new_fills[before:] if row.order_number == order.number)
        return Taken(order=self._known(order.number), fills=fills)

    def market(self, symbol: str, event: MarketEvent, now_us: int) -> None:
        """The outside market moves; resting orders that it reaches execute, then stop orders trigger."""
        self._tick(now_us)
        book = self._books[symbol]
        if event.price is None:
            matches = book.moved(event.quote, event.quantity)
        else:
            self._lasts[symbol] = event.price
            matches = book.printed(event.quote, event.price, event.quantity, event.side)
        if matches:
            self._execute(symbol, matches)
        if event.price is not None:
            for number in self._stops[symbol].reached(event.price):
                self._trigger(self._open[number])

    @property
    def changed(self) -> bool:
        """Whether something has happened since the last `drain`."""
        return bool(self._items) or self._accounts.changed

    def drain(self) -> Changes | None:
        """What has happened since the last call; None when nothing has."""
        if not self.changed:
            return None
        counters = self._counters
        entry = Entry(
            revision=counters.revision,
            next_order=counters.next_order,
            next_trade=counters.next_trade,
            orders=tuple(self._dirty_orders.values()),
            fills=tuple(self._new_fills),
            balances=self._accounts.drain(counters.revision),
        )
        changes = Changes(entry=entry, items=tuple(self._items))
        self._dirty_orders, self._new_fills, self._items = {}, [], []
        return changes

    # Inside.

    def _admit(self, order: OrderRow) -> None:
        self._counters = msgspec.structs.replace(self._counters, next_order=order.number + 1)
        self._numbers[order.account, order.client_id] = order.number
        self._open[order.number] = order
        self._reserve(order, order.quantity)

    def _hold(self, order: OrderRow, stop_price: Decimal) -> Taken:
        """Take a stop order, to wait for its price outside of the book."""
        self._admit(order)
        self._stops[order.symbol].add(order.number, order.side, stop_price)
        self._announce(order)
        return Taken(order=self._known(order.number))

    def _trigger(self, waiting: OrderRow) -> None:
        order = msgspec.structs.replace(waiting, triggered=True, updated_us=self._now_us)
        self._open[order.number] = order
        refusal = self._trigger_objection(order)
        if refusal is not None:
            self._close(order.number, "canceled", refusal.reason)
            return
        placed = self._books[order.symbol].place(_resting(order), order.time_in_force)
        self._execute(order.symbol, placed.matches)
        if placed.status == "canceled":
            self._close(order.number, "canceled", _why_canceled(order))
        elif placed.status == "open" and not placed.matches:
            self._announce(order)

    def _trigger_objection(self, order: OrderRow) -> Refusal | None:
        """Whether there is money for a triggered order to buy at the market; nothing was set aside for it."""
        ask = self._books[order.symbol].best().ask
        if order.side != "buy" or order.limit_price is not None or ask is None:
            return None
        instrument = self.instruments[order.symbol]
        free = self._accounts.free(order.account, instrument.quote)
        return funds_objection(instrument, order.side, order.quantity, ask, free)

    def _tick(self, now_us: int) -> None:
        self._now_us = max(self._now_us, now_us)

    def _known(self, number: int) -> OrderRow:
        return self._open.get(number) or self._closed[number]

    def _objection(self, account: str, request: Request) -> Refusal | None:
        instrument = self.instruments.get(request.symbol)
        if instrument is None:
            return Refusal(code="UNKNOWN_SYMBOL", reason=f"{self.name} does not trade {request.symbol}")
        if (account, request.client_id) in self._numbers:
            return Refusal(code="DUPLICATE_ORDER_ID", reason=f"order id {request.client_id} was used before")
        return objection(
            request,
            instrument,
            self._books[request.symbol].best(),
            self._lasts.get(request.symbol),
            self._accounts.free(account, instrument.quote),
        )

    def _execute(self, symbol: str, matches: Sequence[Match]) -> None:
        for match in matches:
            number = self._counters.next_trade
            self._counters = msgspec.structs.replace(self._counters, next_trade=number + 1)
            for order_number, liquidity in ((match.maker, "maker"), (match.taker, "taker")):
                if order_number is not None:
                    self._fill(number, self._open[order_number], match, liquidity)

    def _fill(self, number: int, order: OrderRow, match: Match, liquidity: str) -> None:
        instrument = self.instruments[order.symbol]
        notional = EXACT.multiply(match.quantity, match.price)
        rate = self._fees.maker if liquidity == "maker" else self._fees.taker
        fee = EXACT.multiply(notional, rate).quantize(_FEE_PLACES, context=_FEES)
        fill = Fill(
            exchange=self.name,
            market_type=instrument.market_type,
            symbol=order.symbol,
            exchange_order_id=str(order.number),
            trade_id=str(number),
            order_id=order.client_id,
            side=order.side,
            quantity=match.quantity,
            price=match.price,
            fee=fee,
            fee_currency=instrument.quote,
            liquidity=liquidity,
            at_us=self._now_us,
        )
        self._move(order, instrument, match.quantity, notional, fee)
        row = FillRow(number=number, account=order.account, order_number=order.number, fill=fill)
        self._new_fills.append(row)
        self._fills.append(row)
        if len(self._fills) > FILLS_KEPT:
            self._fills_from_us = max(self._fills_from_us, self._fills.popleft().fill.at_us + 1)
        self._items.append((order.account, fill))
        executed = EXACT.add(order.executed, match.quantity)
        changed = msgspec.structs.replace(order, executed=executed, updated_us=self._now_us)
        self._open[order.number] = changed
        if executed == order.quantity:
            self._close(order.number, "filled", "")
        else:
            self._announce(changed)

    def _move(
        self, order: OrderRow, instrument: Instrument, quantity: Decimal, notional: Decimal, fee: Decimal
    ) -> None:
        bought, moved = order.side == "buy", self._accounts.add
        moved(order.account, instrument.base, quantity if bought else quantity.copy_negate())
        earned = notional.copy_negate() if bought else notional
        moved(order.account, instrument.quote, EXACT.subtract(earned, fee))
        self._reserve(order, quantity.copy_negate())

    def _reserve(self, order: OrderRow, quantity: Decimal) -> None:
        """Take (or, negative, give back) what so much of the order may still cost."""
        instrument = self.instruments.get(order.symbol)
        if order.limit_price is None or instrument is None:
            return
        if order.side == "buy":
            amount = EXACT.multiply(quantity, order.limit_price)
            self._accounts.reserve(order.account, instrument.quote, amount)
        else:
            self._accounts.reserve(order.account, instrument.base, quantity)

    def _close(self, number: int, status: str, reason: str) -> None:
        order = self._open.pop(number)
        self._reserve(order, remaining_of(order).copy_negate())
        closed = msgspec.structs.replace(order, status=status, reason=reason, updated_us=self._now_us)
        self._closed[number] = closed
        if len(self._closed) > CLOSED_KEPT:
            _, gone = self._closed.popitem(last=False)
            self._numbers.pop((gone.account, gone.client_id), None)
        self._announce(closed)

    def _announce(self, order: OrderRow) -> None:
        revision = self._counters.revision + 1
        self._counters = msgspec.structs.replace(self._counters, revision=revision)
        changed = msgspec.structs.replace(order, revision=revision)
        if order.status == "open":
            self._open[order.number] = changed
        else:
            self._closed[order.number] = changed
        self._dirty_orders[order.number] = changed
        self._items.append((order.account, changed))


def _resting(order: OrderRow) -> Resting:
    return Resting(
        number=order.number,
        account=order.account,
        side=order.side,
        price=order.limit_price,
        remaining=remaining_of(order),
    )


def _why_canceled(order: OrderRow) -> str:
    if order.limit_price is None:
        return "nothing was left to execute it against"
    return f"what {order.time_in_force} could not execute at once"
