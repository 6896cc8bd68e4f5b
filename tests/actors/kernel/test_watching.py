"""Hearing of another life's end, once and only once."""

from itertools import pairwise

import pytest
import trio

from actors.kernel import ExitKind, Lane, LinkedDeath, Terminated
from tests.actors.kernel.actors import Echo


@pytest.fixture
async def pair(system):
    """A watcher and a target, both running."""
    watcher, target = Echo(), Echo()
    await system.start(watcher, "watcher")
    await system.start(target, "target")
    return watcher, target


async def settle():
    await trio.testing.wait_all_tasks_blocked()


async def test_a_watcher_hears_of_the_end_once_however_often_it_watched(pair):
    watcher, target = pair
    watcher.watch(target.actor_ref)
    watcher.watch(target.actor_ref)
    await target.actor_ref.stop()
    await settle()
    (notice,) = watcher.seen
    assert isinstance(notice, Terminated)
    assert (notice.address, notice.generation) == ("target", 1)
    assert notice.exit.kind is ExitKind.NORMAL


async def test_watching_the_dead_is_answered_at_once(pair, system):
    watcher, target = pair
    await target.actor_ref.stop()
    watcher.watch(target.actor_ref)
    watcher.watch(target.actor_ref)
    watcher.watch(system.ref("never lived"))
    await settle()
    assert watcher.seen == [Terminated("target", 1, None), Terminated("never lived", 0, None)]


async def test_a_watch_concerns_one_life(pair, system):
    watcher, target = pair
    watcher.watch(target.actor_ref)
    await target.actor_ref.stop()
    await system.start(Echo(), "target")
    await system.ref("target").stop()
    await settle()
    assert [notice.generation for notice in watcher.seen] == [1]


async def test_a_watch_may_be_taken_back(pair):
    watcher, target = pair
    watcher.watch(target.actor_ref)
    watcher.unwatch(target.actor_ref)
    await target.actor_ref.stop()
    await settle()
    assert watcher.seen == []


async def test_a_notice_that_is_queued_already_may_be_taken_back(pair, system):
    watcher, target = pair
    watcher.watch(target.actor_ref)
    target.cell.kill()
    await target.cell.wait_ended()
    watcher.unwatch(target.actor_ref)
    await settle()
    assert [type(message) for message in watcher.seen] in ([], [Terminated])  # it may have been handled
    watcher.watch(system.ref("dead"))
    watcher.unwatch(system.ref("dead"))
    before = len(watcher.seen)
    await settle()
    assert len(watcher.seen) == before
    assert system.dead_letters.total == 0


async def test_a_notice_overtakes_the_queue(pair, system):
    watcher, target = pair
    watcher.watch(target.actor_ref)
    watcher.actor_ref.tell("normal")
    watcher.actor_ref.tell("control", lane=Lane.CONTROL)
    watcher.watch(system.ref("dead"))
    await settle()
    assert [type(message) for message in watcher.seen] == [Terminated, str, str]


async def test_the_end_of_the_watcher_ends_the_watch(pair):
    watcher, target = pair
    watcher.watch(target.actor_ref)
    await watcher.actor_ref.stop()
    cell = target.cell
    await target.actor_ref.stop()
    assert cell.exit.kind is ExitKind.NORMAL


async def test_a_linked_life_shares_an_abnormal_end_both_ways(pair, system):
    for first, second in ((0, 1), (1, 0)):
        actors = [Echo(), Echo()]
        cells = []
        for number, actor in enumerate(actors):
            await system.start(actor, f"linked{first}{number}")
            cells.append(actor.cell)
        actors[0].link(actors[1].actor_ref)
        boom = ValueError("boom")
        actors[first].actor_ref.tell(boom)
        await cells[second].wait_ended()
        assert isinstance(cells[second].exit.error, LinkedDeath)
        assert cells[second].exit.error.address == f"linked{first}{first}"


async def test_a_linked_life_does_not_share_an_orderly_end(pair):
    one, other = pair
    one.link(other.actor_ref)
    await other.actor_ref.stop()
    await settle()
    assert one.actor_ref.is_alive()


async def test_an_undone_link_shares_nothing(pair):
    one, other = pair
    one.link(other.actor_ref)
    other.unlink(one.actor_ref)
    other.actor_ref.tell(ValueError())
    await settle()
    assert one.actor_ref.is_alive()


async def test_linking_to_the_dead_is_fatal(pair, system):
    one, _ = pair
    cell = one.cell
    one.link(system.ref("dead"))
    await cell.wait_ended()
    assert isinstance(cell.exit.error, LinkedDeath)


async def test_a_chain_of_links_falls_as_one(system):
    actors = [Echo() for _ in range(10)]
    cells = []
    for number, actor in enumerate(actors):
        await system.start(actor, f"chain{number}")
        cells.append(actor.cell)
    for left, right in pairwise(actors):
        left.link(right.actor_ref)
    actors[5].actor_ref.tell(ValueError())
    for cell in cells:
        await cell.wait_ended()
        assert cell.exit.kind is ExitKind.FAILED
