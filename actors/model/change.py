"""What the fold says of an event: what it changes, or why it can't be."""

from collections.abc import Mapping
from decimal import Decimal

import msgspec

from actors.model.fill import Fill
from actors.model.order import Order
from actors.model.position import Position


class Kill(msgspec.Struct, frozen=True, kw_only=True):
    """A kill in force."""

    kill_id: str
    level: str
    exchange: str | None
    symbol: str | None
    reason: str
    by: str
    at_us: int
    automatic: bool = False


class Change(msgspec.Struct, frozen=True, gc=False):
    """What one event changes: the rows that a projection has to write, and the balances that it moves.

    `cash` holds by (exchange, asset), `earnings` by asset what they are afterwards.
    """

    order: Order | None = None
    fill: Fill | None = None
    position: Position | None = None
    cash: Mapping[tuple[str, str], Decimal] | None = None
    earnings: Mapping[str, Decimal] | None = None


def scope_key(exchange: str | None, symbol: str | None) -> str:
    """The text under which a scope is kept: `*`, `sim`, `sim/BTC/USDT`, or `*/BTC/USDT`."""
    if symbol is not None:
        return f"{exchange or '*'}/{symbol}"
    return exchange or "*"


class DuplicateOrder(ValueError):
    """An order event names an id, ours or the one for the exchange, that another order already has."""

    def __init__(self, order_id: str, why: str) -> None:
        super().__init__(f"order {order_id} can't be taken: {why}")
        self.order_id = order_id


class DuplicateAdjustment(ValueError):
    """A position or a balance is adjusted a second time for the same evidence."""

    def __init__(self, evidence: str) -> None:
        super().__init__(f"the adjustment for {evidence} is already made")
        self.evidence = evidence


class DuplicateFill(Exception):
    """A fill event names a trade that is already in the position."""

    def __init__(self, order_id: str, trade_id: str) -> None:
        super().__init__(f"trade {trade_id} of order {order_id} is already applied")
        self.order_id = order_id
        self.trade_id = trade_id
