"""A real server that is frozen, killed, restarted or cut off: what the store says, and that it goes on."""

import random
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import psycopg
import pytest
import trio

from actors.journal.actor import JournalActor
from actors.journal.port import BatchRefused, CommitUnknown, StoreUnavailable
from actors.journal.replay import replay, state_hash
from actors.journal.tail import CommittedTail
from actors.kernel import TrioActor, open_system
from actors.model.journal import AppendFailed, Fence
from persistence.postgres import Database, PostgresArchive, PostgresJournalStore, open_bridge
from tests.fixtures.journal import START_US, Writer, accepted, acknowledged, append_of, order_id
from tests.fixtures.postgres_faults import FragileServer
from tests.fixtures.stores import fail_on_error


@dataclass
class Setting:
    """One database on the fragile server, and its writer."""

    server: FragileServer
    dsn: str
    database: Database
    store: PostgresJournalStore
    writer: Writer

    def backend(self) -> int:
        """The server process of the writing connection."""
        return self._number("SELECT pid FROM pg_stat_activity WHERE application_name = 'tradewarden journal'")

    def connections(self) -> int:
        """How many connections the database has, this question's not counted."""
        return self._number(
            "SELECT count(*) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )

    def events(self) -> int:
        """How many events are committed."""
        return self._number("SELECT count(*) FROM events")

    def _number(self, query: str) -> int:
        with psycopg.connect(self.dsn) as connection:
            row = connection.execute(query.encode()).fetchone()
        assert row is not None
        return int(row[0])


@pytest.fixture
async def setting(fragile: FragileServer, fragile_dsn: str) -> AsyncIterator[Setting]:
    """The journal's owner, impatient."""
    async with open_bridge(fail_on_error):
        database = Database(fragile_dsn)
        store = PostgresJournalStore(database, commit_seconds=0.5)
        writer = await Writer(store).take_over()
        await writer.write(accepted(1))
        yield Setting(fragile, fragile_dsn, database, store, writer)
        await store.close()
        await database.close()


async def resolved(setting: Setting, batch: object) -> bool:
    """The answer of resolve, which may take a few tries after a fault."""
    while True:
        try:
            return await setting.store.resolve(batch, setting.writer.epoch)
        except StoreUnavailable:
            await trio.sleep(0.1)


async def until(condition: Callable[[], bool]) -> None:
    """Look every 10 ms: what is waited for happens in another process."""
    while not condition():  # noqa: ASYNC110 - there is no event for it
        await trio.sleep(0.01)


async def test_a_frozen_server_makes_a_commit_unknown_and_then_resolved(setting: Setting) -> None:
    """Whether it landed or not, the store knows afterwards and nothing lands twice."""
    batch = setting.writer.batch(accepted(2))
    with setting.server.frozen():
        with pytest.raises(CommitUnknown):
            await setting.store.append(batch, setting.writer.epoch)
        with pytest.raises(StoreUnavailable):
            await setting.store.resolve(batch, setting.writer.epoch)
    with trio.fail_after(30):
        landed = await resolved(setting, batch)
        if not landed:
            await setting.store.append(batch, setting.writer.epoch)
    assert setting.events() == 2


async def test_a_batch_in_the_buffer_of_an_old_connection_never_lands(setting: Setting) -> None:
    """Its server process sleeps with the batch unread; a new connection writes it; then the old one wakes."""
    batch = setting.writer.batch(accepted(2))
    old = setting.backend()
    with setting.server.frozen(old):
        with pytest.raises(CommitUnknown):
            await setting.store.append(batch, setting.writer.epoch)
        with trio.fail_after(30):
            assert await resolved(setting, batch) is False
        other = setting.writer.blind_batch(accepted(3))
        await setting.store.append(other, setting.writer.epoch)
    await trio.sleep(0.2)
    (_, newest) = await setting.store.read(0, 10)
    assert newest.hash == other.records[0].hash


async def test_a_connection_that_is_cut_while_idle_costs_nothing(setting: Setting) -> None:
    """The next batch goes over a new one, at worst after a resolve."""
    with psycopg.connect(setting.dsn) as connection:
        connection.execute("SELECT pg_terminate_backend(%s, 1000)", [setting.backend()])
    batch = setting.writer.batch(accepted(2))
    try:
        await setting.store.append(batch, setting.writer.epoch)
    except CommitUnknown:
        assert await resolved(setting, batch) is False
        await setting.store.append(batch, setting.writer.epoch)
    assert setting.events() == 2


async def test_a_killed_server_is_away_and_then_back(setting: Setting) -> None:
    """Reads and appends say so, and work again after the restart."""
    archive = PostgresArchive(setting.database)
    assert await archive.order(order_id(1)) is not None
    setting.server.kill()
    batch = setting.writer.batch(accepted(2))
    with pytest.raises((StoreUnavailable, CommitUnknown)):
        await setting.store.append(batch, setting.writer.epoch)
    with pytest.raises(StoreUnavailable):
        await archive.order(order_id(1))
    await trio.to_thread.run_sync(setting.server.restart)
    with trio.fail_after(30):
        assert await resolved(setting, batch) is False
    await setting.store.append(batch, setting.writer.epoch)
    assert await archive.order(order_id(2)) is not None
    assert setting.events() == 2


async def test_a_lock_on_the_head_is_waited_for_and_then_says_away(setting: Setting) -> None:
    """Somebody holds the row: the append definitely did not happen, the store can be asked again."""
    patient = PostgresJournalStore(setting.database, commit_seconds=10.0)
    setting.writer.epoch = (await patient.take_over()).epoch
    batch = setting.writer.batch(accepted(2))
    with psycopg.connect(setting.dsn) as connection:
        connection.execute("SELECT * FROM journal_head FOR UPDATE")
        with pytest.raises(StoreUnavailable):
            await patient.append(batch, setting.writer.epoch)
        with pytest.raises(StoreUnavailable):
            await patient.resolve(batch, setting.writer.epoch)
    await patient.append(batch, setting.writer.epoch)
    await patient.close()
    assert setting.events() == 2


async def test_a_text_that_the_database_can_not_hold_is_refused(setting: Setting) -> None:
    """PostgreSQL has no room for such an id; that must not look like a lost store."""
    with pytest.raises(BatchRefused):
        await setting.store.append(
            setting.writer.batch(accepted(2, order_id="no uuid")), setting.writer.epoch
        )
    setting.writer.drafter.reset()
    await setting.writer.write(accepted(2))


@pytest.mark.parametrize(
    "statement", ["UPDATE events SET stream = 'x'", "DELETE FROM events", "TRUNCATE events"]
)
async def test_the_journal_refuses_to_be_changed(setting: Setting, statement: str) -> None:
    """Whoever has the database's password."""
    with (
        psycopg.connect(setting.dsn) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"),
    ):
        connection.execute(statement.encode())


async def test_reads_that_are_cancelled_at_random_leak_no_connection(setting: Setting) -> None:
    """200 cancellations, then everything still answers."""
    archive = PostgresArchive(setting.database)
    rng = random.Random(3)

    async def read_for(seconds: float) -> None:
        with trio.move_on_after(seconds):
            while True:
                await archive.order(order_id(1))

    async with trio.open_nursery() as nursery:
        for _ in range(200):
            nursery.start_soon(read_for, rng.random() * 0.05)
            await trio.sleep(rng.random() * 0.005)
    with trio.fail_after(5):
        for _ in range(20):
            assert await archive.order(order_id(1)) is not None
        await until(lambda: setting.connections() <= 5)


async def test_appends_that_are_cancelled_at_random_are_resolved_each(setting: Setting) -> None:
    """Every one of them is in the journal exactly once in the end."""
    rng = random.Random(4)
    for number in range(2, 62):
        batch = setting.writer.batch(accepted(number))
        with trio.move_on_after(rng.random() * 0.003) as scope:
            await setting.store.append(batch, setting.writer.epoch)
        if scope.cancelled_caught and not await resolved(setting, batch):
            await setting.store.append(batch, setting.writer.epoch)
        setting.writer.landed(batch)
    assert list(await setting.store.read(0, 100)) == list(setting.writer.tail.after(0))
    assert setting.connections() <= 4


class _Wall:
    def now_us(self) -> int:
        return START_US + int(trio.current_time())

    def monotonic(self) -> float:
        return trio.current_time()


class _Listener(TrioActor):
    def __init__(self) -> None:
        super().__init__()
        self.heard: list[object] = []

    def on_receive(self, message: object) -> object:
        self.heard.append(message)
        return None


@pytest.mark.parametrize("fault", ["freeze", "kill"])
async def test_the_journal_comes_back_by_itself_after_the_server_did(setting: Setting, fault: str) -> None:
    """Within a second an append with a deadline is refused for sure; within ten the next one is written."""
    store = PostgresJournalStore(setting.database)
    log, listener = CommittedTail(), _Listener()
    async with open_system() as system:
        await system.start(listener, "writer")
        actor = JournalActor(store=store, log=log, clock=_Wall(), on_deposed=fail_on_error, report_to=())
        ref = await system.start(actor, "journal")
        generation = (await ref.ask(Fence("risk"), timeout=5)).generation

        async def while_it_is_gone() -> None:
            ref.tell(append_of(accepted(2), generation=generation, append_id="in flight"))
            await trio.sleep(0.1)
            late = trio.current_time() + 0.8
            ref.tell(append_of(accepted(3), generation=generation, append_id="late", deadline=late))
            with trio.fail_after(1.0):
                await until(lambda: bool(listener.heard))
            assert log.available is False

        if fault == "freeze":
            with setting.server.frozen():
                await while_it_is_gone()
                await trio.sleep(5)
        else:
            setting.server.kill()
            await while_it_is_gone()
            await trio.to_thread.run_sync(setting.server.restart)
        with trio.fail_after(30):
            await until(lambda: log.available)
            ref.tell(append_of(acknowledged(1), generation=generation))
            await until(lambda: log.head == 3)
        assert [one.append_id for one in listener.heard if isinstance(one, AppendFailed)] == ["late"]
        assert state_hash(replay(await store.read(0, 10)).book) == state_hash(log.book)
    await store.close()
