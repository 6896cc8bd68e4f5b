"""What Binance's markets share: parameters, signatures, limits, errors, number formats.

Sources for codes and texts: Binance's public API documentation, "Error codes" and "Filters".
"""

import hashlib
import hmac
from collections.abc import Mapping
from decimal import Decimal
from typing import ClassVar
from urllib.parse import parse_qsl

from ops.venue.accounts import Account
from ops.venue.clock import VenueClock
from ops.venue.exchange import VenueExchange
from ops.venue.faults import Fault
from ops.venue.limits import Meter, Over, Window
from ops.venue.markets import Refused
from ops.venue.pipeline import Answer, Ask, Endpoint

_MAX_WINDOW_MS = 60_000
_FUTURE_MS = 1_000
_USE_STREAMS = "Please use WebSocket Streams for live updates to avoid"

ERRORS: Mapping[str, tuple[int, int, str]] = {
    "symbol": (400, -1121, "Invalid symbol."),
    "lot": (400, -1013, "Filter failure: LOT_SIZE"),
    "tick": (400, -1013, "Filter failure: PRICE_FILTER"),
    "price_band": (400, -1013, "Filter failure: PERCENT_PRICE_BY_SIDE"),
    "notional": (400, -1013, "Filter failure: NOTIONAL"),
    "insufficient": (400, -2010, "Account has insufficient balance for requested action."),
    "duplicate": (400, -2010, "Duplicate order sent."),
    "post_only": (400, -2010, "Order would immediately match and take."),
    "reduce_only": (400, -2022, "ReduceOnly Order is rejected."),
    "unknown_order": (400, -2013, "Order does not exist."),
    "closed": (400, -2011, "Unknown order sent."),
    "unchanged": (400, -5027, "No need to modify the order."),
    "api_key_format": (401, -2014, "API-key format invalid."),
    "api_key": (401, -2015, "Invalid API-key, IP, or permissions for action."),
    "signature": (400, -1022, "Signature for this request is not valid."),
    "timestamp_ahead": (400, -1021, "Timestamp for this request was 1000ms ahead of the server's time."),
    "timestamp": (400, -1021, "Timestamp for this request is outside of the recvWindow."),
    "window": (400, -1131, "recvWindow must be less than 60000."),
    "order_type": (400, -1116, "Invalid orderType."),
    "side": (400, -1117, "Invalid side."),
    "time_in_force": (400, -1115, "Invalid timeInForce."),
    "listen_key": (400, -1125, "This listenKey does not exist."),
}
"""HTTP status, code and text for each abstract refusal; spot's words. Futures replace some of them."""


def sign(secret: str, text: str) -> str:
    """HMAC-SHA256 in hex."""
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


def decimal_param(params: Mapping[str, str], name: str) -> Decimal:
    """A required decimal parameter; raise Refused with Binance's words."""
    found = params.get(name, "")
    if not found:
        raise Refused("missing", name)
    try:
        value = Decimal(found)
    except ArithmeticError:
        raise Refused("illegal", name) from None
    if not value.is_finite():
        raise Refused("illegal", name)
    return value


class BinanceDialect:
    """The translators that spot and futures share; each adds its endpoints and its JSON."""

    errors: ClassVar[Mapping[str, tuple[int, int, str]]] = ERRORS
    weight_header = "X-MBX-USED-WEIGHT-1M"

    def __init__(self, exchange: VenueExchange, weight_limit: int, order_limit: int) -> None:
        self.exchange = exchange
        self.clock: VenueClock = exchange.clock
        self.endpoints: dict[tuple[str, str], Endpoint] = {}
        self.nobody = Account("", "", {}, derivative=exchange.rules.derivative)
        self._windows = (
            Window(name="weight", limit=weight_limit, seconds=60),
            Window(name="orders", limit=order_limit, seconds=10),
        )
        self.meters: dict[str, Meter] = {}

    def params(self, query: str, body: str, content_type: str) -> Mapping[str, str]:
        """Query and form body together, as Binance reads them."""
        return {
            **dict(parse_qsl(query, keep_blank_values=True)),
            **dict(parse_qsl(body, keep_blank_values=True)),
        }

    def authenticate(self, ask: Ask, endpoint: Endpoint) -> Account:
        account = self.account_of(ask.headers.get("x-mbx-apikey", ""))
        if endpoint.security == "key":
            return account
        signature = ask.params.get("signature", "")
        if not signature:
            raise Refused("missing", "signature")
        parts = [_without_signature(text) for text in (ask.query, ask.body)]
        if not hmac.compare_digest(sign(account.secret, "".join(parts)), signature):
            raise Refused("signature")
        self.check_time(ask.params)
        return account

    def account_of(self, api_key: str) -> Account:
        """The account of a key; raise Refused."""
        if len(api_key) < 8:
            raise Refused("api_key_format")
        account = self.exchange.accounts.get(api_key)
        if account is None:
            raise Refused("api_key")
        return account

    def check_time(self, params: Mapping[str, str]) -> None:
        """The signed time against the venue's clock and the receive window."""
        stamp = params.get("timestamp", "")
        if not stamp.isdecimal():
            raise Refused("missing", "timestamp")
        window = decimal_param(params, "recvWindow") if "recvWindow" in params else Decimal(5000)
        if window > _MAX_WINDOW_MS:
            raise Refused("window")
        late_ms = self.clock.now_ms() - int(stamp)
        if late_ms < -_FUTURE_MS:
            raise Refused("timestamp_ahead")
        if late_ms > window:
            raise Refused("timestamp")

    def meter(self, ask: Ask, endpoint: Endpoint) -> Over | None:
        meter = self.meters.setdefault(ask.address, Meter(self._windows))
        units = {"weight": self.weight_of(ask, endpoint), "orders": int(endpoint.places_order)}
        return meter.spend(self.clock.now_us() / 1e6, units)

    def weight_of(self, ask: Ask, endpoint: Endpoint) -> int:
        """What the request costs."""
        return endpoint.weight

    def headers(self, ask: Ask, endpoint: Endpoint) -> Mapping[str, str]:
        meter = self.meters.get(ask.address)
        used = {} if meter is None else meter.used
        found = {self.weight_header: str(used.get("weight", 0))}
        if endpoint.places_order:
            found["X-MBX-ORDER-COUNT-10S"] = str(used.get("orders", 0))
        return found

    def success(self, body: object) -> Answer:
        return Answer(body=body)

    def refusal(self, refused: Refused, ask: Ask) -> Answer:
        status, code, text = self.error_of(refused)
        if refused.why == "unknown_order" and ask.method == "DELETE":
            status, code, text = self.errors["closed"]
        return Answer(status=status, body={"code": code, "msg": text})

    def error_of(self, refused: Refused) -> tuple[int, int, str]:
        """Status, code and text of a refusal."""
        if refused.why == "missing":
            text = f"Mandatory parameter '{refused.detail}' was not sent, was empty/null, or malformed."
            return 400, -1102, text
        if refused.why == "illegal":
            return 400, -1100, f"Illegal characters found in parameter '{refused.detail}'."
        return self.errors.get(
            refused.why, (400, -1000, "An unknown error occurred while processing the request.")
        )

    def over(self, over: Over) -> Answer:
        headers = {"Retry-After": str(over.retry_after_seconds)}
        if over.banned:
            until = self.clock.now_ms() + over.retry_after_seconds * 1000
            text = f"Way too much request weight used; IP banned until {until}. {_USE_STREAMS} bans."
            return Answer(status=418, body={"code": -1003, "msg": text}, headers=headers)
        if over.window.name == "orders":
            allowed = f"{over.window.limit} orders per {over.window.seconds} SECOND"
            text = f"Too many new orders; current limit is {allowed}."
            return Answer(status=429, body={"code": -1015, "msg": text}, headers=headers)
        allowed = f"{over.window.limit} request weight per 1 MINUTE"
        text = f"Too much request weight used; current limit is {allowed}. {_USE_STREAMS} polling the API."
        return Answer(status=429, body={"code": -1003, "msg": text}, headers=headers)

    def fault_answer(self, fault: Fault) -> Answer:
        headers = {"Retry-After": str(int(fault.seconds))}
        if fault.kind == "throttle":
            return Answer(status=429, body={"code": -1003, "msg": "Too many requests."}, headers=headers)
        if fault.kind == "ban":
            return Answer(
                status=418, body={"code": -1003, "msg": "Way too many requests; IP banned."}, headers=headers
            )
        if fault.kind == "maintenance":
            text = "Server is currently overloaded with other requests. Please try again in a few minutes."
            return Answer(status=503, body={"code": -1008, "msg": text})
        text = (
            "Timeout waiting for response from backend server. Send status unknown; execution status unknown."
        )
        return Answer(status=408, body={"code": -1007, "msg": text})


def _without_signature(text: str) -> str:
    return "&".join(part for part in text.split("&") if not part.startswith("signature="))
