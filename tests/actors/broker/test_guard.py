"""The dead-man's switch of a broker: nothing opens unguarded, and a planned stop disarms it for good."""

from decimal import Decimal

import trio

from actors.broker.port import Unavailable
from actors.broker.timings import BrokerTimings
from tests.actors.broker.benches import open_bench
from tests.actors.broker.world import TestClock, eventually, open_world

TIMINGS = BrokerTimings(dead_man_seconds=30.0, query=1.0, balance_drift="ignore")


class Switch:
    """Keeps when it was armed; `hold` lets a request hang."""

    def __init__(self):
        self.armed = []
        self.disarmed = 0
        self.works = True
        self.hold = None

    async def arm(self, seconds):
        if self.hold is not None:
            await self.hold.wait()
        if not self.works:
            raise Unavailable("network", "no answer")
        self.armed.append(trio.current_time())

    async def disarm(self):
        self.disarmed += 1
        self.armed.append(None)


async def test_it_is_armed_before_the_first_order_and_renewed_three_times_within_its_time(autojump_clock):
    switch = Switch()
    async with open_world(timings=TIMINGS, switch=switch) as world:
        assert switch.armed
        await world.until(world.accept(price="90"), "open")
        await trio.sleep(95)
        pauses = [later - earlier for earlier, later in zip(switch.armed, switch.armed[1:], strict=False)]
        assert max(pauses) <= 10.5


async def test_what_opens_is_refused_while_it_is_not_armed_and_exits_pass(autojump_clock):
    switch = Switch()
    async with open_world(timings=TIMINGS, switch=switch) as world:
        await world.until(world.accept(quantity="2"), "filled")
        switch.works = False
        await trio.sleep(31)
        refused = await world.until(world.accept(price="90"), "denied")
        assert refused.reason == "the dead-man's switch is wanted and not armed"
        await world.until(world.accept("sell", "1", reduce_only=True), "filled")
        switch.works = True
        await trio.sleep(10)
        await world.until(world.accept(price="90"), "open")


async def test_a_planned_stop_disarms_and_no_renewal_lands_after_it(autojump_clock):
    """Not even one that was on its way."""
    switch = Switch()
    async with open_world(timings=TIMINGS, switch=switch) as world:
        switch.hold = trio.Event()
        await trio.sleep(10.1)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(world.broker.stop)
            await trio.sleep(0.3)
            switch.hold.set()
        assert switch.disarmed == 1
        assert switch.armed[-1] is None
        await trio.sleep(60)
        assert switch.armed[-1] is None
        await world.start_broker()
        await eventually(lambda: switch.armed[-1] is not None)


async def test_a_crash_disarms_nothing_and_the_next_life_renews(autojump_clock):
    switch = Switch()
    async with open_world(timings=TIMINGS, switch=switch) as world:
        before = len(switch.armed)
        await world.crash_broker()
        await eventually(lambda: len(switch.armed) > before)
        assert switch.disarmed == 0


async def test_it_is_renewed_while_the_broker_reconnects(autojump_clock):
    """A stream that comes and goes is no reason for the exchange to cancel."""
    switch = Switch()
    async with open_world(timings=TIMINGS, switch=switch) as world:
        world.port.cut()
        await trio.sleep(40)
        world.port.reachable = True
        pauses = [later - earlier for earlier, later in zip(switch.armed, switch.armed[1:], strict=False)]
        assert len(switch.armed) >= 1
        await trio.sleep(20)
        assert max(pauses, default=0) <= 30


async def test_nobody_is_asked_where_none_is_wanted(autojump_clock):
    switch = Switch()
    async with open_world(switch=switch) as world:
        await world.until(world.accept(price="90"), "open")
        await world.broker.stop()
        assert (switch.armed, switch.disarmed) == ([], 0)
        await world.start_broker()


async def test_no_amend_begins_while_it_is_not_armed(autojump_clock):
    """An order that works can be amended to a larger one, which nothing would cancel if we fell silent."""
    switch = Switch()
    async with (
        open_bench("sim", TestClock()) as bench,
        open_world(bench=bench, timings=TIMINGS, switch=switch) as world,
    ):
        order_id = world.accept(quantity="0.1", price=str(bench.far_below))
        await world.until(order_id, "open")
        switch.works = False
        await trio.sleep(31)
        amend_id = world.amend(order_id, "5", str(bench.far_below))
        order = await world.amended(order_id, amend_id, "done", "refused")
        assert (order.amend.state, order.intent.quantity) == ("refused", Decimal("0.1"))
        assert order.amend.reason == "the dead-man's switch is wanted and not armed"
