"""Bugs that the simulation found in the runtime, each as the smallest scene that shows it.

Seeds change their meaning with every edit; these scenes stay.
"""

import math
from decimal import Decimal

import msgspec
import trio
from trio.testing import MockClock

from actors.broker.timings import BrokerTimings
from actors.journal.actor import JournalActor
from actors.journal.port import Batch
from actors.journal.tail import CommittedTail
from actors.kernel import open_system
from actors.model.events import TradingResumed
from actors.model.journal import Append, Fence
from actors.model.messages import BrokerState, HaltExchange
from ops.proof.determinism import Standstill
from persistence.memory import MemoryDisk, MemoryJournalStore
from tests.actors.broker.little_exchange import LittleExchange
from tests.actors.broker.world import TestClock, eventually, open_world


class WorldClock:
    """Trio's clock, and a wall clock that shows the same."""

    def now_us(self) -> int:
        return int(trio.current_time() * 1_000_000)

    def monotonic(self) -> float:
        return trio.current_time()


class HangingStore(MemoryJournalStore):
    """A store whose commits take ten seconds."""

    async def append(self, batch: Batch, epoch: int) -> None:
        await trio.sleep(10.0)
        await super().append(batch, epoch)


async def test_the_journal_looks_at_a_slow_commit_once_however_the_clock_rounds(autojump_clock: MockClock):
    """At some times t + 0.5 - t is less than 0.5: the overseer then woke up for ever, always too early."""
    began = 63.51820677297926
    assert (began + 0.5) - began < 0.5
    spun: list[str] = []
    trio.lowlevel.add_instrument(Standstill(spun.append))
    async with open_system() as system:
        log = CommittedTail()
        journal = JournalActor(
            store=HangingStore(MemoryDisk()), log=log, clock=WorldClock(), on_deposed=print, report_to=()
        )
        await system.start(journal, "journal")
        fenced = await system.ref("journal").ask(Fence("operator"), timeout=1.0)
        await trio.sleep_until(math.nextafter(began, 0.0))
        autojump_clock.autojump_threshold = math.inf
        autojump_clock.jump(began - trio.current_time())
        event = TradingResumed(kill_ids=(), reason="", by="")
        system.ref("journal").tell(
            Append(
                append_id="one",
                stream="operator",
                generation=fenced.generation,
                events=(event,),
                correlation_id="",
                reply_to="operator",
            )
        )
        autojump_clock.autojump_threshold = 0
        await trio.sleep(2.0)
        assert not log.available
        await trio.sleep(20.0)
        assert log.head == 1
    assert not spun


async def test_a_process_with_nothing_to_write_hears_that_it_is_deposed(autojump_clock: MockClock):
    """It used to find out with its next append only, and served an old state until then."""
    disk, deposed = MemoryDisk(), []
    async with open_system() as first, open_system() as second:
        for system, heard in ((first, deposed.append), (second, print)):
            journal = JournalActor(
                store=MemoryJournalStore(disk),
                log=CommittedTail(),
                clock=WorldClock(),
                on_deposed=heard,
                report_to=(),
            )
            await system.start(journal, "journal")
        fenced = await second.ref("journal").ask(Fence("operator"), timeout=1.0)
        event = TradingResumed(kill_ids=(), reason="", by="")
        second.ref("journal").tell(
            Append(
                append_id="one",
                stream="operator",
                generation=fenced.generation,
                events=(event,),
                correlation_id="",
                reply_to="operator",
            )
        )
        await trio.sleep(30.0)
    assert len(deposed) == 1


class SpotAccount(LittleExchange):
    """An exchange that tells balances and no positions, and whose stream stays silent."""

    def __init__(self, *args, **named):
        super().__init__(*args, **named)
        self.capabilities = msgspec.structs.replace(self.capabilities, reports_positions=False)
        self.before_balances: list[tuple[str, Decimal, Decimal]] = []

    async def balances(self):
        while self.before_balances:
            key, quantity, price = self.before_balances.pop()
            self.execute(key, quantity, price)
        return await super().balances()


async def test_a_fill_between_two_questions_of_a_start_does_not_halt_an_exchange_without_positions(
    autojump_clock: MockClock,
):
    """Its balance told of the fill, three looks in a row saw the same difference, and nobody read trades."""
    async with open_world(port=SpotAccount(TestClock())) as world:
        order_id = world.accept(quantity="4", price="90")
        await world.until(order_id, "open")
        world.port.before_balances.append(("tw-1", Decimal(4), Decimal(90)))
        world.port.cut()
        world.port.reachable = True
        await world.until(order_id, "filled")
        await world.trading()
        await trio.sleep(5.0)
        assert not world.operator.of(HaltExchange)


async def test_an_order_that_an_exchange_lists_only_after_its_absence_was_proven_is_found_by_its_trades(
    autojump_clock: MockClock,
):
    """Its trades were older than the newest by more than the overlap of two polls: nobody asked for them."""
    async with open_world(port=SpotAccount(TestClock())) as world:
        world.port.next_submits.append("lose")
        world.port.hide.add("tw-1")
        lost = world.accept(quantity="2")
        await world.until(lost, "denied")
        await trio.sleep(20.0)
        other = world.accept(quantity="1")
        await world.until(other, "filled")
        await trio.sleep(20.0)
        world.port.hide.clear()
        await world.until(lost, "filled", seconds=15.0)
        assert world.held() == 3


async def test_a_position_that_a_hidden_order_explains_is_not_taken_for_one_from_before(
    autojump_clock: MockClock,
):
    """It was journaled as an opening position, and again as the order's fill when that was listed."""
    async with open_world(port=LittleExchange(TestClock())) as world:
        world.port.next_submits.append("lose")
        world.port.hide.add("tw-1")
        lost = world.accept(quantity="2")
        await world.until(lost, "denied")
        await trio.sleep(70.0)
        world.port.hide.clear()
        await world.until(lost, "filled", seconds=15.0)
        assert world.held() == 2


async def test_an_exchange_that_came_back_while_the_risk_actor_began_a_new_life_is_heard_of(
    autojump_clock: MockClock,
):
    """The one message that said so was lost; risk then refused orders there until the next disconnect."""
    port = LittleExchange(TestClock())
    async with open_world(port=port) as world:
        await eventually(lambda: world.state == "trading")
        for ear in (world.risk, world.operator, world.market):
            ear.heard.clear()
        await trio.sleep(BrokerTimings().announce_every)
        for ear in (world.risk, world.operator, world.market):
            [told] = ear.of(BrokerState)
            assert (told.state, [each.symbol for each in told.instruments][:1]) == ("trading", ["BTC/USDT"])
