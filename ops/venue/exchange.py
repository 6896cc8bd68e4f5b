"""One exchange: accounts, orders, matching, and what it tells about them. Synchronous, no I/O, one owner.

The dialects translate requests into these calls and refusals into their own errors; streams subscribe to its
events. A refusal leaves everything as it was.
"""

from collections.abc import Callable
from copy import copy
from dataclasses import replace
from decimal import Decimal

from actors.broker.adapters.simulated.engine import Match, OrderBook, Placed, Resting
from actors.broker.adapters.simulated.engine import Quote as Outside
from actors.broker.adapters.simulated.market import MarketEvent
from actors.model.money import EXACT, ZERO, is_multiple
from ops.venue.accounts import Account, StatementLine, fee_of
from ops.venue.clock import VenueClock
from ops.venue.markets import (
    OrderEvent,
    OrderSpec,
    Print,
    Quote,
    Refused,
    VenueMarket,
    VenueOrder,
    VenueTrade,
)

UserListener = Callable[[str, OrderEvent], None]
MarketListener = Callable[[str, Quote, Print | None], None]
_KEPT_PRINTS = 1000


class Rules:
    """How one exchange differs in substance: ids, fees, and what it does with orders that it could refuse."""

    def __init__(
        self,
        *,
        derivative: bool,
        maker_fee: Decimal,
        taker_fee: Decimal,
        ids_unique_forever: bool,
        post_only_refuses: bool,
        order_id: Callable[[int], str] = str,
    ) -> None:
        self.derivative = derivative
        self.maker_fee = maker_fee
        self.taker_fee = taker_fee
        self.ids_unique_forever = ids_unique_forever
        self.post_only_refuses = post_only_refuses
        self.order_id = order_id


class VenueExchange:
    """See the module."""

    def __init__(
        self, name: str, markets: list[VenueMarket], rules: Rules, clock: VenueClock, first_number: int
    ) -> None:
        self.name = name
        self.rules = rules
        self.clock = clock
        self.markets = {market.market_id: market for market in markets}
        self.quotes = {market.market_id: _first_quote(market) for market in markets}
        self.accounts: dict[str, Account] = {}
        self.orders: dict[str, VenueOrder] = {}
        self.trades: list[VenueTrade] = []
        self.user_listeners: list[UserListener] = []
        self.market_listeners: list[MarketListener] = []
        self._books = {name: OrderBook(Outside(quote.bid, quote.ask)) for name, quote in self.quotes.items()}
        self._resting: dict[int, VenueOrder] = {}
        self._by_client: dict[tuple[str, str, str], list[VenueOrder]] = {}
        self._number = first_number
        self._trade_number = first_number

    def open_account(self, account: Account) -> None:
        """Let an API key in."""
        self.accounts[account.api_key] = account

    def market(self, market_id: str) -> VenueMarket:
        """The market, or Refused("symbol")."""
        found = self.markets.get(market_id)
        if found is None:
            raise Refused("symbol", market_id)
        return found

    def place(self, account: Account, spec: OrderSpec) -> VenueOrder:
        """Take an order: check, lock, match, rest. Raise Refused and change nothing."""
        market = self.market(spec.market_id)
        self._check_filters(market, spec)
        self._check_client_id(account, spec)
        self._check_reduce_only(account, market, spec)
        asset, amount = self._needs(account, market, spec)
        account.lock(asset, amount)
        self._number += 1
        arriving = Resting(
            number=self._number,
            account=account.api_key,
            side=spec.side,
            price=spec.limit_price,
            remaining=spec.quantity,
        )
        placed = self._books[spec.market_id].place(arriving, spec.time_in_force, post_only=spec.post_only)
        if placed.status == "refused" and self.rules.post_only_refuses:
            account.unlock(asset, amount)
            raise Refused("post_only")
        order = self._new_order(account, spec, amount)
        self._tell("NEW", order)
        self._settle(placed.matches)
        self._conclude(order, placed)
        return order

    def _conclude(self, order: VenueOrder, placed: Placed) -> None:
        if placed.status == "refused":
            self._end(order, "canceled", "post_only", "CANCELED")
        elif placed.status == "canceled":
            self._end(order, "expired", "", "EXPIRED")

    def cancel(self, order: VenueOrder, cancel_client_id: str = "") -> None:
        """End an open order; raise Refused("closed")."""
        if not order.is_open:
            raise Refused("closed", order.order_id)
        self._books[order.spec.market_id].cancel(order.number)
        order.cancel_client_id = cancel_client_id
        self._end(order, "canceled", "", "CANCELED")

    def amend(self, order: VenueOrder, quantity: Decimal, limit_price: Decimal) -> None:
        """Give a resting order another quantity (in all) and price; raise Refused and change nothing.

        As at the real exchanges, an amend to no more than has executed ends the order, and so does one that
        would let a post-only order take.
        """
        if not order.is_open or order.spec.limit_price is None:
            raise Refused("closed", order.order_id)
        account, market = self.accounts[order.owner], self.markets[order.spec.market_id]
        spec = replace(order.spec, quantity=quantity, limit_price=limit_price)
        if spec == order.spec:
            raise Refused("unchanged")
        if quantity <= order.executed:
            self.cancel(order)
            return
        self._check_filters(market, spec)
        remaining = EXACT.subtract(quantity, order.executed)
        asset, amount = self._needs(account, market, replace(spec, quantity=remaining))
        account.unlock(asset, order.locked)
        try:
            account.lock(asset, amount)
        except Refused:
            account.lock(asset, order.locked)
            raise
        order.locked, order.spec, order.updated_ms = amount, spec, self.clock.now_ms()
        book = self._books[spec.market_id]
        placed = book.amend(order.number, limit_price, remaining, post_only=spec.post_only)
        if placed is None or placed.status == "refused":
            book.cancel(order.number)
            self._end(order, "canceled", "post_only", "CANCELED")
            return
        self._tell("AMENDMENT", order)
        self._settle(placed.matches)

    def transfer(self, account: Account, asset: str, amount: Decimal) -> StatementLine:
        """Money comes from outside, or leaves (negative); raise Refused."""
        number = self._number + 1
        line = StatementLine(number=number, asset=asset, amount=amount, at_ms=self.clock.now_ms())
        account.transfer(line)
        self._number = number
        return line

    def find(
        self, account: Account, market_id: str | None, order_id: str | None, client_id: str | None
    ) -> VenueOrder:
        """The order by the venue's id or the newest by the client's; raise Refused("unknown_order")."""
        if order_id:
            found = self.orders.get(order_id)
            if (
                found is not None
                and found.owner == account.api_key
                and market_id in (None, found.spec.market_id)
            ):
                return found
        elif client_id:
            for market in [market_id] if market_id else sorted(self.markets):
                orders = self._by_client.get((account.api_key, market, client_id))
                if orders:
                    return orders[-1]
        raise Refused("unknown_order", order_id or client_id or "")

    def orders_of(
        self, account: Account, market_id: str | None = None, *, only_open: bool
    ) -> list[VenueOrder]:
        """Orders of an account, oldest first."""
        among = self._resting.values() if only_open else self.orders.values()
        return [
            order
            for order in among
            if order.owner == account.api_key and market_id in (None, order.spec.market_id)
        ]

    def trades_of(self, account: Account, market_id: str | None = None) -> list[VenueTrade]:
        """Executions of an account, oldest first."""
        return [
            trade
            for trade in self.trades
            if trade.order.owner == account.api_key and market_id in (None, trade.order.spec.market_id)
        ]

    def happen(self, market_id: str, event: MarketEvent) -> None:
        """The outside market quotes or trades; what rests and is reached executes."""
        quote, book = self.quotes[market_id], self._books[market_id]
        outside = Outside(event.quote.bid or quote.bid, event.quote.ask or quote.ask)
        quote.bid, quote.ask, quote.update = (
            outside.bid or quote.bid,
            outside.ask or quote.ask,
            quote.update + 1,
        )
        quote.at_ms = self.clock.now_ms()
        if event.price is None:
            self._settle(book.moved(outside, event.quantity))
            self._tell_market(market_id, None)
            return
        self._settle(book.printed(outside, event.price, event.quantity, event.side))
        self._tell_market(market_id, None)
        self._print(market_id, event.price, event.quantity, buyer_is_maker=event.side == "sell")

    def mark(self, market_id: str, price: Decimal) -> None:
        """The mark price leaves the last price, to this one."""
        self.quotes[market_id].set_mark = price
        self._tell_market(market_id, None)

    def _print(self, market_id: str, price: Decimal, quantity: Decimal, *, buyer_is_maker: bool) -> None:
        quote = self.quotes[market_id]
        self._trade_number += 1
        done = Print(
            number=self._trade_number,
            market_id=market_id,
            price=price,
            quantity=quantity,
            buyer_is_maker=buyer_is_maker,
            at_ms=self.clock.now_ms(),
        )
        quote.last = price
        quote.prints.append(done)
        del quote.prints[:-_KEPT_PRINTS]
        self._tell_market(market_id, done)

    def _settle(self, matches: tuple[Match, ...]) -> None:
        """Book each execution for the order that took and for the one that rested."""
        for match in matches:
            for number, maker in ((match.taker, False), (match.maker, True)):
                order = None if number is None else self._resting.get(number)
                if order is not None:
                    self._execute(order, match.quantity, match.price, maker=maker)

    def _check_filters(self, market: VenueMarket, spec: OrderSpec) -> None:
        if (
            not is_multiple(spec.quantity, market.lot)
            or not market.min_quantity <= spec.quantity <= market.max_quantity
        ):
            raise Refused("lot", str(spec.quantity))
        last = self.quotes[market.market_id].last
        if spec.limit_price is not None:
            if spec.limit_price <= 0 or not is_multiple(spec.limit_price, market.tick):
                raise Refused("tick", str(spec.limit_price))
            if not last / market.band <= spec.limit_price <= last * market.band:
                raise Refused("price_band", str(spec.limit_price))
        price = last if spec.limit_price is None else spec.limit_price
        if spec.quantity * price < market.min_notional and not spec.reduce_only:
            raise Refused("notional", str(spec.quantity * price))

    def _check_client_id(self, account: Account, spec: OrderSpec) -> None:
        earlier = self._by_client.get((account.api_key, spec.market_id, spec.client_id), [])
        if any(order.is_open or self.rules.ids_unique_forever for order in earlier):
            raise Refused("duplicate", spec.client_id)

    def _check_reduce_only(self, account: Account, market: VenueMarket, spec: OrderSpec) -> None:
        if not spec.reduce_only:
            return
        held = account.position(market).quantity
        if not held or (held > 0) == (spec.side == "buy") or spec.quantity > abs(held):
            raise Refused("reduce_only")

    def _needs(self, account: Account, market: VenueMarket, spec: OrderSpec) -> tuple[str, Decimal]:
        """What the order locks: the whole cost on spot, the initial margin on derivatives."""
        quote = self.quotes[market.market_id]
        price = spec.limit_price or (quote.ask if spec.side == "buy" else quote.bid)
        notional = EXACT.multiply(spec.quantity, price)
        if self.rules.derivative:
            margin = ZERO if spec.reduce_only else fee_of(notional, Decimal(1) / account.leverage)
            return market.quote, margin
        return (market.quote, notional) if spec.side == "buy" else (market.base, spec.quantity)

    def _new_order(self, account: Account, spec: OrderSpec, locked: Decimal) -> VenueOrder:
        now_ms = self.clock.now_ms()
        order = VenueOrder(
            number=self._number,
            order_id=self.rules.order_id(self._number),
            owner=account.api_key,
            spec=spec,
            created_ms=now_ms,
            updated_ms=now_ms,
            locked=locked,
        )
        self.orders[order.order_id] = order
        self._resting[order.number] = order
        self._by_client.setdefault((account.api_key, spec.market_id, spec.client_id), []).append(order)
        return order

    def _execute(self, order: VenueOrder, quantity: Decimal, price: Decimal, *, maker: bool) -> None:
        """One execution: fee, ledger, order, trade, event."""
        account, market = self.accounts[order.owner], self.markets[order.spec.market_id]
        cost = EXACT.multiply(quantity, price)
        rate = self.rules.maker_fee if maker else self.rules.taker_fee
        buys_spot = not self.rules.derivative and order.spec.side == "buy"
        fee_asset = market.base if buys_spot else market.quote
        self._trade_number += 1
        last = EXACT.add(order.executed, quantity) == order.spec.quantity
        paid = order.locked if last else self._share_of_lock(order, quantity)
        realized = ZERO
        if self.rules.derivative:
            realized = account.settle_derivative(market, order, quantity, price)
            account.unlock(market.quote, paid)
        trade = VenueTrade(
            number=self._trade_number,
            order=order,
            quantity=quantity,
            price=price,
            fee=fee_of(quantity if buys_spot else cost, rate),
            fee_asset=fee_asset,
            maker=maker,
            at_ms=self.clock.now_ms(),
            realized=realized,
        )
        if self.rules.derivative:
            account.credit(fee_asset, -trade.fee)
        else:
            account.settle_spot(market, trade, paid)
        order.locked = EXACT.subtract(order.locked, paid)
        order.executed = EXACT.add(order.executed, quantity)
        order.cost = EXACT.add(order.cost, cost)
        order.fees = EXACT.add(order.fees, trade.fee)
        order.updated_ms = trade.at_ms
        if not order.remaining:
            order.status = "filled"
            del self._resting[order.number]
        self.trades.append(trade)
        self._tell("TRADE", order, trade)

    def _share_of_lock(self, order: VenueOrder, quantity: Decimal) -> Decimal:
        """The part of the lock that an execution frees: exact for spot, rounded down for margin."""
        if self.rules.derivative:
            return fee_of(order.locked, quantity / order.remaining)
        if order.spec.side == "sell":
            return quantity
        return EXACT.multiply(quantity, order.spec.limit_price) if order.spec.limit_price else order.locked

    def _end(self, order: VenueOrder, status: str, reason: str, kind: str) -> None:
        account, market = self.accounts[order.owner], self.markets[order.spec.market_id]
        sells_base = not self.rules.derivative and order.spec.side == "sell"
        account.unlock(market.base if sells_base else market.quote, order.locked)
        order.locked = ZERO
        self._resting.pop(order.number, None)
        order.status, order.reason, order.updated_ms = status, reason, self.clock.now_ms()
        self._tell(kind, order)

    def _tell(self, kind: str, order: VenueOrder, trade: VenueTrade | None = None) -> None:
        at_ms = self.clock.now_ms() if trade is None else trade.at_ms
        event = OrderEvent(kind=kind, order=copy(order), trade=trade, at_ms=at_ms)
        for listener in self.user_listeners:
            listener(order.owner, event)

    def _tell_market(self, market_id: str, done: Print | None) -> None:
        for listener in self.market_listeners:
            listener(market_id, self.quotes[market_id], done)


def _first_quote(market: VenueMarket) -> Quote:
    half = market.tick
    return Quote(bid=market.start_price - half, ask=market.start_price + half, last=market.start_price)
