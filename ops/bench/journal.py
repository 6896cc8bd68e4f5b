"""What the journal costs: JournalActor on a real PostgreSQL, without web, risk and exchange.

Many orders live at once, as behind as many connections: each is accepted, and when that is committed it is
acknowledged and filled. Every event is durable, chained and folded before the next one of its order.
"""

import time
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from uuid import UUID

import trio

from actors.journal.actor import JournalActor
from actors.journal.batching import Drafter
from actors.journal.tail import CommittedTail
from actors.kernel import Ref, TrioActor, open_system
from actors.model.events import AnyEvent, OrderAccepted, OrderAcknowledged, OrderFilled
from actors.model.fill import Fill
from actors.model.journal import Append, Fence, Record
from actors.model.order import OrderIntent
from persistence.embedded import EmbeddedServer
from persistence.migrations import migrate
from persistence.postgres import Database, PostgresJournalStore, open_bridge

Finding = dict[str, str | float]

EXCHANGE, SYMBOL = "dummy", "BTC/USDT"
BATCHES_OF_64 = 100


class _Clock:
    def now_us(self) -> int:
        return time.time_ns() // 1000

    def monotonic(self) -> float:
        return trio.current_time()


class _Deaf(TrioActor):
    """Where failures would be told; there must be none."""

    def on_receive(self, message: object) -> object:
        raise RuntimeError(f"the journal refused something: {message}")


def _raise(*what: object) -> None:
    raise RuntimeError(f"the benchmark's journal is in trouble: {what}")


def accepted(number: int) -> OrderAccepted:
    """A market order of which nothing is special."""
    order_id = str(UUID(int=time.time_ns() // 1_000_000 << 80 | number, version=4))
    intent = OrderIntent(
        order_id=order_id,
        client_order_id=order_id,
        exchange=EXCHANGE,
        symbol=SYMBOL,
        side="buy" if number % 2 else "sell",
        type="market",
        quantity=Decimal("0.01"),
        venue_id=f"bench-{number}",
        user="bench",
        token_id="bench",  # noqa: S106 - the name of a token
        fingerprint="0" * 64,
    )
    return OrderAccepted(
        intent=intent, reserve_price=Decimal(55000), mark=Decimal(50000), send_before_us=time.time_ns()
    )


def executed(order: OrderAccepted, number: int) -> tuple[AnyEvent, AnyEvent]:
    """Its acknowledgement and its only fill."""
    intent = order.intent
    fill = Fill(
        exchange=EXCHANGE,
        symbol=SYMBOL,
        market_type="spot",
        exchange_order_id=str(number),
        trade_id=str(number),
        order_id=intent.order_id,
        side=intent.side,
        quantity=intent.quantity,
        price=Decimal("50000.12"),
        fee=Decimal("0.500001"),
        fee_currency="USDT",
        at_us=time.time_ns() // 1000,
    )
    acknowledged = OrderAcknowledged(
        exchange=EXCHANGE, symbol=SYMBOL, order_id=intent.order_id, exchange_order_id=fill.exchange_order_id
    )
    return acknowledged, OrderFilled(exchange=EXCHANGE, symbol=SYMBOL, order_id=intent.order_id, fill=fill)


class _Committed:
    """Who waits for which sequence of whose stream."""

    def __init__(self, log: CommittedTail) -> None:
        self._waiting: dict[str, trio.Event] = {}
        self.batches = 0
        log.subscribe(self._wake)

    def of(self, correlation_id: str) -> trio.Event:
        event = self._waiting[correlation_id] = trio.Event()
        return event

    def _wake(self, records: Sequence[Record]) -> None:
        self.batches += 1
        for record in records:
            if (event := self._waiting.pop(record.correlation_id, None)) is not None:
                event.set()


async def _live(journal: Ref, generation: int, committed: _Committed, numbers: range) -> None:
    """One connection: an order after the other."""
    for number in numbers:
        order = accepted(number)
        for events in ((order,), executed(order, number)):
            done = committed.of(str(number))
            journal.tell(
                Append(
                    append_id=str(number),
                    stream="bench",
                    generation=generation,
                    events=events,
                    correlation_id=str(number),
                    reply_to="writer",
                )
            )
            await done.wait()


async def _concurrent(store: PostgresJournalStore, connections: int, orders: int) -> dict[str, float]:
    log = CommittedTail()
    committed = _Committed(log)
    async with open_system() as system:
        await system.start(_Deaf(), "writer")
        actor = JournalActor(store=store, log=log, clock=_Clock(), on_deposed=_raise, report_to=())
        journal = await system.start(actor, "journal")
        generation = (await journal.ask(Fence("bench"), timeout=5)).generation
        before = log.head
        each = orders // connections
        began, cpu = time.perf_counter(), time.process_time()
        async with trio.open_nursery() as nursery:
            for first in range(before, before + each * connections, each):
                nursery.start_soon(_live, journal, generation, committed, range(first, first + each))
        seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
        events = log.head - before
        return {
            "per_s": events / seconds,
            "cpu_us": cpu / events * 1e6,
            "events_per_batch": events / committed.batches,
        }


async def _batches(store: PostgresJournalStore) -> float:
    """Median milliseconds of a commit of 64 events: 22 orders, nearly all of them executed."""
    log = CommittedTail()
    epoch = (await store.take_over()).epoch
    drafter = Drafter(log)
    seconds = []
    for start in range(0, BATCHES_OF_64 * 22, 22):
        orders = [accepted(number) for number in range(start, start + 22)]
        events = [event for order in orders for event in (order, *executed(order, _number_of(order)))]
        append = Append(
            append_id="", stream="b", generation=1, events=tuple(events[:64]), correlation_id="", reply_to=""
        )
        batch = drafter.draft([append], _Clock().now_us())
        began = time.perf_counter()
        await store.append(batch, epoch)
        seconds.append(time.perf_counter() - began)
        log.publish(batch.records)
    return median(seconds) * 1000


def _number_of(order: OrderAccepted) -> int:
    return int(order.intent.venue_id.removeprefix("bench-"))


async def _measure(dsn_64: str, dsn: str) -> list[Finding]:
    async with open_bridge(_raise):
        found: list[tuple[str, float, str]] = []
        for address, name in ((dsn_64, "batch"), (dsn, "actor")):
            database = Database(address)
            store = PostgresJournalStore(database)
            if name == "batch":
                found.append(("journal_batch64_ms", await _batches(store), "ms"))
            else:
                await _concurrent(store, 32, 1_000)
                many = await _concurrent(store, 32, 8_000)
                one = await _concurrent(store, 1, 300)
                found += [
                    ("journal_events_per_s", many["per_s"], "events/s"),
                    ("journal_cpu_us_per_event", many["cpu_us"], "us"),
                    ("journal_events_per_batch", many["events_per_batch"], "events"),
                    ("journal_events_per_s_1", one["per_s"], "events/s"),
                ]
            await store.close()
            await database.close()
        return [{"name": name, "value": round(value, 3), "unit": unit} for name, value, unit in found]


def measure() -> list[Finding]:
    """Start a server of its own, measure, and return what was found; takes about ten seconds."""
    with TemporaryDirectory() as folder:
        server = EmbeddedServer(Path(folder) / "postgres")
        server.start()
        try:
            first, second = server.dsn_of("postgres"), server.dsn_of("tradewarden")
            for address in (first, second):
                migrate(address)
            return trio.run(_measure, first, second)
        finally:
            server.stop()


if __name__ == "__main__":
    import json

    for line in measure():
        print(json.dumps(line))
