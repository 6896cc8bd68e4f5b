"""Replaying records: the same state from any starting point, and never from a journal that is broken."""

import pytest

from actors.journal.chain import BrokenChain
from actors.journal.port import StoredSnapshot
from actors.journal.replay import Replayed, recover, replay, state_hash
from actors.journal.tail import CommittedTail
from actors.model.book import FOLD_VERSION, Book
from actors.model.snapshot import encode_book
from persistence.memory import MemoryDisk, MemoryJournalStore
from tests.actors.journal.test_chain import chain, three
from tests.fixtures.journal import Writer, accepted, acknowledged


def test_a_replay_in_two_parts_gives_the_state_of_one() -> None:
    """What a snapshot and its tail rest on."""
    records = three()
    whole = replay(records)
    first = replay(records[:2])
    second = replay(records[2:], Replayed(first.book.copy(), first.seq, first.hash))
    assert state_hash(second.book) == state_hash(whole.book)
    assert (second.seq, second.hash) == (3, records[-1].hash)


def test_states_that_differ_have_hashes_that_differ() -> None:
    """And an empty book has a hash of its own."""
    hashes = [state_hash(replay(three()[:count]).book) for count in range(4)]
    assert len(set(hashes)) == 4
    assert hashes[0] == state_hash(Book())


def test_a_broken_journal_is_not_replayed() -> None:
    """A record is missing in the middle."""
    records = three()
    with pytest.raises(BrokenChain):
        replay([records[0], records[2]])


async def test_a_store_that_lost_its_newest_records_is_not_trusted() -> None:
    """The head says more than there is."""
    store = MemoryJournalStore(MemoryDisk())
    writer = await Writer(store).take_over()
    await writer.write_each([accepted(1), acknowledged(1)])
    head = await store.take_over()
    store._disk.records.pop()
    with pytest.raises(BrokenChain):
        await recover(store, CommittedTail(), head)


@pytest.mark.parametrize("wrong", [b"client\xff", b'client":'])
async def test_a_snapshot_that_can_not_be_read_costs_a_replay_and_nothing_else(wrong: bytes) -> None:
    """Also one whose texts are none: the start goes on without it."""
    disk = MemoryDisk()
    store = MemoryJournalStore(disk)
    writer = await Writer(store).take_over()
    await writer.write_each([accepted(1), acknowledged(1)])
    head = await store.take_over()
    book = encode_book(writer.tail.book).replace(b"client-1", wrong, 1)
    await store.save_snapshot(
        StoredSnapshot(seq=head.seq, hash=head.hash, fold_version=FOLD_VERSION, book=book)
    )
    tail = CommittedTail()
    await recover(store, tail, head)
    assert (tail.head, tail.head_hash) == (head.seq, head.hash)


async def test_a_store_that_went_back_behind_this_process_is_not_trusted() -> None:
    """What this process saw committed is not there any more: a restored backup under its feet."""
    store = MemoryJournalStore(MemoryDisk())
    writer = await Writer(store).take_over()
    await writer.write_each([accepted(1), acknowledged(1)])
    other = MemoryJournalStore(MemoryDisk())
    with pytest.raises(BrokenChain):
        await recover(other, writer.tail, await other.take_over())


async def test_a_log_that_has_missed_records_wakes_its_followers_for_them() -> None:
    """The journal's actor restarted: nobody else did, and nobody misses an event."""
    disk = MemoryDisk()
    writer = await Writer(MemoryJournalStore(disk)).take_over()
    await writer.write(accepted(1))
    late = writer.batch(acknowledged(1))
    disk.write(late)
    seen: list[int] = []
    writer.tail.subscribe(lambda records: seen.extend(record.seq for record in records))
    store = MemoryJournalStore(disk)
    await recover(store, writer.tail, await store.take_over())
    assert seen == [2]


def test_a_long_journal_keeps_its_hash_over_pages() -> None:
    """Records one by one or all at once."""
    records = chain(*(accepted(number) for number in range(50)))
    state = Replayed(Book(), 0, records[0].previous_hash)
    for record in records:
        state = replay([record], state)
    assert state.hash == replay(records).hash
