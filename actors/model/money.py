"""Exact decimal arithmetic.

Money is Decimal under one context that traps Inexact: a sum or product that would lose a digit raises
instead of rounding. Division happens only for display and for taking a share of a cost, each with its
rounding stated here.
"""

from decimal import (
    ROUND_HALF_EVEN,
    Context,
    Decimal,
    DivisionByZero,
    Inexact,
    InvalidOperation,
    Overflow,
)

ZERO = Decimal(0)

EXACT = Context(prec=76, traps=[Inexact, InvalidOperation, DivisionByZero, Overflow])
"""Add, subtract, multiply and compare here; an inexact result raises `decimal.Inexact`.

76 digits hold the product of two numbers that `checked` admits (60 digits) and a sum of 10^16 of them.
"""

# A cost times a part has at most 90 digits; the quotient is then rounded once, never twice.
_WIDE = Context(prec=192, traps=[Inexact, InvalidOperation, DivisionByZero, Overflow])
_ROUNDING = Context(prec=76, rounding=ROUND_HALF_EVEN, traps=[InvalidOperation, DivisionByZero, Overflow])
_COST_PLACES = 12
_DISPLAY_PLACES = Decimal("1e-8")

MAX_INTEGER_DIGITS = 18
MAX_FRACTION_DIGITS = 12
_MAX_TEXT = 64
_LAST_DIGITS = frozenset("123456789")


class BadDecimal(ValueError):
    """A text that is no usable decimal: what was found and why it can't be used."""

    def __init__(self, found: str, why: str) -> None:
        super().__init__(f"{found[:40]!r} {why}")
        self.found = found[:40]
        self.why = why


def parse_decimal(text: str) -> Decimal:
    """Read a finite decimal of at most 18 integer and 12 fraction digits; raise BadDecimal otherwise."""
    if len(text) > _MAX_TEXT or not text.isascii() or text != text.strip() or "_" in text:
        raise BadDecimal(text, "is not a plain decimal number")
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise BadDecimal(text, "is not a decimal number") from None
    try:
        return checked(value)
    except BadDecimal as error:
        raise BadDecimal(text, error.why) from None


def checked(value: Decimal) -> Decimal:
    """The value without trailing zeros; raise BadDecimal unless it is finite and within the digit limits."""
    if not value.is_finite():
        raise BadDecimal(str(value), "is not finite")
    if not value:
        return ZERO
    if value.adjusted() >= MAX_INTEGER_DIGITS:
        raise BadDecimal(str(value), f"has more than {MAX_INTEGER_DIGITS} integer digits")
    if value.adjusted() < -MAX_FRACTION_DIGITS or len(value.as_tuple().digits) > EXACT.prec:
        raise BadDecimal(str(value), f"has more than {MAX_FRACTION_DIGITS} fraction digits")
    plain = normal(value)
    exponent = plain.as_tuple().exponent
    if isinstance(exponent, int) and -exponent > MAX_FRACTION_DIGITS:
        raise BadDecimal(str(value), f"has more than {MAX_FRACTION_DIGITS} fraction digits")
    return plain


def normal(value: Decimal) -> Decimal:
    """The same value in one canonical form: no trailing zeros, no exponent above zero, no negative zero."""
    if not value:
        return ZERO
    stripped = value.normalize(EXACT)
    exponent = stripped.as_tuple().exponent
    if isinstance(exponent, int) and exponent > 0:
        return stripped.quantize(Decimal(1), context=EXACT)
    return stripped


def text(value: Decimal) -> str:
    """The canonical text of a decimal, for answers and logs: `0.01`, never `1E-2`."""
    found = str(value)
    # Nearly every value has its canonical text already: no exponent, no zero to strip, no negative zero.
    if found.isdigit() or (found[-1] in _LAST_DIGITS and "." in found and "E" not in found):
        return found
    return format(normal(value), "f")


def share_of_cost(cost: Decimal, part: Decimal, whole: Decimal) -> Decimal:
    """`cost * part / whole`, rounded half-even to 12 places: the share that a partial close takes with it."""
    if part == whole:
        return cost
    scaled = _WIDE.scaleb(_WIDE.multiply(cost, part), _COST_PLACES)
    quotient, remainder = _WIDE.divmod(scaled, whole)
    # Half-even on the exact remainder (the signs of dividend and remainder agree).
    twice = _WIDE.compare(_WIDE.abs(_WIDE.multiply(remainder, Decimal(2))), _WIDE.abs(whole))
    if twice > 0 or (twice == 0 and _WIDE.remainder(quotient, Decimal(2))):
        step = Decimal(1) if (scaled > 0) == (whole > 0) else Decimal(-1)
        quotient = _WIDE.add(quotient, step)
    return _WIDE.scaleb(quotient, -_COST_PLACES)


def display_ratio(numerator: Decimal, denominator: Decimal) -> Decimal:
    """`numerator / denominator` rounded half-even to 8 places, for people; never an input to accounting."""
    return normal(_ROUNDING.divide(numerator, denominator).quantize(_DISPLAY_PLACES, context=_ROUNDING))


def is_multiple(value: Decimal, step: Decimal) -> bool:
    """Whether the value is a whole number of steps (tick or lot)."""
    return not EXACT.remainder(value, step)
