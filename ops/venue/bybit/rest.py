"""Bybit v5 over REST: one set of paths over two exchanges, picked by `category`.

Answers are HTTP 200 with a `retCode`; only the address limit is told by the status. Texts and codes are those
of Bybit's public documentation, "Error codes".
"""

import hmac
import json
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import partial
from typing import TypeVar
from urllib.parse import parse_qsl

from ops.venue.accounts import Account
from ops.venue.binance.common import sign
from ops.venue.bybit import shapes
from ops.venue.clock import VenueClock
from ops.venue.exchange import VenueExchange
from ops.venue.faults import Fault
from ops.venue.limits import Meter, Over, Window
from ops.venue.markets import OrderSpec, Refused, VenueOrder, VenueTrade
from ops.venue.pipeline import Answer, Ask, Endpoint

_LINK_ID = re.compile(r"[A-Za-z0-9_-]{1,36}")
T = TypeVar("T")
_RANGE_MS = 7 * 86_400_000

_COMMON = {
    "api_key": (10003, "API key is invalid."),
    "signature": (10004, "error sign! please check your signature generation algorithm."),
    "timestamp": (10002, "invalid request, please check your server timestamp or recv_window param."),
    "params": (10001, "params error"),
    "symbol": (10001, "Not supported symbols"),
}
_SPOT = {
    **_COMMON,
    "symbol": (170121, "Invalid symbol."),
    "lot": (170137, "Order volume decimal too long."),
    "tick": (170134, "Order price decimal too long."),
    "price_band": (170133, "Order price exceeded upper limit."),
    "notional": (170140, "Order value exceeded lower limit."),
    "insufficient": (170131, "Insufficient balance."),
    "duplicate": (170141, "Duplicate clientOrderId"),
    "unknown_order": (170213, "Order does not exist."),
    "closed": (170213, "Order does not exist."),
}
_LINEAR = {
    **_COMMON,
    "lot": (10001, "Qty invalid"),
    "tick": (10001, "params error: price invalid"),
    "price_band": (110003, "Order price exceeds the allowable range."),
    "notional": (110094, "Order does not meet minimum order value 5USDT"),
    "insufficient": (110007, "ab not enough for new order"),
    "duplicate": (110072, "OrderLinkedID is duplicate"),
    "reduce_only": (110017, "current position is zero, cannot fix reduce-only order qty"),
    "unknown_order": (110001, "order not exists or too late to cancel"),
    "closed": (110001, "order not exists or too late to cancel"),
}


class Bybit:
    """The endpoints of `api.bybit.com`."""

    def __init__(
        self, spot: VenueExchange, linear: VenueExchange, *, address_limit: int, order_limit: int
    ) -> None:
        self.exchanges: Mapping[str, VenueExchange] = {"spot": spot, "linear": linear}
        self.clock: VenueClock = spot.clock
        self.nobody = Account("", "", {}, derivative=False)
        self._order_limit = order_limit
        self._address_windows = (Window(name="address", limit=address_limit, seconds=5),)
        self._addresses: dict[str, Meter] = {}
        self._users: dict[str, Meter] = {}
        self._drawn = 0
        public: dict[str, Callable[[Ask, Account], object]] = {
            "/v5/market/time": self._time,
            "/v5/market/instruments-info": self._instruments,
            "/v5/market/tickers": self._tickers,
            "/v5/market/orderbook": self._orderbook,
            "/v5/market/recent-trade": self._recent_trades,
        }
        private: dict[tuple[str, str], Endpoint] = {
            ("POST", "/v5/order/create"): Endpoint(handler=self._create, places_order=True),
            ("POST", "/v5/order/cancel"): Endpoint(handler=self._cancel),
            ("POST", "/v5/order/cancel-all"): Endpoint(handler=self._cancel_all),
            ("GET", "/v5/order/realtime"): Endpoint(handler=self._realtime),
            ("GET", "/v5/order/history"): Endpoint(handler=self._history),
            ("GET", "/v5/execution/list"): Endpoint(handler=self._executions),
            ("GET", "/v5/account/wallet-balance"): Endpoint(handler=self._wallet),
            ("GET", "/v5/account/info"): Endpoint(handler=self._account_info),
            ("GET", "/v5/user/query-api"): Endpoint(handler=self._query_api),
            ("GET", "/v5/position/list"): Endpoint(handler=self._positions),
            ("GET", "/v5/asset/coin/query-info"): Endpoint(handler=lambda ask, account: {"rows": []}),
        }
        self.endpoints = {
            **{
                ("GET", path): Endpoint(handler=handler, security="public")
                for path, handler in public.items()
            },
            **private,
        }

    # What the pipeline asks of a dialect.

    def params(self, query: str, body: str, content_type: str) -> Mapping[str, str]:
        """Query, and the JSON body's fields as texts."""
        found = dict(parse_qsl(query, keep_blank_values=True))
        if body:
            try:
                said = json.loads(body)
            except ValueError:
                return found
            if isinstance(said, dict):
                found.update({name: _text(value) for name, value in said.items()})
        return found

    def authenticate(self, ask: Ask, endpoint: Endpoint) -> Account:
        api_key = ask.headers.get("x-bapi-api-key", "")
        stamp, window = ask.headers.get("x-bapi-timestamp", ""), ask.headers.get("x-bapi-recv-window", "5000")
        category = self._category(ask)
        account = self.account_of(api_key, category)
        signed = stamp + api_key + window + (ask.body if ask.method == "POST" else ask.query)
        if not hmac.compare_digest(sign(account.secret, signed), ask.headers.get("x-bapi-sign", "")):
            raise Refused("signature")
        if not stamp.isdecimal() or not window.isdecimal():
            raise Refused("timestamp")
        late_ms = self.clock.now_ms() - int(stamp)
        if not -1000 <= late_ms <= int(window):
            raise Refused("timestamp")
        return account

    def account_of(self, api_key: str, category: str) -> Account:
        """The key's account in the category, or in the other one where the endpoint has none; raise
        Refused.
        """
        for name in (category, "spot", "linear"):
            found = self.exchanges[name].accounts.get(api_key)
            if found is not None:
                return found
        raise Refused("api_key")

    def meter(self, ask: Ask, endpoint: Endpoint) -> Over | None:
        now_s = self.clock.now_us() / 1e6
        address = self._addresses.setdefault(
            ask.address, Meter(self._address_windows, ban_seconds=600, patience=0)
        )
        over = address.spend(now_s, {"address": 1})
        if over is not None or not endpoint.places_order:
            return over
        return self._user(ask).spend(now_s, {"orders": 1})

    def _user(self, ask: Ask) -> Meter:
        key = f"{ask.headers.get('x-bapi-api-key', '')} {self._category(ask)}"
        windows = (Window(name="orders", limit=self._order_limit, seconds=1),)
        return self._users.setdefault(key, Meter(windows, patience=1_000_000_000))

    def headers(self, ask: Ask, endpoint: Endpoint) -> Mapping[str, str]:
        if not endpoint.places_order:
            return {}
        left = self._order_limit - self._user(ask).used.get("orders", 0)
        reset = self.clock.now_ms() // 1000 * 1000 + 1000
        return {
            "X-Bapi-Limit": str(self._order_limit),
            "X-Bapi-Limit-Status": str(max(0, left)),
            "X-Bapi-Limit-Reset-Timestamp": str(reset),
        }

    def success(self, body: object) -> Answer:
        return Answer(body=self._wrapped(0, "OK", body))

    def refusal(self, refused: Refused, ask: Ask) -> Answer:
        table = _SPOT if self._category(ask) == "spot" else _LINEAR
        code, text = table.get(refused.why, (10001, f"params error: {refused.why} {refused.detail}"))
        return Answer(body=self._wrapped(code, text, {}))

    def over(self, over: Over) -> Answer:
        if over.window.name == "address":
            return Answer(status=403, body=self._wrapped(10018, "Exceeded the IP Rate Limit.", {}))
        return Answer(body=self._wrapped(10006, "Too many visits. Exceeded the API Rate Limit.", {}))

    def fault_answer(self, fault: Fault) -> Answer:
        if fault.kind == "throttle":
            reset = self.clock.now_ms() + int(fault.seconds * 1000)
            headers = {"X-Bapi-Limit-Reset-Timestamp": str(reset)}
            text = "Too many visits. Exceeded the API Rate Limit."
            return Answer(body=self._wrapped(10006, text, {}), headers=headers)
        if fault.kind == "ban":
            return Answer(status=403, body=self._wrapped(10018, "Exceeded the IP Rate Limit.", {}))
        if fault.kind == "maintenance":
            return Answer(status=503, body=self._wrapped(10016, "Service is restarting.", {}))
        return Answer(body=self._wrapped(10016, "Server error.", {}))

    def _wrapped(self, code: int, text: str, result: object) -> dict[str, object]:
        return {
            "retCode": code,
            "retMsg": text,
            "result": result,
            "retExtInfo": {},
            "time": self.clock.now_ms(),
        }

    # Reading requests.

    def _category(self, ask: Ask) -> str:
        found = ask.params.get("category", "spot")
        return found if found in self.exchanges else "linear"

    def _exchange(self, ask: Ask) -> VenueExchange:
        return self.exchanges[self._category(ask)]

    def _market_id(self, ask: Ask) -> str:
        return self._exchange(ask).market(ask.params.get("symbol", "")).market_id

    def _decimal(self, ask: Ask, name: str) -> Decimal:
        try:
            value = Decimal(ask.params.get(name, ""))
        except ArithmeticError:
            raise Refused("params", name) from None
        if not value.is_finite():
            raise Refused("params", name)
        return value

    def _spec(self, ask: Ask) -> OrderSpec:
        params = ask.params
        side, kind = params.get("side", "").lower(), params.get("orderType", "")
        if side not in ("buy", "sell") or kind not in ("Limit", "Market"):
            raise Refused("params", "side, orderType")
        time_in_force = params.get("timeInForce", "GTC" if kind == "Limit" else "IOC")
        if time_in_force not in ("GTC", "IOC", "FOK", "PostOnly"):
            raise Refused("params", "timeInForce")
        in_quote = params.get("marketUnit", "quoteCoin") != "baseCoin"
        if kind == "Market" and self._category(ask) == "spot" and side == "buy" and in_quote:
            raise Refused("params", "marketUnit: this venue takes baseCoin only")
        link_id = params.get("orderLinkId", "")
        if link_id and not _LINK_ID.fullmatch(link_id):
            raise Refused("params", "orderLinkId")
        if not link_id:
            self._drawn += 1
        return OrderSpec(
            market_id=self._market_id(ask),
            side=side,
            quantity=self._decimal(ask, "qty"),
            limit_price=None if kind == "Market" else self._decimal(ask, "price"),
            time_in_force="GTC" if time_in_force == "PostOnly" else time_in_force,
            client_id=link_id or f"auto-{self._drawn}",
            post_only=time_in_force == "PostOnly",
            reduce_only=params.get("reduceOnly", "false") == "true",
            raw_type=kind,
        )

    def _find(self, ask: Ask, account: Account) -> VenueOrder:
        return self._exchange(ask).find(
            account, ask.params.get("symbol"), ask.params.get("orderId"), ask.params.get("orderLinkId")
        )

    # Handlers.

    def _time(self, ask: Ask, account: Account) -> object:
        now_us = self.clock.now_us()
        return {"timeSecond": str(now_us // 1_000_000), "timeNano": str(now_us * 1000)}

    def _instruments(self, ask: Ask, account: Account) -> object:
        category = self._category(ask)
        shape = shapes.spot_instrument if category == "spot" else shapes.linear_instrument
        listed = [shape(market) for market in self.exchanges[category].markets.values()]
        if ask.params.get("category") not in self.exchanges or ask.params.get("status") == "PreLaunch":
            listed = []
        return {"category": ask.params.get("category", category), "list": listed, "nextPageCursor": ""}

    def _tickers(self, ask: Ask, account: Account) -> object:
        exchange = self._exchange(ask)
        wanted = ask.params.get("symbol")
        rows = [
            shapes.ticker(market_id, quote, self._category(ask), self.clock.now_ms())
            for market_id, quote in exchange.quotes.items()
            if wanted in (None, market_id)
        ]
        return {"category": self._category(ask), "list": rows}

    def _orderbook(self, ask: Ask, account: Account) -> object:
        market_id = self._market_id(ask)
        return shapes.orderbook(market_id, self._exchange(ask).quotes[market_id], self.clock.now_ms())

    def _recent_trades(self, ask: Ask, account: Account) -> object:
        prints = self._exchange(ask).quotes[self._market_id(ask)].prints[-60:]
        return {
            "category": self._category(ask),
            "list": [shapes.recent_trade(done) for done in reversed(prints)],
        }

    def _create(self, ask: Ask, account: Account) -> object:
        order = self._exchange(ask).place(account, self._spec(ask))
        return {"orderId": order.order_id, "orderLinkId": order.spec.client_id}

    def _cancel(self, ask: Ask, account: Account) -> object:
        order = self._find(ask, account)
        self._exchange(ask).cancel(order)
        return {"orderId": order.order_id, "orderLinkId": order.spec.client_id}

    def _cancel_all(self, ask: Ask, account: Account) -> object:
        exchange, wanted = self._exchange(ask), ask.params.get("symbol")
        orders = exchange.orders_of(account, wanted, only_open=True)
        for order in orders:
            exchange.cancel(order)
        listed = [{"orderId": order.order_id, "orderLinkId": order.spec.client_id} for order in orders]
        return {"list": listed, "success": "1"}

    def _realtime(self, ask: Ask, account: Account) -> object:
        """Open orders; by an id also one that has ended, as long as it is among the newest 500."""
        if ask.params.get("orderLinkId") or ask.params.get("orderId"):
            return self._one(ask, account)
        only_open = ask.params.get("openOnly", "0") == "0"
        orders = self._exchange(ask).orders_of(account, ask.params.get("symbol"), only_open=only_open)
        return self._paged(ask, orders, partial(shapes.order_row, category=self._category(ask)))

    def _history(self, ask: Ask, account: Account) -> object:
        if ask.params.get("orderLinkId") or ask.params.get("orderId"):
            return self._one(ask, account)
        orders = self._exchange(ask).orders_of(account, ask.params.get("symbol"), only_open=False)
        ended = [order for order in orders if not order.is_open]
        return self._paged(ask, ended, partial(shapes.order_row, category=self._category(ask)))

    def _one(self, ask: Ask, account: Account) -> object:
        try:
            rows = [shapes.order_row(self._find(ask, account), self._category(ask))]
        except Refused:
            rows = []
        return {"category": self._category(ask), "list": rows, "nextPageCursor": ""}

    def _executions(self, ask: Ask, account: Account) -> object:
        trades = self._exchange(ask).trades_of(account, ask.params.get("symbol") or None)
        start, end = ask.params.get("startTime", ""), ask.params.get("endTime", "")
        low = int(start) if start.isdecimal() else self.clock.now_ms() - _RANGE_MS
        high = int(end) if end.isdecimal() else low + _RANGE_MS
        if high - low > _RANGE_MS:
            raise Refused("params", "The time range between startTime and endTime cannot exceed 7 days")
        link_id, order_id = ask.params.get("orderLinkId"), ask.params.get("orderId")
        found = [trade for trade in trades if low <= trade.at_ms <= high and _is_of(trade, order_id, link_id)]
        return self._paged(ask, found, shapes.execution_row)

    def _paged(self, ask: Ask, oldest_first: list[T], shape: Callable[[T], dict[str, object]]) -> object:
        """One page, newest first."""
        limit, cursor = ask.params.get("limit", "50"), ask.params.get("cursor", "")
        size = min(int(limit), 100) if limit.isdecimal() and int(limit) else 50
        begin = int(cursor) if cursor.isdecimal() else 0
        end = begin + size
        page = list(reversed(oldest_first))[begin:end]
        following = str(end) if end < len(oldest_first) else ""
        return {
            "category": self._category(ask),
            "list": [shape(item) for item in page],
            "nextPageCursor": following,
        }

    def _wallet(self, ask: Ask, account: Account) -> object:
        own = [exchange.accounts.get(account.api_key) for exchange in self.exchanges.values()]
        return {"list": [shapes.wallet([found for found in own if found is not None])]}

    def _account_info(self, ask: Ask, account: Account) -> object:
        return {
            "marginMode": "REGULAR_MARGIN",
            "updatedTime": str(self.clock.now_ms()),
            "unifiedMarginStatus": 4,
            "dcpStatus": "OFF",
            "timeWindow": 10,
            "smpGroup": 0,
            "isMasterTrader": False,
            "spotHedgingStatus": "OFF",
        }

    def _query_api(self, ask: Ask, account: Account) -> object:
        return {
            "id": "1",
            "note": "venue",
            "apiKey": account.api_key,
            "readOnly": 0,
            "secret": "",
            "permissions": {"ContractTrade": ["Order", "Position"], "Spot": ["SpotTrade"], "Wallet": []},
            "ips": ["*"],
            "type": 1,
            "unified": 0,
            "uta": 1,
            "userID": 1,
            "isMaster": True,
        }

    def _positions(self, ask: Ask, account: Account) -> object:
        exchange = self.exchanges["linear"]
        rows = [
            shapes.position_row(position, exchange.quotes[market_id], account.leverage, self.clock.now_ms())
            for market_id, position in sorted(account.positions.items())
            if ask.params.get("symbol") in (None, "", market_id)
        ]
        return {"list": rows, "nextPageCursor": "", "category": "linear"}


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _is_of(trade: VenueTrade, order_id: str | None, link_id: str | None) -> bool:
    if order_id:
        return trade.order.order_id == order_id
    return not link_id or trade.order.spec.client_id == link_id
