"""From records back to the book: what a start, `verify` and a restored backup rest on.

`replay` is pure; `recover` reads a store through its port and brings a committed log up to the store's head.
Whatever does not fit together raises instead of being guessed.
"""

from collections.abc import Iterable
from hashlib import sha256

import msgspec

from actors.journal.chain import GENESIS, BrokenChain, verify
from actors.journal.port import Head, JournalStore
from actors.journal.tail import CommittedTail
from actors.model.book import FOLD_VERSION, Book
from actors.model.journal import Record
from actors.model.snapshot import decode_book, encode_book

PAGE = 2000


class Replayed(msgspec.Struct, frozen=True):
    """A book, the sequence and the hash up to which it is folded."""

    book: Book
    seq: int
    hash: bytes


def replay(records: Iterable[Record], start: Replayed | None = None) -> Replayed:
    """Verify and fold the records, from nothing or on top of `start` (whose book is folded further in place).

    Raises BrokenChain, or what the fold raises for an event that contradicts the book.
    """
    state = start if start is not None else Replayed(Book(), 0, GENESIS)
    seq, digest = state.seq, state.hash
    for record in records:
        seq, digest = verify((record,), seq, digest)
        state.book.apply(record.event, record.seq, record.at_us)
    return Replayed(state.book, seq, digest)


def state_hash(book: Book) -> str:
    """The hash of a whole state, 64 hex digits: equal books have equal hashes."""
    return sha256(encode_book(book)).hexdigest()


async def recover(store: JournalStore, tail: CommittedTail, head: Head) -> None:
    """Bring the log up to the store's head, starting at the newest usable snapshot if the log is empty.

    Followers are woken for what a log that was not empty had missed. Raises BrokenChain when the store
    contradicts itself or what this process saw committed, and StoreUnavailable; what was taken in until then
    is valid.
    """
    fresh = tail.head == 0
    if fresh:
        await _restore_snapshot(store, tail, head)
    while tail.head < head.seq:
        records = await store.read(tail.head, PAGE)
        if not records:
            raise BrokenChain(tail.head + 1, "length", f"records up to {head.seq}", "none")
        verify(records, tail.head, tail.head_hash)
        if fresh:
            tail.fold(records)
        else:
            tail.publish(records)
    if tail.head != head.seq or tail.head_hash != head.hash:
        raise BrokenChain(
            head.seq, "head", f"{tail.head} {tail.head_hash.hex()}", f"{head.seq} {head.hash.hex()}"
        )


async def _restore_snapshot(store: JournalStore, tail: CommittedTail, head: Head) -> None:
    snapshot = await store.latest_snapshot(FOLD_VERSION)
    if snapshot is None or not 0 < snapshot.seq <= head.seq:
        return
    records = await store.read(snapshot.seq - 1, 1)
    if not records or records[0].seq != snapshot.seq or records[0].hash != snapshot.hash:
        return
    try:
        book = decode_book(snapshot.book)
    except msgspec.MsgspecError:
        # A snapshot only saves time: one that can't be read costs a replay, as none would.
        return
    tail.restore(book, snapshot.seq, snapshot.hash, records[0].at_us)
