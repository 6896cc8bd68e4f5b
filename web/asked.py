"""What comes in over the wire, and how it becomes the intent of an order.

The structs repeat the contract; a test proves that they are equal to it. A field that the contract does not
know is refused, and so is a number where a decimal string belongs: no value is ever guessed.
"""

import hashlib
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Annotated, Literal, NamedTuple, TypeVar

import msgspec
from msgspec import Meta

from actors.model.fingerprint import fingerprint
from actors.model.money import BadDecimal, parse_decimal, text
from actors.model.order import OrderIntent
from web.patterns import ASSET, CLIENT_ORDER_ID, EXCHANGE, REFERENCE, SYMBOL, TEXT
from web.problems import FieldError, ProblemError, invalid, invalid_field

_PLAIN = re.compile(r"[0-9]{1,18}(\.[0-9]{1,12})?", re.ASCII).fullmatch


class Asked(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """The base of all bodies that come in: a field that the contract does not know is refused."""


AskedT = TypeVar("AskedT", bound=Asked)

WHOLE = Meta(multiple_of=1)
"""JSON has one kind of number: `60.0` is a whole one too. A field of this kind is read as a float."""


class NewOrder(Asked, frozen=True, kw_only=True):
    """An order as a client asks for it."""

    symbol: Annotated[str, Meta(pattern=SYMBOL)]
    side: Literal["buy", "sell"]
    type: Literal["market", "limit", "stop", "stop_limit"]
    qty: str
    limit_price: str | None = None
    stop_price: str | None = None
    time_in_force: Literal["GTC", "IOC", "FOK"] = "GTC"
    exchange: Annotated[str, Meta(pattern=EXCHANGE)] | None = None
    client_order_id: Annotated[str, Meta(pattern=CLIENT_ORDER_ID)] | None = None
    post_only: bool = False
    reduce_only: bool = False


class AmendRequest(Asked, frozen=True, kw_only=True):
    """What a working order is to be; a term that is left out stays as it is."""

    qty: str | msgspec.UnsetType = msgspec.UNSET
    limit_price: str | msgspec.UnsetType = msgspec.UNSET


class Terms(NamedTuple):
    """What an amend asks for, and the digest of the request; None for a term that is to stay."""

    quantity: Decimal | None
    limit_price: Decimal | None
    fingerprint: str


class KillRequest(Asked, frozen=True, kw_only=True):
    """How to stop."""

    reason: Annotated[str, Meta(pattern=TEXT, max_length=500)]
    level: Literal["halt", "cancel", "flatten"] = "cancel"
    exchange: Annotated[str, Meta(pattern=EXCHANGE)] | None = None
    symbol: Annotated[str, Meta(pattern=SYMBOL)] | None = None


class ResumeRequest(Asked, frozen=True, kw_only=True):
    """Why trading may go on, and what is lifted."""

    reason: Annotated[str, Meta(pattern=TEXT, max_length=500)]
    kill_ids: Annotated[
        tuple[Annotated[str, Meta(min_length=1, max_length=64)], ...], Meta(max_length=100)
    ] = ()
    exchange: Annotated[str, Meta(pattern=EXCHANGE)] | None = None
    symbol: Annotated[str, Meta(pattern=SYMBOL)] | None = None


class LimitRequest(Asked, frozen=True, kw_only=True):
    """What to set a limit to."""

    value: Annotated[str, Meta(pattern=TEXT, max_length=4000)]
    reason: Annotated[str, Meta(pattern=TEXT, max_length=500)]


class VerdictRequest(Asked, frozen=True, kw_only=True):
    """What a person found out about an unknown order."""

    verdict: Literal["absent"]
    reason: Annotated[str, Meta(pattern=TEXT, max_length=500)]


class AdjustmentRequest(Asked, frozen=True, kw_only=True):
    """By how much a balance changed, what proves it, and why."""

    exchange: Annotated[str, Meta(pattern=EXCHANGE)]
    asset: Annotated[str, Meta(pattern=ASSET)]
    amount: str
    reference: Annotated[str, Meta(pattern=REFERENCE)]
    reason: Annotated[str, Meta(pattern=TEXT, max_length=500)]


class LogLevelRequest(Asked, frozen=True, kw_only=True):
    """What is written to the log from now on."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]


_BLANK = f"Expected `str` matching regex {TEXT!r}"
_AT = re.compile(r"^(?P<what>.*?)(?: - at `\$(?P<path>[^`]*)`)?$", re.DOTALL)
_STEP = re.compile(r"\.([^.\[]+)|\[(\d+|\.\.\.)\]")


def decoder(asked: type[AskedT]) -> Callable[[bytes], AskedT]:
    """What reads a body of this kind from JSON; it raises ProblemError that says which field is wrong and
    how.
    """
    decode = msgspec.json.Decoder(asked).decode

    def read(body: bytes) -> AskedT:
        try:
            return decode(body)
        except msgspec.ValidationError as error:
            raise refused(error) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise invalid(f"the body is no JSON: {str(error)[:200]}") from None

    return read


def refused(error: msgspec.ValidationError, pointer: str = "#") -> ProblemError:
    """The problem of a body that is JSON but not what the contract says."""
    found = _AT.match(str(error))
    what, path = (found["what"], found["path"] or "") if found else (str(error), "")
    steps = "".join(f"/{name or index}" for name, index in _STEP.findall(path))
    if what == _BLANK:
        detail = "more than white space is needed"
    elif "unknown field" in what:
        detail = what.replace("Object contains", "found an")
    elif "Expected `str" in what and ("got `int`" in what or "got `float`" in what):
        detail = f'{what}; decimals are sent as strings, such as "0.01"'
    else:
        detail = what
    return invalid(f"{(steps or 'the body').lstrip('/')}: {detail}", FieldError(pointer + steps, detail))


def intent_of(
    asked: NewOrder, *, user: str, token_id: str, idempotency_key: str | None, pointer: str = "#"
) -> OrderIntent:
    """The intent of a request; raise ProblemError where the fields do not fit together.

    Ids are left to the port.
    """
    quantity = positive(asked.qty, f"{pointer}/qty")
    limit_price = None
    if asked.type in ("limit", "stop_limit"):
        if asked.limit_price is None:
            raise invalid_field(f"{pointer}/limitPrice", f"is required for a {_named(asked)} order")
        limit_price = positive(asked.limit_price, f"{pointer}/limitPrice")
    elif asked.limit_price is not None:
        detail = f"is only for limit and stop-limit orders; leave it out of a {asked.type} order"
        raise invalid_field(f"{pointer}/limitPrice", detail)
    stop_price = _stop_price_of(asked, pointer)
    if asked.post_only and (asked.type != "limit" or asked.time_in_force != "GTC"):
        raise invalid_field(f"{pointer}/postOnly", "is only for limit orders with timeInForce GTC")
    intent = OrderIntent(
        order_id="",
        client_order_id=asked.client_order_id or "",
        exchange=asked.exchange or "",
        symbol=asked.symbol,
        side=asked.side,
        type=asked.type,
        quantity=quantity,
        limit_price=limit_price,
        time_in_force=asked.time_in_force,
        post_only=asked.post_only,
        reduce_only=asked.reduce_only,
        user=user,
        token_id=token_id,
        idempotency_key=idempotency_key,
        stop_price=stop_price,
    )
    if not (idempotency_key or asked.client_order_id):
        return intent
    return msgspec.structs.replace(intent, fingerprint=fingerprint(intent))


def _stop_price_of(asked: NewOrder, pointer: str) -> Decimal | None:
    if asked.type not in ("stop", "stop_limit"):
        if asked.stop_price is not None:
            raise invalid_field(f"{pointer}/stopPrice", "is only for stop and stop-limit orders")
        return None
    if asked.stop_price is None:
        raise invalid_field(f"{pointer}/stopPrice", f"is required for a {_named(asked)} order")
    if asked.time_in_force != "GTC":
        detail = f"a {_named(asked)} order rests until it triggers; only GTC"
        raise invalid_field(f"{pointer}/timeInForce", detail)
    return positive(asked.stop_price, f"{pointer}/stopPrice")


def _named(asked: NewOrder) -> str:
    """The type as people say it."""
    return asked.type.replace("_", "-")


def terms_of(asked: AmendRequest, order_id: str, pointer: str = "#") -> Terms:
    """The terms of an amend; raise ProblemError where there are none, or they can't be."""
    quantity = None if asked.qty is msgspec.UNSET else positive(asked.qty, f"{pointer}/qty")
    price = (
        None if asked.limit_price is msgspec.UNSET else positive(asked.limit_price, f"{pointer}/limitPrice")
    )
    if quantity is None and price is None:
        raise invalid_field(pointer, "qty, limitPrice or both are needed")
    parts = (order_id, "" if quantity is None else text(quantity), "" if price is None else text(price))
    return Terms(quantity, price, hashlib.sha256("\x1f".join(parts).encode()).hexdigest())


def positive(found: str, pointer: str) -> Decimal:
    """A plain decimal above zero; raise ProblemError that says what is allowed."""
    value = _plain(found, pointer, found, "a plain decimal above zero", "0.01")
    if value <= 0:
        raise invalid_field(pointer, "must be above zero")
    return value


def signed(found: str, pointer: str) -> Decimal:
    """A plain decimal that is not zero, with or without a minus; raise ProblemError."""
    allowed = "a plain decimal other than zero, with or without a minus"
    value = _plain(found.removeprefix("-"), pointer, found, allowed, "-250.5")
    if not value:
        raise invalid_field(pointer, "must not be zero")
    return value.copy_negate() if found.startswith("-") else value


def _plain(digits: str, pointer: str, found: str, allowed: str, such_as: str) -> Decimal:
    if _PLAIN(digits) is None:
        raise invalid_field(
            pointer,
            f"found {found[:40]!r}; {allowed} is needed, as a string such as "
            f'"{such_as}", with at most 18 digits before and 12 after the point',
        )
    try:
        return parse_decimal(digits)
    except BadDecimal as error:
        raise invalid_field(pointer, str(error)) from None
