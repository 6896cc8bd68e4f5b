"""What Bybit's endpoints share: reading requests, signatures, limits, errors.

Answers are HTTP 200 with a `retCode`; only the address limit is told by the status. Texts and codes are those
of Bybit's public documentation, "Error codes".
"""

import hmac
import json
from collections.abc import Mapping
from decimal import Decimal
from urllib.parse import parse_qsl

from ops.venue.accounts import Account
from ops.venue.binance.common import sign
from ops.venue.clock import VenueClock
from ops.venue.exchange import VenueExchange
from ops.venue.faults import Fault
from ops.venue.limits import Meter, Over, Window
from ops.venue.markets import Refused
from ops.venue.pipeline import Answer, Ask, Endpoint

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
    "unchanged": (10001, "The order remains unchanged as the parameters entered match the existing ones."),
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
    "unchanged": (10001, "The order remains unchanged as the parameters entered match the existing ones."),
}


class BybitDialect:
    """The translators of the dialect, over both exchanges; `category` picks one."""

    def __init__(
        self, spot: VenueExchange, linear: VenueExchange, *, address_limit: int, order_limit: int
    ) -> None:
        self.exchanges: Mapping[str, VenueExchange] = {"spot": spot, "linear": linear}
        self.clock: VenueClock = spot.clock
        self.nobody = Account("", "", {}, derivative=False)
        self.endpoints: dict[tuple[str, str], Endpoint] = {}
        self._order_limit = order_limit
        self._address_windows = (Window(name="address", limit=address_limit, seconds=5),)
        self._addresses: dict[str, Meter] = {}
        self._users: dict[str, Meter] = {}

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
        category = self.category_of(ask)
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
        key = f"{ask.headers.get('x-bapi-api-key', '')} {self.category_of(ask)}"
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
        table = _SPOT if self.category_of(ask) == "spot" else _LINEAR
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

    def category_of(self, ask: Ask) -> str:
        """spot or linear."""
        found = ask.params.get("category", "spot")
        return found if found in self.exchanges else "linear"

    def exchange_of(self, ask: Ask) -> VenueExchange:
        """The exchange of the category."""
        return self.exchanges[self.category_of(ask)]

    def market_id_of(self, ask: Ask) -> str:
        """The market asked for; raise Refused."""
        return self.exchange_of(ask).market(ask.params.get("symbol", "")).market_id

    def decimal_of(self, ask: Ask, name: str) -> Decimal:
        """A required amount; raise Refused."""
        try:
            value = Decimal(ask.params.get(name, ""))
        except ArithmeticError:
            raise Refused("params", name) from None
        if not value.is_finite():
            raise Refused("params", name)
        return value


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
