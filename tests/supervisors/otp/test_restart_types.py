"""Permanent, transient and temporary against every way to end."""

import pytest
import trio

from actors.kernel import ActorDead

ENDS = {"normal": "stop", "shutdown": "shutdown", "failed": "boom", "killed": "kill"}
COMES_BACK = {
    ("permanent", "normal"): True,
    ("permanent", "shutdown"): True,
    ("permanent", "failed"): True,
    ("permanent", "killed"): True,
    ("transient", "normal"): False,
    ("transient", "shutdown"): False,
    ("transient", "failed"): True,
    ("transient", "killed"): True,
    ("temporary", "normal"): False,
    ("temporary", "shutdown"): False,
    ("temporary", "failed"): False,
    ("temporary", "killed"): False,
}


@pytest.mark.parametrize("strategy", ["one_for_one", "one_for_all", "rest_for_one"])
@pytest.mark.parametrize(("restart", "end"), COMES_BACK)
async def test_who_comes_back_after_which_end(stage, restart, end, strategy, autojump_clock):
    async with stage.open(stage.worker("a", restart=restart), "b", strategy=strategy) as tree:
        stage.tell("a", ENDS[end])
        await stage.rest()
        assert ("end", "a", end) in stage.events
        if COMES_BACK[restart, end]:
            assert stage.generations("a") == [2]
            assert stage.alive("a", "b") == ["a", "b"]
            assert stage.restarts == [("a", 1)]
        else:
            assert stage.alive("a", "b") == ["b"]
            assert stage.generations("a", "b") == [1, 1]
            assert stage.restarts == []
            kept = [node.address for node in tree.snapshot().children]
            assert kept == (["b"] if restart == "temporary" else ["a", "b"])


@pytest.mark.parametrize(("restart", "end"), COMES_BACK)
async def test_who_comes_back_under_a_template(stage, restart, end, autojump_clock):
    async with stage.open(
        strategy="simple_one_for_one", template=lambda name: stage.worker(name, restart=restart)
    ) as tree:
        await tree.start_child("", "a")
        await tree.start_child("", "b")
        stage.tell("a", ENDS[end])
        await stage.rest()
        assert stage.alive("a", "b") == (["a", "b"] if COMES_BACK[restart, end] else ["b"])
        assert len(tree.snapshot().children) == (2 if COMES_BACK[restart, end] else 1)


async def test_an_end_from_outside_is_a_normal_end(stage, autojump_clock):
    async with stage.open("a", stage.worker("b", restart="transient")):
        await stage.system.ref("a").stop()
        await stage.system.ref("b").stop()
        await stage.rest()
        assert stage.generations("a", "b") == [2, 1]
        assert stage.alive("a", "b") == ["a"]


async def test_the_failing_message_is_not_handled_again(stage, autojump_clock):
    async with stage.open("a"):
        stage.tell("a", "boom")
        stage.tell("a", "left in the queue")
        await trio.sleep(5)
        assert stage.generations("a") == [2]
        assert await stage.system.ref("a").ask("hello", timeout=1) == 2


async def test_between_two_lives_asks_fail_at_once_and_tells_are_dead_letters(stage, autojump_clock):
    from supervisors.otp import Backoff

    backoff = Backoff(initial=5, maximum=5, jitter=0)
    async with stage.open("a", backoff=backoff):
        await stage.crash("a")
        await stage.crash("a")
        began = trio.current_time()
        with pytest.raises(ActorDead):
            await stage.system.ref("a").ask("hello", timeout=60)
        assert trio.current_time() == began
        stage.tell("a", "lost")
        assert stage.system.dead_letters.recent()[-1].message == "lost"
        await trio.sleep(6)
        assert await stage.system.ref("a").ask("hello", timeout=60) == 3
