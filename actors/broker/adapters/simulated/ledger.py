"""What the simulated exchange writes down, and the port to where it is kept.

The exchange writes before it answers, so it outlives the runtime as a real one does. Rows carry the state
they describe, not a change of it, and a revision that only grows: writing the same rows again, or an older
write that lands late, changes nothing. That makes a write that nobody knows the outcome of harmless: it is
simply repeated.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Protocol

import msgspec

from actors.model.fill import Fill
from actors.model.money import ZERO


class OrderRow(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An order as the exchange has it. `number` is the exchange's, `client_id` the client's; base units.

    `status`: open, filled, canceled. A stop order that has not `triggered` is open and in no book.
    """

    number: int
    account: str
    client_id: str
    symbol: str
    side: str
    type: str
    quantity: Decimal
    limit_price: Decimal | None
    time_in_force: str
    post_only: bool
    executed: Decimal = ZERO
    status: str = "open"
    reason: str = ""
    created_us: int
    updated_us: int
    revision: int = 0
    stop_price: Decimal | None = None
    triggered: bool = False


class FillRow(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A fill of an account; `fill.order_id` is the client's id, `number` the trade's."""

    number: int
    account: str
    order_number: int
    fill: Fill


class BalanceRow(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What an account holds of an asset; negative when it owes."""

    account: str
    asset: str
    total: Decimal
    revision: int


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """Rows that are written together. The counters are those after it."""

    revision: int
    next_order: int
    next_trade: int
    orders: tuple[OrderRow, ...] = ()
    fills: tuple[FillRow, ...] = ()
    balances: tuple[BalanceRow, ...] = ()


class Opening(msgspec.Struct, frozen=True, kw_only=True):
    """What an exchange starts from: counters, balances, the orders that rest and the newest closed ones.

    The closed ones are there to be asked for, and so that their ids are not taken again.
    """

    revision: int = 0
    next_order: int = 1
    next_trade: int = 1
    orders: tuple[OrderRow, ...] = ()
    balances: tuple[BalanceRow, ...] = ()


class LedgerUnavailable(Exception):
    """The ledger can't be reached, or it is not known whether a write was done; writing again is harmless."""


class SimLedger(Protocol):
    """The books of one simulated exchange. Every call raises LedgerUnavailable, and may be cancelled."""

    async def load(self, closed: int) -> Opening:
        """The newest state, with that many closed orders."""
        ...

    async def write(self, entry: Entry) -> None:
        """Make the rows durable; returns only when they are."""
        ...

    async def order(self, account: str, client_id: str) -> OrderRow | None: ...

    async def fills(self, account: str, symbol: str, since_us: int) -> Sequence[FillRow]:
        """All fills at or after the time, oldest first."""
        ...


class MemoryLedger:
    """The twin in memory: keeps everything, as long as the object lives."""

    def __init__(self) -> None:
        self._counters = Opening()
        self._orders: dict[int, OrderRow] = {}
        self._numbers: dict[tuple[str, str], int] = {}
        self._fills: dict[tuple[int, str], FillRow] = {}
        self._balances: dict[tuple[str, str], BalanceRow] = {}

    async def load(self, closed: int) -> Opening:
        """The newest state."""
        rows = sorted(self._orders.values(), key=_number)
        resting = [row for row in rows if row.status == "open"]
        over = [row for row in rows if row.status != "open"][-closed:]
        return msgspec.structs.replace(
            self._counters,
            orders=(*over, *resting),
            balances=tuple(self._balances[place] for place in sorted(self._balances)),
        )

    async def write(self, entry: Entry) -> None:
        """Keep the rows that are newer than what is kept."""
        if entry.revision > self._counters.revision:
            self._counters = Opening(
                revision=entry.revision, next_order=entry.next_order, next_trade=entry.next_trade
            )
        for order in entry.orders:
            known = self._orders.get(order.number)
            if known is None or known.revision < order.revision:
                self._orders[order.number] = order
                self._numbers[order.account, order.client_id] = order.number
        for fill in entry.fills:
            self._fills.setdefault((fill.number, fill.account), fill)
        for balance in entry.balances:
            kept = self._balances.get((balance.account, balance.asset))
            if kept is None or kept.revision < balance.revision:
                self._balances[balance.account, balance.asset] = balance

    async def order(self, account: str, client_id: str) -> OrderRow | None:
        """By the client's id."""
        number = self._numbers.get((account, client_id))
        return None if number is None else self._orders[number]

    async def fills(self, account: str, symbol: str, since_us: int) -> Sequence[FillRow]:
        """In the order in which they were traded."""
        found = (
            row
            for row in self._fills.values()
            if row.account == account and row.fill.symbol == symbol and row.fill.at_us >= since_us
        )
        return tuple(sorted(found, key=_number))


def _number(row: OrderRow | FillRow) -> int:
    return row.number
