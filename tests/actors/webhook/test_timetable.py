"""The shared schedule of retries: it shows what the store has, and losing it delays nothing for long."""

from random import Random

import trio

from actors.kernel import open_system
from actors.model.shared import SharedAway, Standing
from actors.webhook.port import Retry
from persistence.memory.shared import MemoryRetries
from tests.actors.webhook.world import World
from tests.fixtures.journal import accepted

URL = "https://a.example/hook"
LONG = (0.0, 60.0, 60.0)


def shared_world() -> World:
    world = World()
    world.retries = MemoryRetries(world.clock)
    world.pauses = LONG
    return world


async def planned(world: World) -> list[Retry]:
    return list(await world.retries.due(1 << 60, 1000))


async def test_a_retry_is_in_the_schedule_until_it_was_taken(autojump_clock):
    world = shared_world()
    world.receivers.failing = {"a.example": 1.0}
    async with open_system(rng=Random(1)) as system:
        desk = await world.start(system)
        await desk.create(URL)
        world.journal.commit(accepted(1), accepted(2))
        await trio.sleep(5)
        found = await planned(world)
        truth = await world.store.retries(10)
        assert [each.delivery_id for each in found] == [each.delivery_id for each in truth]
        assert len(found) == 2
        world.receivers.failing = {}
        await world.until_quiet()
        await trio.sleep(2)
        assert await planned(world) == []
        await world.kill(system)


async def test_an_outage_delays_no_retry_and_afterwards_the_schedule_is_made_anew(autojump_clock):
    world = shared_world()
    world.receivers.failing = {"a.example": 1.0}
    async with open_system(rng=Random(1)) as system:
        desk = await world.start(system)
        await desk.create(URL)
        world.retries.away = SharedAway("lost")
        world.journal.commit(accepted(1))
        await trio.sleep(80)
        assert len(world.receivers.seen) == 2, "the courier has a clock of its own"
        world.retries.away = None
        await trio.sleep(3)
        assert [each.delivery_id for each in await planned(world)] == [
            each.delivery_id for each in await world.store.retries(10)
        ]
        await world.kill(system)


async def test_what_is_planned_for_nobody_is_dropped(autojump_clock):
    world = shared_world()
    async with open_system(rng=Random(1)) as system:
        await world.start(system)
        await trio.sleep(2)
        await world.retries.change([Retry(endpoint_id="ep_gone", delivery_id="msg_x", due_us=1000)], ())
        await trio.sleep(3)
        assert await planned(world) == []
        await world.kill(system)


async def test_operators_are_told_that_redis_was_lost_and_found(autojump_clock):
    world = shared_world()
    world.standing = Standing(there=True)
    async with open_system(rng=Random(1)) as system:
        desk = await world.start(system)
        await desk.create(URL, ["redis_changed"])
        await trio.sleep(3)
        world.standing = Standing(there=False, why="no answer within 0.15 s")
        await trio.sleep(3)
        world.standing = Standing(there=True)
        await trio.sleep(3)
        await world.kill(system)
    told = [
        (body["event"], body["available"], body["detail"]) for body in world.receivers.bodies("a.example")
    ]
    assert told == [
        ("redis_changed", False, "no answer within 0.15 s"),
        ("redis_changed", True, ""),
    ]
