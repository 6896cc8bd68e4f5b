"""Bybit v5 over REST: one set of paths over two exchanges, picked by `category`."""

import re
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import TypeVar

from ops.venue.accounts import Account
from ops.venue.bybit import shapes
from ops.venue.bybit.common import BybitDialect
from ops.venue.exchange import VenueExchange
from ops.venue.markets import OrderSpec, Refused, VenueOrder, VenueTrade
from ops.venue.pipeline import Ask, Endpoint

T = TypeVar("T")
_LINK_ID = re.compile(r"[A-Za-z0-9_-]{1,36}")
_RANGE_MS = 7 * 86_400_000
_PRODUCTS = {"SPOT": "spot", "DERIVATIVES": "linear"}


class Bybit(BybitDialect):
    """The endpoints of `api.bybit.com`."""

    def __init__(
        self, spot: VenueExchange, linear: VenueExchange, *, address_limit: int, order_limit: int
    ) -> None:
        super().__init__(spot, linear, address_limit=address_limit, order_limit=order_limit)
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
            ("POST", "/v5/order/amend"): Endpoint(handler=self._amend),
            ("POST", "/v5/order/cancel-all"): Endpoint(handler=self._cancel_all),
            ("GET", "/v5/order/realtime"): Endpoint(handler=self._realtime),
            ("GET", "/v5/order/history"): Endpoint(handler=self._history),
            ("GET", "/v5/execution/list"): Endpoint(handler=self._executions),
            ("GET", "/v5/account/wallet-balance"): Endpoint(handler=self._wallet),
            ("POST", "/v5/order/disconnected-cancel-all"): Endpoint(handler=self._set_dcp),
            ("GET", "/v5/account/query-dcp-info"): Endpoint(handler=self._dcp_info),
            ("GET", "/v5/account/transaction-log"): Endpoint(handler=self._transaction_log),
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

    def _spec(self, ask: Ask) -> OrderSpec:
        params = ask.params
        side, kind = params.get("side", "").lower(), params.get("orderType", "")
        if side not in ("buy", "sell") or kind not in ("Limit", "Market"):
            raise Refused("params", "side, orderType")
        time_in_force = params.get("timeInForce", "GTC" if kind == "Limit" else "IOC")
        if time_in_force not in ("GTC", "IOC", "FOK", "PostOnly"):
            raise Refused("params", "timeInForce")
        in_quote = params.get("marketUnit", "quoteCoin") != "baseCoin"
        if kind == "Market" and self.category_of(ask) == "spot" and side == "buy" and in_quote:
            raise Refused("params", "marketUnit: this venue takes baseCoin only")
        link_id = params.get("orderLinkId", "")
        if link_id and not _LINK_ID.fullmatch(link_id):
            raise Refused("params", "orderLinkId")
        if not link_id:
            self._drawn += 1
        return OrderSpec(
            market_id=self.market_id_of(ask),
            side=side,
            quantity=self.decimal_of(ask, "qty"),
            limit_price=None if kind == "Market" else self.decimal_of(ask, "price"),
            time_in_force="GTC" if time_in_force == "PostOnly" else time_in_force,
            client_id=link_id or f"auto-{self._drawn}",
            post_only=time_in_force == "PostOnly",
            reduce_only=params.get("reduceOnly", "false") == "true",
            raw_type=kind,
        )

    def _find(self, ask: Ask, account: Account) -> VenueOrder:
        return self.exchange_of(ask).find(
            account, ask.params.get("symbol"), ask.params.get("orderId"), ask.params.get("orderLinkId")
        )

    def _time(self, ask: Ask, account: Account) -> object:
        now_us = self.clock.now_us()
        return {"timeSecond": str(now_us // 1_000_000), "timeNano": str(now_us * 1000)}

    def _instruments(self, ask: Ask, account: Account) -> object:
        category = self.category_of(ask)
        shape = shapes.spot_instrument if category == "spot" else shapes.linear_instrument
        listed = [shape(market) for market in self.exchanges[category].markets.values()]
        if ask.params.get("category") not in self.exchanges or ask.params.get("status") == "PreLaunch":
            listed = []
        return {"category": ask.params.get("category", category), "list": listed, "nextPageCursor": ""}

    def _tickers(self, ask: Ask, account: Account) -> object:
        exchange = self.exchange_of(ask)
        wanted = ask.params.get("symbol")
        rows = [
            shapes.ticker(market_id, quote, self.category_of(ask), self.clock.now_ms())
            for market_id, quote in exchange.quotes.items()
            if wanted in (None, market_id)
        ]
        return {"category": self.category_of(ask), "list": rows}

    def _orderbook(self, ask: Ask, account: Account) -> object:
        market_id = self.market_id_of(ask)
        return shapes.orderbook(market_id, self.exchange_of(ask).quotes[market_id], self.clock.now_ms())

    def _recent_trades(self, ask: Ask, account: Account) -> object:
        prints = self.exchange_of(ask).quotes[self.market_id_of(ask)].prints[-60:]
        return {
            "category": self.category_of(ask),
            "list": [shapes.recent_trade(done) for done in reversed(prints)],
        }

    def _create(self, ask: Ask, account: Account) -> object:
        order = self.exchange_of(ask).place(account, self._spec(ask))
        return {"orderId": order.order_id, "orderLinkId": order.spec.client_id}

    def _cancel(self, ask: Ask, account: Account) -> object:
        order = self._find(ask, account)
        self.exchange_of(ask).cancel(order)
        return {"orderId": order.order_id, "orderLinkId": order.spec.client_id}

    def _amend(self, ask: Ask, account: Account) -> object:
        """A term that is left out stays. What is answered is that the request was taken."""
        order = self._find(ask, account)
        quantity = self.decimal_of(ask, "qty") if "qty" in ask.params else order.spec.quantity
        price = order.spec.limit_price or Decimal(0)
        if "price" in ask.params:
            price = self.decimal_of(ask, "price")
        self.exchange_of(ask).amend(order, quantity, price)
        return {"orderId": order.order_id, "orderLinkId": order.spec.client_id}

    def _cancel_all(self, ask: Ask, account: Account) -> object:
        exchange, wanted = self.exchange_of(ask), ask.params.get("symbol")
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
        orders = self.exchange_of(ask).orders_of(account, ask.params.get("symbol"), only_open=only_open)
        orders = [order for order in orders if self._is_settled_as_asked(ask, order.spec.market_id)]
        return self._paged(ask, orders, partial(shapes.order_row, category=self.category_of(ask)))

    def _history(self, ask: Ask, account: Account) -> object:
        if ask.params.get("orderLinkId") or ask.params.get("orderId"):
            return self._one(ask, account)
        orders = self.exchange_of(ask).orders_of(account, ask.params.get("symbol"), only_open=False)
        ended = [order for order in orders if not order.is_open]
        return self._paged(ask, ended, partial(shapes.order_row, category=self.category_of(ask)))

    def _is_settled_as_asked(self, ask: Ask, market_id: str) -> bool:
        coin = ask.params.get("settleCoin")
        return coin in (None, "", self.exchange_of(ask).market(market_id).quote)

    def _one(self, ask: Ask, account: Account) -> object:
        try:
            rows = [shapes.order_row(self._find(ask, account), self.category_of(ask))]
        except Refused:
            rows = []
        return {"category": self.category_of(ask), "list": rows, "nextPageCursor": ""}

    def _executions(self, ask: Ask, account: Account) -> object:
        trades = self.exchange_of(ask).trades_of(account, ask.params.get("symbol") or None)
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
            "category": self.category_of(ask),
            "list": [shape(item) for item in page],
            "nextPageCursor": following,
        }

    def _set_dcp(self, ask: Ask, account: Account) -> object:
        seconds, category = ask.params.get("timeWindow", ""), _PRODUCTS.get(ask.params.get("product", ""))
        own = None if category is None else self.exchanges[category].accounts.get(account.api_key)
        if own is None or not seconds.isdecimal() or not 3 <= int(seconds) <= 300:
            raise Refused("params", "product, timeWindow")
        own.dcp_seconds = int(seconds)
        return {}

    def _dcp_info(self, ask: Ask, account: Account) -> object:
        found = []
        for product, category in _PRODUCTS.items():
            own = self.exchanges[category].accounts.get(account.api_key)
            if own is not None and own.dcp_enabled:
                found.append(shapes.dcp_info(product, own))
        return {"dcpInfos": found}

    def _transaction_log(self, ask: Ask, account: Account) -> object:
        start, end = ask.params.get("startTime", ""), ask.params.get("endTime", "")
        low = int(start) if start.isdecimal() else self.clock.now_ms() - 86_400_000
        high = int(end) if end.isdecimal() else low + 86_400_000
        if high - low > _RANGE_MS:
            raise Refused("params", "The time range between startTime and endTime cannot exceed 7 days")
        return self._paged(ask, self._log_rows(account, low, high), lambda row: row)

    def _log_rows(self, account: Account, low: int, high: int) -> list[dict[str, object]]:
        """Of both categories, oldest first: one wallet serves them."""
        rows: list[tuple[int, dict[str, object]]] = []
        for category, exchange in self.exchanges.items():
            own = exchange.accounts.get(account.api_key)
            if own is not None:
                rows += [(line.at_ms, shapes.log_transfer(line, own)) for line in own.statement]
                rows += [
                    (trade.at_ms, shapes.log_trade(trade, category)) for trade in exchange.trades_of(own)
                ]
        rows.sort(key=lambda row: row[0])
        return [row for at_ms, row in rows if low <= at_ms <= high]

    def _wallet(self, ask: Ask, account: Account) -> object:
        own = [exchange.accounts.get(account.api_key) for exchange in self.exchanges.values()]
        return {"list": [shapes.wallet([found for found in own if found is not None])]}

    def _account_info(self, ask: Ask, account: Account) -> object:
        return {
            "marginMode": "REGULAR_MARGIN" if account.margin_mode == "cross" else "ISOLATED_MARGIN",
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
        """Those that are held; asked for one symbol also a flat one, which tells how it is set up."""
        exchange, wanted = self.exchanges["linear"], ask.params.get("symbol", "")
        held = exchange.accounts.get(account.api_key, account)
        positions = dict(held.positions)
        if wanted:
            positions = {wanted: held.position(exchange.market(wanted))}
        rows = [
            shapes.position_row(position, exchange.quotes[market_id], held, self.clock.now_ms())
            for market_id, position in sorted(positions.items())
            if self._is_settled_as_asked(ask, market_id)
        ]
        return {"list": rows, "nextPageCursor": "", "category": "linear"}


def _is_of(trade: VenueTrade, order_id: str | None, link_id: str | None) -> bool:
    if order_id:
        return trade.order.order_id == order_id
    return not link_id or trade.order.spec.client_id == link_id
