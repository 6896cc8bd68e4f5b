"""From an alert to the body of an order: pure, exact, and refusing whatever is not foreseen.

Numbers in an alert are taken as they are written, never as binary floating point. What the mapping does not
translate is not guessed.
"""

import hashlib
from typing import Any

import msgspec

from actors.model.money import BadDecimal, parse_decimal
from web.hooks.spec import Hook, Part
from web.problems import ProblemError, invalid_field, problem

_read = msgspec.json.Decoder(float_hook=str).decode
_FLAGS = {"true": True, "false": False}


def read_alert(body: bytes) -> dict[str, Any]:
    """The alert as a JSON object, its fractions kept as text; raise ProblemError."""
    try:
        found = _read(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise invalid_field("#", f"the alert is no JSON: {str(error)[:200]}") from None
    if not isinstance(found, dict):
        raise invalid_field("#", "the alert must be a JSON object")
    return found


def value_at(alert: dict[str, Any], path: str) -> str | None:
    """What the alert says at a dotted path, as text; None when it says nothing there."""
    found: Any = alert
    for step in path.split("."):
        if not isinstance(found, dict) or step not in found:
            return None
        found = found[step]
    if isinstance(found, bool):
        return "true" if found else "false"
    return str(found) if isinstance(found, str | int) else None


def forget(alert: dict[str, Any], path: str) -> None:
    """Take out what the alert says at a dotted path: no mapping, key or error may hold a secret."""
    *above, last = path.split(".")
    found: Any = alert
    for step in above:
        found = found.get(step) if isinstance(found, dict) else None
    if isinstance(found, dict):
        found.pop(last, None)


def order_of(hook: Hook, alert: dict[str, Any]) -> dict[str, object]:
    """The body of `POST /orders` that the alert stands for, within the hook's bounds; raise ProblemError."""
    order: dict[str, object] = {}
    for field in msgspec.structs.fields(hook.order):
        part: Part | None = getattr(hook.order, field.name)
        if part is None:
            continue
        name = field.encode_name
        text = _text(part, alert, name)
        order[name] = _FLAGS.get(text, text) if name in {"postOnly", "reduceOnly"} else text
    _bound(hook, order)
    return order


def key_of(name: str, hook: Hook, alert: dict[str, Any]) -> str | None:
    """The idempotency key of an alert: alerts that agree in the hook's key fields are one.

    None without such fields.
    """
    if not hook.key:
        return None
    parts = [name]
    for path in hook.key:
        found = value_at(alert, path)
        if found is None:
            raise invalid_field(f"#/{path.replace('.', '/')}", "is needed to tell alerts apart")
        parts.append(found)
    return "hook-" + hashlib.sha256(msgspec.json.encode(parts)).hexdigest()[:40]


def _text(part: Part, alert: dict[str, Any], name: str) -> str:
    if part.value is not None:
        return part.value
    path = part.field or ""
    found = value_at(alert, path)
    pointer = f"#/{path.replace('.', '/')}"
    if found is None:
        raise invalid_field(pointer, f"is missing; the order's {name} comes from it")
    if part.values is None:
        return found
    if found not in part.values:
        known = ", ".join(part.values)
        raise invalid_field(pointer, f"found {found[:40]!r}; the mapping knows: {known}")
    return part.values[found]


def _bound(hook: Hook, order: dict[str, object]) -> None:
    if order["symbol"] not in hook.symbols:
        raise _beyond(
            "SYMBOL_NOT_ALLOWED", f"the hook trades {', '.join(hook.symbols)}, not {order['symbol']}"
        )
    if order["side"] not in hook.sides:
        raise _beyond("FORBIDDEN", f"the hook may {', '.join(hook.sides)}, not {order['side']}", 403)
    exchange = order.get("exchange")
    if hook.exchanges is not None and exchange is not None and exchange not in hook.exchanges:
        raise _beyond("FORBIDDEN", f"the hook may not trade at {exchange}", 403)
    try:
        quantity = parse_decimal(str(order["qty"]))
    except BadDecimal as error:
        raise invalid_field("#/qty", str(error)) from None
    if quantity > hook.max_qty:
        raise _beyond("ORDER_SIZE", f"the hook may ask for {hook.max_qty} at most, not {quantity}")


def _beyond(code: str, detail: str, status: int = 422) -> ProblemError:
    return ProblemError(problem(code, f"{detail}; nothing was done", status=status))
