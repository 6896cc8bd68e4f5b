"""Much at once: a big reconciliation, and a broker that keeps nothing of orders that are over."""

import time
from decimal import Decimal

from actors.broker.timings import BrokerTimings
from actors.kernel import open_system
from tests.actors.broker.little_exchange import LittleExchange
from tests.actors.broker.world import TestClock, World, eventually, open_world

BTC = "BTC/USDT"


async def test_a_thousand_orders_and_ten_thousand_fills_reconcile_quickly(autojump_clock):
    """In real seconds, of which the exchange here takes none."""
    port = LittleExchange(TestClock())
    timings = BrokerTimings(open_orders_every=600.0, accounts_every=600.0)
    async with open_world(port=port, timings=timings) as first:
        for _ in range(1000):
            last = first.accept(quantity="10", price="90")
        await first.until(last, "open", every=0.5)
        disk = first.disk
    for venue_id in list(port.orders):
        for _ in range(10):
            port.execute(venue_id, Decimal("0.5"), Decimal(90))
    port.calls.clear()
    began = time.perf_counter()
    async with open_system() as system:
        world = World(system, port=port, timings=timings, disk=disk)
        await world.start()
        await eventually(lambda: world.state == "trading", every=0.5)
        assert world.held() == 5000
        assert all(order.executed == 5 for order in world.log.book.orders.values())
    assert time.perf_counter() - began < 30
    assert len(port.calls) < 100


async def test_the_broker_keeps_nothing_of_orders_that_are_over(autojump_clock):
    """Its parts hold as much after two thousand orders as after two hundred, but for the memory of fills."""

    def sizes(world):
        actor = world.broker.cell.actor
        parts = (actor._submits, actor._inquiries, actor._cancels, actor._reconciling, actor._streams)
        held = {}
        for part in parts:
            for name, value in vars(part).items():
                if isinstance(value, dict | list):
                    held[type(part).__name__, name] = len(value)
        held["outbox"] = sum(actor._desk.outbox.waiting(symbol) for symbol in world.symbols)
        return held

    async with open_world() as world:
        for _ in range(200):
            last = world.accept(quantity="0.001")
        await world.until(last, "filled")
        before = sizes(world)
        for _ in range(20):
            for _ in range(100):
                last = world.accept(quantity="0.001")
            await world.until(last, "filled", every=0.1)
        after = sizes(world)
        assert all(after[name] <= max(before[name], 256) for name in after)
