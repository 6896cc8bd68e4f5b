"""How the text of a setting becomes a value: one small pure function for each kind.

A function takes the raw setting and returns the value, or raises :class:`Unfit` with what is allowed; the
caller knows the setting's name and makes the whole message. Lists are written ``["BTC/USDT","ETH/USDT"]``
or ``BTC/USDT,ETH/USDT``.
"""

import ipaddress
import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import TypeVar

Raw = str | list[str]
T = TypeVar("T")

_SYMBOL = re.compile(r"[A-Z0-9]{1,20}/[A-Z0-9]{1,20}(:[A-Z0-9]{1,20})?")
_NAME = re.compile(r"[a-z0-9][a-z0-9_]{0,31}")
_HOST = re.compile(r"[A-Za-z0-9.:_-]{1,253}", re.ASCII)
_MONEY = re.compile(r"\d{1,18}(\.\d{1,8})?")
_PORT = re.compile(r"\d{1,5}", re.ASCII)
_TRUE = frozenset({"true", "yes", "on", "1"})
_FALSE = frozenset({"false", "no", "off", "0"})
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


class Unfit(Exception):
    """The raw value does not fit; the text says what would."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen: a host name or IP address, and a port (0: any free one)."""

    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can connect."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def text(raw: Raw) -> str:
    """A single piece of text."""
    if isinstance(raw, list):
        raise Unfit("one value, not a list")
    return raw


def host(raw: Raw) -> str:
    """A host name, or an IP address without brackets."""
    value = text(raw)
    if _HOST.fullmatch(value) is None:
        raise Unfit("a host name or an IP address")
    return value


def address(raw: Raw) -> Address:
    """``host:port``, an IPv6 address in brackets."""
    host, colon, port = text(raw).rpartition(":")
    host = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if not (colon and host and _PORT.fullmatch(port) and int(port) <= 65535):
        raise Unfit("host:port, for instance 127.0.0.1:8085")
    return Address(host, int(port))


def money(raw: Raw) -> Decimal:
    """An exact amount, zero or more, without exponent."""
    value = text(raw).strip()
    if not _MONEY.fullmatch(value):
        raise Unfit("an amount of 0 or more, for instance 50000 or 50000.50")
    try:
        return Decimal(value)
    except InvalidOperation as error:  # pragma: no cover - the pattern admits nothing of the kind
        raise Unfit("an amount of 0 or more") from error


def seconds(raw: Raw) -> float:
    """A duration in seconds, zero or more."""
    return _real(raw, "a number of seconds, 0 or more")


def factor(raw: Raw) -> float:
    """A factor, zero or more."""
    return _real(raw, "a number, 0 or more")


def _real(raw: Raw, allowed: str) -> float:
    try:
        value = float(text(raw))
    except ValueError:
        raise Unfit(allowed) from None
    if not math.isfinite(value) or value < 0:
        raise Unfit(allowed)
    return value


def share(raw: Raw) -> Decimal:
    """A share of one, for instance 0.1 for a tenth."""
    return _decimal(raw, 1, "a share above 0 and below 1, for instance 0.1", including=False)


def span(raw: Raw) -> Decimal:
    """An exact number of seconds, above zero and at most a day."""
    return _decimal(raw, 86_400, "a number of seconds above 0, at most 86400", including=True)


def _decimal(raw: Raw, most: int, allowed: str, *, including: bool) -> Decimal:
    value = text(raw).strip()
    if not _MONEY.fullmatch(value):
        raise Unfit(allowed)
    found = Decimal(value)
    if not found or found > most or (found == most and not including):
        raise Unfit(allowed)
    return found


def leverage(raw: Raw) -> Decimal:
    """How many times the margin a position may be worth."""
    value = _decimal(raw, 125, "a number from 1 to 125", including=True)
    if value < 1:
        raise Unfit("a number from 1 to 125")
    return value


def dead_man_seconds(raw: Raw) -> float:
    """How long a dead-man's switch waits; what exchanges take."""
    allowed = "a number of seconds from 3 to 300"
    value = _real(raw, allowed)
    if not 3 <= value <= 300:
        raise Unfit(allowed)
    return value


def or_off(parse: Callable[[Raw], T]) -> Callable[[Raw], T | None]:
    """The same, or ``off``."""

    def parse_or_off(raw: Raw) -> T | None:
        if raw == "off":
            return None
        try:
            return parse(raw)
        except Unfit as error:
            raise Unfit(f"{error}, or off") from None

    return parse_or_off


def ratio(raw: Raw) -> float:
    """A part of a whole, from 0 to 1."""
    value = _real(raw, "a number from 0 to 1")
    if value > 1:
        raise Unfit("a number from 0 to 1")
    return value


def whole(lowest: int, highest: int) -> Callable[[Raw], int]:
    """A whole number between two bounds, both allowed."""

    def parse(raw: Raw) -> int:
        value = text(raw).strip()
        if not re.fullmatch(r"-?\d{1,19}", value) or not lowest <= int(value) <= highest:
            raise Unfit(f"a whole number from {lowest} to {highest}")
        return int(value)

    return parse


def switch(raw: Raw) -> bool:
    """On or off."""
    value = text(raw).strip().lower()
    if value in _TRUE or value in _FALSE:
        return value in _TRUE
    raise Unfit("true or false")


def symbol(raw: Raw) -> str:
    """A market, ``BASE/QUOTE`` in capitals (``BASE/QUOTE:SETTLE`` for a derivative)."""
    value = text(raw).strip()
    if not _SYMBOL.fullmatch(value):
        raise Unfit("a symbol like BTC/USDT")
    return value


def name(raw: Raw) -> str:
    """A short name in small letters."""
    value = text(raw).strip()
    if not _NAME.fullmatch(value):
        raise Unfit("a name of up to 32 small letters, digits and _")
    return value


def channel_name(raw: Raw) -> str:
    """The name of a channel, in small letters and digits alone: it becomes part of an id."""
    value = name(raw)
    if not value.isalnum():
        raise Unfit("a name of up to 32 small letters and digits")
    return value


def level(raw: Raw) -> str:
    """A log level."""
    return choice(*LEVELS)(text(raw).strip().upper())


def choice(*allowed: str) -> Callable[[Raw], str]:
    """One of a few words."""

    def parse(raw: Raw) -> str:
        value = text(raw).strip()
        if value not in allowed:
            raise Unfit(" or ".join(allowed))
        return value

    return parse


def url(*schemes: str) -> Callable[[Raw], str]:
    """An address with one of ``schemes``."""

    def parse(raw: Raw) -> str:
        value = text(raw).strip()
        if value.partition("://")[0] not in schemes or "://" not in value:
            raise Unfit(f"an address that begins with {schemes[0]}://")
        return value

    return parse


def several(parse: Callable[[Raw], T], *, at_least: int = 0) -> Callable[[Raw], tuple[T, ...]]:
    """A list of values without repetition, as JSON or separated by commas."""

    def parse_all(raw: Raw) -> tuple[T, ...]:
        values = tuple(parse(part) for part in _parts(raw))
        if len(values) < at_least or len(set(values)) != len(values):
            raise Unfit(f"a list of at least {at_least}, each named once")
        return values

    return parse_all


def in_order(parse: Callable[[Raw], T]) -> Callable[[Raw], tuple[T, ...]]:
    """A list of values in which one may come again; at least one."""

    def parse_all(raw: Raw) -> tuple[T, ...]:
        values = tuple(parse(part) for part in _parts(raw))
        if not values:
            raise Unfit("a list of at least 1")
        return values

    return parse_all


def _parts(raw: Raw) -> list[str]:
    if isinstance(raw, list):
        return raw
    if not raw.lstrip().startswith("["):
        return [part.strip() for part in raw.split(",") if part.strip()]
    try:
        decoded = json.loads(raw, parse_float=str, parse_int=str)
    except (ValueError, RecursionError):
        raise Unfit('a list like ["BTC/USDT","ETH/USDT"]') from None
    if not all(isinstance(part, str) for part in decoded):
        raise Unfit('a list like ["BTC/USDT","ETH/USDT"]')
    return list(decoded)
