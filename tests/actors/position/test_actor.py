"""The position actor among its neighbours: fencing, one append at a time, evidence kept until it is
committed.
"""

from collections import deque
from decimal import Decimal

import pytest
import trio

from actors.journal.actor import JournalActor
from actors.journal.port import StoreUnavailable
from actors.journal.tail import CommittedTail
from actors.kernel import TrioActor, open_system
from actors.model import messages as say
from actors.model.events import OrderAccepted, TradingStateChanged
from actors.model.fill import Fill
from actors.model.journal import Append, AppendFailed, Fence
from actors.model.order import OrderIntent
from actors.position.actor import EVIDENCE_AT_ONCE, PositionActor
from persistence.memory import Faults, MemoryArchive, MemoryDisk, MemoryJournalStore

BTC = "BTC/USDT"
ADDRESS = "position/sim/BTC-USDT"


class Clock:
    def now_us(self):
        return 1_700_000_000_000_000 + round(trio.current_time() * 1_000_000)

    def monotonic(self):
        return trio.current_time()


class Broker(TrioActor):
    """Hands out what a test puts in, and notes what it is asked for."""

    rank = 20

    def __init__(self, evidence=None):
        super().__init__()
        self.evidence = deque(evidence or ())
        self.takes = []
        self.told = []

    def on_receive(self, message):
        if isinstance(message, say.TakeEvidence):
            self.takes.append(message.acknowledged)
            while self.evidence and self.evidence[0].number <= message.acknowledged:
                self.evidence.popleft()
            return say.EvidenceTaken(evidence=tuple(self.evidence))
        self.told.append(message)
        return None

    def of(self, kind):
        return [message for message in self.told if isinstance(message, kind)]


class Ear(TrioActor):
    def __init__(self):
        super().__init__()
        self.heard = []

    def on_receive(self, message):
        self.heard.append(message)


class World:
    def __init__(self, system, disk=None):
        self.system = system
        self.clock = Clock()
        self.disk = disk or MemoryDisk()
        self.faults = Faults()
        self.log = CommittedTail()
        self.broker = Broker()
        self.operator = Ear()
        self.number = 0
        self.orders = 0

    async def start(self):
        store = MemoryJournalStore(self.disk, self.faults)
        journal = JournalActor(
            store=store, log=self.log, clock=self.clock, on_deposed=print, retry_seconds=0.1
        )
        await self.system.start(journal, "journal")
        await self.system.start(Ear(), "risk")
        await self.system.start(self.operator, "operator")
        await self.system.start(self.broker, "broker/sim")
        self.risk = await self.system.ref("journal").ask(Fence("risk"), timeout=1)
        await self.start_position()

    async def start_position(self):
        archive = MemoryArchive(self.disk, self.faults)
        self.actor = PositionActor(
            exchange="sim", symbol=BTC, log=self.log, archive=archive, archive_away=StoreUnavailable
        )
        await self.system.start(self.actor, ADDRESS)

    @property
    def position(self):
        return self.system.ref(ADDRESS)

    async def crash(self):
        cell = self.position.cell
        cell.kill()
        await cell.wait_ended()

    def accept(self, quantity="10", side="buy", **more):
        self.orders += 1
        n = self.orders
        intent = OrderIntent(
            order_id=f"o{n}",
            client_order_id=f"c{n}",
            exchange="sim",
            symbol=BTC,
            side=side,
            type="limit",
            quantity=Decimal(quantity),
            limit_price=Decimal(100),
            venue_id=f"v{n}",
            **more,
        )
        self.append(
            OrderAccepted(intent=intent, reserve_price=Decimal(100), mark=Decimal(100), send_before_us=0),
            f"o{n}",
        )
        return f"o{n}"

    def append(self, event, append_id):
        """Journal an event as another writer."""
        self.system.ref("journal").tell(
            Append(
                append_id=append_id,
                stream="risk",
                generation=self.risk.generation,
                events=(event,),
                correlation_id="c",
                reply_to="risk",
            )
        )

    def tell(self, kind, n=1, **more):
        """Evidence into the broker's outbox, and the word that it is there."""
        self.number += 1
        if kind == "filled":
            more.setdefault("fill", fill(self.number, n))
        self.broker.evidence.append(say.Evidence(number=self.number, kind=kind, venue_id=f"v{n}", **more))
        self.position.tell(say.EvidenceReady(), key="evidence")

    def types(self):
        return [record.type for record in self.disk.records if record.stream == ADDRESS]


def fill(trade, n=1, quantity="1"):
    return Fill(
        exchange="sim",
        market_type="spot",
        symbol=BTC,
        exchange_order_id=f"x{n}",
        trade_id=f"t{trade}",
        order_id=f"v{n}",
        side="buy",
        quantity=Decimal(quantity),
        price=Decimal(100),
        fee_currency="USDT",
        at_us=trade,
    )


@pytest.fixture
async def world(autojump_clock):
    async with open_system() as system:
        made = World(system)
        await made.start()
        await trio.sleep(0.1)
        yield made


async def test_evidence_becomes_events_and_is_acknowledged_with_the_next_take(autojump_clock, world):
    """Not before its events are committed."""
    world.accept()
    await trio.sleep(0.1)
    world.tell("acknowledged", exchange_order_id="x1")
    await trio.sleep(0.1)
    assert world.types() == ["OrderAcknowledged"]
    world.tell("filled")
    await trio.sleep(0.1)
    assert world.types() == ["OrderAcknowledged", "OrderFilled"]
    assert world.broker.takes[-1] == 1


async def test_evidence_that_gathers_during_a_commit_becomes_one_append(autojump_clock, world):
    """One append in flight; what waits goes together."""
    world.accept("100")
    await trio.sleep(0.1)
    world.faults.latency_seconds = 1.0
    for _ in range(20):
        world.tell("filled")
        await trio.sleep(0.02)
    await trio.sleep(3)
    fills = [record for record in world.disk.records if record.type == "OrderFilled"]
    assert len(fills) == 20
    assert len(world.broker.takes) <= 5
    assert len({record.at_us for record in fills}) == 2


async def test_a_great_deal_of_evidence_goes_in_several_appends(autojump_clock, world):
    """None of them grows without bound."""
    world.accept("1000")
    await trio.sleep(0.1)
    for _ in range(EVIDENCE_AT_ONCE * 2 + 5):
        world.tell("filled")
    await trio.sleep(1)
    assert world.log.book.position("sim", BTC).quantity == EVIDENCE_AT_ONCE * 2 + 5


async def test_a_crash_between_taking_and_committing_decides_again(autojump_clock, world):
    """The fence waits for the batch in flight; what got through is not said twice."""
    world.accept()
    await trio.sleep(0.1)
    world.faults.latency_seconds = 1.0
    world.tell("filled")
    await trio.sleep(0.5)
    await world.crash()
    await world.start_position()
    await trio.sleep(3)
    assert world.types() == ["OrderFilled"]
    assert world.log.book.position("sim", BTC).quantity == 1
    assert len(world.broker.of(say.ReconcileSymbol)) == 2


async def test_an_append_that_a_former_life_left_queued_does_not_end_the_next(autojump_clock, world):
    """The fence makes it fail, and each death would cost two restarts of the supervisor's intensity."""
    world.accept()
    await trio.sleep(0.1)
    world.faults.latency_seconds = 0.4
    world.accept()
    await trio.sleep(0.1)
    world.tell("filled")
    await trio.sleep(0.1)
    assert world.actor._uncommitted
    await world.crash()
    await world.start_position()
    await trio.sleep(5)
    assert world.position.is_alive()
    assert world.types() == ["OrderFilled"]


async def test_a_cancel_reaches_the_broker_at_once_and_the_journal_when_it_can(autojump_clock, world):
    """With the journal away the exchange is asked all the same."""
    order_id = world.accept()
    await trio.sleep(0.1)
    world.faults.available = False
    wish = say.CancelOrder(order_id=order_id, by="me", correlation_id="c")
    assert isinstance(await world.position.ask(wish, timeout=1), say.CancelTaken)
    await trio.sleep(0.1)
    assert [told.order.order_id for told in world.broker.of(say.CancelAtExchange)] == [order_id]
    await trio.sleep(2)
    world.faults.available = True
    await trio.sleep(2)
    assert world.types() == ["CancelRequested"]


async def test_a_cancel_of_what_is_over_or_unknown_is_answered_so(autojump_clock, world):
    """Nothing reaches the broker."""
    order_id = world.accept()
    await trio.sleep(0.1)
    world.tell("refused", code="X", reason="r")
    await trio.sleep(0.1)
    wish = say.CancelOrder(order_id=order_id, by="me", correlation_id="c")
    answer = await world.position.ask(wish, timeout=1)
    assert isinstance(answer, say.AlreadyClosed)
    assert answer.order.status == "rejected"
    wish = say.CancelOrder(order_id="nobody", by="me", correlation_id="c")
    assert isinstance(await world.position.ask(wish, timeout=1), say.NoSuchOrder)
    assert not world.broker.of(say.CancelAtExchange)


async def test_two_wishes_to_cancel_are_journaled_once(autojump_clock, world):
    """Both reach the broker, who has one task for them."""
    order_id = world.accept()
    await trio.sleep(0.1)
    for _ in range(2):
        await world.position.ask(say.CancelOrder(order_id=order_id, by="me", correlation_id="c"), timeout=1)
    await trio.sleep(0.5)
    assert world.types() == ["CancelRequested"]


async def test_cancel_opening_leaves_what_can_only_shrink_the_position(autojump_clock, world):
    """Reduce-only ones first, then the oldest first, as much as fits into the position."""
    world.accept("10")
    await trio.sleep(0.1)
    world.tell("filled", fill=fill(1, quantity="10"))
    await trio.sleep(0.1)
    closing = world.accept("6", side="sell")
    too_much = world.accept("6", side="sell")
    opening = world.accept("1")
    exit_only = world.accept("6", side="sell", reduce_only=True)
    await trio.sleep(0.1)
    world.position.tell(say.CancelOpening(all=False, by="operator", correlation_id="c"))
    await trio.sleep(0.1)
    asked = [told.order.order_id for told in world.broker.of(say.CancelAtExchange)]
    assert asked == [closing, too_much, opening]
    world.position.tell(say.CancelOpening(all=True, by="operator", correlation_id="c"))
    await trio.sleep(0.1)
    asked = {told.order.order_id for told in world.broker.of(say.CancelAtExchange)}
    assert exit_only in asked


async def test_an_order_that_was_accepted_after_a_restriction_was_looked_at_is_left_alone(
    autojump_clock, world
):
    """What is heard late may be lifted by then; while it is in force the next look finds the order."""
    before = world.accept("1")
    await trio.sleep(0.1)
    message = say.CancelOpening(all=True, seen=world.log.head, by="operator", correlation_id="c")
    world.accept("1")
    await trio.sleep(0.1)
    world.position.tell(message)
    await trio.sleep(0.1)
    assert [told.order.order_id for told in world.broker.of(say.CancelAtExchange)] == [before]


async def test_a_fill_of_an_order_that_left_memory_waits_for_the_store(autojump_clock, world):
    """The store is away first; the evidence is not lost and not decided without it."""
    world.accept()
    await trio.sleep(0.1)
    world.tell("canceled", reason="asked")
    await trio.sleep(0.1)
    world.log.book.closed.clear()
    world.log.book.venue_ids.clear()
    world.log.book.trades.clear()
    world.faults.available = False
    world.tell("filled")
    await trio.sleep(2)
    assert "OrderFilled" not in world.types()
    world.faults.available = True
    await trio.sleep(2)
    (record,) = [record for record in world.disk.records if record.type == "OrderFilled"]
    assert record.event.recalled.order_id == "o1"
    assert world.log.book.position("sim", BTC).quantity == 1


async def test_a_refused_append_ends_the_life(autojump_clock, world):
    """The supervisor starts it again, on what the journal says."""
    cell = world.position.cell
    append_id = f"{ADDRESS}#{world.actor._journal_generation}.{world.actor._appends}"
    world.position.tell(AppendFailed(append_id=append_id, code="EVENT_REFUSED", detail="d"))
    await cell.wait_ended()
    assert "EVENT_REFUSED" in str(cell.exit.error)


async def test_a_contradiction_is_told_to_the_broker_and_the_operator(autojump_clock, world):
    """More executed than was asked for."""
    world.accept("1")
    await trio.sleep(0.1)
    world.tell("filled", fill=fill(1, quantity="1"))
    world.tell("filled", fill=fill(2, quantity="1"))
    await trio.sleep(0.2)
    (halt,) = world.broker.of(say.HaltExchange)
    assert halt in world.operator.heard
    assert world.types() == ["OrderFilled", "PositionAdjusted"]


async def test_a_contradiction_is_told_until_the_journal_has_the_exchange_halted(autojump_clock, world):
    """Broker and operator may both be just being restarted: then nobody else knows of it."""
    world.accept("1")
    await trio.sleep(0.1)
    await world.system.ref("operator").stop()
    world.tell("filled", fill=fill(1, quantity="1"))
    world.tell("filled", fill=fill(2, quantity="1"))
    await trio.sleep(0.2)
    await world.system.ref("broker/sim").stop()
    await trio.sleep(3)
    world.operator = Ear()
    await world.system.start(world.operator, "operator")
    await trio.sleep(1.5)
    halt = world.operator.heard[-1]
    assert "executes 1 more" in halt.cause
    halted = TradingStateChanged(exchange="sim", symbol=None, old="active", new="halted", cause=halt.cause)
    world.append(halted, "halted")
    await trio.sleep(1.5)
    told = len(world.operator.heard)
    await trio.sleep(10)
    assert len(world.operator.heard) == told


async def test_a_broker_that_is_down_is_asked_again(autojump_clock, world):
    """The word that evidence is there is not forgotten."""
    world.accept()
    await trio.sleep(0.1)
    await world.system.ref("broker/sim").stop()
    world.tell("filled")
    await trio.sleep(1)
    assert world.types() == []
    await world.system.start(Broker(world.broker.evidence), "broker/sim")
    await trio.sleep(1)
    assert world.types() == ["OrderFilled"]


async def test_nothing_is_kept_of_orders_that_are_over(autojump_clock, world):
    """The actor's own memory is the same after a thousand orders."""
    before = {
        name: value for name, value in vars(world.actor).items() if isinstance(value, list | dict | tuple)
    }
    for n in range(1, 1001):
        world.accept("1")
        await trio.sleep(0.01)
        world.tell("filled", n=n)
    await trio.sleep(1)
    after = {
        name: value for name, value in vars(world.actor).items() if isinstance(value, list | dict | tuple)
    }
    assert {name: len(value) for name, value in after.items()} == {
        name: len(value) for name, value in before.items()
    }
    assert world.log.book.position("sim", BTC).quantity == 1000
