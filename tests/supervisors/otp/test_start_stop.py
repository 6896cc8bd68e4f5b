"""Starting from left to right with readiness, stopping in reverse with deadlines."""

import logging
import math

import pytest
import trio

from actors.kernel import ExitKind, StartFailed, TrioActor
from supervisors.otp import ChildNotStarted, ChildSpec, open_tree, run_tree
from tests.supervisors.otp.workers import Boom


async def test_children_start_one_after_the_other_and_stop_in_reverse(stage, autojump_clock):
    for name in ("a", "b", "c"):
        stage.script[name].append(1)
    began = trio.current_time()
    async with stage.open("a", "b", "c"):
        assert trio.current_time() - began == 3
        assert stage.events == [(what, name) for name in ("a", "b", "c") for what in ("start", "ready")]
    assert stage.happened("stop") == ["c", "b", "a"]


async def test_an_empty_supervisor_starts_and_stops(stage):
    async with stage.open() as tree:
        assert tree.snapshot().state == "running"
    assert not tree.gave_up.is_set()
    assert tree.ended.is_set()


async def test_a_nested_supervisor_is_ready_when_its_children_are(stage, autojump_clock):
    stage.script["b"].append(2)
    async with stage.open("a", stage.supervisor("b", id="inner"), "c"):
        assert stage.happened("ready") == ["a", "b", "c"]
    assert stage.happened("stop") == ["c", "b", "a"]


async def test_a_failing_start_stops_the_earlier_ones_in_reverse(stage, autojump_clock):
    stage.script["c"].append(Boom("no"))
    with pytest.raises(StartFailed) as caught:
        async with stage.open("a", "b", "c", "d"):
            pytest.fail("the tree must not open")
    failed = caught.value.__cause__
    assert isinstance(failed, ChildNotStarted)
    assert (failed.supervisor, failed.child) == ("top", "c")
    assert isinstance(failed.__cause__, Boom)
    assert stage.happened("start") == ["a", "b", "c"]
    assert stage.happened("stop") == ["b", "a"]


async def test_a_failing_start_deep_down_stops_everything_before_it(stage, autojump_clock):
    stage.script["d"].append(Boom("no"))
    inner = stage.supervisor("b", stage.supervisor("c", "d", id="innermost"), id="inner")
    with pytest.raises(StartFailed):
        async with stage.open("a", inner):
            pytest.fail("the tree must not open")
    assert stage.happened("stop") == ["c", "b", "a"]


async def test_a_start_that_hangs_is_given_up_at_its_deadline(stage, autojump_clock):
    stage.script["b"].append("hang")
    with pytest.raises(StartFailed) as caught:
        async with stage.open("a", stage.worker("b", start_timeout=4)):
            pytest.fail("the tree must not open")
    assert "not ready within 4" in str(caught.value.__cause__)
    assert trio.current_time() == pytest.approx(4)
    assert stage.happened("stop") == ["a"]


async def test_a_factory_that_raises_or_makes_nonsense_is_a_failed_start(stage):
    for factory in (lambda: 1 / 0, lambda: 42):
        with pytest.raises(StartFailed):
            async with open_tree(stage.system, stage.supervisor("a", ChildSpec("bad", factory), id="top")):
                pytest.fail("the tree must not open")
    assert stage.happened("stop") == ["a", "a"]


async def test_two_children_at_one_address_are_a_failed_start(stage):
    with pytest.raises(StartFailed) as caught:
        async with stage.open(stage.worker("a"), stage.worker("b", address="a")):
            pytest.fail("the tree must not open")
    assert "has not ended" in str(caught.value.__cause__)


async def test_cancelling_a_start_stops_what_had_started(stage, autojump_clock):
    stage.script["b"].append("hang")
    with trio.move_on_after(3) as scope:
        async with stage.open("a", "b", "c"):
            pytest.fail("the tree must not open")
    assert scope.cancelled_caught
    assert stage.happened("start") == ["a", "b"]
    assert stage.happened("stop") == ["a"]


async def test_a_stop_during_the_start_of_a_nested_supervisor(stage, autojump_clock):
    inner = stage.supervisor("b", "c", id="inner")
    async with stage.open("a") as tree:
        stage.script["c"].append("hang")
        async with trio.open_nursery() as nursery:

            @nursery.start_soon
            async def add():
                with pytest.raises(ChildNotStarted, match="stopping"):
                    await tree.start_child("", inner)

            await trio.sleep(1)
            assert stage.happened("start") == ["a", "b", "c"]
            await stage.system.ref("top").stop()
    assert stage.happened("stop") == ["b", "a"]


async def test_leaving_the_block_by_an_exception_stops_in_order_and_keeps_the_exception(stage):
    async def run():
        async with stage.open("a", "b"):
            raise Boom("from the block")

    with pytest.raises(Boom, match="from the block"):
        await run()
    assert stage.happened("stop") == ["b", "a"]


async def test_cancelling_the_block_stops_in_order_with_the_deadlines(stage, autojump_clock):
    stage.stops["b"].append(3)
    stage.stops["a"].append("hang")
    with trio.move_on_after(1):
        async with stage.open("a", "b"):
            await trio.sleep_forever()
    assert trio.current_time() == pytest.approx(1 + 3 + 5)
    assert stage.events[-5:] == [
        ("stop", "b"),
        ("end", "b", "shutdown"),
        ("stop", "a"),
        ("end", "a", "killed"),
        ("end", "top", "shutdown"),
    ]


async def test_stop_with_infinity_waits_as_long_as_it_takes(stage, autojump_clock):
    stage.stops["a"].append(10_000)
    async with stage.open(stage.worker("a", shutdown=math.inf)):
        pass
    assert trio.current_time() == pytest.approx(10_000)
    assert ("end", "a", "shutdown") in stage.events


async def test_stop_with_a_deadline_cancels_whoever_misses_it(stage, autojump_clock, caplog):
    async with stage.open(stage.worker("a", shutdown=2), stage.worker("b", shutdown=2)):
        stage.tell("b", ("sleep", 200_000))
        await stage.rest()
    assert trio.current_time() == pytest.approx(2)
    assert ("end", "b", "killed") in stage.events
    assert ("end", "a", "shutdown") in stage.events
    assert "b did not stop in time and is cancelled" in caplog.text


async def test_a_brutal_stop_asks_nobody(stage, autojump_clock):
    async with stage.open("a", stage.worker("b", shutdown="brutal")):
        stage.tell("b", ("sleep", 200_000))
        await stage.rest()
    assert trio.current_time() == 0
    assert stage.happened("stop") == ["a"]
    assert ("end", "b", "killed") in stage.events


async def test_a_shutdown_of_zero_seconds_is_as_good_as_brutal(stage, autojump_clock):
    async with stage.open(stage.worker("a", shutdown=0)):
        stage.tell("a", ("sleep", 200_000))
        await stage.rest()
    assert trio.current_time() == 0


async def test_a_child_that_fails_while_it_stops_is_logged_and_the_others_stop(stage, caplog):
    stage.stops["b"].append(Boom("in on_stop"))
    async with stage.open("a", "b", "c"):
        pass
    assert stage.happened("stop") == ["c", "b", "a"]
    assert "b failed while it was stopped" in caplog.text


async def test_a_stop_while_a_handler_runs_lets_it_finish(stage, autojump_clock):
    answers = []
    async with trio.open_nursery() as nursery, stage.open("a"):

        @nursery.start_soon
        async def ask():
            answers.append(await stage.system.ref("a").ask(("sleep", 3), timeout=60))

        await stage.rest()
    assert answers == [1]
    assert trio.current_time() == pytest.approx(3)


async def test_messages_left_at_the_stop_are_dead_letters(stage, autojump_clock):
    async with stage.open("a"):
        stage.tell("a", ("sleep", 1))
        await stage.rest()
        for number in range(5):
            stage.tell("a", number)
    assert [letter.message for letter in stage.system.dead_letters.recent()] == [0, 1, 2, 3, 4]


async def test_a_supervisor_that_runs_out_of_time_takes_its_children_with_it(stage, autojump_clock):
    stage.stops["b"].append("hang")
    inner = stage.supervisor(stage.worker("b", shutdown=math.inf), id="inner", shutdown=2)
    async with stage.open(inner):
        pass
    assert trio.current_time() == pytest.approx(2)
    assert ("end", "b", "killed") in stage.events
    assert ("end", "inner", "killed") in stage.events


async def test_killing_a_supervisor_ends_its_children_and_it_comes_back_with_them(stage, autojump_clock):
    async with stage.open(stage.supervisor("b", "c", id="inner")):
        stage.system.ref("inner").cell.kill()
        await stage.rest()
        assert stage.generations("inner", "b", "c") == [2, 2, 2]
        assert stage.happened("stop") == []


async def test_a_fault_in_the_supervisor_itself_ends_its_children_and_escalates(stage, autojump_clock):
    async with stage.open(stage.supervisor("b", id="inner")):
        stage.system.ref("inner").tell("nonsense")
        await stage.rest()
        assert stage.generations("inner", "b") == [2, 2]


async def test_a_child_that_ignores_its_cancellation_is_named_with_its_stack(stage, autojump_clock, caplog):
    class Shielded(TrioActor):
        async def on_stop(self):
            with trio.CancelScope(shield=True):
                await trio.sleep(60)

    with caplog.at_level(logging.ERROR):
        async with stage.open(ChildSpec("s", Shielded, shutdown=1)):
            pass
    assert "top/s was cancelled but does not end" in caplog.text
    assert "trio.sleep(60)" in caplog.text


async def test_run_tree_returns_when_its_root_ends_and_raises_what_it_failed_with(stage, autojump_clock):
    async def crash_soon():
        await trio.sleep(1)
        stage.tell("a", "boom")

    with pytest.RaisesGroup(pytest.RaisesExc(Exception, match="gave up")):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(crash_soon)
            await run_tree(stage.system, stage.supervisor("a", intensity=0))

    worker = stage.worker("a", restart="transient", significant=True)
    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def stop_soon():
            await trio.sleep(1)
            stage.tell("a", "stop")

        await run_tree(stage.system, stage.supervisor(worker, auto_shutdown="any"))


async def test_two_trees_may_share_a_system(stage):
    async with stage.open("a", id="one") as one, stage.open("b", id="two") as two:
        assert one.address == "one"
        assert two.address == "two"
        assert stage.alive("a", "b") == ["a", "b"]
    assert stage.happened("stop") == ["b", "a"]


async def test_the_root_of_a_tree_is_a_supervisor(stage):
    with pytest.raises(TypeError, match="root"):
        async with open_tree(stage.system, stage.worker("a")):
            pytest.fail("the tree must not open")


async def test_two_thousand_children_start_and_stop_in_order(stage):
    names = [f"w{number}" for number in range(2_000)]
    async with stage.open(*names):
        assert stage.happened("ready") == names
    assert stage.happened("stop") == names[::-1]


async def test_an_exit_of_the_root_names_its_kind(stage):
    async with stage.open("a") as tree:
        cell = stage.system.ref("top").cell
    assert cell.exit.kind is ExitKind.SHUTDOWN
    assert tree.failure is None


@pytest.mark.parametrize("end", ["boom", "stop", "kill"])
async def test_a_child_that_ends_by_itself_while_the_tree_stops(stage, end, autojump_clock):
    """The supervisor asks a child to stop that is ending already, and does not restart it."""
    async with stage.open("a", "b", "c"):
        for name in ("a", "b", "c"):
            stage.tell(name, end)
    assert stage.alive("a", "b", "c") == []
    assert stage.generations("a", "b", "c") == [1, 1, 1]
    assert stage.restarts == []


async def test_a_stop_while_a_sibling_is_being_stopped_for_a_restart(stage, autojump_clock):
    async with stage.open("a", "b", strategy="one_for_all"):
        stage.stops["b"].append(3)
        stage.tell("a", "boom")
        await trio.sleep(1)
    assert stage.alive("a", "b") == []
    assert trio.current_time() == pytest.approx(3)


async def test_a_child_of_a_template_that_fails_while_it_stops_is_logged(stage, caplog):
    async with stage.open(strategy="simple_one_for_one", template=stage.worker) as tree:
        for name in ("a", "b"):
            await tree.start_child("", name)
        stage.stops["a"].append(Boom("in on_stop"))
    assert "a failed while it was stopped" in caplog.text
    assert ("end", "b", "shutdown") in stage.events


@pytest.mark.parametrize(("restart", "comes_back"), [("transient", True), ("temporary", False)])
async def test_an_own_stop_whose_on_stop_fails_is_an_abnormal_end(stage, restart, comes_back):
    async with stage.open(stage.worker("a", restart=restart)):
        stage.stops["a"].append(Boom("in on_stop"))
        stage.tell("a", "stop")
        await stage.rest()
        assert stage.alive("a") == (["a"] if comes_back else [])


async def test_an_own_stop_that_hangs_is_ended_at_the_childs_deadline(stage, autojump_clock):
    async with stage.open(stage.worker("a", shutdown=3)):
        stage.stops["a"].append("hang")
        stage.tell("a", "stop")
        await trio.sleep(4)
        assert stage.generations("a") == [2]
        assert ("end", "a", "killed") in stage.events


async def test_an_on_failure_that_hangs_delays_the_restart_and_no_more(stage, autojump_clock):
    lives = []

    class Hanging(TrioActor):
        async def on_start(self):
            lives.append((self.generation, trio.current_time()))

        async def on_failure(self, error):
            await trio.sleep_forever()

        def on_receive(self, message):
            raise Boom(message)

    async with stage.open(ChildSpec("h", Hanging, address="h")):
        stage.tell("h", "boom")
        await trio.sleep(10)
    assert lives == [(1, 0), (2, 5)]


async def test_a_keyboard_interrupt_in_an_actor_ends_everything(stage):
    class Interrupted(TrioActor):
        def on_receive(self, message):
            raise KeyboardInterrupt

    async def run():
        async with stage.open("a", ChildSpec("i", Interrupted, address="i")):
            stage.tell("i", "ctrl-c")
            await trio.sleep_forever()

    with pytest.raises(BaseExceptionGroup) as caught:
        await run()
    assert caught.group_contains(KeyboardInterrupt)
    assert stage.alive("a", "i") == []


async def test_an_actor_may_ask_its_supervisor_for_a_child(stage, autojump_clock):
    """From a handler; from on_start it would wait for a supervisor that waits for it."""
    from supervisors.otp.messages import StartChild

    class Asking(TrioActor):
        async def on_receive(self, message):
            return await self.system.ref("top").ask(StartChild(stage.worker(message)), timeout=5)

    async with stage.open(ChildSpec("asking", Asking, address="asking")):
        ref = await stage.system.ref("asking").ask("b", timeout=10)
        assert ref is stage.system.ref("b")
        assert stage.alive("b") == ["b"]
