"""What every store of the journal promises, on PostgreSQL and in memory."""

from collections.abc import Callable
from decimal import Decimal

import msgspec
import pytest

from actors.journal.chain import GENESIS
from actors.journal.port import BatchRefused, CommitUnknown, Deposed, Head, StoredSnapshot
from actors.journal.replay import Replayed, recover, replay, state_hash
from actors.journal.tail import CommittedTail
from actors.model.book import FOLD_VERSION
from actors.model.events import AnyEvent, LimitChanged, OrderFilled, TradingResumed
from actors.model.order import Order
from actors.model.snapshot import encode_book
from tests.fixtures.journal import Writer, accepted, acknowledged, denied, filled, order_id
from tests.fixtures.stores import Stores


async def test_an_empty_journal_starts_at_zero_and_each_owner_gets_the_next_epoch(stores: Stores) -> None:
    """The epoch counts the takeovers."""
    assert await stores.another().take_over() == Head(seq=0, hash=GENESIS, epoch=1)
    assert await stores.another().take_over() == Head(seq=0, hash=GENESIS, epoch=2)


async def test_what_was_written_reads_back_byte_for_byte(writer: Writer) -> None:
    """Records come back with payload, times, ids and both hashes as they were."""
    await writer.write(accepted(1), denied(2))
    await writer.write(acknowledged(1))
    await writer.write(filled(1))
    assert list(await writer.store.read(0, 100)) == list(writer.tail.after(0))
    assert list(await writer.store.read(2, 1)) == list(writer.tail.after(2))[:1]
    assert list(await writer.store.read(4, 10)) == []


@pytest.mark.parametrize(
    "text", ["plain", 'quotes " and \\ backslash', "ünï©ödé 😀", "line\nbreak\ttab", "x" * 5000, "{}[],:"]
)
async def test_any_text_in_an_event_keeps_its_bytes(writer: Writer, text: str) -> None:
    """The stored payload is exactly what was hashed."""
    await writer.write(TradingResumed(kill_ids=("k",), reason=text, by="ann"))
    (record,) = await writer.store.read(0, 1)
    replay([record])
    assert record == writer.tail.after(0)[0]


@pytest.mark.parametrize("text", ["a\0b", "half of a pair: \ud800", "\\u0000 is six characters"])
async def test_a_text_that_no_database_takes_is_written_with_a_sign_in_its_place(
    writer: Writer, text: str
) -> None:
    """What an exchange says may hold anything; the fact that it said it must not be lost."""
    await writer.write(TradingResumed(kill_ids=("k",), reason=text, by="ann"))
    (record,) = await writer.store.read(0, 1)
    replay([record])
    assert record == writer.tail.after(0)[0]
    assert record.event.reason == text.replace("\0", "\ufffd").replace("\ud800", "\ufffd")


async def test_replaying_the_store_gives_the_state_of_the_writer(writer: Writer) -> None:
    """The hash of the state is the same on both ways."""
    await writer.write_each(
        [accepted(1), acknowledged(1), accepted(2), filled(1, 1, "0.2"), filled(1, 2, "0.3")]
    )
    replayed = replay(await writer.store.read(0, 100))
    assert state_hash(replayed.book) == state_hash(writer.tail.book)
    assert replayed.hash == writer.tail.head_hash


async def test_a_new_owner_deposes_the_old_one(stores: Stores, writer: Writer) -> None:
    """Nothing of the old owner gets in after the takeover."""
    await writer.write(accepted(1))
    batch = writer.batch(acknowledged(1))
    head = await stores.another().take_over()
    assert head == Head(seq=1, hash=writer.tail.head_hash, epoch=2)
    with pytest.raises((Deposed, CommitUnknown)):
        await writer.store.append(batch, writer.epoch)
    with pytest.raises(Deposed):
        await writer.store.resolve(batch, writer.epoch)
    assert len(await stores.another().read(0, 10)) == 1


async def test_a_batch_that_does_not_follow_the_head_is_not_written(writer: Writer) -> None:
    """Two batches after the same record: the second means that somebody else writes."""
    first = writer.batch(accepted(1))
    writer.drafter.reset()
    second = writer.batch(accepted(2))
    await writer.store.append(first, writer.epoch)
    with pytest.raises(Deposed):
        await writer.store.append(second, writer.epoch)
    assert [record.hash for record in await writer.store.read(0, 10)] == [first.records[0].hash]


async def test_resolving_tells_a_batch_that_landed_from_one_that_did_not(writer: Writer) -> None:
    """After a resolve the store takes the next batch as ever."""
    landed = await writer.write(accepted(1))
    assert await writer.store.resolve(landed, writer.epoch) is True
    absent = writer.batch(accepted(2))
    assert await writer.store.resolve(absent, writer.epoch) is False
    await writer.store.append(absent, writer.epoch)
    assert len(await writer.store.read(0, 10)) == 2


@pytest.mark.parametrize(
    "guilty",
    [
        lambda: (accepted(2, client_order_id="client-1"),),
        lambda: (accepted(2, idempotency_key="key-1"),),
        lambda: (accepted(2, venue_id="venue-1"),),
        lambda: (accepted(2), accepted(3, client_order_id="client-2")),
    ],
    ids=["client order id", "idempotency key", "venue id", "within one batch"],
)
async def test_a_batch_that_breaks_a_constraint_is_refused_whole(
    writer: Writer, guilty: Callable[[], tuple[AnyEvent, ...]]
) -> None:
    """Nothing of it is there, and the store goes on."""
    await writer.write(accepted(1))
    with pytest.raises(BatchRefused):
        await writer.store.append(writer.blind_batch(*guilty()), writer.epoch)
    await writer.write(accepted(9))
    assert [record.seq for record in await writer.store.read(0, 10)] == [1, 2]


async def test_orders_without_a_key_or_an_id_at_the_exchange_do_not_collide(writer: Writer) -> None:
    """Uniqueness binds what is there; denied orders never get an id at the exchange."""
    await writer.write(denied(1, idempotency_key=None), denied(2, idempotency_key=None))
    await writer.write(accepted(3, client_order_id="client-1", exchange="other"))
    assert writer.tail.head == 3


@pytest.mark.parametrize("broken", ["a fill twice", "a fill again", "an order that is not there"])
async def test_rows_that_contradict_the_tables_are_refused_whole(writer: Writer, broken: str) -> None:
    """The tables themselves keep a fill from counting twice, whatever the fold believes."""
    await writer.write(accepted(1), filled(1, 1, "0.1"))
    again = writer.tail.after(0)[1].event
    assert isinstance(again, OrderFilled)
    batch = writer.batch(accepted(2), filled(2, 1, "0.1"))
    fills, orders = batch.fills, batch.orders
    if broken == "a fill twice":
        fills = (*fills, *fills)
    elif broken == "a fill again":
        fills = (*fills, again.fill)
    else:
        orders = (*orders, order_that_nobody_accepted())
    with pytest.raises(BatchRefused):
        await writer.store.append(msgspec.structs.replace(batch, fills=fills, orders=orders), writer.epoch)
    assert len(await writer.store.read(0, 10)) == 2


def order_that_nobody_accepted() -> Order:
    """As it would come out of a fold that is wrong."""
    return Order(intent=accepted(7).intent)


async def test_a_large_batch_is_written_whole(writer: Writer) -> None:
    """256 events at once, as JournalActor may gather."""
    await writer.write(*(accepted(number) for number in range(256)))
    assert len(await writer.store.read(0, 1000)) == 256


async def test_money_keeps_every_digit(stores: Stores, writer: Writer) -> None:
    """Numbers larger and finer than any float come back equal."""
    quantity = Decimal("123456789012345678.123456789012")
    await writer.write(accepted(1, quantity=quantity, limit_price=Decimal("0.000000000001")))
    order = await stores.archive().order(order_id(1))
    assert order is not None
    assert order.intent.quantity == quantity
    assert order.intent.limit_price == Decimal("0.000000000001")


async def test_the_newest_snapshot_of_the_right_fold_version_is_found(writer: Writer) -> None:
    """Snapshots of another version of the fold do not count."""
    assert await writer.store.latest_snapshot(1) is None
    for seq in (5, 7, 6, 9, 8):
        await writer.store.save_snapshot(_snapshot(seq, 1))
    await writer.store.save_snapshot(_snapshot(99, 2))
    assert await writer.store.latest_snapshot(1) == _snapshot(9, 1)
    await writer.store.save_snapshot(_snapshot(9, 1))
    assert await writer.store.latest_snapshot(3) is None


async def test_a_log_recovers_from_the_records_alone(stores: Stores, writer: Writer) -> None:
    """Without a snapshot everything is replayed."""
    await writer.write_each([accepted(1), acknowledged(1), filled(1)])
    other = await _recovered(stores)
    assert state_hash(other.book) == state_hash(writer.tail.book)
    assert other.after(0) == writer.tail.after(0)


async def test_a_log_recovers_from_a_snapshot_and_what_came_after(stores: Stores, writer: Writer) -> None:
    """Snapshot and tail give the same state as the whole journal."""
    await writer.write_each([accepted(1), acknowledged(1)])
    await writer.store.save_snapshot(_snapshot_of(writer.tail))
    await writer.write_each([filled(1), accepted(2)])
    other = await _recovered(stores)
    assert [record.seq for record in other.after(2)] == [3, 4]
    assert state_hash(other.book) == state_hash(writer.tail.book)


async def test_a_snapshot_of_another_history_is_not_used(stores: Stores, writer: Writer) -> None:
    """A hash that is not the journal's means a snapshot of something else: replay instead."""
    await writer.write(accepted(1))
    lying = _snapshot_of(Writer(writer.store).tail)
    await writer.store.save_snapshot(
        StoredSnapshot(seq=1, hash=b"x" * 32, fold_version=FOLD_VERSION, book=lying.book)
    )
    other = await _recovered(stores)
    assert state_hash(other.book) == state_hash(writer.tail.book)


async def test_a_snapshot_that_can_not_be_read_is_not_used(stores: Stores, writer: Writer) -> None:
    """It would only have saved time."""
    await writer.write(accepted(1))
    damaged = msgspec.structs.replace(_snapshot_of(writer.tail), book=b'{"seq":')
    await writer.store.save_snapshot(damaged)
    other = await _recovered(stores)
    assert state_hash(other.book) == state_hash(writer.tail.book)


async def test_settings_and_other_events_need_no_order(writer: Writer) -> None:
    """Events that no table is derived from are written like all others."""
    await writer.write(LimitChanged(name="MAX_POSITION", old=None, new="5", by="settings", reason="start"))
    assert writer.tail.book.limits == {"MAX_POSITION": "5"}


async def _recovered(stores: Stores) -> CommittedTail:
    store = stores.another()
    tail = CommittedTail()
    await recover(store, tail, await store.take_over())
    await store.close()
    return tail


def _snapshot(seq: int, fold_version: int) -> StoredSnapshot:
    return StoredSnapshot(seq=seq, hash=bytes([seq]) * 32, fold_version=fold_version, book=b"book %d" % seq)


def _snapshot_of(tail: CommittedTail) -> StoredSnapshot:
    state = Replayed(tail.book, tail.head, tail.head_hash)
    return StoredSnapshot(
        seq=state.seq, hash=state.hash, fold_version=FOLD_VERSION, book=encode_book(state.book)
    )
