"""A journal with a past, for proofs about what reads all of it: orders of every kind of fate, without
actors.
"""

from collections.abc import Iterator
from decimal import Decimal
from uuid import UUID

from actors.journal.batching import Drafter
from actors.journal.port import StoredSnapshot
from actors.journal.tail import CommittedTail
from actors.model.book import FOLD_VERSION
from actors.model.events import (
    AnyEvent,
    OrderAccepted,
    OrderAcknowledged,
    OrderCanceled,
    OrderDenied,
    OrderFilled,
)
from actors.model.fill import Fill
from actors.model.journal import Append
from actors.model.order import OrderIntent
from actors.model.snapshot import encode_book
from persistence.postgres import Database, PostgresJournalStore, open_bridge

BATCH = 250
START_US = 1_792_800_000_000_000
EXCHANGE, SYMBOL = "sim", "BTC/USDT"


def history(count: int) -> Iterator[AnyEvent]:
    """At least so many events. Of five orders one is denied, one cancelled, two filled in two trades each;
    the fifth is filled too but for one in a hundred, which rests.
    """
    made, number = 0, 0
    while made < count:
        number += 1
        events = _order(number)
        yield from events
        made += len(events)


def _order(number: int) -> tuple[AnyEvent, ...]:
    order_id = str(UUID(int=number, version=4))
    fate = number % 5
    if fate == 0:
        return (
            OrderDenied(intent=_intent(number, ""), code="MAX_POSITION", detail="", limit="1", value="2"),
        )
    accepted = OrderAccepted(
        intent=_intent(number, f"venue-{number}"),
        reserve_price=Decimal("100.25"),
        mark=Decimal("99.9"),
        send_before_us=START_US,
    )
    acknowledged = OrderAcknowledged(
        exchange=EXCHANGE, symbol=SYMBOL, order_id=order_id, exchange_order_id=f"x-{number}"
    )
    if fate == 1:
        canceled = OrderCanceled(exchange=EXCHANGE, symbol=SYMBOL, order_id=order_id, reason="by the user")
        return (accepted, acknowledged, canceled)
    if number % 500 == 2:
        return (accepted, acknowledged)
    return (accepted, acknowledged, _filled(number, 1, "0.2"), _filled(number, 2, "0.3"))


def _intent(number: int, venue_id: str) -> OrderIntent:
    return OrderIntent(
        order_id=str(UUID(int=number, version=4)),
        client_order_id=f"client-{number}",
        exchange=EXCHANGE,
        symbol=SYMBOL,
        side="buy" if number % 2 else "sell",
        type="limit",
        quantity=Decimal("0.5"),
        limit_price=Decimal("100.25"),
        venue_id=venue_id,
        user="ann",
        token_id="token-1",  # noqa: S106 - the name of a token
        idempotency_key=f"key-{number}",
        fingerprint="f" * 64,
    )


def _filled(number: int, trade: int, quantity: str) -> OrderFilled:
    order_id = str(UUID(int=number, version=4))
    fill = Fill(
        exchange=EXCHANGE,
        symbol=SYMBOL,
        market_type="spot",
        exchange_order_id=f"x-{number}",
        trade_id=f"t-{number}-{trade}",
        order_id=order_id,
        side="buy" if number % 2 else "sell",
        quantity=Decimal(quantity),
        price=Decimal("100.10"),
        fee=Decimal("0.050050"),
        fee_currency="USDT",
        at_us=START_US + number,
    )
    return OrderFilled(exchange=EXCHANGE, symbol=SYMBOL, order_id=order_id, fill=fill)


async def write_history(dsn: str, count: int) -> CommittedTail:
    """Write at least so many events into an empty migrated database, with a snapshot before the last
    batch.
    """
    async with open_bridge(_raise):
        base = Database(dsn)
        store = PostgresJournalStore(base)
        try:
            return await _write(store, count)
        finally:
            await store.close()
            await base.close()


async def _write(store: PostgresJournalStore, count: int) -> CommittedTail:
    tail = CommittedTail()
    drafter = Drafter(tail)
    epoch = (await store.take_over()).epoch
    pending: list[AnyEvent] = []
    for event in history(count):
        pending.append(event)
        if len(pending) == BATCH:
            await _commit(store, drafter, tail, epoch, pending)
            pending = []
    snapshot = StoredSnapshot(
        seq=tail.head, hash=tail.head_hash, fold_version=FOLD_VERSION, book=encode_book(tail.book)
    )
    if tail.head:
        await store.save_snapshot(snapshot)
    if pending:
        await _commit(store, drafter, tail, epoch, pending)
    return tail


async def _commit(
    store: PostgresJournalStore, drafter: Drafter, tail: CommittedTail, epoch: int, events: list[AnyEvent]
) -> None:
    append = Append(
        append_id="history",
        stream="history",
        generation=1,
        events=tuple(events),
        correlation_id=f"c-{tail.head}",
        reply_to="nobody",
    )
    batch = drafter.draft([append], START_US + tail.head * 1_000)
    await store.append(batch, epoch)
    tail.publish(batch.records)


def _raise(what: str, error: BaseException | None) -> None:
    raise RuntimeError(what) from error
