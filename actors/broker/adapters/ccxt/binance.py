"""Binance spot and USD-M futures: requests, answers and user-data frames.

Both markets speak one dialect with few differences, kept in `_Endpoints` and marked where they are read. The
raw endpoints are used instead of ccxt's unified methods: what leaves is what entered, nothing is rounded, and
a strange answer can't be parsed into an order that was never confirmed.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from actors.broker.adapters.ccxt import binance_statement as statement
from actors.broker.adapters.ccxt.binance_orders import (
    fill_of_answer,
    fill_of_frame,
    report,
    report_of_frame,
    side_of,
    status_of,
)
from actors.broker.adapters.ccxt.dialect import AccountWish, FillPage, Request, StatementPage, plain, unlike
from actors.broker.adapters.ccxt.markets import Market, Names
from actors.broker.adapters.ccxt.values import (
    Malformed,
    average,
    mapping,
    micros,
    number,
    objects,
    optional_text,
    text,
)
from actors.broker.adapters.ccxt.wire import Frame, Reply, Watch
from actors.broker.port import Confirmed, OrderReport, PositionReport, StreamItem
from actors.model.fill import Fill
from actors.model.messages import Balance, Tick
from actors.model.money import EXACT
from actors.model.order import OrderIntent

Params = dict[str, str | int | bool]

_COUNTDOWN: Final = "fapiprivate_post_countdowncancelall"
_DUAL: Final = "fapiprivate_get_positionside_dual"
_CONFIG: Final = "fapiprivate_get_symbolconfig"
_MARGIN_MODES: Final = {"CROSSED": "cross", "CROSS": "cross", "ISOLATED": "isolated"}
_DAY_MS: Final = 86_400_000
_PAGE: Final = 1000


class _Endpoints(msgspec.Struct, frozen=True, kw_only=True):
    """ccxt's names for the endpoints of one market type, and the longest time range of a trades request."""

    submit: str
    cancel: str
    order: str
    open_orders: str
    all_orders: str
    fills: str
    fills_range_ms: int
    balances: str
    positions: str | None
    time: str


_SPOT: Final = _Endpoints(
    submit="private_post_order",
    cancel="private_delete_order",
    order="private_get_order",
    open_orders="private_get_openorders",
    all_orders="private_get_allorders",
    fills="private_get_mytrades",
    fills_range_ms=_DAY_MS,
    balances="private_get_account",
    positions=None,
    time="public_get_time",
)

_USDM: Final = _Endpoints(
    submit="fapiprivate_post_order",
    cancel="fapiprivate_delete_order",
    order="fapiprivate_get_order",
    open_orders="fapiprivate_get_openorders",
    all_orders="fapiprivate_get_allorders",
    fills="fapiprivate_get_usertrades",
    fills_range_ms=7 * _DAY_MS,
    balances="fapiprivatev3_get_balance",
    positions="fapiprivatev3_get_positionrisk",
    time="fapipublic_get_time",
)


class Binance:
    """The dialect of one Binance market type: `spot` or `linear` (USD-M)."""

    family = "binance"

    def __init__(self, market_type: str) -> None:
        self.name = f"binance {market_type}"
        self._spot = market_type == "spot"
        self._paths = _SPOT if self._spot else _USDM
        self.amends = not self._spot

    def submit(self, intent: OrderIntent, market: Market) -> Request:
        params: Params = {
            "symbol": market.market_id,
            "side": intent.side.upper(),
            "type": intent.type.upper(),
            "quantity": plain(intent.quantity),
            "newClientOrderId": intent.venue_id,
            "newOrderRespType": "FULL" if self._spot else "RESULT",
        }
        if intent.limit_price is not None:
            params["price"] = plain(intent.limit_price)
            params["timeInForce"] = "GTX" if intent.post_only else intent.time_in_force
        if self._spot and intent.post_only:
            params["type"] = "LIMIT_MAKER"
            del params["timeInForce"]
        if intent.reduce_only and not self._spot:
            params["reduceOnly"] = "true"
        return Request(method=self._paths.submit, params=params)

    def confirmed(self, intent: OrderIntent, reply: Reply, names: Names) -> Confirmed | None:
        try:
            body = mapping(reply.body, "order")
            if (
                text(body, "clientOrderId") != intent.venue_id
                or names.symbol(text(body, "symbol")) != intent.symbol
            ):
                return None
            at_us = micros(body, "transactTime" if self._spot else "updateTime")
            fills = tuple(
                fill_of_answer(row, body, intent, names, at_us)
                for row in objects(body.get("fills", []), "fills")
            )
            return Confirmed(
                exchange_order_id=text(body, "orderId"),
                status=status_of(body, intent.time_in_force),
                fills=fills,
            )
        except Malformed:
            return None

    def amend(self, intent: OrderIntent, market: Market) -> Request:
        params: Params = {
            "symbol": market.market_id,
            "side": intent.side.upper(),
            "origClientOrderId": intent.venue_id,
            "quantity": plain(intent.quantity),
        }
        if intent.limit_price is not None:
            params["price"] = plain(intent.limit_price)
        return Request(method="fapiprivate_put_order", params=params)

    def amended(self, intent: OrderIntent, reply: Reply, names: Names) -> Confirmed | None:
        """The answer shows the order as it is now; one that ended by being amended keeps its old terms."""
        confirmed = self.confirmed(intent, reply, names)
        try:
            body = mapping(reply.body, "order")
            terms = (number(body, "origQty"), number(body, "price"))
        except Malformed:
            return None
        over = confirmed is not None and confirmed.status in ("canceled", "expired")
        return confirmed if over or terms == (intent.quantity, intent.limit_price) else None

    def cancel(self, market: Market, venue_id: str, exchange_order_id: str | None) -> Request:
        params: Params = {"symbol": market.market_id}
        if venue_id:
            params["origClientOrderId"] = venue_id
        elif exchange_order_id:
            params["orderId"] = exchange_order_id
        return Request(method=self._paths.cancel, params=params)

    def cancelled(self, venue_id: str, reply: Reply) -> Confirmed | None:
        try:
            body = mapping(reply.body, "order")
            cancelled_id = (
                optional_text(body, "origClientOrderId") if self._spot else text(body, "clientOrderId")
            )
            if venue_id and cancelled_id != venue_id:
                return None
            return Confirmed(exchange_order_id=text(body, "orderId"), status=status_of(body, "GTC"))
        except Malformed:
            return None

    def lookups(self, market: Market, venue_id: str) -> Sequence[Request]:
        params = {"symbol": market.market_id, "origClientOrderId": venue_id}
        return (Request(method=self._paths.order, params=params),)

    def found(self, reply: Reply, names: Names) -> OrderReport | None:
        body = mapping(reply.body, "order")
        if reply.status == 400 and optional_text(body, "code") == "-2013":
            return None
        return report(body, names)

    def open_orders(self, market: Market | None) -> Request:
        return Request(
            method=self._paths.open_orders, params={} if market is None else {"symbol": market.market_id}
        )

    def orders(
        self, asked: Request, reply: Reply, names: Names
    ) -> tuple[Sequence[OrderReport], Request | None]:
        rows = objects(reply.body, "orders")
        return [report(row, names) for row in rows if optional_text(row, "symbol") in names.by_id], None

    def fills(self, market: Market, since_us: int, now_us: int) -> Request:
        start = since_us // 1000
        params: Params = {
            "symbol": market.market_id,
            "startTime": start,
            "endTime": start + self._paths.fills_range_ms - 1,
            "limit": _PAGE,
        }
        return Request(method=self._paths.fills, params=params)

    def fill_page(self, market: Market, asked: Request, reply: Reply, names: Names, now_us: int) -> FillPage:
        rows = sorted(objects(reply.body, "trades"), key=lambda row: number(row, "id"))
        fills = tuple(_fill_of_trade(row, names, self._spot) for row in rows)
        return FillPage(
            fills=fills,
            following=self._following(market, asked, rows, now_us),
            unnamed=tuple(dict.fromkeys(fill.exchange_order_id for fill in fills)),
        )

    def _following(
        self, market: Market, asked: Request, rows: Sequence[Mapping[str, object]], now_us: int
    ) -> Request | None:
        """By trade id from the first trade found; window by window of time until there is one.

        A page begins with the last trade of the one before: of a trade with oneself both sides have its id.
        """
        if rows:
            end = asked.params.get("endTime")
            if len(rows) < _PAGE and not (isinstance(end, int) and end * 1000 < now_us):
                return None
            params: Params = {
                "symbol": market.market_id,
                "fromId": int(number(rows[-1], "id")),
                "limit": _PAGE,
            }
            return Request(method=self._paths.fills, params=params)
        end = asked.params.get("endTime")
        if not isinstance(end, int) or end * 1000 >= now_us:
            return None
        return self.fills(market, (end + 1) * 1000, now_us)

    def orders_from(self, market: Market, exchange_order_id: str) -> Request | None:
        params: Params = {
            "symbol": market.market_id,
            "orderId": exchange_order_id,
            "limit": _PAGE,
        }
        return Request(method=self._paths.all_orders, params=params)

    def order_numbered(self, market: Market, exchange_order_id: str) -> Request:
        params = {"symbol": market.market_id, "orderId": exchange_order_id}
        return Request(method=self._paths.order, params=params)

    def balances(self) -> Request:
        return Request(method=self._paths.balances, params={})

    def balances_in(self, reply: Reply, names: Names) -> Sequence[Balance]:
        if self._spot:
            rows = objects(mapping(reply.body, "account").get("balances"), "balances")
            held = [(text(row, "asset"), number(row, "free"), number(row, "locked")) for row in rows]
            return [
                Balance(exchange=names.exchange, asset=asset, total=EXACT.add(free, locked), free=free)
                for asset, free, locked in held
                if free or locked
            ]
        return [
            Balance(
                exchange=names.exchange,
                asset=text(row, "asset"),
                total=number(row, "balance"),
                free=number(row, "availableBalance"),
            )
            for row in objects(reply.body, "balances")
            if number(row, "balance")
        ]

    def statement(self, since_us: int, now_us: int) -> Sequence[Request]:
        return statement.requests(self._spot, since_us, now_us)

    def statement_page(self, asked: Request, reply: Reply, now_us: int) -> StatementPage:
        found = statement.moves(asked, reply)
        return StatementPage(moves=tuple(found), following=statement.following(asked, reply))

    def positions(self) -> Request | None:
        return None if self._paths.positions is None else Request(method=self._paths.positions, params={})

    def positions_in(
        self, asked: Request, reply: Reply, names: Names
    ) -> tuple[Sequence[PositionReport], Request | None]:
        found = [
            PositionReport(
                symbol=names.symbol(text(row, "symbol")),
                quantity=number(row, "positionAmt"),
                average_price=average(row, "entryPrice"),
            )
            for row in objects(reply.body, "positions")
            if optional_text(row, "symbol") in names.by_id and number(row, "positionAmt")
        ]
        return found, None

    def server_time(self) -> Request:
        return Request(method=self._paths.time, params={})

    def server_time_in(self, reply: Reply) -> int:
        return micros(mapping(reply.body, "time"), "serverTime")

    def dead_mans_switch(self, markets: Sequence[Market], seconds: float) -> Sequence[Request]:
        if self._spot:
            return ()
        countdown = int(seconds * 1000)
        return [
            Request(method=_COUNTDOWN, params={"symbol": market.market_id, "countdownTime": countdown})
            for market in markets
        ]

    def switch_problem(self, asked: Request, reply: Reply) -> str:
        body = mapping(reply.body, "countdown")
        named = optional_text(body, "symbol"), optional_text(body, "countdownTime")
        wanted = asked.params["symbol"], str(asked.params["countdownTime"])
        return "" if named == wanted else f"the countdown was answered with {named}, not {wanted}"

    def switch_topic(self) -> str:
        return ""

    def account_questions(self, markets: Sequence[Market]) -> Sequence[Request]:
        if self._spot:
            return (Request(method=_SPOT.balances, params={}),)
        return (
            Request(method=_DUAL, params={}),
            *[Request(method=_CONFIG, params={"symbol": market.market_id}) for market in markets],
        )

    def account_problems(
        self, asked: Request, reply: Reply, names: Names, wish: AccountWish
    ) -> Sequence[str]:
        if asked.method == _CONFIG:
            return [
                problem
                for row in objects(reply.body, "symbol configuration")
                for problem in _unlike(names.symbol(text(row, "symbol")), row, wish)
            ]
        body = mapping(reply.body, "account")
        if self._spot:
            return () if body.get("canTrade") is True else ("the API key may not trade",)
        if body.get("dualSidePosition") is False:
            return ()
        return ("the account is in hedge mode: switch it to one-way mode",)

    def order_watches(self) -> tuple[Watch, ...]:
        return (Watch(method="watch_orders"),)

    def order_frame(self, frame: Frame, names: Names) -> Sequence[StreamItem] | None:
        event = mapping(frame["event"], "event") if isinstance(frame.get("event"), Mapping) else frame
        kind = event.get("e")
        if kind in ("outboundAccountPosition", "balanceUpdate", "ACCOUNT_UPDATE", "listStatus"):
            return ()
        if kind in ("listenKeyExpired", "eventStreamTerminated"):
            # ccxt lets the connection stand, and nobody would hear anything any more.
            raise Malformed("e", kind)
        if kind not in ("executionReport", "ORDER_TRADE_UPDATE"):
            return None
        order = event if kind == "executionReport" else mapping(event.get("o"), "o")
        if optional_text(order, "s") not in names.by_id:
            return ()
        items: list[StreamItem] = []
        if order.get("x") == "TRADE":
            items.append(fill_of_frame(order, names))
        items.append(report_of_frame(order, names))
        return items

    def market_watches(self, markets: Sequence[Market]) -> tuple[Watch, ...]:
        symbols = [market.unified for market in markets]
        watches = (
            Watch(method="watch_bids_asks", arguments=(symbols,)),
            Watch(method="watch_trades_for_symbols", arguments=(symbols,)),
        )
        return watches if self._spot else (*watches, Watch(method="watch_mark_prices", arguments=(symbols,)))

    def market_frame(self, frame: Frame, names: Names, now_us: int) -> Sequence[Tick] | None:
        kind = frame.get("e")
        if kind in ("trade", "aggTrade"):
            prices = {"last": number(frame, "p"), "last_quantity": number(frame, "q")}
        elif kind == "bookTicker" or (kind is None and {"u", "s", "b", "a"} <= frame.keys()):
            prices = {"bid": number(frame, "b"), "ask": number(frame, "a")}
        elif kind == "markPriceUpdate":
            prices = {"mark": number(frame, "p")}
        else:
            return None
        market = names.by_id.get(optional_text(frame, "s"))
        if market is None:
            return ()
        return (Tick(exchange=names.exchange, symbol=market.instrument.symbol, at_us=now_us, **prices),)


def _unlike(symbol: str, row: Mapping[str, object], wish: AccountWish) -> list[str]:
    found = []
    leverage, mode = number(row, "leverage"), text(row, "marginType").upper()
    if wish.leverage not in (None, leverage):
        found.append(unlike(symbol, "leverage", f"{leverage}", f"{wish.leverage}"))
    if wish.margin_mode not in (None, _MARGIN_MODES.get(mode)):
        found.append(unlike(symbol, "margin mode", mode.lower(), f"{wish.margin_mode}"))
    return found


def _fill_of_trade(row: Mapping[str, object], names: Names, spot: bool) -> Fill:
    """A row of `myTrades` or `userTrades`: it names its order by the exchange's id only."""
    buys = row.get("isBuyer") if spot else row.get("buyer")
    makes = row.get("isMaker") if spot else row.get("maker")
    return Fill(
        exchange=names.exchange,
        market_type=names.market_type,
        symbol=names.symbol(text(row, "symbol")),
        exchange_order_id=text(row, "orderId"),
        trade_id=text(row, "id"),
        order_id=names.order_id(""),
        side="buy" if buys is True else "sell" if buys is False else side_of(row),
        quantity=number(row, "qty"),
        price=number(row, "price"),
        fee=number(row, "commission"),
        fee_currency=text(row, "commissionAsset"),
        liquidity="maker" if makes is True else "taker",
        at_us=micros(row, "time"),
    )
