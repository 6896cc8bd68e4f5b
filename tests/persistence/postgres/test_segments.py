"""Folded events: everything reads as before, the chain goes on, ids stay taken, and nothing is lost by a
crash.
"""

from datetime import UTC, datetime, timedelta

import psycopg
import pytest
import trio

from actors.journal.chain import GENESIS, verify
from ops.proof.history import BATCH, START_US, write_history
from persistence.postgres import Database, PostgresArchive, PostgresJournalStore, open_bridge
from persistence.postgres.audit import Anchor, audit
from persistence.postgres.segments import RECORDS, fold_old_events
from tests.fixtures.journal import Writer, denied, intent
from tests.fixtures.stores import fail_on_error

LATER = datetime.fromtimestamp(START_US / 1_000_000, UTC) + timedelta(days=1)
EVENTS = 3 * RECORDS


@pytest.fixture
def tail(postgres_dsn):
    """A journal that is longer than two segments."""
    return trio.run(write_history, postgres_dsn, EVENTS)


async def read_all(dsn, page):
    """The whole journal in pages, by the store and by the archive; and what is known of one order."""
    async with open_bridge(fail_on_error):
        base = Database(dsn)
        store, archive = PostgresJournalStore(base), PostgresArchive(base)
        by_store, by_archive = [], []
        while records := await store.read(len(by_store), page):
            by_store += records
        while records := await archive.events(len(by_archive), page):
            by_archive += records
        middle = await store.read(RECORDS, 1)
        order_id = by_store[0].event.intent.order_id
        of_order = await archive.events(0, 100, order_id)
        await store.close()
        await base.close()
    return by_store, by_archive, middle, of_order


def count(dsn, table):
    with psycopg.connect(dsn) as connection:
        return connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]


@pytest.mark.parametrize("page", [100, RECORDS, 5_000])
def test_a_folded_journal_reads_word_for_word_as_before(postgres_dsn, tail, page):
    before = trio.run(read_all, postgres_dsn, page)
    assert fold_old_events(postgres_dsn, LATER, kept=100) == 2 * RECORDS
    after = trio.run(read_all, postgres_dsn, page)
    assert after == before
    assert verify(after[0], 0, GENESIS) == (tail.head, tail.head_hash)
    assert count(postgres_dsn, "events") == tail.head - 2 * RECORDS


def test_it_is_verified_across_segments_and_rows(postgres_dsn, tail):
    anchor = Anchor(seq=tail.head, hash=tail.head_hash.hex())
    before = audit(postgres_dsn, anchor)
    fold_old_events(postgres_dsn, LATER, kept=100)
    assert audit(postgres_dsn, anchor) == before
    assert not before.findings


def test_young_and_newest_events_stay_rows_and_a_second_time_does_nothing(postgres_dsn, tail):
    assert fold_old_events(postgres_dsn, LATER, kept=tail.head) == 0
    assert fold_old_events(postgres_dsn, LATER - timedelta(days=2), kept=0) == 0
    assert fold_old_events(postgres_dsn, LATER, kept=0) > 0
    assert fold_old_events(postgres_dsn, LATER, kept=0) == 0


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE event_segments SET body = replace(body::text, '100.25', '100.26')::json",
        "UPDATE event_segments SET previous_hash = sha256('x') WHERE first_seq > 1",
        "UPDATE event_segments SET last_hash = sha256('x') WHERE first_seq = 1",
        "UPDATE event_segments SET last_seq = last_seq + 10000 WHERE first_seq > 1",
        "UPDATE event_segments SET order_ids = '{}'",
        "UPDATE event_segments SET types = '{}'",
        "DELETE FROM event_segments WHERE first_seq = 1",
        "UPDATE event_segments SET body = '[]'",
    ],
)
def test_a_changed_segment_is_found(postgres_dsn, tail, statement):
    fold_old_events(postgres_dsn, LATER, kept=100)
    with psycopg.connect(postgres_dsn) as connection:
        connection.execute("ALTER TABLE event_segments DISABLE TRIGGER append_only")
        connection.execute(statement)
    assert audit(postgres_dsn).findings


def test_segments_and_the_rows_beside_them_can_not_be_deleted_by_accident(postgres_dsn, tail):
    fold_old_events(postgres_dsn, LATER, kept=100)
    for table in ("events", "event_segments"):
        with psycopg.connect(postgres_dsn) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(f"DELETE FROM {table}")


async def go_on(dsn):
    """A new process recovers across the segments, appends, and may not take an old id again."""
    from actors.journal.port import BatchRefused
    from actors.journal.replay import recover

    async with open_bridge(fail_on_error):
        base = Database(dsn)
        store = PostgresJournalStore(base)
        writer = Writer(store)
        head = await store.take_over()
        writer.epoch = head.epoch
        await recover(store, writer.tail, head)
        writer.drafter.reset()
        await writer.write(denied(9_999))
        taken = denied(9_998)
        same = type(taken)(
            intent=intent(9_998, venue_id="", client_order_id="client-1"),
            code="MAX_POSITION",
            detail="",
            limit="1",
            value="2",
        )
        with pytest.raises(BatchRefused):
            await store.append(writer.batch(same), writer.epoch)
        await store.close()
        await base.close()


@pytest.mark.parametrize("with_snapshot", [True, False])
def test_a_start_recovers_across_segments_and_a_client_order_id_stays_taken(
    postgres_dsn, tail, with_snapshot
):
    """Without a usable snapshot, as after a new fold, all of it is replayed from the segments on."""
    fold_old_events(postgres_dsn, LATER, kept=10)
    if not with_snapshot:
        with psycopg.connect(postgres_dsn) as connection:
            connection.execute("DELETE FROM snapshots")
    trio.run(go_on, postgres_dsn)
    assert audit(postgres_dsn).findings == ()


def test_the_history_is_longer_than_a_batch():
    assert EVENTS > BATCH
