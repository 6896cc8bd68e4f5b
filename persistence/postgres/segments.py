"""Old events, folded into segments: who does it, and how both are read as one.

The newest records always stay as rows: they are what a start, the feeds and the outbox read. Plain
synchronous code; a service has it done by the child process that takes its backups, after the backup.
"""

from datetime import datetime

import psycopg

from persistence.postgres.rows import EVENT_COLUMNS

RECORDS = 512
KEPT = 20_000
"""So many of the newest records stay as rows, however old they are."""

_ALL = f"{EVENT_COLUMNS}, previous_hash, order_id::text AS order_id"
_PREVIOUS = (
    "coalesce((SELECT before.hash FROM events AS before WHERE before.seq = events.seq - 1), "
    "(SELECT last_hash FROM event_segments WHERE last_seq = events.seq - 1)) AS previous_hash"
)
LIVE = f"SELECT {EVENT_COLUMNS}, {_PREVIOUS}, order_id::text AS order_id FROM events"
"""The rows of `events`, each with the hash of the record before, wherever that is."""
ARCHIVED = f"SELECT {_ALL} FROM archived_events"

# A few segments are enough for any page: each holds 512 records. Without archived records later than $1 the
# first half is one look into an index.
_NEXT_SEGMENTS = (
    "SELECT last_seq FROM event_segments WHERE last_seq > $1 "
    f"ORDER BY last_seq LIMIT $2::bigint / {RECORDS} + 2"
)
AFTER = (
    "SELECT * FROM ("
    f"({ARCHIVED} WHERE seq > $1 AND last_seq = ANY (ARRAY({_NEXT_SEGMENTS})) ORDER BY seq LIMIT $2) "
    f"UNION ALL ({LIVE} WHERE seq > $1 ORDER BY seq LIMIT $2)) AS both_kinds ORDER BY seq LIMIT $2"
)
"""Records later than $1, oldest first, at most $2."""

OF_ORDER = (
    f"SELECT * FROM (({ARCHIVED} WHERE order_ids @> ARRAY[$3::uuid] AND order_id = $3::uuid AND seq > $1) "
    f"UNION ALL ({LIVE} WHERE order_id = $3::uuid AND seq > $1)) AS both_kinds ORDER BY seq LIMIT $2"
)
"""Records about the order $3 that are later than $1, oldest first, at most $2."""


def hash_at(dsn: str, seq: int) -> bytes | None:
    """The hash of the record at `seq`, None when the journal has none there. Raises psycopg.Error."""
    with psycopg.connect(dsn, application_name="tradewarden") as connection:
        row = connection.execute(
            "SELECT hash FROM events WHERE seq = %(seq)s UNION ALL SELECT hash FROM archived_events "
            "WHERE seq = %(seq)s AND first_seq <= %(seq)s AND last_seq >= %(seq)s",
            {"seq": seq},
        ).fetchone()
    return None if row is None else bytes(row[0])


def fold_old_events(dsn: str, before: datetime, *, kept: int = KEPT) -> int:
    """Fold the records that are older than `before`, but for the newest `kept`; return how many were.

    One transaction for each segment: broken off, what is folded stays folded and nothing else was touched.
    Raises psycopg.Error.
    """
    folded = 0
    with psycopg.connect(dsn, autocommit=True, application_name="tradewarden archive") as connection:
        while True:
            row = connection.execute(
                "SELECT fold_events(%s, (SELECT seq FROM journal_head) - %s, %s)", [RECORDS, kept, before]
            ).fetchone()
            if row is None or row[0] is None:
                return folded
            folded += RECORDS
