"""The whole runtime with shared state that is lost and found: trading goes on, reads are right."""

from decimal import Decimal

import trio

from actors.model.results import Placed
from supervisors.tree import Runtime
from tests.fixtures.runtime import Machine, intent
from tests.fixtures.shared import SharedTwins, shared_twins


def sharing() -> tuple[Machine, SharedTwins]:
    machine = Machine()
    twins = shared_twins(machine.clock)
    machine.shared = twins.outside
    return machine, twins


async def buy(runtime: Runtime) -> None:
    result = await runtime.port.place(intent(), wait_seconds=5, correlation_id="c")
    assert isinstance(result, Placed)


async def held(runtime: Runtime) -> Decimal:
    [view] = await runtime.port.positions()
    return view.position.quantity


def reads(runtime: Runtime, result: str) -> float:
    return runtime.metrics.registry.get_sample_value("position_cache_reads_total", {"result": result}) or 0


async def test_positions_come_from_the_cache_and_are_those_of_the_last_fill(autojump_clock):
    machine, _ = sharing()
    async with machine.boot() as runtime:
        for count in range(1, 6):
            await buy(runtime)
            assert await held(runtime) == count * Decimal("0.01")
            await trio.sleep(0.1)
            for _ in range(10):
                assert await held(runtime) == count * Decimal("0.01")
        assert reads(runtime, "hit") > 40


async def test_orders_are_placed_and_positions_right_while_everything_shared_is_away(autojump_clock):
    machine, twins = sharing()
    async with machine.boot() as runtime:
        await buy(runtime)
        twins.lose()
        await buy(runtime)
        assert await held(runtime) == Decimal("0.02")
        await trio.sleep(30)
        assert runtime.metrics.registry.get_sample_value("redis_up") == 0
        assert runtime.metrics.registry.get_sample_value("redis_losses_total") == 1
        assert runtime.readiness() == []
        twins.find()
        await trio.sleep(2)
        assert await held(runtime) == Decimal("0.02")
        before = reads(runtime, "hit")
        assert await held(runtime) == Decimal("0.02")
        assert reads(runtime, "hit") == before + 1


async def test_a_cool_down_of_the_life_before_is_kept(autojump_clock):
    machine, _ = sharing()
    async with machine.boot() as runtime:
        runtime.breakers["sim"].trip(machine.clock.monotonic())
        await trio.sleep(1.5)
        async with machine.boot() as reborn:
            await trio.sleep(1.5)
            assert reborn.breakers["sim"].circuit(machine.clock.monotonic()) == "open"


async def test_what_is_shared_stands_in_the_tree(autojump_clock):
    machine, _ = sharing()
    async with machine.boot() as runtime:
        trading = runtime.snapshot().children[-1]
        assert any(child.address.endswith("shared") for child in trading.children)
