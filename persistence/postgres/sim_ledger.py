"""The books of a simulated exchange in PostgreSQL, in the schema `sim`.

An entry is written by one statement, which is one transaction. A write can be repeated without harm (the
rows say so by their revisions), so one whose outcome nobody knows is nothing special: it is reported as not
done, and done again.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import msgspec

from actors.broker.adapters.simulated.ledger import (
    BalanceRow,
    Entry,
    FillRow,
    LedgerUnavailable,
    Opening,
    OrderRow,
)
from actors.journal.port import StoreUnavailable
from actors.model.fill import Fill
from persistence.postgres.pool import Connection, Database, Refused, Row

T = TypeVar("T")

WRITE_SECONDS = 5.0

_WRITE = "SELECT sim.write_entry($1, $2, $3, $4, $5::text::json, $6::text::json, $7::text::json)"
_COUNTERS = "SELECT revision, next_order, next_trade FROM sim.exchanges WHERE name = $1"
_BALANCES = (
    "SELECT account, asset, total, revision FROM sim.balances WHERE exchange = $1 ORDER BY account, asset"
)
_ORDER_COLUMNS = (
    "number, account, client_id, symbol, side, type, quantity, limit_price, time_in_force, post_only, "
    "executed, status, reason, created_us, updated_us, revision, stop_price, triggered"
)
_OPEN = f"SELECT {_ORDER_COLUMNS} FROM sim.orders WHERE exchange = $1 AND status = 'open' ORDER BY number"
_CLOSED = (
    f"SELECT {_ORDER_COLUMNS} FROM sim.orders WHERE exchange = $1 AND status <> 'open' "
    "ORDER BY number DESC LIMIT $2"
)
_ORDER = (
    f"SELECT {_ORDER_COLUMNS} FROM sim.orders WHERE exchange = $1 AND account = $2 AND client_id = $3 "
    "ORDER BY number DESC LIMIT 1"
)
_FILLS = (
    "SELECT number, order_number, account, client_id, market_type, symbol, side, quantity, price, fee, "
    "fee_currency, liquidity, at_us FROM sim.fills "
    "WHERE exchange = $1 AND account = $2 AND symbol = $3 AND at_us >= $4 ORDER BY at_us, number"
)

_encode = msgspec.json.Encoder().encode


class PostgresLedger:
    """Implements `actors.broker.adapters.simulated.ledger.SimLedger` for the exchange of this name."""

    def __init__(self, database: Database, exchange: str) -> None:
        self._database = database
        self._exchange = exchange

    async def load(self, closed: int) -> Opening:
        """The newest state, with that many closed orders; raise LedgerUnavailable."""

        async def work(connection: Connection) -> Opening:
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                counters = await connection.fetchrow(_COUNTERS, self._exchange)
                balances = await connection.fetch(_BALANCES, self._exchange)
                resting = await connection.fetch(_OPEN, self._exchange)
                over = await connection.fetch(_CLOSED, self._exchange, closed)
            opening = Opening() if counters is None else Opening(**dict(counters))
            return msgspec.structs.replace(
                opening,
                orders=tuple(OrderRow(**dict(row)) for row in (*reversed(over), *resting)),
                balances=tuple(BalanceRow(**dict(row)) for row in balances),
            )

        return await self._do(work)

    async def write(self, entry: Entry) -> None:
        """Make the rows durable; raise LedgerUnavailable, also when it is not known whether they are."""
        arguments = (
            self._exchange,
            entry.revision,
            entry.next_order,
            entry.next_trade,
            _encode(entry.orders).decode(),
            _encode([_fill_columns(row) for row in entry.fills]).decode(),
            _encode(entry.balances).decode(),
        )
        await self._do(lambda connection: connection.execute(_WRITE, *arguments))

    async def order(self, account: str, client_id: str) -> OrderRow | None:
        """By the client's id; raise LedgerUnavailable."""
        row: Row | None = await self._do(
            lambda connection: connection.fetchrow(_ORDER, self._exchange, account, client_id)
        )
        return None if row is None else OrderRow(**dict(row))

    async def fills(self, account: str, symbol: str, since_us: int) -> Sequence[FillRow]:
        """Oldest first; raise LedgerUnavailable."""
        rows: Sequence[Row] = await self._do(
            lambda connection: connection.fetch(_FILLS, self._exchange, account, symbol, since_us)
        )
        return tuple(self._fill_row(row) for row in rows)

    def _fill_row(self, row: Row) -> FillRow:
        fill = Fill(
            exchange=self._exchange,
            market_type=row["market_type"],
            symbol=row["symbol"],
            exchange_order_id=str(row["order_number"]),
            trade_id=str(row["number"]),
            order_id=row["client_id"],
            side=row["side"],
            quantity=row["quantity"],
            price=row["price"],
            fee=row["fee"],
            fee_currency=row["fee_currency"],
            liquidity=row["liquidity"],
            at_us=row["at_us"],
        )
        return FillRow(
            number=row["number"], account=row["account"], order_number=row["order_number"], fill=fill
        )

    async def _do(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        try:
            return await self._database.read(work, seconds=WRITE_SECONDS)
        except (StoreUnavailable, Refused) as error:
            raise LedgerUnavailable(str(error)) from error


def _fill_columns(row: FillRow) -> dict[str, object]:
    """A row of the table: the fill's ids are the exchange's own numbers."""
    fill = row.fill
    return {
        "number": row.number,
        "order_number": row.order_number,
        "account": row.account,
        "client_id": fill.order_id,
        "market_type": fill.market_type,
        "symbol": fill.symbol,
        "side": fill.side,
        "quantity": fill.quantity,
        "price": fill.price,
        "fee": fill.fee,
        "fee_currency": fill.fee_currency,
        "liquidity": fill.liquidity,
        "at_us": fill.at_us,
    }
