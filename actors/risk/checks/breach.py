"""What a control answers when it objects. Pure."""

from collections.abc import Callable
from decimal import Decimal

import msgspec

from actors.model.money import EXACT, ZERO, text
from actors.risk.case import Case


class Breach(msgspec.Struct, frozen=True):
    """Why an order is denied. `limit`, `value` and `headroom` (what was left of the limit before the order)
    are canonical texts; `halts` asks to halt the order's symbol.
    """

    code: str
    detail: str
    limit: str | None = None
    value: str | None = None
    headroom: str | None = None
    halts: bool = False


Check = Callable[[Case], Breach | None]
"""None when the order may pass as far as this control goes."""


def over(code: str, what: str, limit: Decimal, value: Decimal, used: Decimal) -> Breach:
    """The breach of a limit that a number would pass with the order; without it `used` is its present
    value.
    """
    limit_text, value_text = text(limit), text(value)
    left = text(max(ZERO, EXACT.subtract(limit, used)))
    detail = f"{what} would be {value_text}, the limit is {limit_text}, {left} is left"
    return Breach(code, detail, limit_text, value_text, left)
