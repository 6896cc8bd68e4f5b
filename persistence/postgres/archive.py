"""The archive in PostgreSQL: the questions of `actors.queries`, each one statement."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from actors.journal.chain import GENESIS
from actors.model.events import AmendAccepted, AmendDenied, decode
from actors.model.fill import Fill
from actors.model.journal import Record
from actors.model.order import Order, trade_key
from actors.queries import OrderFilter
from persistence.postgres.pool import Connection, Database, Row
from persistence.postgres.rows import (
    FILL_COLUMNS,
    ORDER_COLUMNS,
    fill_of,
    order_of,
    record_of,
)
from persistence.postgres.segments import AFTER, ARCHIVED, LIVE, OF_ORDER

_AMEND_BY_KEY = (
    "SELECT payload FROM (SELECT seq, order_id, type, payload FROM events WHERE order_id = $1::uuid "
    "UNION ALL SELECT seq, order_id, type, payload FROM archived_events "
    "WHERE order_ids @> ARRAY[$1::uuid]) AS both_kinds "
    "WHERE order_id = $1::uuid AND type IN ('AmendAccepted', 'AmendDenied') "
    "AND convert_from(payload, 'UTF8')::json #>> '{asked,token_id}' = $2 "
    "AND convert_from(payload, 'UTF8')::json #>> '{asked,idempotency_key}' = $3 ORDER BY seq LIMIT 1"
)
_LIMIT_CHANGES = (
    f"SELECT * FROM (({LIVE} WHERE type = 'LimitChanged') UNION ALL "
    f"({ARCHIVED} WHERE types @> ARRAY['LimitChanged'] AND type = 'LimitChanged')) AS both_kinds"
)
_RECALL = (
    f"SELECT {ORDER_COLUMNS} FROM orders WHERE exchange = $1 AND (venue_id = ANY($2::text[]) "
    "OR id IN (SELECT order_id FROM former_venue_ids WHERE venue_id = ANY($2::text[])))"
)
_TRADES = (
    "SELECT order_id::text AS order_id, exchange_order_id, trade_id FROM fills "
    "WHERE order_id = ANY($1::uuid[]) ORDER BY timestamp, id"
)


class _Where:
    """Conditions and their arguments, numbered as they come."""

    def __init__(self) -> None:
        self.arguments: list[Any] = []
        self._conditions: list[str] = []

    def add(self, condition: str, *arguments: Any) -> None:
        """Add a condition; each `?` in it stands for the next argument."""
        for argument in arguments:
            condition = condition.replace("?", self.argument(argument), 1)
        self._conditions.append(condition)

    def argument(self, value: Any) -> str:
        """Add an argument and return its place."""
        self.arguments.append(value)
        return f"${len(self.arguments)}"

    def __str__(self) -> str:
        return f"WHERE {' AND '.join(self._conditions)}" if self._conditions else ""


class PostgresArchive:
    """Implements `actors.queries.Archive`. Cancelling a call costs a connection and nothing else."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def order(self, order_id: str) -> Order | None:
        """The order, whatever became of it; None also for a text that is no id."""
        if not _is_uuid(order_id):
            return None
        return await self._one_order("id = $1", order_id)

    async def order_by_client_id(self, exchange: str, client_order_id: str) -> Order | None:
        """The order that took this client order id."""
        return await self._one_order("exchange = $1 AND client_order_id = $2", exchange, client_order_id)

    async def order_by_key(self, token_id: str, idempotency_key: str) -> Order | None:
        """The order that took this idempotency key."""
        return await self._one_order("token_id = $1 AND idempotency_key = $2", token_id, idempotency_key)

    async def amend_by_key(
        self, order_id: str, token_id: str, idempotency_key: str
    ) -> AmendAccepted | AmendDenied | None:
        """What was journaled of the amend that took this key."""
        if not _is_uuid(order_id):
            return None
        rows = await self._rows(_AMEND_BY_KEY, order_id, token_id, idempotency_key)
        event = decode(bytes(rows[0]["payload"])) if rows else None
        return event if isinstance(event, AmendAccepted | AmendDenied) else None

    async def orders(self, wanted: OrderFilter) -> Sequence[Order]:
        """Newest first."""
        where = _Where()
        if wanted.statuses:
            where.add("status = ANY(?::text[])", list(wanted.statuses))
        if wanted.exchange is not None:
            where.add("exchange = ?", wanted.exchange)
        if wanted.symbol is not None:
            where.add("symbol = ?", wanted.symbol)
        if wanted.before is not None:
            where.add("(created_at, id) < (from_us(?), ?::uuid)", *wanted.before)
        limit = where.argument(wanted.limit)
        query = f"SELECT {ORDER_COLUMNS} FROM orders {where} ORDER BY created_at DESC, id DESC LIMIT {limit}"
        return [order_of(row) for row in await self._rows(query, *where.arguments)]

    async def fills(
        self,
        exchange: str | None,
        symbol: str | None,
        order_id: str | None,
        limit: int,
        before: tuple[int, str] | None,
    ) -> Sequence[Fill]:
        """Newest first."""
        where = _Where()
        if order_id is not None:
            if not _is_uuid(order_id):
                return ()
            where.add("order_id = ?::uuid", order_id)
        if exchange is not None:
            where.add("exchange = ?", exchange)
        if symbol is not None:
            where.add("symbol = ?", symbol)
        if before is not None:
            where.add("(timestamp, id) < (from_us(?), ?::uuid)", *before)
        place = where.argument(limit)
        query = f"SELECT {FILL_COLUMNS} FROM fills {where} ORDER BY timestamp DESC, id DESC LIMIT {place}"
        return [fill_of(row) for row in await self._rows(query, *where.arguments)]

    async def events(self, after: int, limit: int, order_id: str | None = None) -> Sequence[Record]:
        """Records later than `after`, oldest first; only those about one order if it is named."""
        if order_id is None:
            rows = await self._rows(AFTER, after, limit)
        elif _is_uuid(order_id):
            rows = await self._rows(OF_ORDER, after, limit, order_id)
        else:
            rows = []
        return [record_of(row, row["previous_hash"] or GENESIS) for row in rows]

    async def limit_changes(
        self, name: str | None, limit: int, before: int | None = None
    ) -> Sequence[Record]:
        """The changes of limits, or of one, newest first."""
        where = _Where()
        if name is not None:
            where.add("convert_from(payload, 'UTF8')::jsonb ->> 'name' = ?", name)
        if before is not None:
            where.add("seq < ?", before)
        place = where.argument(limit)
        query = f"{_LIMIT_CHANGES} {where} ORDER BY seq DESC LIMIT {place}"
        rows = await self._rows(query, *where.arguments)
        return [record_of(row, row["previous_hash"] or GENESIS) for row in rows]

    async def recall(
        self, exchange: str, venue_ids: Sequence[str]
    ) -> Sequence[tuple[Order, tuple[str, ...]]]:
        """Orders by our id at the exchange, in the order of the question; unknown ids are left out."""

        async def look(connection: Connection) -> tuple[list[Row], list[Row]]:
            orders = await connection.fetch(_RECALL, exchange, list(venue_ids))
            return orders, await connection.fetch(_TRADES, [row["order_id"] for row in orders])

        orders, trades = await self._database.read(look)
        trades_of: dict[str, list[Row]] = {}
        for row in trades:
            trades_of.setdefault(row["order_id"], []).append(row)
        found: dict[str, tuple[Order, tuple[str, ...]]] = {}
        for order in map(order_of, orders):
            of_order = trades_of.get(order.order_id, ())
            keys = tuple(trade_key(order, row["exchange_order_id"], row["trade_id"]) for row in of_order)
            for venue_id in (*order.former, order.intent.venue_id):
                found[venue_id] = (order, keys)
        return [found[venue_id] for venue_id in venue_ids if venue_id in found]

    async def _one_order(self, condition: str, *arguments: str) -> Order | None:
        rows = await self._rows(f"SELECT {ORDER_COLUMNS} FROM orders WHERE {condition}", *arguments)
        return order_of(rows[0]) if rows else None

    async def _rows(self, query: str, *arguments: Any) -> list[Row]:
        rows: list[Row] = await self._database.read(lambda connection: connection.fetch(query, *arguments))
        return rows


def _is_uuid(text: str) -> bool:
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False
