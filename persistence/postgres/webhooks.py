"""Webhooks in PostgreSQL: endpoints, the outbox's cursor, deliveries and dead letters.

What changes deliveries is one transaction that begins by locking the outbox's row, and does not wait for the
disk (`synchronous_commit` off): losing the newest of them in a crash only means that the same deliveries are
made or sent again under the same ids, and so the journal never shares its disk's time with webhooks.
Changes made by a person do wait.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import msgspec

from actors.model.position import Position
from actors.webhook.port import (
    BURIED,
    DELIVERED,
    DISABLED,
    RETRY,
    Delivery,
    Endpoint,
    Outbox,
    Retry,
    Settlement,
    Statistics,
)
from persistence.postgres import webhook_sql as sql
from persistence.postgres.pool import Connection, Database, Row

T = TypeVar("T")

_encode = msgspec.json.Encoder().encode
_read_positions = msgspec.json.Decoder(tuple[Position, ...]).decode


class PostgresWebhookStore:
    """Implements `actors.webhook.port.WebhookStore`. Give it a database of its own: its work then never
    waits for a connection of others, nor they for one of its.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def endpoints(self) -> Sequence[Endpoint]:
        """All, oldest first."""
        rows: list[Row] = await self._database.read(lambda connection: connection.fetch(sql.ENDPOINTS))
        return [Endpoint(**{**dict(row), "events": tuple(row["events"])}) for row in rows]

    async def statistics(self) -> Sequence[Statistics]:
        """One for each endpoint."""
        rows: list[Row] = await self._database.read(lambda connection: connection.fetch(sql.STATISTICS))
        return [Statistics(**dict(row)) for row in rows]

    async def add(self, endpoint: Endpoint) -> None:
        """Keep a new endpoint."""
        each = endpoint
        await self._database.read(
            lambda connection: connection.execute(
                sql.ADD,
                each.endpoint_id,
                each.url,
                each.kind,
                list(each.events),
                each.note,
                each.state,
                each.reason,
                each.secret,
                each.previous_secret,
                each.previous_until_us,
                each.since_seq,
                each.created_us,
                each.updated_us,
            )
        )

    async def set_state(self, endpoint_id: str, state: str, reason: str, at_us: int) -> bool:
        """False when there is no such endpoint."""

        async def work(connection: Connection) -> bool:
            found = await connection.fetchval(sql.SET_STATE, endpoint_id, state, reason, at_us)
            if state == DISABLED:
                await connection.execute(sql.BURY_ALL, endpoint_id, at_us)
            return found is not None

        return await self._change(work, lazy=False)

    async def set_secret(self, endpoint_id: str, secret: str, previous_until_us: int, at_us: int) -> bool:
        """Take a new secret. False when there is no such endpoint."""
        found = await self._database.read(
            lambda connection: connection.fetchval(sql.ROTATE, endpoint_id, secret, previous_until_us, at_us)
        )
        return found is not None

    async def set_place(
        self, endpoint_id: str, kind: str, url: str, events: Sequence[str], at_us: int
    ) -> bool:
        """Lead elsewhere, or tell of other events. False when there is no such endpoint."""
        found = await self._database.read(
            lambda connection: connection.fetchval(sql.SET_PLACE, endpoint_id, kind, url, list(events), at_us)
        )
        return found is not None

    async def delete(self, endpoint_id: str) -> bool:
        """Forget an endpoint with all its deliveries."""

        async def work(connection: Connection) -> bool:
            return await connection.fetchval(sql.DELETE, endpoint_id) is not None

        return await self._change(work, lazy=False)

    async def outbox(self) -> Outbox:
        """How far the journal has been made into deliveries."""
        row: Row = await self._database.read(
            lambda connection: connection.fetchrow("SELECT seq, positions FROM webhook_outbox WHERE id = 1")
        )
        return _outbox(row)

    async def move(
        self, before: int, after: Outbox, deliveries: Sequence[Delivery], passed_over: Sequence[str] = ()
    ) -> bool:
        """Move the cursor, keep the deliveries and where endpoints were passed over, in one transaction."""
        positions = _encode(after.positions).decode()
        rows = _rows_of(deliveries)

        async def work(connection: Connection) -> bool:
            if passed_over:
                await connection.execute(sql.LEAVE_BEHIND, before, list(passed_over))
            if await connection.fetchval(sql.MOVE, before, after.seq, positions) is None:
                return False
            if deliveries:
                await connection.execute(sql.INSERT, rows, False)
            return True

        return await self._change(work, lock=bool(passed_over))

    async def behind(self, endpoint_id: str) -> Outbox | None:
        """From where on an endpoint is behind."""
        row: Row | None = await self._database.read(
            lambda connection: connection.fetchrow(sql.BEHIND, endpoint_id)
        )
        return None if row is None else _outbox(row)

    async def catch_up(
        self, endpoint_id: str, before: int, after: Outbox, deliveries: Sequence[Delivery]
    ) -> bool:
        """Keep deliveries of an endpoint that is behind, and how far it has come with them."""
        positions = _encode(after.positions).decode()
        rows = _rows_of(deliveries)

        async def work(connection: Connection) -> bool:
            if await connection.fetchval(sql.CATCH_UP, endpoint_id, before, after.seq, positions) is None:
                return False
            if deliveries:
                await connection.execute(sql.INSERT, rows, True)
            return True

        return await self._change(work)

    async def put(self, delivery: Delivery) -> None:
        """Keep a delivery that comes from outside the journal."""

        async def work(connection: Connection) -> None:
            await connection.execute(sql.INSERT, _rows_of((delivery,)), True)

        await self._change(work)

    async def line_up(self, endpoint_id: str, limit: int) -> Sequence[Delivery]:
        """What is pending for an endpoint, oldest first."""
        rows: list[Row] = await self._database.read(
            lambda connection: connection.fetch(sql.LINE_UP, endpoint_id, limit)
        )
        return [_delivery(row) for row in rows]

    async def heads(self, endpoint_id: str, limit: int, without: Sequence[str]) -> Sequence[Delivery]:
        """The first pending delivery of each subject, soonest due first, but for those named."""
        rows: list[Row] = await self._database.read(
            lambda connection: connection.fetch(sql.HEADS, endpoint_id, limit, list(without))
        )
        return [_delivery(row) for row in rows]

    async def in_line(self, endpoint_id: str, subjects: Sequence[str], limit: int) -> Sequence[Delivery]:
        """What is pending for each of these subjects, the first `limit` of each, in line."""
        rows: list[Row] = await self._database.read(
            lambda connection: connection.fetch(sql.IN_LINE, endpoint_id, list(subjects), limit)
        )
        return [_delivery(row) for row in rows]

    async def retries(self, limit: int) -> Sequence[Retry]:
        """What has failed and is tried again, soonest first; only the first of a subject can have."""
        rows: list[Row] = await self._database.read(lambda connection: connection.fetch(sql.RETRIES, limit))
        return [Retry(**dict(row)) for row in rows]

    async def settle(self, settlements: Sequence[Settlement]) -> None:
        """Write down what became of attempts, all in one transaction."""
        delivered = [each for each in settlements if each.outcome == DELIVERED]
        failed = [each for each in settlements if each.outcome in (RETRY, BURIED)]

        async def work(connection: Connection) -> None:
            places: dict[tuple[str, str], None] = {}
            if delivered:
                rows = await connection.fetch(sql.DELIVERED, [each.delivery_id for each in delivered])
                await _count_delivered(connection, rows, max(each.at_us for each in delivered))
                places.update(dict.fromkeys((row["endpoint_id"], row["subject"]) for row in rows))
            if failed:
                rows = await connection.fetch(sql.FAILED, _failures(failed))
                await _count_failed(connection, rows)
                places.update(dict.fromkeys((row["endpoint_id"], row["subject"]) for row in rows))
            await connection.execute(sql.NEXT_HEADS, *_arrays(places))

        await self._change(work)

    async def dead_letters(
        self, endpoint_id: str | None, limit: int, before: tuple[int, str] | None
    ) -> Sequence[Delivery]:
        """Newest first."""
        at_us, last_id = (1 << 62, "") if before is None else before
        query = (
            f"{sql.DEAD} AND ($1::text IS NULL OR endpoint_id = $1) AND (dead_us, id) < ($2, $3) "
            "ORDER BY dead_us DESC, id DESC LIMIT $4"
        )
        rows: list[Row] = await self._database.read(
            lambda connection: connection.fetch(query, endpoint_id, at_us, last_id, limit)
        )
        return [_delivery(row) for row in rows]

    async def dead_letter(self, delivery_id: str) -> Delivery | None:
        """One dead letter."""
        row: Row | None = await self._database.read(
            lambda connection: connection.fetchrow(f"{sql.DEAD} AND id = $1", delivery_id)
        )
        return None if row is None else _delivery(row)

    async def replay(self, delivery_id: str | None, endpoint_id: str | None, at_us: int) -> int:
        """Make dead letters pending again; how many."""

        async def work(connection: Connection) -> int:
            rows = await connection.fetch(sql.REPLAY, at_us, delivery_id, endpoint_id)
            places = _arrays(dict.fromkeys((row["endpoint_id"], row["subject"]) for row in rows))
            await connection.execute(sql.NO_HEADS, *places)
            await connection.execute(sql.NEXT_HEADS, *places)
            return len(rows)

        return await self._change(work, lazy=False)

    async def _change(
        self, work: Callable[[Connection], Awaitable[T]], *, lazy: bool = True, lock: bool = True
    ) -> T:
        async def whole(connection: Connection) -> T:
            async with connection.transaction():
                if lazy:
                    await connection.execute(sql.LAZY)
                if lock:
                    await connection.execute(sql.LOCK)
                return await work(connection)

        return await self._database.read(whole)


async def _count_delivered(connection: Connection, rows: Sequence[Row], at_us: int) -> None:
    counts: dict[str, int] = {}
    for row in rows:
        counts[row["endpoint_id"]] = counts.get(row["endpoint_id"], 0) + 1
    for endpoint_id, count in counts.items():
        await connection.execute(sql.COUNT_DELIVERED, endpoint_id, count, at_us)


async def _count_failed(connection: Connection, rows: Sequence[Row]) -> None:
    counts: dict[str, tuple[int, int, str]] = {}
    for row in rows:
        count, at_us, error = counts.get(row["endpoint_id"], (0, 0, ""))
        if row["at_us"] >= at_us:
            at_us, error = row["at_us"], row["error"]
        counts[row["endpoint_id"]] = (count + 1, at_us, error)
    for endpoint_id, found in counts.items():
        await connection.execute(sql.COUNT_FAILED, endpoint_id, *found)


def _arrays(places: dict[tuple[str, str], None]) -> tuple[list[str], list[str]]:
    return [endpoint_id for endpoint_id, _ in places], [subject for _, subject in places]


def _failures(settlements: Sequence[Settlement]) -> str:
    return _encode(
        [
            {
                "id": each.delivery_id,
                "buried": each.outcome == BURIED,
                "due_us": each.due_us,
                "at_us": each.at_us,
                "status": each.status,
                "error": each.error,
            }
            for each in settlements
        ]
    ).decode()


def _rows_of(deliveries: Sequence[Delivery]) -> str:
    return _encode(
        [
            {
                "id": each.delivery_id,
                "endpoint_id": each.endpoint_id,
                "number": each.number,
                "event": each.event,
                "subject": each.subject,
                "body": each.body.decode(),
                "created_us": each.created_us,
                "due_us": each.due_us,
            }
            for each in deliveries
        ]
    ).decode()


def _outbox(row: Row) -> Outbox:
    return Outbox(seq=row["seq"], positions=_read_positions(row["positions"]))


def _delivery(row: Row) -> Delivery:
    return Delivery(**{**dict(row), "body": row["body"].encode()})
