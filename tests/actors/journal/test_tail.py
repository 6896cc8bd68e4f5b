"""The committed log in memory: what followers see, and what they can't see any more."""

from collections.abc import Sequence

import pytest

from actors.journal.tail import CommittedTail
from actors.model.book import Book, Change
from actors.model.journal import Lagged, Record
from tests.actors.journal.test_chain import chain, three
from tests.fixtures.journal import START_US, accepted, order_id


def test_a_published_batch_is_folded_before_anybody_is_woken() -> None:
    """A follower that reads the book sees what it was woken for."""
    tail = CommittedTail()
    seen: list[tuple[int, str | None]] = []

    def wake(records: Sequence[Record]) -> None:
        order = tail.book.order(order_id(1))
        seen.append((tail.head, None if order is None else order.status))

    tail.subscribe(wake)
    for record in three():
        tail.publish([record])
    assert seen == [(1, "accepted"), (2, "open"), (3, "filled")]
    assert (tail.head_hash, tail.head_at_us) == (three()[-1].hash, START_US + 3)


def test_records_are_found_after_any_sequence_that_is_still_in_memory() -> None:
    """At the head there is nothing; what has left memory is an error and never a gap."""
    records = chain(*(accepted(number) for number in range(20)))
    tail = CommittedTail(capacity=4)
    for record in records:
        tail.publish([record])
    for seq in range(16, 21):
        assert list(tail.after(seq)) == records[seq:]
    assert list(tail.after(99)) == []
    with pytest.raises(Lagged):
        tail.after(3)


def test_memory_stays_bounded() -> None:
    """At least the capacity is kept, at most twice that."""
    tail = CommittedTail(capacity=10)
    for record in chain(*(accepted(number) for number in range(200))):
        tail.publish([record])
        kept = tail.head - _oldest(tail)
        assert kept <= 20
        assert kept >= min(10, tail.head)


def test_a_follower_that_fails_does_not_keep_others_from_being_woken() -> None:
    """Its error comes out afterwards, so that somebody deals with it."""
    tail, seen = CommittedTail(), []

    def fail(_records: Sequence[Record]) -> None:
        raise ValueError("broken follower")

    tail.subscribe(fail)
    tail.subscribe(lambda records: seen.append(len(records)))
    with pytest.raises(ExceptionGroup) as failed:
        tail.publish(three())
    assert seen == [3]
    assert failed.group_contains(ValueError, match="broken follower")


def test_a_subscription_ends_also_while_a_batch_is_told() -> None:
    """A follower may leave from within its own wake."""
    tail, seen = CommittedTail(), []

    def once(records: Sequence[Record]) -> None:
        seen.append(records[0].seq)
        unsubscribe()

    unsubscribe = tail.subscribe(once)
    for record in three():
        tail.publish([record])
    assert seen == [1]


def test_a_watcher_learns_what_each_record_changed() -> None:
    """One change for each record, in the same order."""
    tail, seen = CommittedTail(), []

    def watch(records: Sequence[Record], changes: Sequence[Change]) -> None:
        seen.extend(zip(records, changes, strict=True))

    tail.watch(watch)
    tail.publish(three())
    statuses = [change.order.status for _, change in seen if change.order is not None]
    assert statuses == ["accepted", "open", "filled"]
    assert [change.fill is not None for _, change in seen] == [False, False, True]


def test_a_log_that_has_begun_takes_no_snapshot() -> None:
    """Restoring over followers that have seen records would hide what they missed."""
    tail = CommittedTail()
    tail.publish(three())
    with pytest.raises(ValueError, match="already stands at 3"):
        tail.restore(Book(), 9, b"x" * 32)


def _oldest(tail: CommittedTail) -> int:
    seq = 0
    while True:
        try:
            tail.after(seq)
        except Lagged:
            seq += 1
        else:
            return seq
