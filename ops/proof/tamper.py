"""Tampering with a journal at random, and seeing that `verify` finds it: `make tamper N=1000`.

Each attempt is one transaction that is rolled back: change something as somebody with all rights on the
database could, audit, take it back. The thorough kind of attacker is among them: who cuts the end off moves
the head as well, and who edits a record seals everything after it anew. These two only the anchor can find.
"""

import argparse
import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import psycopg
import trio
from psycopg.rows import dict_row

from actors.journal.chain import GENESIS, link
from ops.proof.history import write_history
from persistence.embedded import EmbeddedServer
from persistence.migrations import migrate
from persistence.postgres.audit import Anchor, Audit, audit_within

Connection = psycopg.Connection[dict[str, Any]]
Tamper = Callable[[Connection, Random, int], None]

_EDITS = (
    "payload = overlay(payload placing '\\x37'::bytea from greatest(1, length(payload) - 3) for 1)",
    "payload = convert_to(replace(convert_from(payload, 'UTF8'), '100.25', '100.26') || ' ', 'UTF8')",
    "at = at + interval '1 microsecond'",
    "stream = stream || 'x'",
    "type = 'OrderRejected'",
    "version = version + 1",
    "correlation_id = correlation_id || '1'",
    "causation_id = 'c'",
    "hash = sha256(hash)",
    "order_id = gen_random_uuid()",
    "order_id = NULL",
)


def _edit(connection: Connection, rng: Random, head: int) -> None:
    statement = f"UPDATE events SET {rng.choice(_EDITS)} WHERE seq = %s"  # noqa: S608 - constants
    connection.execute(statement.encode(), [rng.randint(1, head)])


def _delete(connection: Connection, rng: Random, head: int) -> None:
    first = rng.randint(1, head - 1)
    connection.execute(
        "DELETE FROM events WHERE seq BETWEEN %s AND %s",
        [first, min(head - 1, first + rng.choice((0, 1, 50)))],
    )


def _swap(connection: Connection, rng: Random, head: int) -> None:
    one, other = rng.sample(range(1, head + 1), 2)
    connection.execute("UPDATE events SET seq = -1 WHERE seq = %s", [one])
    connection.execute("UPDATE events SET seq = %s WHERE seq = %s", [one, other])
    connection.execute("UPDATE events SET seq = %s WHERE seq = -1", [other])


def _cut(connection: Connection, rng: Random, head: int) -> None:
    """Take the end away and move the head, as if it had never been."""
    end = head - rng.choice((1, 2, 10, rng.randint(1, head - 1)))
    connection.execute("DELETE FROM events WHERE seq > %s", [end])
    if rng.random() < 0.7:
        connection.execute(
            "UPDATE journal_head SET seq = %s, hash = (SELECT hash FROM events WHERE seq = %s)", [end, end]
        )


def _seal_anew(connection: Connection, rng: Random, head: int) -> None:
    """Edit a record near the end, then give it and all that follow the hashes that fit."""
    first = head - rng.randint(0, min(300, head - 2))
    connection.execute("UPDATE events SET correlation_id = correlation_id || 'x' WHERE seq = %s", [first])
    before = connection.execute("SELECT hash FROM events WHERE seq = %s", [first - 1]).fetchone()
    digest = GENESIS if before is None else bytes(before["hash"])
    rows = connection.execute(
        "SELECT seq, stream, type, version, to_us(at) AS at_us, payload, correlation_id, causation_id "
        "FROM events WHERE seq >= %s ORDER BY seq",
        [first],
    ).fetchall()
    sealed = []
    for row in rows:
        digest = link(
            digest,
            row["seq"],
            row["stream"],
            row["type"],
            row["version"],
            row["at_us"],
            bytes(row["payload"]),
            row["correlation_id"],
            row["causation_id"],
        )
        sealed.append((digest, row["seq"]))
    with connection.cursor() as cursor:
        cursor.executemany("UPDATE events SET hash = %s WHERE seq = %s", sealed)
    connection.execute("UPDATE journal_head SET hash = %s", [digest])


KINDS: dict[str, Tamper] = {
    "edit": _edit,
    "deletion": _delete,
    "swap": _swap,
    "truncation": _cut,
    "sealed anew": _seal_anew,
}


def attempt(connection: Connection, kind: str, rng: Random, anchor: Anchor) -> Audit:
    """Tamper once, audit, take it back. The connection must not be in a transaction."""
    with connection.transaction(force_rollback=True):
        connection.execute("ALTER TABLE events DISABLE TRIGGER append_only")
        KINDS[kind](connection, rng, anchor.seq)
        return audit_within(connection, anchor)


def prove(dsn: str, anchor: Anchor, times: int, seed: int) -> dict[str, int]:
    """Tamper so many times, the kinds in turn; how often each was found. Raises AssertionError for a miss."""
    found: Counter[str] = Counter()
    with psycopg.connect(dsn, row_factory=dict_row, autocommit=True) as connection:
        for number in range(times):
            kind = tuple(KINDS)[number % len(KINDS)]
            if not attempt(connection, kind, Random(f"{seed}/{number}"), anchor).findings:
                raise AssertionError(f"{kind} was not found: seed {seed}, attempt {number}")
            found[kind] += 1
    return dict(found)


def main() -> None:
    """Make a journal, tamper with it, print what was found as one line of JSON."""
    parser = argparse.ArgumentParser(description="Tamper with a journal and see that verify finds it.")
    parser.add_argument("--times", type=int, default=1_000)
    parser.add_argument("--events", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="tamper-"))
    server = EmbeddedServer(folder / "postgres")
    server.start()
    try:
        migrate(server.dsn)
        tail = trio.run(write_history, server.dsn, asked.events)
        anchor = Anchor(seq=tail.head, hash=tail.head_hash.hex())
        found = prove(server.dsn, anchor, asked.times, asked.seed)
    finally:
        server.stop()
        shutil.rmtree(folder)
    print(json.dumps({"events": anchor.seq, "attempts": asked.times, "found": sum(found.values()), **found}))


if __name__ == "__main__":
    main()
