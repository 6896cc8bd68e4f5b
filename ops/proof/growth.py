"""How the journal grows: bytes an order, as rows and folded into segments, and what reading them costs.

`python -m ops.proof.growth --events 40000`: the history of `ops.proof.history` on an embedded server,
measured in PostgreSQL's own figures. One line of JSON.
"""

import argparse
import json
import shutil
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import trio

from ops.proof.history import START_US, write_history
from persistence.embedded import EmbeddedServer
from persistence.migrations import migrate
from persistence.postgres import Database, PostgresJournalStore, open_bridge
from persistence.postgres.audit import audit
from persistence.postgres.segments import fold_old_events

PAGE = 2_000
TABLES = ("events", "event_segments", "orders", "fills", "positions", "snapshots")


def sizes(dsn: str) -> dict[str, int]:
    """Bytes of each table with its indexes, after a vacuum that gives back what is free."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("VACUUM FULL")
        return {
            table: connection.execute("SELECT pg_total_relation_size(%s::regclass)", [table]).fetchall()[0][0]
            for table in TABLES
        }


async def read_all(dsn: str) -> float:
    """Seconds of reading the whole journal as a start without a snapshot does."""
    async with open_bridge(_raise):
        base = Database(dsn)
        store = PostgresJournalStore(base)
        seq, began = 0, time.perf_counter()
        while records := await store.read(seq, PAGE):
            seq = records[-1].seq
        seconds = time.perf_counter() - began
        await store.close()
        await base.close()
    return seconds


def measure(dsn: str, events: int) -> dict[str, float]:
    """Write, measure, fold everything, measure again, and check that nothing is wrong."""
    tail = trio.run(write_history, dsn, events)
    rows, read_rows = sizes(dsn), trio.run(read_all, dsn)
    before = audit(dsn)
    began = time.perf_counter()
    later = datetime.fromtimestamp(START_US / 1_000_000, UTC) + timedelta(days=1)
    folded = fold_old_events(dsn, later, kept=0)
    fold_seconds = time.perf_counter() - began
    segments, read_segments = sizes(dsn), trio.run(read_all, dsn)
    after = audit(dsn)
    if after.findings or (after.seq, after.hash, after.state) != (before.seq, before.hash, before.state):
        raise AssertionError(f"folding changed the journal: {after.findings}")
    orders = before.orders
    return {
        "events": tail.head,
        "orders": orders,
        "events_an_order": round(tail.head / orders, 2),
        "bytes_an_order": sum(rows.values()) // orders,
        "event_bytes_an_order": rows["events"] // orders,
        "order_row_bytes": rows["orders"] // orders,
        "fill_bytes_an_order": rows["fills"] // orders,
        "folded_event_bytes_an_order": (segments["events"] + segments["event_segments"]) // orders,
        "folded_events": folded,
        "fold_us_an_event": round(fold_seconds / max(folded, 1) * 1e6, 1),
        "read_us_an_event": round(read_rows / tail.head * 1e6, 1),
        "read_folded_us_an_event": round(read_segments / tail.head * 1e6, 1),
    }


def main() -> None:
    """Measure on a server of its own."""
    parser = argparse.ArgumentParser(description="Measure how the journal grows.")
    parser.add_argument("--events", type=int, default=40_000)
    asked = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="growth-"))
    server = EmbeddedServer(folder / "postgres")
    server.start()
    try:
        migrate(server.dsn)
        print(json.dumps(measure(server.dsn, asked.events)))
    finally:
        server.stop()
        shutil.rmtree(folder)


def _raise(what: str, error: BaseException | None) -> None:
    raise RuntimeError(what) from error


if __name__ == "__main__":
    main()
