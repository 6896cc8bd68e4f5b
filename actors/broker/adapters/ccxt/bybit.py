"""Bybit v5, spot and linear perpetuals: requests, answers and private frames.

Every answer is HTTP 200 with a `retCode`; a created order is acknowledged with its ids alone, and what became
of it is told later. Both markets share one set of endpoints and are told apart by `category`.
"""

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final

from actors.broker.adapters.ccxt import bybit_statement as statement
from actors.broker.adapters.ccxt.bybit_orders import TRADES, fill, report
from actors.broker.adapters.ccxt.dialect import AccountWish, FillPage, Request, StatementPage, plain, unlike
from actors.broker.adapters.ccxt.markets import Market, Names
from actors.broker.adapters.ccxt.values import (
    Malformed,
    average,
    mapping,
    number,
    objects,
    optional_number,
    optional_text,
    text,
)
from actors.broker.adapters.ccxt.wire import Frame, Reply, Watch
from actors.broker.port import Confirmed, OrderReport, PositionReport, StreamItem
from actors.model.messages import Balance, Tick
from actors.model.money import EXACT, ZERO
from actors.model.order import OrderIntent

_DCP: Final = "private_get_v5_account_query_dcp_info"
_POSITIONS: Final = "private_get_v5_position_list"
_MARGIN_MODES: Final = {"REGULAR_MARGIN": "cross", "ISOLATED_MARGIN": "isolated"}
_RANGE_MS: Final = 7 * 86_400_000
_PAGE: Final = 100
_ORDERS_PAGE: Final = 50
_UNIFIED_FROM: Final = 3
_SETTLED_IN: Final = ("USDT", "USDC")
"""A listing of all linear markets is asked for by the coin that they are settled in, one after the other."""
_TOPIC: Final = re.compile(r"(orderbook\.1|publicTrade|tickers)\.([A-Z0-9]+)")

Params = dict[str, str | int | bool]


class Bybit:
    """The dialect of one Bybit category: `spot` or `linear`."""

    family = "bybit"
    amends = True

    def __init__(self, market_type: str) -> None:
        self.name = f"bybit {market_type}"
        self._category = market_type
        self._spot = market_type == "spot"

    def submit(self, intent: OrderIntent, market: Market) -> Request:
        params: Params = {
            "category": self._category,
            "symbol": market.market_id,
            "side": intent.side.capitalize(),
            "orderType": intent.type.capitalize(),
            "qty": plain(intent.quantity),
            "orderLinkId": intent.venue_id,
        }
        if intent.limit_price is not None:
            params["price"] = plain(intent.limit_price)
            params["timeInForce"] = "PostOnly" if intent.post_only else intent.time_in_force
        elif self._spot:
            params["marketUnit"] = "baseCoin"
        if not self._spot:
            params["positionIdx"] = 0
            if intent.reduce_only:
                params["reduceOnly"] = True
        return Request(method="private_post_v5_order_create", params=params)

    def confirmed(self, intent: OrderIntent, reply: Reply, names: Names) -> Confirmed | None:
        return self._acknowledged(reply, intent.venue_id, "open")

    def amend(self, intent: OrderIntent, market: Market) -> Request:
        params: Params = {
            "category": self._category,
            "symbol": market.market_id,
            "orderLinkId": intent.venue_id,
            "qty": plain(intent.quantity),
        }
        if intent.limit_price is not None:
            params["price"] = plain(intent.limit_price)
        return Request(method="private_post_v5_order_amend", params=params)

    def amended(self, intent: OrderIntent, reply: Reply, names: Names) -> Confirmed | None:
        """An acknowledged amend is on its way; what came of it shows in the order."""
        return self._acknowledged(reply, intent.venue_id, "taken")

    def cancel(self, market: Market, venue_id: str, exchange_order_id: str | None) -> Request:
        params: Params = {"category": self._category, "symbol": market.market_id}
        if venue_id:
            params["orderLinkId"] = venue_id
        elif exchange_order_id:
            params["orderId"] = exchange_order_id
        return Request(method="private_post_v5_order_cancel", params=params)

    def cancelled(self, venue_id: str, reply: Reply) -> Confirmed | None:
        """An acknowledged cancel is on its way; that the order ended is told by stream and queries."""
        return self._acknowledged(reply, venue_id, "canceled")

    def _acknowledged(self, reply: Reply, venue_id: str, status: str) -> Confirmed | None:
        try:
            body = mapping(reply.body, "answer")
            if body.get("retCode") != 0:
                return None
            result = mapping(body.get("result"), "result")
            if venue_id and text(result, "orderLinkId") != venue_id:
                return None
            return Confirmed(exchange_order_id=text(result, "orderId"), status=status)
        except Malformed:
            return None

    def lookups(self, market: Market, venue_id: str) -> Sequence[Request]:
        params: Params = {"category": self._category, "symbol": market.market_id, "orderLinkId": venue_id}
        return (
            Request(method="private_get_v5_order_realtime", params=params),
            Request(method="private_get_v5_order_history", params=params),
        )

    def found(self, reply: Reply, names: Names) -> OrderReport | None:
        rows = _rows(reply)
        return report(rows[0], names) if rows else None

    def open_orders(self, market: Market | None) -> Request:
        params: Params = {"category": self._category, "openOnly": 0, "limit": _ORDERS_PAGE}
        if market is not None:
            params["symbol"] = market.market_id
        elif not self._spot:
            params["settleCoin"] = _SETTLED_IN[0]
        return Request(method="private_get_v5_order_realtime", params=params)

    def orders(
        self, asked: Request, reply: Reply, names: Names
    ) -> tuple[Sequence[OrderReport], Request | None]:
        rows = [row for row in _rows(reply) if optional_text(row, "symbol") in names.by_id]
        return [report(row, names) for row in rows], _next_listing(asked, reply)

    def fills(self, market: Market, since_us: int, now_us: int) -> Request:
        start = since_us // 1000
        params: Params = {
            "category": self._category,
            "symbol": market.market_id,
            "startTime": start,
            "endTime": start + _RANGE_MS - 1,
            "limit": _PAGE,
        }
        return Request(method="private_get_v5_execution_list", params=params)

    def fill_page(self, market: Market, asked: Request, reply: Reply, names: Names, now_us: int) -> FillPage:
        rows = _rows(reply)
        trades = [row for row in rows if optional_text(row, "execType") in TRADES]
        fills = tuple(fill(row, names) for row in reversed(trades))
        return FillPage(fills=fills, following=self._following(market, asked, reply, now_us))

    def _following(self, market: Market, asked: Request, reply: Reply, now_us: int) -> Request | None:
        """Page by page within a window of time, then the next window."""
        cursor = _cursor(reply)
        if cursor and _rows(reply):
            return Request(method=asked.method, params={**asked.params, "cursor": cursor})
        end = asked.params["endTime"]
        if not isinstance(end, int) or end * 1000 >= now_us:
            return None
        return self.fills(market, (end + 1) * 1000, now_us)

    def orders_from(self, market: Market, exchange_order_id: str) -> Request | None:
        return None

    def order_numbered(self, market: Market, exchange_order_id: str) -> Request:
        params: Params = {
            "category": self._category,
            "symbol": market.market_id,
            "orderId": exchange_order_id,
        }
        return Request(method="private_get_v5_order_realtime", params=params)

    def balances(self) -> Request:
        return Request(method="private_get_v5_account_wallet_balance", params={"accountType": "UNIFIED"})

    def balances_in(self, reply: Reply, names: Names) -> Sequence[Balance]:
        found: list[Balance] = []
        for account in _rows(reply):
            for row in objects(account.get("coin"), "coin"):
                total = number(row, "walletBalance")
                bound = [
                    optional_number(row, name) or ZERO
                    for name in ("locked", "totalOrderIM", "totalPositionIM")
                ]
                if total:
                    free = max(ZERO, _minus(total, bound))
                    found.append(
                        Balance(exchange=names.exchange, asset=text(row, "coin"), total=total, free=free)
                    )
        return found

    def statement(self, since_us: int, now_us: int) -> Sequence[Request]:
        return (statement.request(since_us // 1000),)

    def statement_page(self, asked: Request, reply: Reply, now_us: int) -> StatementPage:
        return StatementPage(
            moves=tuple(statement.moves(reply, self._category)),
            following=statement.following(asked, reply, now_us),
        )

    def positions(self) -> Request | None:
        if self._spot:
            return None
        return Request(
            method=_POSITIONS,
            params={"category": self._category, "settleCoin": _SETTLED_IN[0], "limit": 200},
        )

    def positions_in(
        self, asked: Request, reply: Reply, names: Names
    ) -> tuple[Sequence[PositionReport], Request | None]:
        found: list[PositionReport] = []
        for row in _rows(reply):
            size = number(row, "size")
            if not size or optional_text(row, "symbol") not in names.by_id:
                continue
            side = text(row, "side")
            if side not in ("Buy", "Sell"):
                raise Malformed("side", side)
            found.append(
                PositionReport(
                    symbol=names.symbol(text(row, "symbol")),
                    quantity=size if side == "Buy" else EXACT.minus(size),
                    average_price=average(row, "avgPrice"),
                )
            )
        return found, _next_listing(asked, reply)

    def server_time(self) -> Request:
        return Request(method="public_get_v5_market_time", params={})

    def server_time_in(self, reply: Reply) -> int:
        nanos = text(mapping(mapping(reply.body, "answer").get("result"), "result"), "timeNano")
        if not nanos.isdecimal():
            raise Malformed("timeNano", nanos)
        return int(nanos) // 1000

    def dead_mans_switch(self, markets: Sequence[Market], seconds: float) -> Sequence[Request]:
        """Its time is set, and read back, because the exchange enables it for single accounts only.

        It hangs on the private connection, so it ends with the topic and not by a request.
        """
        if not seconds:
            return ()
        product = "SPOT" if self._spot else "DERIVATIVES"
        params: Params = {"product": product, "timeWindow": int(seconds)}
        return (
            Request(method="private_post_v5_order_disconnected_cancel_all", params=params),
            Request(method=_DCP, params={"product": product, "timeWindow": int(seconds)}),
        )

    def switch_problem(self, asked: Request, reply: Reply) -> str:
        if asked.method != _DCP:
            return ""
        result = mapping(mapping(reply.body, "answer").get("result"), "result")
        for row in objects(result.get("dcpInfos"), "dcpInfos"):
            if row.get("product") == asked.params["product"]:
                on = row.get("dcpStatus") == "ON"
                window = optional_text(row, "timeWindow")
                if on and window == str(asked.params["timeWindow"]):
                    return ""
                return f"DCP is {row.get('dcpStatus')} with {window} s, wanted ON with its own time"
        return "DCP is not enabled for this account: ask Bybit for it, or set DEAD_MAN=watchdog"

    def switch_topic(self) -> str:
        return "dcp.spot" if self._spot else "dcp.future"

    def account_questions(self, markets: Sequence[Market]) -> Sequence[Request]:
        account = (
            Request(method="private_get_v5_account_info", params={}),
            Request(method="private_get_v5_user_query_api", params={}),
        )
        if self._spot:
            return account
        listed: list[Params] = [{"category": self._category, "symbol": one.market_id} for one in markets]
        return (*account, *[Request(method=_POSITIONS, params=params) for params in listed])

    def account_problems(
        self, asked: Request, reply: Reply, names: Names, wish: AccountWish
    ) -> Sequence[str]:
        if asked.method == _POSITIONS:
            return [problem for row in _rows(reply) for problem in _unlike(row, names, wish)]
        result = mapping(mapping(reply.body, "answer").get("result"), "result")
        if asked.method.endswith("account_info"):
            return self._account_problems(result, wish)
        return ("the API key is read-only",) if result.get("readOnly") == 1 else ()

    def _account_problems(self, result: Mapping[str, object], wish: AccountWish) -> Sequence[str]:
        status = result.get("unifiedMarginStatus")
        if not isinstance(status, int) or status < _UNIFIED_FROM:
            return ("the account is not a unified trading account",)
        mode = optional_text(result, "marginMode")
        if self._spot or wish.margin_mode in (None, _MARGIN_MODES.get(mode)):
            return ()
        return (unlike("the account", "margin mode", mode.lower(), f"{wish.margin_mode}"),)

    def order_watches(self) -> tuple[Watch, ...]:
        return (Watch(method="watch_orders"), Watch(method="watch_my_trades"))

    def order_frame(self, frame: Frame, names: Names) -> Sequence[StreamItem] | None:
        topic = frame.get("topic")
        if topic not in ("order", "execution"):
            return None
        rows = [
            row
            for row in objects(frame.get("data"), "data")
            if row.get("category") == self._category and optional_text(row, "symbol") in names.by_id
        ]
        if topic == "order":
            return [report(row, names) for row in rows]
        return [fill(row, names) for row in rows if optional_text(row, "execType") in TRADES]

    def market_watches(self, markets: Sequence[Market]) -> tuple[Watch, ...]:
        symbols = [market.unified for market in markets]
        watches = (
            Watch(method="watch_bids_asks", arguments=(symbols,)),
            Watch(method="watch_trades_for_symbols", arguments=(symbols,)),
        )
        return watches if self._spot else (*watches, Watch(method="watch_tickers", arguments=(symbols,)))

    def market_frame(self, frame: Frame, names: Names, now_us: int) -> Sequence[Tick] | None:
        match = _TOPIC.fullmatch(optional_text(frame, "topic"))
        if match is None:
            return None
        market = names.by_id.get(match.group(2))
        if market is None:
            return ()
        symbol = market.instrument.symbol
        if match.group(1) == "publicTrade":
            return [
                Tick(
                    exchange=names.exchange,
                    symbol=symbol,
                    last=number(row, "p"),
                    last_quantity=number(row, "v"),
                    at_us=now_us,
                )
                for row in objects(frame.get("data"), "data")
            ]
        data = mapping(frame.get("data"), "data")
        mark = None
        if match.group(1) == "tickers":
            bid, ask = optional_number(data, "bid1Price"), optional_number(data, "ask1Price")
            mark = None if self._spot else optional_number(data, "markPrice")
        else:
            bid, ask = _best(data, "b"), _best(data, "a")
        if bid is None and ask is None and mark is None:
            return ()
        return (Tick(exchange=names.exchange, symbol=symbol, bid=bid, ask=ask, mark=mark, at_us=now_us),)


def _unlike(row: Mapping[str, object], names: Names, wish: AccountWish) -> list[str]:
    symbol, found = names.symbol(text(row, "symbol")), []
    if row.get("positionIdx") != 0:
        found.append(f"{symbol} is in hedge mode: switch it to one-way mode")
    leverage = optional_number(row, "leverage")
    if wish.leverage not in (None, leverage):
        found.append(unlike(symbol, "leverage", f"{leverage}", f"{wish.leverage}"))
    return found


def _rows(reply: Reply) -> list[Mapping[str, object]]:
    body = mapping(reply.body, "answer")
    if body.get("retCode") != 0:
        raise Malformed("retCode", body.get("retCode"))
    return objects(mapping(body.get("result"), "result").get("list"), "list")


def _cursor(reply: Reply) -> str:
    return optional_text(mapping(mapping(reply.body, "answer").get("result"), "result"), "nextPageCursor")


def _next_listing(asked: Request, reply: Reply) -> Request | None:
    """Page by page of what one coin settles, then the next coin's."""
    params = dict(asked.params)
    cursor = _cursor(reply)
    if cursor and _rows(reply):
        return Request(method=asked.method, params={**params, "cursor": cursor})
    coin = params.get("settleCoin")
    if coin is None or coin == _SETTLED_IN[-1]:
        return None
    params.pop("cursor", None)
    params["settleCoin"] = _SETTLED_IN[_SETTLED_IN.index(str(coin)) + 1]
    return Request(method=asked.method, params=params)


def _best(data: Mapping[str, object], side: str) -> Decimal | None:
    """The price of the first level with a size; a level without one was taken away."""
    levels = data.get(side)
    for level in levels if isinstance(levels, list) else []:
        if isinstance(level, list) and len(level) == 2 and number({"size": level[1]}, "size"):
            return number({"price": level[0]}, "price")
    return None


def _minus(total: Decimal, parts: Sequence[Decimal]) -> Decimal:
    for part in parts:
        total = EXACT.subtract(total, part)
    return total
