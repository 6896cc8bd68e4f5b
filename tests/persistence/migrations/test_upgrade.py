"""A database with data from the first schema on, brought up to date: nothing is lost and the journal goes on.

`data/first_schema.sql` was written by the first release of the schema and is never changed: what was once
stored must be readable for ever.
"""

import shutil
from pathlib import Path

import psycopg
import trio

from actors.model.events import OrderDenied
from persistence.migrations import migrate
from persistence.migrations.runner import VERSIONS
from persistence.postgres import Database, PostgresJournalStore, open_bridge
from persistence.postgres.audit import Anchor, audit
from tests.fixtures.journal import Writer, denied
from tests.fixtures.stores import fail_on_error

DATA = Path(__file__).parent / "data" / "first_schema.sql"
HEAD = Anchor(seq=61, hash="56ab299141cf35d7ee316758cb568b373962795d43053484a96239e7a5784a73")


def revisions() -> list[Path]:
    """The revisions of this release, oldest first."""
    return sorted(VERSIONS.glob("[0-9]*.py"))


def first_release(dsn: str, folder: Path) -> None:
    """Make the database as the first release of the schema left it."""
    folder.mkdir()
    shutil.copy(revisions()[0], folder)
    migrate(dsn, versions=folder)
    with psycopg.connect(dsn) as connection:
        connection.execute("DELETE FROM journal_head")
        connection.execute(DATA.read_bytes())


def contents(dsn: str) -> list[tuple]:
    with psycopg.connect(dsn) as connection:
        return [
            *connection.execute("SELECT seq, hash, payload FROM events ORDER BY seq").fetchall(),
            *connection.execute("SELECT id, client_order_id, status, filled_qty FROM orders ORDER BY id"),
            *connection.execute("SELECT id, qty, price, fee FROM fills ORDER BY id").fetchall(),
            *connection.execute("SELECT symbol, qty, cost, realized_pnl FROM positions").fetchall(),
            *connection.execute("SELECT id, user_id, scopes, hash FROM tokens").fetchall(),
        ]


def test_every_row_of_the_first_schema_comes_through_every_later_one(empty_postgres_dsn, tmp_path):
    """One revision at a time, as somebody who takes each release would."""
    first_release(empty_postgres_dsn, tmp_path / "versions")
    before = contents(empty_postgres_dsn)
    for revision in revisions()[1:]:
        shutil.copy(revision, tmp_path / "versions")
        assert migrate(empty_postgres_dsn, versions=tmp_path / "versions").applied == (revision.name[:4],)
        assert contents(empty_postgres_dsn) == before
    assert migrate(empty_postgres_dsn).applied == ()
    found = audit(empty_postgres_dsn, HEAD)
    assert (found.findings, found.seq, found.hash) == ((), HEAD.seq, HEAD.hash)


def test_the_journal_of_the_first_schema_goes_on_after_an_upgrade_in_one_step(empty_postgres_dsn, tmp_path):
    """The newest release folds the old payloads, appends after them, and the whole is sound."""
    first_release(empty_postgres_dsn, tmp_path / "versions")
    migrate(empty_postgres_dsn)
    trio.run(append_one, empty_postgres_dsn, denied(9_999))
    found = audit(empty_postgres_dsn, HEAD)
    assert (found.findings, found.seq) == ((), HEAD.seq + 1)


async def append_one(dsn: str, event: OrderDenied) -> None:
    from actors.journal.replay import recover

    async with open_bridge(fail_on_error):
        base = Database(dsn)
        store = PostgresJournalStore(base)
        writer = Writer(store)
        head = await store.take_over()
        writer.epoch = head.epoch
        await recover(store, writer.tail, head)
        writer.drafter.reset()
        await writer.write(event)
        await store.close()
        await base.close()
