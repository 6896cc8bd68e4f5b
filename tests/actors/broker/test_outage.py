"""An exchange goes away for a minute: the circuit opens, few calls look whether it is back, trading
resumes.
"""

import pytest
import trio

from actors.broker.breaker import Circuit
from actors.broker.timings import BrokerTimings
from tests.actors.broker.benches import SimBench
from tests.actors.broker.little_exchange import LittleExchange
from tests.actors.broker.world import TestClock, eventually, open_world

OUTAGE = 60.0


class Recorder:
    """Notes every call that reaches the network with the circuit it was made in."""

    def __init__(self, faults, breaker):
        self.rows = []
        self._call = faults.call
        self._breaker = breaker
        faults.call = self.call

    def call(self, operation, subject):
        self.rows.append((trio.current_time(), operation, self._breaker._circuit, self._breaker._era))
        return self._call(operation, subject)

    def since(self, began):
        return [row for row in self.rows if row[0] >= began]


@pytest.mark.parametrize("silent", [False, True], ids=["refusing", "silent"])
@pytest.mark.parametrize("streams", [False, True], ids=["all of it", "streams stay up"])
async def test_an_outage_is_noticed_sat_out_and_healed(autojump_clock, silent, streams):
    """No call while open, exactly the trial calls in half-open; the other exchange never notices."""
    bench = SimBench(TestClock(), latency=0.02)
    timings = BrokerTimings(query=5.0, submit=5.0, open_orders_every=5.0)
    async with open_world(bench=bench, timings=timings) as world:
        other = LittleExchange(world.clock, exchange="other")
        await world.start_broker("other", other)
        await world.start_position(exchange="other")
        recorder = Recorder(bench.faults, world.breaker)
        took = {}

        async def orders():
            while True:
                world.accept(quantity="0.01")
                began = trio.current_time()
                other_id = world.accept(quantity="0.01", exchange="other")
                await world.until(other_id, "filled", seconds=5)
                took[other_id] = trio.current_time() - began
                await trio.sleep(0.1)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(orders)
            await trio.sleep(5)
            began = trio.current_time()
            bench.faults.silent_down, bench.faults.streams_stay = silent, streams
            bench.set_down(True)
            await eventually(lambda: world.breaker.circuit(trio.current_time()) is Circuit.OPEN, 30)
            opened = trio.current_time() - began
            calls = len(recorder.since(began))
            assert calls <= 10 or opened <= 2.1
            await trio.sleep(OUTAGE)
            bench.set_down(False)
            back = trio.current_time()
            await eventually(lambda: world.state == "trading" and world.said[-1].circuit == "closed", 30)
            assert trio.current_time() - back <= 2 * world.breaker.settings.open_for + 1.0
            await trio.sleep(2)
            nursery.cancel_scope.cancel()

        assert not [row for row in recorder.since(began) if row[2] is Circuit.OPEN]
        trials = {}
        for _, _, circuit, era in recorder.since(began):
            if circuit is Circuit.HALF_OPEN:
                trials[era] = trials.get(era, 0) + 1
        assert trials
        assert max(trials.values()) <= world.breaker.settings.trial_calls
        assert sorted(took.values())[int(0.99 * len(took))] < 0.1
        await world.until(world.accept(quantity="0.01"), "filled")
        await world.agree()
        states = [(said.state, said.circuit) for said in world.said if said.exchange == "sim"]
        assert ("trading", "open") in states or ("reconnecting", "open") in states
