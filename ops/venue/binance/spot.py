"""Binance spot over REST: `/api/v3` and what ccxt asks of `/sapi` and `/dapi` while it loads markets."""

import re
from collections.abc import Mapping
from decimal import Decimal

from ops.venue.accounts import Account, StatementLine
from ops.venue.binance import spot_shapes as shapes
from ops.venue.binance.common import BinanceDialect, decimal_param
from ops.venue.exchange import VenueExchange
from ops.venue.markets import OrderSpec, Refused, VenueOrder
from ops.venue.pipeline import Ask, Endpoint

_CLIENT_ID = re.compile(r"[.A-Z:/a-z0-9_-]{1,36}")
_PAGE = 500
_MAX_PAGE = 1000


class BinanceSpot(BinanceDialect):
    """The endpoints of `api.binance.com`."""

    def __init__(self, exchange: VenueExchange, weight_limit: int = 6000, order_limit: int = 100) -> None:
        super().__init__(exchange, weight_limit, order_limit)
        self._drawn = 0
        self.endpoints = {
            ("GET", "/api/v3/ping"): Endpoint(handler=lambda ask, account: {}, security="public"),
            ("GET", "/api/v3/time"): Endpoint(handler=self._time, security="public"),
            ("GET", "/api/v3/exchangeInfo"): Endpoint(handler=self._info, weight=20, security="public"),
            ("GET", "/api/v3/depth"): Endpoint(handler=self._depth, weight=5, security="public"),
            ("GET", "/api/v3/trades"): Endpoint(handler=self._prints, weight=25, security="public"),
            ("GET", "/api/v3/avgPrice"): Endpoint(handler=self._average, weight=2, security="public"),
            ("GET", "/api/v3/ticker/price"): Endpoint(handler=self._price, weight=2, security="public"),
            ("GET", "/api/v3/ticker/bookTicker"): Endpoint(handler=self._book, weight=2, security="public"),
            ("GET", "/api/v3/ticker/24hr"): Endpoint(handler=self._day, weight=2, security="public"),
            ("POST", "/api/v3/order"): Endpoint(handler=self._place, places_order=True),
            ("POST", "/api/v3/order/test"): Endpoint(handler=self._test),
            ("GET", "/api/v3/order"): Endpoint(handler=self._order, weight=4),
            ("DELETE", "/api/v3/order"): Endpoint(handler=self._cancel),
            ("GET", "/api/v3/openOrders"): Endpoint(handler=self._open_orders, weight=6),
            ("DELETE", "/api/v3/openOrders"): Endpoint(handler=self._cancel_all),
            ("GET", "/api/v3/allOrders"): Endpoint(handler=self._all_orders, weight=20),
            ("GET", "/api/v3/myTrades"): Endpoint(handler=self._trades, weight=20),
            ("GET", "/api/v3/account"): Endpoint(handler=self._account, weight=20),
            ("GET", "/sapi/v1/capital/config/getall"): Endpoint(handler=lambda ask, account: []),
            ("GET", "/sapi/v1/margin/allPairs"): Endpoint(handler=lambda ask, account: []),
            ("GET", "/sapi/v1/margin/isolated/allPairs"): Endpoint(handler=lambda ask, account: []),
            ("GET", "/sapi/v1/capital/deposit/hisrec"): Endpoint(handler=self._deposits),
            ("GET", "/sapi/v1/capital/withdraw/history"): Endpoint(handler=self._withdrawals),
            ("GET", "/sapi/v1/asset/transfer"): Endpoint(handler=lambda ask, account: {"total": 0}),
            ("GET", "/sapi/v1/asset/assetDividend"): Endpoint(
                handler=lambda ask, account: {"rows": [], "total": 0}
            ),
            ("GET", "/dapi/v1/exchangeInfo"): Endpoint(handler=self._nothing, security="public"),
        }

    def weight_of(self, ask: Ask, endpoint: Endpoint) -> int:
        """Asking for all symbols costs more."""
        if ask.path == "/api/v3/openOrders" and ask.method == "GET" and "symbol" not in ask.params:
            return 80
        return endpoint.weight

    def _deposits(self, ask: Ask, account: Account) -> object:
        return [shapes.deposit(line) for line in self._lines(ask, account) if line.amount > 0]

    def _withdrawals(self, ask: Ask, account: Account) -> object:
        return [shapes.withdrawal(line) for line in self._lines(ask, account) if line.amount < 0]

    def _lines(self, ask: Ask, account: Account) -> list[StatementLine]:
        start = ask.params.get("startTime", "")
        return [line for line in account.statement if not start.isdecimal() or line.at_ms >= int(start)]

    def _time(self, ask: Ask, account: Account) -> object:
        return {"serverTime": self.clock.now_ms()}

    def _nothing(self, ask: Ask, account: Account) -> object:
        return {
            "timezone": "UTC",
            "serverTime": self.clock.now_ms(),
            "rateLimits": [],
            "exchangeFilters": [],
            "symbols": [],
        }

    def _info(self, ask: Ask, account: Account) -> object:
        limits: list[dict[str, object]] = [
            {
                "rateLimitType": "REQUEST_WEIGHT",
                "interval": "MINUTE",
                "intervalNum": 1,
                "limit": self._windows[0].limit,
            },
            {
                "rateLimitType": "ORDERS",
                "interval": "SECOND",
                "intervalNum": 10,
                "limit": self._windows[1].limit,
            },
        ]
        return shapes.exchange_info(list(self.exchange.markets.values()), self.clock.now_ms(), limits)

    def _market_id(self, ask: Ask) -> str:
        found = ask.params.get("symbol", "")
        if not found:
            raise Refused("missing", "symbol")
        return self.exchange.market(found).market_id

    def _depth(self, ask: Ask, account: Account) -> object:
        return shapes.depth(self.exchange.quotes[self._market_id(ask)])

    def _prints(self, ask: Ask, account: Account) -> object:
        prints = self.exchange.quotes[self._market_id(ask)].prints[-_page(ask.params) :]
        return [shapes.public_trade(done) for done in prints]

    def _average(self, ask: Ask, account: Account) -> object:
        price = shapes.eight(self.exchange.quotes[self._market_id(ask)].last)
        return {"mins": 5, "price": price, "closeTime": self.clock.now_ms()}

    def _price(self, ask: Ask, account: Account) -> object:
        market_id = self._market_id(ask)
        return {"symbol": market_id, "price": shapes.eight(self.exchange.quotes[market_id].last)}

    def _book(self, ask: Ask, account: Account) -> object:
        if "symbol" in ask.params:
            market_id = self._market_id(ask)
            return shapes.book_ticker(market_id, self.exchange.quotes[market_id])
        return [shapes.book_ticker(market_id, quote) for market_id, quote in self.exchange.quotes.items()]

    def _day(self, ask: Ask, account: Account) -> object:
        now_ms = self.clock.now_ms()
        if "symbol" in ask.params:
            market_id = self._market_id(ask)
            return shapes.ticker_24h(market_id, self.exchange.quotes[market_id], now_ms)
        return [
            shapes.ticker_24h(market_id, quote, now_ms) for market_id, quote in self.exchange.quotes.items()
        ]

    def _spec(self, ask: Ask) -> OrderSpec:
        params = ask.params
        side, kind = params.get("side", "").lower(), params.get("type", "")
        if side not in ("buy", "sell"):
            raise Refused("side")
        if kind not in ("LIMIT", "MARKET", "LIMIT_MAKER"):
            raise Refused("order_type")
        time_in_force = params.get("timeInForce", "GTC" if kind != "LIMIT" else "")
        if kind == "LIMIT" and not time_in_force:
            raise Refused("missing", "timeInForce")
        if time_in_force not in ("GTC", "IOC", "FOK"):
            raise Refused("time_in_force")
        client_id = params.get("newClientOrderId") or self._draw_id()
        if not _CLIENT_ID.fullmatch(client_id):
            raise Refused("illegal", "newClientOrderId")
        return OrderSpec(
            market_id=self._market_id(ask),
            side=side,
            quantity=decimal_param(params, "quantity"),
            limit_price=None if kind == "MARKET" else decimal_param(params, "price"),
            time_in_force=time_in_force,
            client_id=client_id,
            post_only=kind == "LIMIT_MAKER",
            raw_type=kind,
        )

    def _draw_id(self) -> str:
        self._drawn += 1
        return f"web_{self._drawn:020d}"

    def _place(self, ask: Ask, account: Account) -> object:
        before = len(self.exchange.trades)
        order = self.exchange.place(account, self._spec(ask))
        fills = [trade for trade in self.exchange.trades[before:] if trade.order is order]
        return shapes.new_order(order, fills)

    def _test(self, ask: Ask, account: Account) -> object:
        self._spec(ask)
        return {}

    def _find(self, ask: Ask, account: Account) -> VenueOrder:
        market_id = self._market_id(ask)
        order_id, client_id = ask.params.get("orderId"), ask.params.get("origClientOrderId")
        if not order_id and not client_id:
            raise Refused("missing", "origClientOrderId")
        return self.exchange.find(account, market_id, order_id, client_id)

    def _order(self, ask: Ask, account: Account) -> object:
        return shapes.order_answer(self._find(ask, account))

    def _cancel(self, ask: Ask, account: Account) -> object:
        order = self._find(ask, account)
        self.exchange.cancel(order, ask.params.get("newClientOrderId") or self._draw_id())
        return shapes.cancelled_order(order, self.clock.now_ms())

    def _cancel_all(self, ask: Ask, account: Account) -> object:
        orders = self.exchange.orders_of(account, self._market_id(ask), only_open=True)
        if not orders:
            raise Refused("closed")
        for order in orders:
            self.exchange.cancel(order, self._draw_id())
        return [shapes.cancelled_order(order, self.clock.now_ms()) for order in orders]

    def _open_orders(self, ask: Ask, account: Account) -> object:
        market_id = self._market_id(ask) if "symbol" in ask.params else None
        return [
            shapes.order_answer(order)
            for order in self.exchange.orders_of(account, market_id, only_open=True)
        ]

    def _all_orders(self, ask: Ask, account: Account) -> object:
        orders = self.exchange.orders_of(account, self._market_id(ask), only_open=False)
        first = ask.params.get("orderId", "")
        if first.isdecimal():
            orders = [order for order in orders if order.number >= int(first)][: _page(ask.params)]
        return [shapes.order_answer(order) for order in orders[-_page(ask.params) :]]

    def _trades(self, ask: Ask, account: Account) -> object:
        params = ask.params
        trades = self.exchange.trades_of(account, self._market_id(ask))
        size = _page(params)
        if params.get("orderId", "").isdecimal():
            trades = [trade for trade in trades if trade.order.number == int(params["orderId"])]
        if params.get("fromId", "").isdecimal():
            return [shapes.trade_row(trade) for trade in trades if trade.number >= int(params["fromId"])][
                :size
            ]
        start, end = _time_range(params)
        if start is not None or end is not None:
            low, high = start or 0, end if end is not None else (start or 0) + 86_400_000
            if high - low > 86_400_000:
                raise Refused("illegal", "startTime")
            return [shapes.trade_row(trade) for trade in trades if low <= trade.at_ms <= high][:size]
        return [shapes.trade_row(trade) for trade in trades][-size:]

    def _account(self, ask: Ask, account: Account) -> object:
        return shapes.account(account, self.clock.now_ms())


def _page(params: Mapping[str, str]) -> int:
    limit = params.get("limit", "")
    return min(int(limit), _MAX_PAGE) if limit.isdecimal() and int(limit) else _PAGE


def _time_range(params: Mapping[str, str]) -> tuple[int | None, int | None]:
    start, end = params.get("startTime", ""), params.get("endTime", "")
    return (int(start) if start.isdecimal() else None), (int(end) if end.isdecimal() else None)


def spot_fee() -> Decimal:
    """Both sides pay a tenth of a percent."""
    return Decimal("0.001")
