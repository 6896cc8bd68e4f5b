"""The broker dies a hundred times under load, and position actors with it: nothing is lost or doubled."""

import random

import trio

from actors.broker.timings import BrokerTimings
from actors.model import messages as say
from tests.actors.broker.benches import SimBench
from tests.actors.broker.world import TestClock, eventually, open_world

CRASHES = 100


async def test_a_hundred_crashes_under_load_lose_and_double_nothing(autojump_clock):
    """Orders go on during every crash; recovery takes the exchange's round trips and little more."""
    bench = SimBench(TestClock(), latency=0.04, seed=3)
    dice = random.Random(11)
    timings = BrokerTimings(submit=2.0, query=2.0, open_orders_every=5.0)
    recoveries = []
    async with open_world(bench=bench, timings=timings) as world:

        async def load():
            working = []
            while True:
                if dice.random() < 0.7:
                    world.accept(
                        side=dice.choice(["buy", "sell"]), quantity=f"0.00{dice.randint(1, 9)}", age=4.0
                    )
                else:
                    working.append(world.accept(quantity="0.001", price="20000", age=4.0))
                if len(working) > 5:
                    wish = say.CancelOrder(order_id=working.pop(0), by="me", correlation_id="c")
                    if world.position().is_alive():
                        with trio.move_on_after(1):
                            await world.position().ask(wish, timeout=1)
                await trio.sleep(dice.random() * 0.15)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(load)
            for number in range(CRASHES):
                await trio.sleep(0.05 + dice.random() * 0.8)
                heard = len(world.said)
                began = trio.current_time()
                await world.crash_broker()
                if number % 10 == 0:
                    await world.crash_position()
                await eventually(lambda heard=heard: len(world.said) > heard and world.state == "trading", 20)
                recoveries.append(trio.current_time() - began)
            nursery.cancel_scope.cancel()
        await world.agree(seconds=60)
        sent = list(await bench.books())
        assert len(sent) == len(set(sent))
        statuses = {}
        for order in world.disk.orders.values():
            statuses[order.status] = statuses.get(order.status, 0) + 1
        assert statuses["filled"] > 200
        assert not {"unknown", "rejected"} & set(statuses)
    assert sorted(recoveries)[int(0.99 * CRASHES)] < 1.0
