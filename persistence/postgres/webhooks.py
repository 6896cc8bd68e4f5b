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
from persistence.postgres.pool import Connection, Database, Row

T = TypeVar("T")

_LOCK = "SELECT seq FROM webhook_outbox WHERE id = 1 FOR UPDATE"
_LAZY = "SET LOCAL synchronous_commit TO off"

_ENDPOINT_COLUMNS = (
    "id AS endpoint_id, url, kind, events, note, state, reason, secret, previous_secret, previous_until_us, "
    "since_seq, behind_seq, created_us, updated_us"
)
_ENDPOINTS = f"SELECT {_ENDPOINT_COLUMNS} FROM webhook_endpoints ORDER BY created_us, id"
_ADD = (
    "INSERT INTO webhook_endpoints (id, url, kind, events, note, state, reason, secret, previous_secret, "
    "previous_until_us, since_seq, created_us, updated_us) "
    "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) ON CONFLICT (id) DO NOTHING"
)
_SET_STATE = (
    "UPDATE webhook_endpoints SET state = $2, reason = $3, updated_us = $4 WHERE id = $1 RETURNING id"
)
_BURY_ALL = (
    "UPDATE webhook_deliveries SET state = 'dead', head = false, dead_us = $2, "
    "last_error = CASE WHEN last_error = '' THEN 'the endpoint was disabled' ELSE last_error END "
    "WHERE endpoint_id = $1 AND state = 'pending'"
)
_ROTATE = (
    "UPDATE webhook_endpoints SET previous_secret = secret, secret = $2, previous_until_us = $3, "
    "updated_us = $4 WHERE id = $1 RETURNING id"
)
_SET_PLACE = (
    "UPDATE webhook_endpoints SET kind = $2, url = $3, events = $4, updated_us = $5 WHERE id = $1 "
    "RETURNING id"
)
_DELETE = "DELETE FROM webhook_endpoints WHERE id = $1 RETURNING id"
_STATISTICS = """
SELECT e.id AS endpoint_id, e.delivered, e.failed_attempts, e.last_delivered_us, e.last_failed_us,
       e.last_error,
       (SELECT count(*) FROM webhook_deliveries d WHERE d.endpoint_id = e.id AND d.state = 'pending')
           AS pending,
       (SELECT count(*) FROM webhook_deliveries d WHERE d.endpoint_id = e.id AND d.state = 'dead') AS dead
FROM webhook_endpoints e ORDER BY e.created_us, e.id
"""
_LEAVE_BEHIND = """
UPDATE webhook_endpoints e SET behind_seq = o.seq, behind_positions = o.positions
FROM webhook_outbox o WHERE o.seq = $1 AND e.id = ANY($2::text[]) AND e.behind_seq IS NULL
"""
_BEHIND = (
    "SELECT behind_seq AS seq, behind_positions AS positions FROM webhook_endpoints "
    "WHERE id = $1 AND behind_seq IS NOT NULL"
)
_CATCH_UP = """
UPDATE webhook_endpoints e SET
    behind_seq = CASE WHEN $3 < o.seq THEN $3 END, behind_positions = CASE WHEN $3 < o.seq THEN $4 END
FROM webhook_outbox o WHERE e.id = $1 AND e.behind_seq = $2 RETURNING e.id
"""
_MOVE = "UPDATE webhook_outbox SET seq = $2, positions = $3 WHERE id = 1 AND seq = $1 RETURNING seq"
_INSERT = """
INSERT INTO webhook_deliveries (id, endpoint_id, number, event, subject, body, created_us, due_us, attempts,
                                state, head, last_status, last_error, dead_us)
SELECT n.id, n.endpoint_id, n.number, n.event, n.subject, n.body, n.created_us, n.due_us, 0, 'pending',
       row_number() OVER (PARTITION BY n.endpoint_id, n.subject ORDER BY n.number, n.id) = 1
           AND NOT EXISTS (
               SELECT 1 FROM webhook_deliveries b
               WHERE b.endpoint_id = n.endpoint_id AND b.subject = n.subject AND b.state = 'pending'),
       NULL, '', 0
FROM json_to_recordset($1::text::json) AS n (
    id text, endpoint_id text, number bigint, event text, subject text, body text, created_us bigint,
    due_us bigint)
WHERE EXISTS (
        SELECT 1 FROM webhook_endpoints e WHERE e.id = n.endpoint_id AND ($2 OR e.behind_seq IS NULL))
    AND NOT EXISTS (SELECT 1 FROM webhook_deliveries known WHERE known.id = n.id)
"""
_DELIVERY_COLUMNS = (
    "id AS delivery_id, endpoint_id, number, event, subject, body, created_us, due_us, attempts, state, "
    "last_status, last_error, dead_us"
)
_HEADS = (
    f"SELECT {_DELIVERY_COLUMNS} FROM webhook_deliveries WHERE endpoint_id = $1 AND state = 'pending' "
    "AND head AND id <> ALL($3::text[]) ORDER BY due_us, number, id LIMIT $2"
)
_LINE_UP = (
    f"SELECT {_DELIVERY_COLUMNS} FROM webhook_deliveries WHERE endpoint_id = $1 AND state = 'pending' "
    "ORDER BY number, id LIMIT $2"
)
_IN_LINE = f"""
SELECT line.* FROM unnest($2::text[]) WITH ORDINALITY AS place (subject, nth)
    CROSS JOIN LATERAL (
        SELECT {_DELIVERY_COLUMNS} FROM webhook_deliveries w
        WHERE w.endpoint_id = $1 AND w.subject = place.subject AND w.state = 'pending'
        ORDER BY w.number, w.id LIMIT $3) AS line
ORDER BY place.nth, line.number, line.delivery_id
"""
_RETRIES = (
    "SELECT endpoint_id, id AS delivery_id, due_us FROM webhook_deliveries "
    "WHERE state = 'pending' AND head AND attempts > 0 ORDER BY due_us, id LIMIT $1"
)
_DELIVERED = (
    "DELETE FROM webhook_deliveries WHERE id = ANY($1::text[]) AND state = 'pending' "
    "RETURNING endpoint_id, subject"
)
_FAILED = """
UPDATE webhook_deliveries d SET
    attempts = d.attempts + 1, due_us = s.due_us, last_status = s.status, last_error = s.error,
    state = CASE WHEN s.buried THEN 'dead' ELSE 'pending' END,
    head = d.head AND NOT s.buried, dead_us = CASE WHEN s.buried THEN s.at_us ELSE 0 END
FROM json_to_recordset($1::text::json) AS s (
    id text, buried boolean, due_us bigint, at_us bigint, status integer, error text)
WHERE d.id = s.id AND d.state = 'pending' AND d.due_us < s.at_us + 1
RETURNING d.endpoint_id, d.subject, s.at_us, s.error
"""
_COUNT_DELIVERED = (
    "UPDATE webhook_endpoints SET delivered = delivered + $2, "
    "last_delivered_us = greatest(last_delivered_us, $3) WHERE id = $1"
)
_COUNT_FAILED = (
    "UPDATE webhook_endpoints SET failed_attempts = failed_attempts + $2, "
    "last_failed_us = greatest(last_failed_us, $3), last_error = $4 WHERE id = $1"
)
_NEXT_HEADS = """
UPDATE webhook_deliveries d SET head = true
FROM unnest($1::text[], $2::text[]) AS place (endpoint_id, subject)
    CROSS JOIN LATERAL (
        SELECT w.id FROM webhook_deliveries w
        WHERE w.endpoint_id = place.endpoint_id AND w.subject = place.subject AND w.state = 'pending'
        ORDER BY w.number, w.id LIMIT 1) AS first
WHERE d.id = first.id AND NOT d.head
"""
_NO_HEADS = """
UPDATE webhook_deliveries d SET head = false
FROM unnest($1::text[], $2::text[]) AS place (endpoint_id, subject)
WHERE d.endpoint_id = place.endpoint_id AND d.subject = place.subject AND d.state = 'pending' AND d.head
"""
_DEAD = f"SELECT {_DELIVERY_COLUMNS} FROM webhook_deliveries WHERE state = 'dead'"
_REPLAY = (
    "UPDATE webhook_deliveries SET state = 'pending', head = false, attempts = 0, due_us = $1, dead_us = 0 "
    "WHERE state = 'dead' AND ($2::text IS NULL OR id = $2) AND ($3::text IS NULL OR endpoint_id = $3) "
    "RETURNING endpoint_id, subject"
)

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
        rows: list[Row] = await self._database.read(lambda connection: connection.fetch(_ENDPOINTS))
        return [Endpoint(**{**dict(row), "events": tuple(row["events"])}) for row in rows]

    async def statistics(self) -> Sequence[Statistics]:
        """One for each endpoint."""
        rows: list[Row] = await self._database.read(lambda connection: connection.fetch(_STATISTICS))
        return [Statistics(**dict(row)) for row in rows]

    async def add(self, endpoint: Endpoint) -> None:
        """Keep a new endpoint."""
        each = endpoint
        await self._database.read(
            lambda connection: connection.execute(
                _ADD,
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
            found = await connection.fetchval(_SET_STATE, endpoint_id, state, reason, at_us)
            if state == DISABLED:
                await connection.execute(_BURY_ALL, endpoint_id, at_us)
            return found is not None

        return await self._change(work, lazy=False)

    async def set_secret(self, endpoint_id: str, secret: str, previous_until_us: int, at_us: int) -> bool:
        """Take a new secret. False when there is no such endpoint."""
        found = await self._database.read(
            lambda connection: connection.fetchval(_ROTATE, endpoint_id, secret, previous_until_us, at_us)
        )
        return found is not None

    async def set_place(
        self, endpoint_id: str, kind: str, url: str, events: Sequence[str], at_us: int
    ) -> bool:
        """Lead elsewhere, or tell of other events. False when there is no such endpoint."""
        found = await self._database.read(
            lambda connection: connection.fetchval(_SET_PLACE, endpoint_id, kind, url, list(events), at_us)
        )
        return found is not None

    async def delete(self, endpoint_id: str) -> bool:
        """Forget an endpoint with all its deliveries."""

        async def work(connection: Connection) -> bool:
            return await connection.fetchval(_DELETE, endpoint_id) is not None

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
                await connection.execute(_LEAVE_BEHIND, before, list(passed_over))
            if await connection.fetchval(_MOVE, before, after.seq, positions) is None:
                return False
            if deliveries:
                await connection.execute(_INSERT, rows, False)
            return True

        return await self._change(work, lock=bool(passed_over))

    async def behind(self, endpoint_id: str) -> Outbox | None:
        """From where on an endpoint is behind."""
        row: Row | None = await self._database.read(
            lambda connection: connection.fetchrow(_BEHIND, endpoint_id)
        )
        return None if row is None else _outbox(row)

    async def catch_up(
        self, endpoint_id: str, before: int, after: Outbox, deliveries: Sequence[Delivery]
    ) -> bool:
        """Keep deliveries of an endpoint that is behind, and how far it has come with them."""
        positions = _encode(after.positions).decode()
        rows = _rows_of(deliveries)

        async def work(connection: Connection) -> bool:
            if await connection.fetchval(_CATCH_UP, endpoint_id, before, after.seq, positions) is None:
                return False
            if deliveries:
                await connection.execute(_INSERT, rows, True)
            return True

        return await self._change(work)

    async def put(self, delivery: Delivery) -> None:
        """Keep a delivery that comes from outside the journal."""

        async def work(connection: Connection) -> None:
            await connection.execute(_INSERT, _rows_of((delivery,)), True)

        await self._change(work)

    async def line_up(self, endpoint_id: str, limit: int) -> Sequence[Delivery]:
        """What is pending for an endpoint, oldest first."""
        rows: list[Row] = await self._database.read(
            lambda connection: connection.fetch(_LINE_UP, endpoint_id, limit)
        )
        return [_delivery(row) for row in rows]

    async def heads(self, endpoint_id: str, limit: int, without: Sequence[str]) -> Sequence[Delivery]:
        """The first pending delivery of each subject, soonest due first, but for those named."""
        rows: list[Row] = await self._database.read(
            lambda connection: connection.fetch(_HEADS, endpoint_id, limit, list(without))
        )
        return [_delivery(row) for row in rows]

    async def in_line(self, endpoint_id: str, subjects: Sequence[str], limit: int) -> Sequence[Delivery]:
        """What is pending for each of these subjects, the first `limit` of each, in line."""
        rows: list[Row] = await self._database.read(
            lambda connection: connection.fetch(_IN_LINE, endpoint_id, list(subjects), limit)
        )
        return [_delivery(row) for row in rows]

    async def retries(self, limit: int) -> Sequence[Retry]:
        """What has failed and is tried again, soonest first; only the first of a subject can have."""
        rows: list[Row] = await self._database.read(lambda connection: connection.fetch(_RETRIES, limit))
        return [Retry(**dict(row)) for row in rows]

    async def settle(self, settlements: Sequence[Settlement]) -> None:
        """Write down what became of attempts, all in one transaction."""
        delivered = [each for each in settlements if each.outcome == DELIVERED]
        failed = [each for each in settlements if each.outcome in (RETRY, BURIED)]

        async def work(connection: Connection) -> None:
            places: dict[tuple[str, str], None] = {}
            if delivered:
                rows = await connection.fetch(_DELIVERED, [each.delivery_id for each in delivered])
                await _count_delivered(connection, rows, max(each.at_us for each in delivered))
                places.update(dict.fromkeys((row["endpoint_id"], row["subject"]) for row in rows))
            if failed:
                rows = await connection.fetch(_FAILED, _failures(failed))
                await _count_failed(connection, rows)
                places.update(dict.fromkeys((row["endpoint_id"], row["subject"]) for row in rows))
            await connection.execute(_NEXT_HEADS, *_arrays(places))

        await self._change(work)

    async def dead_letters(
        self, endpoint_id: str | None, limit: int, before: tuple[int, str] | None
    ) -> Sequence[Delivery]:
        """Newest first."""
        at_us, last_id = (1 << 62, "") if before is None else before
        query = (
            f"{_DEAD} AND ($1::text IS NULL OR endpoint_id = $1) AND (dead_us, id) < ($2, $3) "
            "ORDER BY dead_us DESC, id DESC LIMIT $4"
        )
        rows: list[Row] = await self._database.read(
            lambda connection: connection.fetch(query, endpoint_id, at_us, last_id, limit)
        )
        return [_delivery(row) for row in rows]

    async def dead_letter(self, delivery_id: str) -> Delivery | None:
        """One dead letter."""
        row: Row | None = await self._database.read(
            lambda connection: connection.fetchrow(f"{_DEAD} AND id = $1", delivery_id)
        )
        return None if row is None else _delivery(row)

    async def replay(self, delivery_id: str | None, endpoint_id: str | None, at_us: int) -> int:
        """Make dead letters pending again; how many."""

        async def work(connection: Connection) -> int:
            rows = await connection.fetch(_REPLAY, at_us, delivery_id, endpoint_id)
            places = _arrays(dict.fromkeys((row["endpoint_id"], row["subject"]) for row in rows))
            await connection.execute(_NO_HEADS, *places)
            await connection.execute(_NEXT_HEADS, *places)
            return len(rows)

        return await self._change(work, lazy=False)

    async def _change(
        self, work: Callable[[Connection], Awaitable[T]], *, lazy: bool = True, lock: bool = True
    ) -> T:
        async def whole(connection: Connection) -> T:
            async with connection.transaction():
                if lazy:
                    await connection.execute(_LAZY)
                if lock:
                    await connection.execute(_LOCK)
                return await work(connection)

        return await self._database.read(whole)


async def _count_delivered(connection: Connection, rows: Sequence[Row], at_us: int) -> None:
    counts: dict[str, int] = {}
    for row in rows:
        counts[row["endpoint_id"]] = counts.get(row["endpoint_id"], 0) + 1
    for endpoint_id, count in counts.items():
        await connection.execute(_COUNT_DELIVERED, endpoint_id, count, at_us)


async def _count_failed(connection: Connection, rows: Sequence[Row]) -> None:
    counts: dict[str, tuple[int, int, str]] = {}
    for row in rows:
        count, at_us, error = counts.get(row["endpoint_id"], (0, 0, ""))
        if row["at_us"] >= at_us:
            at_us, error = row["at_us"], row["error"]
        counts[row["endpoint_id"]] = (count + 1, at_us, error)
    for endpoint_id, found in counts.items():
        await connection.execute(_COUNT_FAILED, endpoint_id, *found)


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
