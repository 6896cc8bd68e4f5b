"""Which appends go into a batch, and what a batch says."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.journal.batching import Drafter, Dropped, Queue, Refusal
from actors.journal.chain import verify
from actors.journal.tail import CommittedTail
from actors.model.events import (
    AccountOpened,
    BalanceAdjusted,
    CancelRequested,
    OrderCanceled,
    PositionAdjusted,
)
from actors.model.journal import Append
from actors.model.snapshot import encode_book
from tests.fixtures.journal import PLACE, START_US, accepted, acknowledged, append_of, filled, order_id


def queue_of(*appends: Append, generation: int = 0) -> Queue:
    """A queue whose stream "risk" is fenced once; the appends carry its generation."""
    queue = Queue(1)
    current = queue.fence("risk")
    for append in appends:
        changed = append_of(
            *append.events, append_id=append.append_id, generation=current, deadline=append.deadline
        )
        assert queue.push(changed) is None
    return queue


def names(appends: list[Append]) -> list[str]:
    return [append.append_id for append in appends]


def codes(dropped: list[Dropped]) -> list[tuple[str, str]]:
    return [(drop.append.append_id, drop.code) for drop in dropped]


def named(name: str, events: int = 1, deadline: float | None = None) -> Append:
    return append_of(*(acknowledged(number) for number in range(events)), append_id=name, deadline=deadline)


def test_appends_are_taken_in_order_up_to_the_bound() -> None:
    """The one that passes the bound is still taken whole."""
    queue = queue_of(named("a", 3), named("b", 3), named("c", 3))
    assert names(queue.take(0.0, 4)[0]) == ["a", "b"]
    assert names(queue.take(0.0, 4)[0]) == ["c"]
    assert queue.take(0.0, 4) == ([], [])


def test_what_is_past_its_deadline_is_dropped_when_its_turn_comes() -> None:
    """At the deadline it is too late; without one it never is."""
    queue = queue_of(named("a", deadline=1.0), named("b", deadline=2.0), named("c"))
    taken, dropped = queue.take(1.0, 100)
    assert (names(taken), codes(dropped)) == (["b", "c"], [("a", "JOURNAL_UNAVAILABLE")])


def test_the_next_deadline_is_the_earliest_in_the_queue() -> None:
    """Whoever watches the clock has to wake then."""
    queue = queue_of(named("a", deadline=3.0), named("b", deadline=2.0), named("c"))
    assert queue.next_deadline() == 2.0
    assert codes(queue.drop_late(2.5)) == [("b", "JOURNAL_UNAVAILABLE")]
    assert queue.next_deadline() == 3.0
    assert queue_of(named("a")).next_deadline() is None


def test_what_is_given_back_comes_first_again() -> None:
    """The order of the queue survives a failed attempt."""
    queue = queue_of(named("a"), named("b"), named("c"))
    taken, _ = queue.take(0.0, 2)
    queue.give_back(taken)
    assert names(queue.take(0.0, 9)[0]) == ["a", "b", "c"]


def test_a_fence_drops_what_the_former_generation_queued() -> None:
    """Other streams are not touched."""
    queue = Queue(1)
    risk, other = queue.fence("risk"), queue.fence("other")
    queue.push(append_of(acknowledged(1), append_id="old", generation=risk))
    queue.push(append_of(acknowledged(1), append_id="other", stream="other", generation=other))
    queue.fence("risk")
    assert codes(queue.drop_late(0.0)) == [("old", "FENCED")]
    assert names(queue.take(0.0, 9)[0]) == ["other"]


def test_a_stream_that_was_never_fenced_may_not_write() -> None:
    """Nobody writes without having asked where the journal stands."""
    dropped = Queue(1).push(append_of(acknowledged(1), generation=0))
    assert dropped is not None
    assert dropped.code == "FENCED"


@given(st.lists(st.integers(1, 2**20), unique=True, min_size=2, max_size=4))
def test_generations_of_different_epochs_never_meet(epochs: list[int]) -> None:
    """A writer of before a restart can't be mistaken for one of after it."""
    seen = [queue.fence(stream) for queue in map(Queue, epochs) for stream in ("a", "b", "a")]
    assert len(set(seen)) == len(seen)


def test_a_batch_holds_the_chained_records_and_the_last_state_of_each_row() -> None:
    """An order that changed three times is written once."""
    tail = CommittedTail()
    appends = [append_of(accepted(1), acknowledged(1)), append_of(filled(1, 1, "0.2"), filled(1, 2, "0.3"))]
    batch = Drafter(tail).draft(appends, START_US)
    assert verify(batch.records, 0, tail.head_hash)[0] == 4
    assert [order.status for order in batch.orders] == ["filled"]
    assert [fill.trade_id for fill in batch.fills] == ["t-1-1", "t-1-2"]
    assert [position.quantity for position in batch.positions] == [batch.orders[0].executed]
    assert batch.previous_seq == 0


def test_drafting_leaves_the_committed_book_alone() -> None:
    """Only publishing changes it; the next draft goes on from there."""
    tail = CommittedTail()
    drafter = Drafter(tail)
    batch = drafter.draft([append_of(accepted(1))], START_US)
    assert tail.book.orders == {}
    tail.publish(batch.records)
    second = drafter.draft([append_of(acknowledged(1))], START_US)
    assert second.records[0].previous_hash == batch.records[0].hash


def test_keeping_what_the_draft_worked_out_is_the_same_as_folding_the_records_again() -> None:
    """A replay comes to the very state that the journal kept while it was written."""
    kept, replayed = CommittedTail(), CommittedTail()
    drafter = Drafter(kept)
    place = {"exchange": "sim", "symbol": "BTC/USDT"}
    paid = {"exchange": "sim", "asset": "USDT", "amount": Decimal("0.5"), "happened_us": START_US}
    for events in (
        (AccountOpened(exchange="sim", balances=(("USDT", Decimal(1_000)),)), accepted(1), accepted(2)),
        (acknowledged(1), filled(1, 1, "0.25"), CancelRequested(**PLACE, order_id=order_id(2), by="ann")),
        (filled(1, 2, "0.25"), OrderCanceled(**PLACE, order_id=order_id(2), reason="asked")),
        (
            PositionAdjusted(**place, quantity=Decimal(1), price=Decimal(99), cause="transfer", evidence="a"),
            BalanceAdjusted(**paid, cause="funding", evidence="b"),
        ),
    ):
        batch = drafter.draft([append_of(*events)], START_US)
        kept.publish(batch.records, batch.changes)
        assert tuple(replayed.fold(batch.records)) == batch.changes
        assert encode_book(kept.book) == encode_book(replayed.book)


def test_an_impossible_event_names_its_append_and_resets_the_draft() -> None:
    """The same appends without it are drafted as if it had never been there."""
    tail = CommittedTail()
    drafter = Drafter(tail)
    good, bad = append_of(accepted(1)), append_of(acknowledged(2))
    with pytest.raises(Refusal) as refusal:
        drafter.draft([good, bad], START_US)
    assert refusal.value.append is bad
    batch = drafter.draft([good], START_US)
    assert [record.seq for record in batch.records] == [1]


@pytest.mark.parametrize(
    "impossible",
    [
        acknowledged(9),
        accepted(1),
        filled(1, 1, "0.50001"),
        CancelRequested(**PLACE, order_id=order_id(1), by=object()),
    ],
    ids=["unknown order", "order twice", "executes too much", "no text"],
)
def test_every_kind_of_impossible_event_is_a_refusal(impossible: object) -> None:
    """Whatever the fold or the encoding raises, it never escapes as something else."""
    tail = CommittedTail()
    drafter = Drafter(tail)
    tail.publish(drafter.draft([append_of(accepted(1))], START_US).records)
    with pytest.raises(Refusal):
        drafter.draft([append_of(impossible)], START_US)


def test_every_batch_is_newer_than_the_one_before() -> None:
    """A wall clock that goes back or stands still does not show in the journal."""
    tail = CommittedTail()
    drafter = Drafter(tail)
    times = []
    for number, now_us in enumerate((5, 9, 3, 10)):
        batch = drafter.draft([append_of(accepted(number))], START_US + now_us)
        tail.publish(batch.records)
        times.append(batch.records[0].at_us - START_US)
    assert times == [5, 9, 10, 11]
