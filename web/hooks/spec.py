"""What a hook is: who speaks, how they prove it, how their alert becomes an order, and what they may ask
for at most.

Hooks are written in a TOML file that the settings name, because a mapping is more than a variable can hold:

    [hooks.chart]
    user = "chart"
    secret_sha256 = ["…"]              # of one or, while it is rotated, two secrets
    secret_field = "passphrase"        # where the alert carries it; else the header Authorization
    symbols = ["BTC/USDT"]
    max_qty = "0.1"
    per_minute = 10
    key = ["id", "time"]               # alerts that agree in these are the same alert
    [hooks.chart.order]
    symbol = { field = "ticker", values = { BTCUSDT = "BTC/USDT" } }
    side = { field = "strategy.action" }
    type = { value = "market" }
    qty = { field = "strategy.contracts" }
"""

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from web.patterns import EXCHANGE, SYMBOL

NAME = r"^[a-z0-9_-]{1,32}\Z"


class BadHooks(Exception):
    """The file of hooks can't be used; the message is one line that says where and why."""


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a field of the order comes from: a field of the alert (a dotted path), or a fixed value.

    `values` translates what the alert says; what it does not list is refused.
    """

    field: str | None = None
    value: str | None = None
    values: dict[str, str] | None = None


class Mapping(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """The order's fields; the names are those of the contract. There is no stop price: hooks place no stop
    orders.
    """

    symbol: Part
    side: Part
    type: Part
    qty: Part
    limit_price: Part | None = None
    time_in_force: Part | None = None
    exchange: Part | None = None
    post_only: Part | None = None
    reduce_only: Part | None = None


class Hook(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One source of alerts."""

    user: Annotated[str, Meta(pattern=r"^[A-Za-z0-9._@-]{1,64}\Z")]
    secret_sha256: Annotated[
        list[Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]], Meta(min_length=1, max_length=4)
    ]
    symbols: Annotated[list[Annotated[str, Meta(pattern=SYMBOL)]], Meta(min_length=1)]
    max_qty: Decimal
    order: Mapping
    secret_field: str | None = None
    sides: list[str] = msgspec.field(default_factory=lambda: ["buy", "sell"])
    exchanges: list[Annotated[str, Meta(pattern=EXCHANGE)]] | None = None
    per_minute: Annotated[int, Meta(ge=1, le=6000)] = 10
    key: list[str] = []

    def digests(self) -> tuple[bytes, ...]:
        """The SHA-256 of each secret that is accepted."""
        return tuple(bytes.fromhex(each) for each in self.secret_sha256)


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    hooks: dict[Annotated[str, Meta(pattern=NAME)], Hook]


def read_hooks(path: Path, configured: Sequence[str]) -> dict[str, Hook]:
    """The hooks of a file; raise BadHooks. `configured` are the exchanges, of which the first is meant where
    an order names none.
    """
    try:
        found = msgspec.toml.decode(path.read_bytes(), type=_File, strict=True).hooks
    except OSError as error:
        raise BadHooks(f"{path}: {error.strerror}") from None
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise BadHooks(f"{path}: {error}") from None
    for name, hook in found.items():
        _check(path, name, hook)
        _check_exchanges(path, name, hook, configured)
    return {name: _with_exchange(hook, configured[0]) for name, hook in found.items()}


def _check_exchanges(path: Path, name: str, hook: Hook, configured: Sequence[str]) -> None:
    mapped = hook.order.exchange
    for where, names in (("exchanges", hook.exchanges or ()), ("order.exchange", _known(mapped))):
        for each in names:
            if each not in configured:
                there = " ".join(configured)
                raise BadHooks(
                    f"{path}: hooks.{name}.{where}: {each!r} is not configured; there are: {there}"
                )
    if hook.exchanges is not None and mapped is None and configured[0] not in hook.exchanges:
        raise BadHooks(
            f"{path}: hooks.{name}.exchanges: the order maps no exchange and would go to the first "
            f"configured, {configured[0]!r}, which is not among them; map hooks.{name}.order.exchange"
        )


def _known(part: Part | None) -> Sequence[str]:
    """What a part can come to, as far as the file says it."""
    if part is None:
        return ()
    return tuple((part.values or {}).values()) if part.value is None else (part.value,)


def _with_exchange(hook: Hook, first: str) -> Hook:
    """A hook that bounds exchanges always names one, so that what is judged is what is placed."""
    if hook.exchanges is None or hook.order.exchange is not None:
        return hook
    order = msgspec.structs.replace(hook.order, exchange=Part(value=first))
    return msgspec.structs.replace(hook, order=order)


def _check(path: Path, name: str, hook: Hook) -> None:
    for field in msgspec.structs.fields(hook.order):
        part = getattr(hook.order, field.name)
        if part is not None and (part.field is None) == (part.value is None):
            raise BadHooks(f"{path}: hooks.{name}.order.{field.encode_name}: give either field or value")
    if not hook.max_qty.is_finite() or hook.max_qty <= 0:
        raise BadHooks(f"{path}: hooks.{name}.max_qty: must be a number above zero")
    if hook.order.type.value in {"stop", "stop_limit"}:
        raise BadHooks(
            f"{path}: hooks.{name}.order.type: a hook can't place stop orders; use market or limit"
        )
    wrong = [side for side in hook.sides if side not in {"buy", "sell"}]
    if wrong:
        raise BadHooks(f"{path}: hooks.{name}.sides: {wrong[0]!r} is no side; there are: buy sell")
