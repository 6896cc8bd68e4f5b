"""What a sweep takes, and what it leaves alone however often it looks again."""

import msgspec
import trio
from trio.testing import MockClock

from actors.broker.port import Rejected, Unavailable
from actors.model import messages as say
from tests.actors.broker.little_exchange import LittleExchange
from tests.actors.broker.world import World, eventually, open_world


async def proves_no_absence(world: World) -> None:
    """As at an exchange without a receive window."""
    world.port.capabilities = msgspec.structs.replace(world.port.capabilities, absence_window_seconds=None)


async def test_an_exit_stays_while_a_sweep_looks_for_an_order_that_only_a_person_can_judge(
    autojump_clock: MockClock,
):
    """One unanswered order keeps a sweep going for hours; it cancelled each exit within half a second."""
    async with open_world(before=proves_no_absence) as world:
        await world.until(world.accept(quantity="1"), "filled")
        world.port.next_submits.append("drop")
        await world.until(world.accept(quantity="1", price="90"), "unknown")
        earlier = world.accept(side="sell", quantity="0.5", price="120", reduce_only=True)
        await world.until(earlier, "open")
        await trio.sleep(0.001)
        killed_us = world.clock.now_us()
        world.broker.tell(say.Sweep(sweep_id="k", symbol=None, exits_since_us=killed_us))
        await world.until(earlier, "canceled")
        await trio.sleep(10)
        kept = world.accept(side="sell", quantity="1", price="120", reduce_only=True)
        opening = world.accept(quantity="1", price="90")
        await world.until(opening, "canceled")
        await trio.sleep(10)
        assert world.order(kept).status == "open"
        assert world.operator.of(say.SweepProgress)[-1].remaining == 1


async def test_an_exit_neither_ends_nor_delays_the_sweep_that_it_came_after(autojump_clock: MockClock):
    """A sweep repeated after a restart is done at once, with the exit at the exchange or on its way there."""
    async with open_world() as world:
        await world.until(world.accept(quantity="1"), "filled")
        killed_us = world.clock.now_us() - 1
        resting = world.accept(side="sell", quantity="0.5", price="120", reduce_only=True)
        await world.until(resting, "open")
        leaving = world.accept(side="sell", quantity="0.5", price="130", reduce_only=True)
        world.broker.tell(say.Sweep(sweep_id="k", symbol=None, exits_since_us=killed_us))
        await eventually(lambda: any(p.done for p in world.operator.of(say.SweepProgress)))
        await world.until(leaving, "open")
        await trio.sleep(5)
        assert (world.order(resting).status, world.order(leaving).status) == ("open", "open")


async def test_what_opens_and_came_late_goes_without_a_persons_exit(autojump_clock: MockClock):
    """The position actor was told to cancel everything for the sake of one late order."""
    async with open_world() as world:
        await world.until(world.accept(quantity="1"), "filled")
        killed_us = world.clock.now_us()
        late = world.accept(quantity="1", price="90")
        kept = world.accept(side="sell", quantity="1", price="120", reduce_only=True)
        await world.until(kept, "open")
        told = say.CancelOpening(all=True, exits_since_us=killed_us - 1, by="operator", correlation_id="")
        world.position().tell(told)
        await world.until(late, "canceled")
        await trio.sleep(5)
        assert world.order(kept).status == "open"


async def test_a_cancel_that_is_refused_again_and_again_does_not_fill_the_journal(autojump_clock: MockClock):
    """A restriction has it asked for every second, and each refusal is two events."""

    async def refuse(_venue_id):
        return Rejected(code="FROZEN", reason="the market is frozen")

    async with open_world() as world:
        kept = world.accept(quantity="1", price="90")
        await world.until(kept, "open")
        world.port.next_cancels.extend([refuse] * 1000)
        for _ in range(600):
            told = say.CancelOpening(all=False, patient=True, by="operator", correlation_id="")
            world.position().tell(told)
            await trio.sleep(1)
        assert 10 <= world.types(kept).count("CancelRefused") <= 20
        world.port.next_cancels.clear()
        # A planned end has no time to be patient, and a person need not be.
        world.position().tell(say.CancelOpening(all=True, by="stop", correlation_id=""))
        await world.until(kept, "canceled", seconds=1)


async def test_a_sweep_that_an_order_keeps_going_ends_when_its_kill_is_lifted(autojump_clock: MockClock):
    """What is placed after a resume is nobody's to take away."""
    async with open_world(before=proves_no_absence) as world:
        world.port.next_submits.append("drop")
        await world.until(world.accept(quantity="1", price="90"), "unknown")
        world.broker.tell(say.Sweep(sweep_id="k", symbol=None, exits_since_us=0))
        await trio.sleep(5)
        assert not world.operator.of(say.SweepProgress)[-1].done
        world.gate.lifted.add("k")
        kept = world.accept(quantity="1", price="90")
        await world.until(kept, "open")
        await trio.sleep(5)
        assert world.order(kept).status == "open"
        told = len(world.operator.of(say.SweepProgress))
        world.broker.tell(say.Sweep(sweep_id="k", symbol=None, exits_since_us=0))
        await trio.sleep(5)
        assert (world.order(kept).status, len(world.operator.of(say.SweepProgress))) == ("open", told)


class Picky(LittleExchange):
    """Raises for a market that it does not have, as the real ones do."""

    async def open_orders(self, symbol=None):
        if symbol not in (None, *self.symbols):
            raise Unavailable("exchange", f"{symbol} is no market")
        return await super().open_orders(symbol)


async def lists_no_eth(world: World) -> None:
    """As where one of two exchanges trades what the other does not."""
    world.port = Picky(world.clock)


async def test_a_sweep_of_a_symbol_is_done_where_the_exchange_does_not_list_it(autojump_clock: MockClock):
    """It was asked about twice a second for as long as the kill held, and never confirmed."""
    async with open_world(symbols=("BTC/USDT", "ETH/USDT"), before=lists_no_eth) as world:
        world.broker.tell(say.Sweep(sweep_id="k", symbol="ETH/USDT", exits_since_us=0))
        await trio.sleep(5)
        assert world.operator.of(say.SweepProgress)[-1].done


async def test_a_sweep_is_not_done_where_an_order_rests_in_what_is_not_listed_any_more(
    autojump_clock: MockClock,
):
    """Nobody can tell what became of it."""
    async with open_world(symbols=("BTC/USDT", "ETH/USDT"), before=lists_no_eth) as world:
        world.port.symbols = ("BTC/USDT", "ETH/USDT")
        await world.crash_broker()
        await world.trading()
        await world.until(world.accept(price="90", symbol="ETH/USDT"), "open")
        world.port.symbols = ("BTC/USDT",)
        await world.crash_broker()
        world.broker.tell(say.Sweep(sweep_id="k", symbol="ETH/USDT", exits_since_us=0))
        await trio.sleep(5)
        assert not world.operator.of(say.SweepProgress)[-1].done
