"""JournalActor against the store in memory, with every fault that the store can show."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

import msgspec
import pytest
import trio
from trio.testing import MockClock

from actors.journal.actor import JournalActor
from actors.journal.port import Batch, StoreUnavailable
from actors.journal.replay import replay, state_hash
from actors.journal.tail import CommittedTail
from actors.kernel import Ref, System, TrioActor, open_system
from actors.model.events import AnyEvent
from actors.model.journal import Append, AppendFailed, Fence, Fenced, JournalState, Record
from persistence.memory import Faults, MemoryDisk, MemoryJournalStore, Unknown
from tests.fixtures.journal import START_US, Writer, accepted, acknowledged, append_of


class MockedClock:
    """Both clocks follow trio's."""

    def now_us(self) -> int:
        return START_US + int(trio.current_time() * 1e6)

    def monotonic(self) -> float:
        return trio.current_time()


class Listener(TrioActor):
    """Keeps what it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[object] = []

    def on_receive(self, message: object) -> object:
        self.heard.append(message)
        return None


@dataclass
class Journal:
    """A running journal and everything around it."""

    system: System
    disk: MemoryDisk
    faults: Faults
    log: CommittedTail
    store: MemoryJournalStore
    writer: Listener
    operator: Listener
    deposed: list[str] = field(default_factory=list)
    generations: dict[str, int] = field(default_factory=dict)

    @property
    def ref(self) -> Ref:
        return self.system.ref("journal")

    def actor(self, **settings: object) -> JournalActor:
        return JournalActor(
            store=self.store,
            log=self.log,
            clock=MockedClock(),
            on_deposed=self.deposed.append,
            report_to=("operator",),
            **settings,
        )

    async def fence(self, stream: str = "risk") -> Fenced:
        fenced = await self.ref.ask(Fence(stream), timeout=60)
        assert isinstance(fenced, Fenced)
        self.generations[stream] = fenced.generation
        return fenced

    def append(self, *events: AnyEvent, stream: str = "risk", **changes: object) -> None:
        fields = {"generation": self.generations[stream], "append_id": str(events[0])[:20], **changes}
        self.ref.tell(append_of(*events, stream=stream, **fields))

    def failures(self) -> list[tuple[str, str]]:
        return [(one.append_id, one.code) for one in self.writer.heard if isinstance(one, AppendFailed)]

    def states(self) -> list[bool]:
        return [one.available for one in self.operator.heard if isinstance(one, JournalState)]

    def orders(self) -> list[str]:
        return [record.event.intent.client_order_id for record in self.disk.records]


@pytest.fixture
async def journal(autojump_clock: MockClock) -> AsyncIterator[Journal]:
    """A journal that was just started, its writer "risk" fenced once."""
    disk, faults = MemoryDisk(), Faults()
    async with open_system() as system:
        writer, operator = Listener(), Listener()
        made = Journal(
            system, disk, faults, CommittedTail(), MemoryJournalStore(disk, faults), writer, operator
        )
        await system.start(writer, "writer")
        await system.start(operator, "operator")
        await system.start(made.actor(), "journal")
        await made.fence()
        yield made


async def test_what_is_appended_is_committed_folded_and_told_to_followers(
    autojump_clock: MockClock, journal: Journal
) -> None:
    """One append, one record; book, log and store agree."""
    seen: list[int] = []
    journal.log.subscribe(lambda records: seen.extend(record.seq for record in records))
    journal.append(accepted(1), acknowledged(1))
    await trio.sleep(1)
    assert seen == [1, 2]
    assert journal.log.book == replay(journal.disk.records).book
    assert [record.correlation_id for record in journal.disk.records] == ["c-ä|1"] * 2
    assert journal.failures() == []


async def test_while_one_commit_is_in_flight_the_next_batch_gathers(
    autojump_clock: MockClock, journal: Journal
) -> None:
    """A hundred appends during one slow commit become one more commit."""
    journal.faults.latency_seconds = 0.1
    for number in range(100):
        journal.append(accepted(number))
        if number == 0:
            await trio.sleep(0.05)
    await trio.sleep(1)
    assert journal.log.head == 100
    assert journal.store.commits == 2
    assert journal.orders() == [f"client-{number}" for number in range(100)]


async def test_an_append_is_never_split_over_two_batches(autojump_clock: MockClock, journal: Journal) -> None:
    """The bound on a batch counts appends whole."""
    sizes: list[int] = []
    journal.log.subscribe(lambda records: sizes.append(len(records)))
    for first in range(0, 900, 100):
        journal.append(*(accepted(number) for number in range(first, first + 100)))
    await trio.sleep(1)
    assert sum(sizes) == 900
    assert max(sizes) == 300
    assert all(size % 100 == 0 for size in sizes)


async def test_an_append_that_can_not_begin_in_time_fails_for_sure(
    autojump_clock: MockClock, journal: Journal
) -> None:
    """The store answers nothing; what is queued behind fails at its deadline and is never written."""
    journal.faults.next_commits.append(Unknown(lands_after_seconds=None, silence_seconds=5.0))
    journal.append(accepted(1))
    await trio.sleep(0.1)
    journal.append(accepted(2), append_id="late", deadline=trio.current_time() + 0.8)
    journal.append(accepted(3), append_id="patient")
    await trio.sleep(0.45)
    assert journal.log.available is False
    assert journal.failures() == []
    await trio.sleep(0.36)
    assert journal.failures() == [("late", "JOURNAL_UNAVAILABLE")]
    await trio.sleep(10)
    assert journal.orders() == ["client-1", "client-3"]
    assert journal.log.available is True
    assert journal.states() == [False, True]


async def test_a_lost_answer_is_resolved_before_anything_else_is_written(
    autojump_clock: MockClock, journal: Journal
) -> None:
    """The commit had landed: it is folded once, and the queue goes on behind it."""
    journal.faults.next_commits.append(Unknown(lands_after_seconds=0.0, silence_seconds=0.2))
    journal.append(accepted(1))
    await trio.sleep(0.1)
    journal.append(accepted(2))
    await trio.sleep(1)
    assert journal.orders() == ["client-1", "client-2"]
    assert journal.log.head == 2
    assert journal.failures() == []


async def test_a_commit_that_would_land_late_lands_once_or_never(
    autojump_clock: MockClock, journal: Journal
) -> None:
    """It is still under way when it is resolved: it is ended, and written again."""
    journal.faults.next_commits.append(Unknown(lands_after_seconds=3.0, silence_seconds=0.5))
    journal.append(accepted(1))
    await trio.sleep(10)
    assert journal.orders() == ["client-1"]
    assert state_hash(journal.log.book) == state_hash(replay(journal.disk.records).book)


async def test_an_unknown_commit_waits_until_the_store_can_be_asked(
    autojump_clock: MockClock, journal: Journal
) -> None:
    """The answer is lost and the store stays away: nobody hears of a failure, later everybody of success."""
    journal.faults.next_commits.append(Unknown(lands_after_seconds=0.0, silence_seconds=0.1))
    journal.append(accepted(1), deadline=trio.current_time() + 0.8)
    await trio.sleep(0.05)
    journal.faults.available = False
    journal.store.faults.next_commits.clear()
    await trio.sleep(30)
    assert journal.failures() == []
    assert journal.log.head == 0
    journal.faults.available = True
    await trio.sleep(1)
    assert journal.log.head == 1


async def test_while_the_store_is_away_appends_wait_and_go_on_by_themselves(
    autojump_clock: MockClock, journal: Journal
) -> None:
    """What has a deadline fails, the rest is written when the store is back."""
    journal.faults.available = False
    journal.append(accepted(1), append_id="a", deadline=trio.current_time() + 0.8)
    journal.append(accepted(2), append_id="b")
    await trio.sleep(5)
    assert journal.log.available is False
    assert journal.failures() == [("a", "JOURNAL_UNAVAILABLE")]
    journal.faults.available = True
    await trio.sleep(1)
    assert journal.orders() == ["client-2"]
    assert journal.states() == [False, True]


async def test_a_store_that_comes_back_is_noticed_without_an_append(
    autojump_clock: MockClock, journal: Journal
) -> None:
    """Nothing waits any more, still the journal becomes available."""
    journal.faults.available = False
    journal.append(accepted(1), deadline=trio.current_time() + 0.8)
    await trio.sleep(5)
    assert journal.log.available is False
    journal.faults.available = True
    await trio.sleep(1)
    assert journal.log.available is True
    assert journal.orders() == []


async def test_one_event_that_the_fold_refuses_does_not_sink_its_neighbours(
    autojump_clock: MockClock, journal: Journal
) -> None:
    """Its writer is fenced: what it appended behind is refused, others go on."""
    await journal.fence("position/sim/BTC-USDT")
    journal.append(accepted(1), append_id="good")
    journal.append(acknowledged(5), stream="position/sim/BTC-USDT", append_id="bad")
    journal.append(acknowledged(1), stream="position/sim/BTC-USDT", append_id="behind")
    journal.append(accepted(2), append_id="other")
    await trio.sleep(1)
    assert journal.failures() == [("bad", "EVENT_REFUSED"), ("behind", "FENCED")]
    assert journal.orders() == ["client-1", "client-2"]
    await journal.fence("position/sim/BTC-USDT")
    journal.append(acknowledged(1), stream="position/sim/BTC-USDT")
    await trio.sleep(1)
    assert journal.log.head == 3


async def test_an_append_whose_last_event_is_refused_leaves_no_trace(
    autojump_clock: MockClock, journal: Journal
) -> None:
    """All events of an append or none; the speculative fold of the first ones is undone."""
    journal.append(accepted(1), acknowledged(1), acknowledged(1), append_id="bad")
    await trio.sleep(1)
    await journal.fence()
    journal.append(accepted(1), acknowledged(1))
    await trio.sleep(1)
    assert journal.failures() == [("bad", "EVENT_REFUSED")]
    assert journal.log.head == 2


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8])
async def test_what_the_store_refuses_is_found_by_halving(
    autojump_clock: MockClock, journal: Journal, size: int
) -> None:
    """Only the guilty append fails; the others are written in their order."""
    journal.faults.latency_seconds = 0.01
    journal.faults.refuse = lambda batch: "taken" if _names(batch) & {"client-3"} else None
    journal.append(accepted(100))
    for number in range(size):
        await journal.fence(f"s{number}")
        journal.append(accepted(number), stream=f"s{number}", append_id=str(number))
    await trio.sleep(5)
    guilty = [3] if size > 3 else []
    assert journal.failures() == [(str(number), "EVENT_REFUSED") for number in guilty]
    assert journal.orders() == ["client-100", *(f"client-{n}" for n in range(size) if n not in guilty)]


async def test_a_fence_answers_only_when_the_former_life_can_write_nothing_more(
    autojump_clock: MockClock, journal: Journal
) -> None:
    """It waits for the batch in flight, and refuses what was queued behind."""
    journal.faults.latency_seconds = 2.0
    journal.append(accepted(1))
    await trio.sleep(0.1)
    journal.append(accepted(2), append_id="queued")
    before = trio.current_time()
    fenced = await journal.fence()
    assert trio.current_time() - before > 1.8
    assert fenced.head == 1 == journal.log.head
    assert journal.failures() == [("queued", "FENCED")]
    await trio.sleep(10)
    assert journal.orders() == ["client-1"]


async def test_an_older_generation_is_refused_at_once(autojump_clock: MockClock, journal: Journal) -> None:
    """A former life that still talks."""
    old = journal.generations["risk"]
    await journal.fence()
    journal.append(accepted(1), generation=old, append_id="old")
    journal.append(accepted(2), stream="risk")
    await trio.sleep(1)
    assert journal.failures() == [("old", "FENCED")]
    assert journal.orders() == ["client-2"]


async def test_a_deposed_journal_says_so_once_and_writes_nothing_more(
    autojump_clock: MockClock, journal: Journal
) -> None:
    """Another process took over: appends are refused, the callback ends the process."""
    await MemoryJournalStore(journal.disk).take_over()
    journal.append(accepted(1))
    await trio.sleep(1)
    journal.append(accepted(2), append_id="after")
    await trio.sleep(1)
    assert len(journal.deposed) == 1
    assert journal.failures() == [("after", "JOURNAL_UNAVAILABLE")]
    assert journal.disk.records == []
    assert journal.log.available is False


async def test_a_journal_that_was_taken_over_while_the_store_was_away_says_so(
    autojump_clock: MockClock, journal: Journal
) -> None:
    """The store comes back with records of somebody else's."""
    journal.faults.available = False
    journal.append(accepted(1), deadline=trio.current_time() + 0.2)
    await trio.sleep(1)
    other = Journal(
        journal.system,
        journal.disk,
        Faults(),
        CommittedTail(),
        MemoryJournalStore(journal.disk),
        journal.writer,
        journal.operator,
    )
    await other.system.start(other.actor(), "other")
    fenced = await other.system.ref("other").ask(Fence("risk"), timeout=5)
    other.system.ref("other").tell(append_of(accepted(2), generation=fenced.generation))
    await trio.sleep(1)
    journal.faults.available = True
    await trio.sleep(2)
    assert len(journal.deposed) == 1
    assert journal.log.available is False


class OfALaterRelease(MemoryJournalStore):
    """Somebody else writes what this release can't read."""

    async def read(self, after: int, limit: int) -> Sequence[Record]:
        if after < self._disk.seq:
            raise msgspec.ValidationError("Invalid value 'Unheard'")
        return await super().read(after, limit)


async def test_a_successor_whose_records_can_not_be_read_is_a_successor(
    autojump_clock: MockClock, journal: Journal
) -> None:
    """A later release was started beside this one, which must not take the journal back."""
    await journal.system.end(journal.ref.cell, 0.1)
    journal.store = OfALaterRelease(journal.disk, journal.faults)
    await journal.system.start(journal.actor(), "journal")
    writer = await Writer(MemoryJournalStore(journal.disk)).take_over()
    epoch = journal.disk.epoch
    await writer.write(accepted(1))
    await trio.sleep(20)
    assert len(journal.deposed) == 1
    assert journal.disk.epoch == epoch


async def test_a_restart_takes_over_folds_on_and_refuses_generations_of_before(
    autojump_clock: MockClock, journal: Journal
) -> None:
    """A new life at the same log: followers hear of what landed meanwhile."""
    journal.append(accepted(1))
    await trio.sleep(1)
    journal.faults.next_commits.append(Unknown(lands_after_seconds=0.0, silence_seconds=5.0))
    journal.append(accepted(2))
    await trio.sleep(0.1)
    seen: list[int] = []
    journal.log.subscribe(lambda records: seen.extend(record.seq for record in records))
    await journal.system.end(journal.ref.cell, 0.1)
    await trio.sleep(0.2)
    await journal.system.start(journal.actor(), "journal")
    assert seen == [2]
    assert journal.log.head == 2
    journal.append(accepted(3), append_id="before")
    await trio.sleep(0.1)
    assert journal.failures() == [("before", "FENCED")]
    await journal.fence()
    journal.append(accepted(4))
    await trio.sleep(0.1)
    assert journal.orders() == ["client-1", "client-2", "client-4"]


async def test_an_orderly_stop_writes_what_is_queued_and_leaves_a_snapshot(
    autojump_clock: MockClock, journal: Journal
) -> None:
    """The next start reads the snapshot alone."""
    journal.faults.latency_seconds = 0.2
    journal.append(accepted(1))
    await trio.sleep(0.1)
    journal.append(accepted(2))
    await trio.sleep(0.01)
    await journal.system.end(journal.ref.cell, 10)
    assert journal.orders() == ["client-1", "client-2"]
    assert [snapshot.seq for snapshot in journal.disk.snapshots] == [2]


async def test_snapshots_are_taken_while_it_runs(autojump_clock: MockClock) -> None:
    """Every so many events; a start from there gives the same state as a full replay."""
    disk = MemoryDisk()
    async with open_system() as system:
        made = Journal(
            system, disk, Faults(), CommittedTail(), MemoryJournalStore(disk), Listener(), Listener()
        )
        await system.start(made.actor(snapshot_every=10), "journal")
        await made.fence()
        for number in range(35):
            made.append(accepted(number))
            await trio.sleep(0.01)
        seqs = [snapshot.seq for snapshot in disk.snapshots]
        assert seqs == [10, 20, 30]
        await system.end(made.ref.cell, 0)
        fresh = Journal(
            system, disk, Faults(), CommittedTail(), MemoryJournalStore(disk), Listener(), Listener()
        )
        await system.start(fresh.actor(), "journal2")
        assert state_hash(fresh.log.book) == state_hash(replay(disk.records).book)
        assert [record.seq for record in fresh.log.after(30)] == [31, 32, 33, 34, 35]


async def test_a_start_waits_for_a_store_that_is_away(autojump_clock: MockClock) -> None:
    """The store comes back, the journal is ready."""
    disk, faults = MemoryDisk(), Faults()
    faults.available = False
    async with open_system() as system, trio.open_nursery() as nursery:
        made = Journal(
            system, disk, faults, CommittedTail(), MemoryJournalStore(disk, faults), Listener(), Listener()
        )

        async def return_later() -> None:
            await trio.sleep(7)
            faults.available = True

        nursery.start_soon(return_later)
        await system.start(made.actor(), "journal", timeout=30)
        assert 7 <= trio.current_time() < 8
        assert made.log.available is True


async def test_times_of_records_never_go_back(autojump_clock: MockClock, journal: Journal) -> None:
    """A wall clock that is set back does not reach the journal."""
    journal.append(accepted(1))
    await trio.sleep(1)
    journal.log._at_us += 3_600_000_000
    journal.append(accepted(2))
    await trio.sleep(1)
    assert journal.disk.records[1].at_us == journal.log.head_at_us
    assert journal.log.head_at_us >= START_US + 3_600_000_000


async def test_random_trouble_loses_nothing_and_writes_nothing_twice(
    autojump_clock: MockClock, journal: Journal
) -> None:
    """Every append is either in the journal once or was refused; the log is the fold of the store."""
    import random

    rng = random.Random(7)
    fates = [
        None,
        None,
        StoreUnavailable("away"),
        Unknown(lands_after_seconds=None, silence_seconds=0.3),
        Unknown(lands_after_seconds=0.2, silence_seconds=0.1),
        Unknown(lands_after_seconds=0.1, silence_seconds=0.6),
    ]
    journal.faults.latency_seconds = lambda: rng.random() * 0.05
    for number in range(200):
        journal.faults.next_commits.append(rng.choice(fates))
        deadline = trio.current_time() + 0.8 if rng.random() < 0.5 else None
        journal.append(accepted(number), append_id=f"client-{number}", deadline=deadline)
        await trio.sleep(rng.random() * 0.2)
    journal.faults.next_commits.clear()
    await trio.sleep(60)
    written, refused = journal.orders(), [append_id for append_id, _ in journal.failures()]
    assert sorted(written + refused) == sorted(f"client-{number}" for number in range(200))
    assert state_hash(journal.log.book) == state_hash(replay(journal.disk.records).book)


def _names(batch: Batch) -> set[str]:
    return {order.intent.client_order_id for order in batch.orders}


def test_an_append_is_frozen() -> None:
    """Nobody changes what is on its way."""
    append: Append = append_of(accepted(1))
    with pytest.raises(AttributeError):
        append.stream = "other"
