"""The query parameters and headers that several operations share."""

import base64
import binascii
import re
from collections.abc import Callable, Mapping

from web.call import Call
from web.patterns import EXCHANGE, LIMIT_NAME, SYMBOL, UUID, WEBHOOK_ID
from web.problems import ProblemError, invalid_field, problem, unfit

MAX_PAGE = 1000
DEFAULT_PAGE = 100

_exchange = re.compile(EXCHANGE).match
_symbol = re.compile(SYMBOL).match
_webhook_id = re.compile(WEBHOOK_ID).match
_limit_name = re.compile(LIMIT_NAME).match
_order_id = re.compile(UUID).match
_cursor = re.compile(r"[A-Za-z0-9_-]{1,128}", re.ASCII).fullmatch
_key = re.compile(rb"[\x21-\x7e]{1,64}").fullmatch
_wait = re.compile(r"wait\s*=\s*\"?([0-9]{1,4}(?:\.[0-9]{1,3})?)\"?", re.ASCII).fullmatch


def _fitting(
    query: Mapping[str, str], name: str, fits: Callable[[str], object | None], needed: str
) -> str | None:
    """A parameter of this form, or None when it is left out."""
    found = query.get(name)
    if found is not None and fits(found) is None:
        raise invalid_field(f"?{name}", f"found {found[:40]!r}; {needed} is needed")
    return found


def exchange(query: Mapping[str, str]) -> str | None:
    """The exchange to filter by, or None."""
    return _fitting(query, "exchange", _exchange, "a name such as sim")


def symbol(query: Mapping[str, str]) -> str | None:
    """The symbol to filter by, or None."""
    return _fitting(query, "symbol", _symbol, "a symbol such as BTC/USDT")


def limit_name(query: Mapping[str, str]) -> str | None:
    """The limit to filter by, or None."""
    return _fitting(query, "name", _limit_name, "the name of a limit")


def choice(query: Mapping[str, str], name: str, *allowed: str) -> str | None:
    """A parameter with a few values, or None."""
    found = query.get(name)
    if found is not None and found not in allowed:
        raise invalid_field(f"?{name}", f"found {found[:40]!r}; one of {', '.join(allowed)} is needed")
    return found


def flag(query: Mapping[str, str], name: str) -> bool:
    """A parameter that is true or false; false when it is left out."""
    return choice(query, name, "true", "false") == "true"


def whole(query: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    """A whole number within bounds."""
    found = query.get(name)
    if found is None:
        return default
    if not (found.isascii() and found.isdigit() and len(found) <= 16 and low <= int(found) <= high):
        raise invalid_field(
            f"?{name}", f"found {found[:40]!r}; a whole number from {low} to {high} is needed"
        )
    return int(found)


def page_size(query: Mapping[str, str]) -> int:
    """How many rows at most."""
    return whole(query, "limit", DEFAULT_PAGE, 1, MAX_PAGE)


def query_order_id(query: Mapping[str, str]) -> str | None:
    """The order to filter by, or None."""
    return _fitting(query, "orderId", _order_id, "an order id")


def webhook_id(query: Mapping[str, str]) -> str | None:
    """The webhook to filter by, or None."""
    return _fitting(query, "webhookId", _webhook_id, "the id of a webhook")


def path_order_id(call: Call) -> str:
    """The order id in the path; the router lets nothing else through."""
    return call.params["order_id"]


def no_such_order(order_id: str) -> ProblemError:
    """The problem of an order that does not exist."""
    return ProblemError(problem("NOT_FOUND", f"there is no order {order_id[:64]!r}"))


def write_cursor(at: int, row_id: str = "") -> str:
    """An opaque cursor for the place behind a row."""
    return base64.urlsafe_b64encode(f"{at}.{row_id}".encode()).decode().rstrip("=")


def read_cursor(query: Mapping[str, str], row_ids: str = r"\Z") -> tuple[int, str] | None:
    """The place that a cursor stands for, or None when there is none. `row_ids` is the form of the ids of the
    list that it is for: a cursor of another list is none of its.
    """
    found = query.get("cursor")
    if found is None:
        return None
    if _cursor(found) is None:
        raise invalid_field("?cursor", "1 to 128 letters, digits, - and _ are needed")
    try:
        padded = found + "=" * (-len(found) % 4)
        at, dot, row_id = (
            base64.b64decode(padded, altchars=b"-_", validate=True).decode("ascii").partition(".")
        )
        if not dot or not at.isdigit() or len(at) > 18 or re.match(row_ids, row_id) is None:
            raise ValueError(found)
    except (ValueError, binascii.Error):
        raise unfit("?cursor", "is none of this list; use the nextCursor of a page") from None
    return int(at), row_id


def idempotency_key(call: Call) -> str | None:
    """The idempotency key, or None."""
    found = call.idempotency_key
    if found is None:
        return None
    if _key(found) is None:
        raise invalid_field("Idempotency-Key", "1 to 64 printable ASCII characters without spaces are needed")
    return found.decode("ascii")


def wait_seconds(call: Call, most: float) -> float:
    """How long the answer may wait for the exchange: what the client prefers, at most `most`."""
    if call.prefer is None:
        return most
    for preference in call.prefer.decode("latin-1").split(","):
        wanted = preference.split(";", 1)[0].strip().lower()
        if wanted == "respond-async":
            return 0.0
        found = _wait(wanted)
        if found is not None:
            return min(most, float(found[1]))
    return most
