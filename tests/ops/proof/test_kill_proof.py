"""The proof of the kill switch, small: on twins and simulated time, so that it takes seconds."""

from decimal import Decimal
from random import Random

import trio

from actors.broker.adapters import simulated
from actors.risk.limits import RiskLimits
from ops.proof.kill.scene import Plan, Scene
from persistence.memory import Faults, MemoryArchive, MemoryDisk, MemoryJournalStore, MemoryLatch
from supervisors.tree import Choices, Outside, Runtime
from tests.fixtures.runtime import SYMBOLS, CountingIds, SimulatedClock

EXCHANGES = ("one", "two", "three")
SMALL = Plan(per_second=400, resting=60, rounds=3, hold_seconds=0.5, warm_seconds=(0.1, 0.3))


def three_exchanges() -> Runtime:
    """A runtime with three simulated exchanges."""
    clock, disk, faults = SimulatedClock(), MemoryDisk(), Faults()
    outside = Outside(
        clock=clock,
        ids=CountingIds(),
        rng=Random(1),
        store=MemoryJournalStore(disk, faults),
        archive=MemoryArchive(disk, faults),
        latch=MemoryLatch(),
        exchanges={
            name: simulated.build(
                name, clock=clock, ledger=simulated.MemoryLedger(), symbols=SYMBOLS, latency_seconds=0.01
            )
            for name in EXCHANGES
        },
        on_deposed=lambda _why: None,
    )
    return Runtime(outside, Choices(limits=RiskLimits(max_pos_usd=Decimal(10**9))))


async def test_a_kill_in_a_stream_of_orders_lets_nothing_leave_and_cancels_what_rests(autojump_clock):
    runtime = three_exchanges()
    async with runtime.running():
        while runtime.readiness():  # noqa: ASYNC110 - readiness has no event
            await trio.sleep(0.01)
        scene = Scene(runtime, SYMBOLS, SMALL, Random(1))
        for _ in range(SMALL.rounds):
            found = await scene.one()
            assert found.durable
            assert found.acknowledged_seconds < 0.1
            assert found.left_after == ()
            assert found.resting >= SMALL.resting
            assert found.dispatched_seconds is not None
            assert found.sent > 10


async def test_the_scene_sees_an_order_that_leaves_after_a_kill(autojump_clock):
    """The proof can fail: with a gate that lets everything pass it does."""
    runtime = three_exchanges()
    async with runtime.running():
        while runtime.readiness():  # noqa: ASYNC110 - readiness has no event
            await trio.sleep(0.01)
        runtime.gate.may_send = lambda _intent, _reduces: None
        runtime.gate.state_for = lambda _exchange, _symbol: "active"
        runtime.gate.killed_by_person = lambda _exchange, _symbol: False
        scene = Scene(runtime, SYMBOLS, SMALL, Random(1))
        assert (await scene.one()).left_after
