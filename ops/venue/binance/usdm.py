"""Binance USD-M futures over REST: `/fapi`. One-way positions, cross margin."""

import re
from collections.abc import Mapping
from typing import ClassVar

from ops.venue.accounts import Account
from ops.venue.binance import usdm_shapes as shapes
from ops.venue.binance.common import ERRORS, BinanceDialect, decimal_param
from ops.venue.binance.spot_shapes import eight
from ops.venue.exchange import VenueExchange
from ops.venue.markets import OrderSpec, Refused, VenueOrder
from ops.venue.pipeline import Answer, Ask, Endpoint
from ops.venue.switch import DeadManSwitches

_CLIENT_ID = re.compile(r"[.A-Z:/a-z0-9_-]{1,36}")
_PAGE = 500
_MAX_PAGE = 1000
_WEEK_MS = 7 * 86_400_000


class BinanceUsdm(BinanceDialect):
    """The endpoints of `fapi.binance.com`."""

    errors: ClassVar[Mapping[str, tuple[int, int, str]]] = {
        **ERRORS,
        "lot": (400, -1111, "Precision is over the maximum defined for this asset."),
        "tick": (400, -4014, "Price not increased by tick size."),
        "price_band": (
            400,
            -4131,
            "The counterparty's best price does not meet the PERCENT_PRICE filter limit.",
        ),
        "notional": (
            400,
            -4164,
            "Order's notional must be no smaller than 5 (unless you choose reduce only).",
        ),
        "insufficient": (400, -2019, "Margin is insufficient."),
        "duplicate": (400, -4116, "ClientOrderId is duplicated."),
        "post_only": (
            400,
            -5022,
            "Due to the order could not be executed as maker, the Post Only order will be rejected.",
        ),
    }

    def __init__(self, exchange: VenueExchange, weight_limit: int = 2400, order_limit: int = 300) -> None:
        super().__init__(exchange, weight_limit, order_limit)
        self._drawn = 0
        self.listen_keys: dict[str, str] = {}
        self.switches = DeadManSwitches(exchange)
        private: dict[tuple[str, str], Endpoint] = {
            ("POST", "/fapi/v1/order"): Endpoint(handler=self._place, places_order=True),
            ("GET", "/fapi/v1/order"): Endpoint(handler=self._order),
            ("DELETE", "/fapi/v1/order"): Endpoint(handler=self._cancel),
            ("PUT", "/fapi/v1/order"): Endpoint(handler=self._amend),
            ("GET", "/fapi/v1/openOrders"): Endpoint(handler=self._open_orders),
            ("DELETE", "/fapi/v1/allOpenOrders"): Endpoint(handler=self._cancel_all),
            ("GET", "/fapi/v1/allOrders"): Endpoint(handler=self._all_orders, weight=5),
            ("GET", "/fapi/v1/userTrades"): Endpoint(handler=self._trades, weight=5),
            ("GET", "/fapi/v1/positionSide/dual"): Endpoint(handler=_one_way, weight=30),
            ("GET", "/fapi/v1/income"): Endpoint(handler=self._income, weight=30),
            ("GET", "/fapi/v1/symbolConfig"): Endpoint(handler=self._symbol_config, weight=5),
            ("POST", "/fapi/v1/leverage"): Endpoint(handler=self._leverage),
            ("GET", "/fapi/v1/leverageBracket"): Endpoint(handler=self._brackets),
            ("POST", "/fapi/v1/countdownCancelAll"): Endpoint(handler=self._countdown, weight=10),
            ("POST", "/fapi/v1/listenKey"): Endpoint(handler=self._listen_key, security="key"),
            ("PUT", "/fapi/v1/listenKey"): Endpoint(handler=self._listen_key, security="key"),
            ("DELETE", "/fapi/v1/listenKey"): Endpoint(handler=self._drop_listen_key, security="key"),
            ("GET", "/fapi/v2/positionRisk"): Endpoint(handler=self._positions_2, weight=5),
            ("GET", "/fapi/v3/positionRisk"): Endpoint(handler=self._positions, weight=5),
        }
        for version in ("v2", "v3"):
            private["GET", f"/fapi/{version}/balance"] = Endpoint(handler=self._balance, weight=5)
            private["GET", f"/fapi/{version}/account"] = Endpoint(handler=self._account, weight=5)
        public = {
            "/fapi/v1/ping": lambda ask, account: {},
            "/fapi/v1/time": lambda ask, account: {"serverTime": self.clock.now_ms()},
            "/fapi/v1/exchangeInfo": self._info,
            "/fapi/v1/depth": self._depth,
            "/fapi/v1/ticker/bookTicker": self._book,
            "/fapi/v1/ticker/price": self._price,
            "/fapi/v1/ticker/24hr": self._day,
            "/fapi/v1/premiumIndex": self._premium,
        }
        self.endpoints = {
            **{
                ("GET", path): Endpoint(handler=handler, security="public")
                for path, handler in public.items()
            },
            **private,
        }

    def weight_of(self, ask: Ask, endpoint: Endpoint) -> int:
        """Asking for all symbols costs more."""
        if ask.path == "/fapi/v1/openOrders" and "symbol" not in ask.params:
            return 40
        return endpoint.weight

    def _market_id(self, ask: Ask) -> str:
        found = ask.params.get("symbol", "")
        if not found:
            raise Refused("missing", "symbol")
        return self.exchange.market(found).market_id

    def _info(self, ask: Ask, account: Account) -> object:
        minute, seconds = self._windows
        limits: list[dict[str, object]] = [
            {
                "rateLimitType": "REQUEST_WEIGHT",
                "interval": "MINUTE",
                "intervalNum": 1,
                "limit": minute.limit,
            },
            {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": seconds.limit},
        ]
        return shapes.exchange_info(list(self.exchange.markets.values()), self.clock.now_ms(), limits)

    def _depth(self, ask: Ask, account: Account) -> object:
        quote, now_ms = self.exchange.quotes[self._market_id(ask)], self.clock.now_ms()
        return {
            "lastUpdateId": quote.update,
            "E": now_ms,
            "T": now_ms,
            "bids": [[shapes.plain(quote.bid), shapes.plain(quote.bid_size)]],
            "asks": [[shapes.plain(quote.ask), shapes.plain(quote.ask_size)]],
        }

    def _book(self, ask: Ask, account: Account) -> object:
        market_id, now_ms = self._market_id(ask), self.clock.now_ms()
        quote = self.exchange.quotes[market_id]
        return {
            "symbol": market_id,
            "bidPrice": shapes.plain(quote.bid),
            "bidQty": shapes.plain(quote.bid_size),
            "askPrice": shapes.plain(quote.ask),
            "askQty": shapes.plain(quote.ask_size),
            "time": now_ms,
            "lastUpdateId": quote.update,
        }

    def _price(self, ask: Ask, account: Account) -> object:
        market_id = self._market_id(ask)
        price = shapes.plain(self.exchange.quotes[market_id].last)
        return {"symbol": market_id, "price": price, "time": self.clock.now_ms()}

    def _day(self, ask: Ask, account: Account) -> object:
        market_id = self._market_id(ask)
        return shapes.ticker_24h(market_id, self.exchange.quotes[market_id], self.clock.now_ms())

    def _premium(self, ask: Ask, account: Account) -> object:
        market_id, now_ms = self._market_id(ask), self.clock.now_ms()
        price = eight(self.exchange.quotes[market_id].mark)
        return {
            "symbol": market_id,
            "markPrice": price,
            "indexPrice": price,
            "estimatedSettlePrice": price,
            "lastFundingRate": "0.00010000",
            "interestRate": "0.00010000",
            "nextFundingTime": now_ms - now_ms % 28_800_000 + 28_800_000,
            "time": now_ms,
        }

    def _spec(self, ask: Ask) -> OrderSpec:
        params = ask.params
        side, kind = params.get("side", "").lower(), params.get("type", "")
        if side not in ("buy", "sell"):
            raise Refused("side")
        if kind not in ("LIMIT", "MARKET"):
            raise Refused("order_type")
        if kind == "LIMIT" and not params.get("timeInForce"):
            raise Refused("missing", "timeInForce")
        time_in_force = params.get("timeInForce", "GTC")
        if time_in_force not in ("GTC", "IOC", "FOK", "GTX"):
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
            post_only=time_in_force == "GTX",
            reduce_only=params.get("reduceOnly", "false").lower() == "true",
            raw_type=kind,
        )

    def _draw_id(self) -> str:
        self._drawn += 1
        return f"web_{self._drawn:020d}"

    def _place(self, ask: Ask, account: Account) -> object:
        return shapes.order_answer(self.exchange.place(account, self._spec(ask)))

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
        self.exchange.cancel(order)
        return shapes.order_answer(order)

    def _amend(self, ask: Ask, account: Account) -> object:
        """Both terms and the side have to be given, changed or not."""
        order = self._find(ask, account)
        if ask.params.get("side", "").lower() != order.spec.side:
            raise Refused("side")
        quantity, price = decimal_param(ask.params, "quantity"), decimal_param(ask.params, "price")
        self.exchange.amend(order, quantity, price)
        return shapes.order_answer(order)

    def _cancel_all(self, ask: Ask, account: Account) -> object:
        for order in self.exchange.orders_of(account, self._market_id(ask), only_open=True):
            self.exchange.cancel(order)
        return {"code": 200, "msg": "The operation of cancel all open order is done."}

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
        params, size = ask.params, _page(ask.params)
        trades = self.exchange.trades_of(account, self._market_id(ask))
        if params.get("fromId", "").isdecimal():
            found = [trade for trade in trades if trade.number >= int(params["fromId"])][:size]
        elif params.get("startTime", "").isdecimal():
            low = int(params["startTime"])
            high = int(params["endTime"]) if params.get("endTime", "").isdecimal() else low + _WEEK_MS
            if high - low > _WEEK_MS:
                raise Refused("illegal", "startTime")
            found = [trade for trade in trades if low <= trade.at_ms <= high][:size]
        else:
            found = trades[-size:]
        return [shapes.user_trade(trade) for trade in found]

    def _income(self, ask: Ask, account: Account) -> object:
        start = ask.params.get("startTime", "")
        return [
            shapes.income_row(line)
            for line in account.statement
            if not start.isdecimal() or line.at_ms >= int(start)
        ]

    def _positions(self, ask: Ask, account: Account) -> object:
        return [
            shapes.position_row(position, self.exchange.quotes[market_id], self.clock.now_ms())
            for market_id, position in sorted(account.positions.items())
            if ask.params.get("symbol", market_id) == market_id
        ]

    def _positions_2(self, ask: Ask, account: Account) -> object:
        found = []
        for market_id, market in sorted(self.exchange.markets.items()):
            if ask.params.get("symbol", market_id) == market_id:
                quote, position = self.exchange.quotes[market_id], account.position(market)
                found.append(shapes.position_row_2(position, quote, account.leverage, self.clock.now_ms()))
        return found

    def _balance(self, ask: Ask, account: Account) -> object:
        assets = sorted({*account.free, *account.locked})
        return [shapes.balance_row(account, asset, self.clock.now_ms()) for asset in assets]

    def _account(self, ask: Ask, account: Account) -> object:
        positions = [position for _, position in sorted(account.positions.items())]
        return shapes.account_info(account, positions, self.clock.now_ms())

    def _symbol_config(self, ask: Ask, account: Account) -> object:
        wanted = [self._market_id(ask)] if "symbol" in ask.params else sorted(self.exchange.markets)
        return [shapes.symbol_config(market_id, account) for market_id in wanted]

    def _leverage(self, ask: Ask, account: Account) -> object:
        market_id, leverage = self._market_id(ask), decimal_param(ask.params, "leverage")
        if not 1 <= leverage <= 125 or leverage != int(leverage):
            raise Refused("illegal", "leverage")
        account.leverage = leverage
        return {"leverage": int(leverage), "maxNotionalValue": "250000", "symbol": market_id}

    def _brackets(self, ask: Ask, account: Account) -> object:
        bracket = {
            "bracket": 1,
            "initialLeverage": 125,
            "notionalCap": 1_000_000_000,
            "notionalFloor": 0,
            "maintMarginRatio": 0.004,
            "cum": 0.0,
        }
        return [{"symbol": market_id, "brackets": [bracket]} for market_id in self.exchange.markets]

    def _countdown(self, ask: Ask, account: Account) -> object:
        market_id, countdown = self._market_id(ask), ask.params.get("countdownTime", "")
        if not countdown.isdecimal():
            raise Refused("missing", "countdownTime")
        self.switches.arm(account, market_id, int(countdown) / 1000)
        return {"symbol": market_id, "countdownTime": countdown}

    def _listen_key(self, ask: Ask, account: Account) -> object:
        known = next((key for key, owner in self.listen_keys.items() if owner == account.api_key), None)
        if ask.method == "PUT" and known is None:
            raise Refused("listen_key")
        key = known or f"listen{len(self.listen_keys):058d}"
        self.listen_keys[key] = account.api_key
        return {"listenKey": key}

    def _drop_listen_key(self, ask: Ask, account: Account) -> object:
        for key in [key for key, owner in self.listen_keys.items() if owner == account.api_key]:
            del self.listen_keys[key]
        return Answer(body={})


def _one_way(ask: Ask, account: Account) -> object:
    return {"dualSidePosition": account.hedged}


def _page(params: Mapping[str, str]) -> int:
    limit = params.get("limit", "")
    return min(int(limit), _MAX_PAGE) if limit.isdecimal() and int(limit) else _PAGE
