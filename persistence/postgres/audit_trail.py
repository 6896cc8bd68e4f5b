"""The audit trail in PostgreSQL, in a table that only grows."""

from collections.abc import Sequence

import msgspec
import structlog

from persistence.postgres.pool import Database, Refused, Row
from web.audit.port import AuditEntry

_APPEND = """
INSERT INTO audit_trail (id, at, user_id, token_id, client, action, method, path, subject, status,
                         correlation_id, unrecorded)
    SELECT e.entry_id, from_us(e.at_us), e."user", e.token_id, e.client, e.action, e.method, e.path,
           e.subject, e.status, e.correlation_id, e.unrecorded
    FROM json_to_recordset($1::json) AS e (
        entry_id text, at_us bigint, "user" text, token_id text, client text, action text, method text,
        path text, subject text, status integer, correlation_id text, unrecorded bigint)
    ON CONFLICT (id) DO NOTHING
"""
_PAGE = """
SELECT id AS entry_id, to_us(at) AS at_us, user_id AS "user", token_id, client, action, method, path, subject,
       status, correlation_id, unrecorded
    FROM audit_trail WHERE $1::text IS NULL OR id < $1 ORDER BY id DESC LIMIT $2
"""
APPEND_SECONDS = 5.0

_log = structlog.get_logger(room="database")


class PostgresAudit:
    """Implements `web.audit.port.AuditStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def append(self, entries: Sequence[AuditEntry]) -> None:
        """Keep entries, all or none; what the database refuses for good goes to the log."""
        rows = msgspec.json.encode(entries).decode()
        try:
            await self._database.read(
                lambda connection: connection.execute(_APPEND, rows), seconds=APPEND_SECONDS
            )
        except Refused as error:
            # It would be refused for ever, and nothing after it would be kept. The log keeps it instead.
            _log.error("audit_refused", why=str(error), entries=rows)

    async def page(self, *, before: str | None, limit: int) -> Sequence[AuditEntry]:
        """Newest first."""
        rows: list[Row] = await self._database.read(lambda connection: connection.fetch(_PAGE, before, limit))
        return [AuditEntry(**row) for row in rows]
