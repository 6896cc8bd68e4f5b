"""An event as a sentence, and several of them as one message. Pure."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from actors.webhook.events import TEST_EVENT
from actors.webhook.port import Delivery

MOST_LINES = 20
MOST_LINE = 300

Body = Mapping[str, Any]


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """What one person reads at one time. `message_id` is the same when it is sent again."""

    message_id: str
    title: str
    lines: tuple[str, ...]
    urgent: bool = False

    @property
    def text(self) -> str:
        """All lines."""
        return "\n".join(self.lines)


def message_of(deliveries: Sequence[Delivery], *, more: bool = False) -> Message:
    """One message of some deliveries, oldest first; `more`: others wait behind them."""
    bodies = [_read(each.body) for each in deliveries]
    lines = [f"{_time(body)} {sentence(body)}"[:MOST_LINE] for body in bodies]
    if len(lines) > MOST_LINES:
        left_out = len(lines) - MOST_LINES
        lines = [*lines[:MOST_LINES], f"and {left_out} more"]
    if more:
        lines.append("more follows")
    urgent = any(is_urgent(body) for body in bodies)
    first = next((body for body in bodies if is_urgent(body)), bodies[0])
    title = sentence(first)[:100]
    if len(bodies) > 1:
        title = f"{title} (+{len(bodies) - 1})"
    return Message(message_id=deliveries[0].delivery_id, title=title, lines=tuple(lines), urgent=urgent)


def urgent_delivery(delivery: Delivery) -> bool:
    """Whether a person should hear of it at once."""
    return is_urgent(_read(delivery.body))


def is_urgent(body: Body) -> bool:
    """Whether a person should hear of it at once."""
    event = body["event"]
    if event in ("supervisor_gave_up", "reconciliation_difference", "order_unknown"):
        return True
    return body.get("tradingState") == "halted" or body.get("circuit") == "open"


def sentence(body: Body) -> str:
    """What happened."""
    return _SENTENCES.get(body["event"], _any)(body)


def _read(body: bytes) -> Body:
    found: Body = msgspec.json.decode(body)
    return found


def _time(body: Body) -> str:
    return str(body.get("timestamp", ""))[:19].replace("T", " ")


def _where(body: Body) -> str:
    parts = [body[name] for name in ("exchange", "symbol") if body.get(name)]
    return f" at {' '.join(parts)}" if parts else ""


def _why(body: Body) -> str:
    why = body.get("cause") or body.get("detail") or body.get("reason")
    by = f" (by {body['by']})" if body.get("by") else ""
    return (f": {why}" if why else "") + by


def _state(body: Body) -> str:
    return f"Trading is {body['tradingState']}{_where(body)}{_why(body)}"


def _breaker(body: Body) -> str:
    return f"Circuit to {body['exchange']} is {body['circuit']}{_why(body)}"


def _redis(body: Body) -> str:
    if body["available"]:
        return "Redis is back"
    return f"Redis is away, going on with local state{_why(body)}"


def _difference(body: Body) -> str:
    quantity = f", {body['qty']}" if body.get("qty") else ""
    return f"The exchange and the journal differ{_where(body)}{quantity}{_why(body)}"


def _gave_up(body: Body) -> str:
    return f"The supervisor gave up, trading is halted{_why(body)}"


def _order(body: Body) -> str:
    what = str(body["event"]).removeprefix("order_").replace("_", " ")
    filled = f", filled {body['filledQty']}" if body.get("filledQty") not in (None, "0") else ""
    price = f" at {body['avgPrice']}" if filled and body.get("avgPrice") else ""
    return (
        f"Order {what}: {body['side']} {body['qty']} {body['symbol']} at {body['exchange']}{filled}{price}"
        f"{_why(body)} [{body['orderId']}]"
    )


def _position(body: Body) -> str:
    return f"Position {body['symbol']} at {body['exchange']} is {body['qty']}{_why(body)}"


def _test(_body: Body) -> str:
    return "This is a test; all is well"


def _any(body: Body) -> str:
    fields = [f"{name} {value}" for name, value in body.items() if name not in ("event", "timestamp", "seq")]
    return f"{body['event'].replace('_', ' ')}: {', '.join(fields)}"


_SENTENCES: dict[str, Callable[[Body], str]] = {
    "trading_state_changed": _state,
    "breaker_changed": _breaker,
    "redis_changed": _redis,
    "reconciliation_difference": _difference,
    "supervisor_gave_up": _gave_up,
    "order_accepted": _order,
    "order_amended": _order,
    "order_filled": _order,
    "order_partially_filled": _order,
    "order_canceled": _order,
    "order_rejected": _order,
    "order_denied": _order,
    "order_unknown": _order,
    "position_changed": _position,
    TEST_EVENT: _test,
}
