"""The limits that a person sets: their names, what kind of value each takes, and their defaults. Pure.

A limit that is None is off. In the journal a limit is a name and a canonical text (`off` for None), so that
changes read well years later; here the texts become typed values and back. What a limit does is in `rules`.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec

from actors.model.money import BadDecimal, parse_decimal, text

OFF = "off"

LimitValue = Decimal | int | bool | str | tuple[str, ...] | None


class RiskLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Every limit by name. Money in USD (USDT = USD), shares as fractions of one, times in seconds.

    `resume_within_limits` says when REDUCING ends by itself once what is held is within its limits again:
    `never`, `always`, or when `price` alone had carried it beyond.
    """

    symbol_whitelist: tuple[str, ...] = ("BTC/USDT", "ETH/USDT")
    max_pos_usd: Decimal | None = Decimal(50_000)
    max_daily_loss_usd: Decimal | None = Decimal(5_000)
    price_collar: Decimal | None = Decimal("0.1")
    max_price_age_seconds: Decimal | None = Decimal(120)
    margin: bool = True

    max_order_usd: Decimal | None = None
    max_order_quantity: Decimal | None = None
    max_long_usd: Decimal | None = None
    max_short_usd: Decimal | None = None
    max_exchange_usd: Decimal | None = None
    max_gross_usd: Decimal | None = None
    max_net_usd: Decimal | None = None
    max_drawdown_usd: Decimal | None = None
    max_open_orders: int | None = None
    max_open_orders_per_symbol: int | None = None
    max_messages: int | None = None
    message_window_seconds: Decimal = Decimal(1)
    max_repeated_executions: int | None = None
    repeated_window_seconds: Decimal = Decimal(60)
    duplicate_seconds: Decimal | None = None
    max_clock_skew_seconds: Decimal | None = None
    max_seconds_without_stop: Decimal | None = None
    self_match_prevention: bool = False
    post_only_check: bool = False

    flatten_on_daily_loss: bool = False
    flatten_without_stop: bool = False
    reduce_on_stale_price: bool = False
    resume_within_limits: str = "price"


class BadLimit(ValueError):
    """A limit that can't be set: which, what was asked, and what would be allowed."""

    def __init__(self, name: str, found: str, allowed: str) -> None:
        super().__init__(f"limit {name}: {found[:80]!r} is not {allowed}")
        self.name = name
        self.found = found[:80]
        self.allowed = allowed


class Kind(msgspec.Struct, frozen=True):
    """How the values of a limit are read, and which way it loosens: +1 higher is looser, -1 lower is, 0
    neither.
    """

    allowed: str
    read: Callable[[str], LimitValue]
    optional: bool = True
    loosens: int = 1


def _amount(found: str) -> Decimal:
    value = parse_decimal(found)
    if value < 0:
        raise ValueError
    return value


def _share(found: str) -> Decimal:
    value = _amount(found)
    if not 0 < value < 1:
        raise ValueError
    return value


def _span(found: str) -> Decimal:
    value = _amount(found)
    if not 0 < value <= 86_400:
        raise ValueError
    return value


def _count(found: str) -> int:
    if not (found.isascii() and found.isdigit() and len(found) <= 9):
        raise ValueError
    return int(found)


def _switch(found: str) -> bool:
    if found not in ("on", OFF):
        raise ValueError
    return found == "on"


ENDINGS = ("never", "price", "always")
"""When a restriction ends by itself, from the strictest on."""


def _ending(found: str) -> str:
    if found not in ENDINGS:
        raise ValueError
    return found


def _symbols(found: str) -> tuple[str, ...]:
    symbols = tuple(dict.fromkeys(part.strip() for part in found.split(",") if part.strip()))
    if any("/" not in symbol or len(symbol) > 40 or not symbol.isascii() for symbol in symbols):
        raise ValueError
    return symbols


_MONEY = Kind("an amount in USD, zero or more, or off", _amount)
_QUANTITY = Kind("a quantity, zero or more, or off", _amount)
_SHARE = Kind("a share between 0 and 1, or off", _share)
_AGE = Kind("seconds, at most a day, or off", _span)
_WINDOW = Kind("seconds, at most a day", _span, optional=False, loosens=-1)
_COUNT = Kind("a whole number, or off", _count)
_SWITCH = Kind("on or off", _switch, optional=False, loosens=-1)
_CHOICE = Kind("on or off", _switch, optional=False, loosens=0)
_ENDING = Kind("never, price or always", _ending, optional=False, loosens=0)
_SYMBOLS = Kind("symbols with commas between them", _symbols, optional=False)

KINDS: dict[str, Kind] = {
    "symbol_whitelist": _SYMBOLS,
    "max_pos_usd": _MONEY,
    "max_daily_loss_usd": _MONEY,
    "price_collar": _SHARE,
    "max_price_age_seconds": _AGE,
    "margin": _SWITCH,
    "max_order_usd": _MONEY,
    "max_order_quantity": _QUANTITY,
    "max_long_usd": _MONEY,
    "max_short_usd": _MONEY,
    "max_exchange_usd": _MONEY,
    "max_gross_usd": _MONEY,
    "max_net_usd": _MONEY,
    "max_drawdown_usd": _MONEY,
    "max_open_orders": _COUNT,
    "max_open_orders_per_symbol": _COUNT,
    "max_messages": _COUNT,
    "message_window_seconds": _WINDOW,
    "max_repeated_executions": _COUNT,
    "repeated_window_seconds": _WINDOW,
    "duplicate_seconds": Kind("seconds, at most a day, or off", _span, loosens=-1),
    "max_clock_skew_seconds": _AGE,
    "max_seconds_without_stop": _AGE,
    "self_match_prevention": _SWITCH,
    "post_only_check": _SWITCH,
    "flatten_on_daily_loss": _CHOICE,
    "flatten_without_stop": _CHOICE,
    "reduce_on_stale_price": _SWITCH,
    "resume_within_limits": _ENDING,
}


def parse_limit(name: str, found: str) -> LimitValue:
    """Read a limit's text; raise BadLimit for a name that is none or a value that it can't have."""
    kind = KINDS.get(name)
    if kind is None:
        raise BadLimit(name, found, f"known; there are: {', '.join(KINDS)}")
    if kind.optional and found == OFF:
        return None
    try:
        return kind.read(found)
    except (ValueError, BadDecimal):
        raise BadLimit(name, found, kind.allowed) from None


def limit_text(value: LimitValue) -> str:
    """The canonical text of a limit's value."""
    if value is None:
        return OFF
    if isinstance(value, bool):
        return "on" if value else OFF
    if isinstance(value, str):
        return value
    if isinstance(value, tuple):
        return ",".join(value)
    return text(value) if isinstance(value, Decimal) else str(value)


def texts(limits: RiskLimits) -> dict[str, str]:
    """All limits by name, as canonical texts."""
    return {name: limit_text(getattr(limits, name)) for name in KINDS}


def from_texts(known: RiskLimits, changes: dict[str, str]) -> RiskLimits:
    """The limits with some replaced; a text that is no limit of this version is left out, for the journal
    outlives it.
    """
    values: dict[str, Any] = {name: parse_limit(name, new) for name, new in changes.items() if name in KINDS}
    return msgspec.structs.replace(known, **values)


def is_looser(name: str, old: LimitValue, new: LimitValue) -> bool:
    """Whether the change lets more pass than before: what a second person may have to approve."""
    if isinstance(old, tuple) and isinstance(new, tuple):
        return not set(new) <= set(old)
    if old is None or new is None:
        return new is None and old is not None
    if isinstance(old, str) and isinstance(new, str):
        return ENDINGS.index(new) > ENDINGS.index(old)
    if isinstance(old, tuple | str) or isinstance(new, tuple | str):
        return False
    direction = KINDS[name].loosens
    return (new > old) if direction > 0 else (new < old) if direction < 0 else False
