"""Faults of the simulation undo themselves, in whatever order they end."""

import msgspec
import trio

from ops.proof.plan import Fault, make_plan
from ops.proof.storm import storm
from ops.proof.world import World


async def test_commits_are_as_fast_as_before_when_the_faults_that_slowed_them_have_ended(autojump_clock):
    """The one that began first ends first; it used to be taken up again by the other."""
    slow = Fault(number=0, kind="slow_commits", at=1.0, seconds=4.0)
    dying = Fault(number=1, kind="judge_dies", at=2.0, seconds=6.0)
    plan = make_plan(1, faults=False)
    world = World(msgspec.structs.replace(plan, faults=(slow, dying)))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(storm, world)
        await trio.sleep(3.0)
        assert world.faults.latency() > 0.1
    assert trio.current_time() > 8.0
    assert world.faults.latency() < 0.01
