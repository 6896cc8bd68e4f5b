"""Reading untrusted JSON into exact values: a wrong shape is an error with the field's name, never a default.

Only conversions live here. `Malformed` is caught by the adapter, which turns it into an unresolved outcome or
an unavailable answer; it never means that an order was refused.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import cast

from actors.model.money import MAX_FRACTION_DIGITS, BadDecimal, checked

_PLACES = Decimal(1).scaleb(-MAX_FRACTION_DIGITS)


class Malformed(Exception):
    """An answer that does not have the shape it must have: which field, what was found."""

    def __init__(self, field: str, found: object) -> None:
        super().__init__(f"{field}: unusable value {str(found)[:80]!r}")
        self.field = field
        self.found = found


def mapping(value: object, field: str) -> Mapping[str, object]:
    """The value as a JSON object."""
    if not isinstance(value, Mapping):
        raise Malformed(field, value)
    return cast(Mapping[str, object], value)


def sequence(value: object, field: str) -> Sequence[object]:
    """The value as a JSON array."""
    if not isinstance(value, list | tuple):
        raise Malformed(field, value)
    return cast(Sequence[object], value)


def objects(value: object, field: str) -> list[Mapping[str, object]]:
    """The value as an array of objects."""
    return [mapping(item, field) for item in sequence(value, field)]


def text(source: Mapping[str, object], field: str) -> str:
    """A text, or a whole number as its text (ids come as either)."""
    value = source.get(field)
    if isinstance(value, str) and value:
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise Malformed(field, value)


def optional_text(source: Mapping[str, object], field: str) -> str:
    """A text or number as text; empty when it is missing or null."""
    value = source.get(field)
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return ""


def number(source: Mapping[str, object], field: str) -> Decimal:
    """An exact decimal from its text. A JSON float is refused: its digits are not the exchange's."""
    value = source.get(field)
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise Malformed(field, value)
    try:
        return checked(Decimal(value))
    except (InvalidOperation, BadDecimal):
        raise Malformed(field, value) from None


def optional_number(source: Mapping[str, object], field: str) -> Decimal | None:
    """An exact decimal, or None when the field is missing, null or empty."""
    return None if source.get(field) in (None, "") else number(source, field)


def average(source: Mapping[str, object], field: str) -> Decimal | None:
    """A price that is a quotient and may have any number of digits, rounded to twelve places; None when there
    is none, or zero.
    """
    found = optional_text(source, field)
    try:
        return checked(Decimal(found or 0).quantize(_PLACES)) or None
    except (InvalidOperation, BadDecimal):
        raise Malformed(field, found) from None


def micros(source: Mapping[str, object], field: str) -> int:
    """A time in milliseconds since 1970, as a number or text, in microseconds."""
    value = source.get(field)
    if isinstance(value, str) and value.isdecimal():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise Malformed(field, value)
    return value * 1000
