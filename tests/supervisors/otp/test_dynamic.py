"""Children that come and go while the supervisor runs."""

import pytest
import trio

from actors.kernel import AskTimeout
from supervisors.otp import (
    Backoff,
    ChildNotStarted,
    ChildRunning,
    ChildSpec,
    DuplicateChild,
    UnknownChild,
)
from tests.supervisors.otp.workers import Boom


def template(stage, **spec):
    return lambda name: stage.worker(name, **spec)


async def test_a_child_is_added_at_the_end_and_answers_when_it_is_ready(stage, autojump_clock):
    async with stage.open("a") as tree:
        stage.script["b"].append(2)
        ref = await tree.start_child("", stage.worker("b"))
        assert await ref.ask("hello", timeout=1) == 1
        assert [node.address for node in tree.snapshot().children] == ["a", "b"]
    assert stage.happened("stop") == ["b", "a"]


async def test_a_child_is_added_to_a_supervisor_named_by_ids_or_address(stage):
    inner = stage.supervisor("b", stage.supervisor(id="deep"), id="inner")
    async with stage.open("a", inner) as tree:
        await tree.start_child("inner", stage.worker("c"))
        await tree.start_child("inner/deep", stage.worker("d"))
        await tree.start_child("deep", stage.worker("e"))
        assert [node.address for node in tree.snapshot().walk()] == [
            "top", "a", "inner", "b", "deep", "d", "e", "c",
        ]  # fmt: skip
        for path in ("nowhere", "inner/nowhere", "a", "inner/b"):
            with pytest.raises(UnknownChild):
                await tree.start_child(path, stage.worker("x"))


async def test_the_default_address_is_below_the_supervisors(stage):
    spec = ChildSpec("w", stage.worker("w").start)
    async with stage.open() as tree:
        assert (await tree.start_child("", spec)).address == "top/w"


async def test_a_child_that_does_not_start_is_not_kept_and_does_not_count(stage, autojump_clock):
    stage.script["b"].append(Boom("no"))
    async with stage.open("a", intensity=0) as tree:
        with pytest.raises(ChildNotStarted) as caught:
            await tree.start_child("", stage.worker("b"))
        assert isinstance(caught.value.__cause__, Boom)
        assert [node.address for node in tree.snapshot().children] == ["a"]
        assert not tree.gave_up.is_set()
        await tree.start_child("", stage.worker("b"))


async def test_an_id_is_used_once(stage):
    async with stage.open("a") as tree:
        with pytest.raises(DuplicateChild):
            await tree.start_child("", stage.worker("a"))


async def test_what_is_not_a_fitting_spec_is_refused(stage):
    async with stage.open("a") as tree:
        for what in ((), (1,), (stage.worker("b"), stage.worker("c"))):
            with pytest.raises(TypeError):
                await tree.start_child("", *what)
        with pytest.raises(ChildNotStarted, match="auto_shutdown"):
            await tree.start_child("", stage.worker("b", restart="transient", significant=True))


async def test_terminate_restart_delete(stage):
    async with stage.open("a", "b") as tree:
        await tree.terminate_child("a")
        assert stage.alive("a", "b") == ["b"]
        assert tree.snapshot().children[0].state == "stopped"
        await tree.terminate_child("a")  # asking twice is no error
        ref = await tree.restart_child("a")
        assert await ref.ask("hello", timeout=1) == 2
        with pytest.raises(ChildRunning):
            await tree.restart_child("a")
        with pytest.raises(ChildRunning):
            await tree.delete_child("a")
        await tree.terminate_child("a")
        await tree.delete_child("a")
        for call in (tree.terminate_child, tree.restart_child, tree.delete_child):
            with pytest.raises(UnknownChild):
                await call("a")


async def test_a_restart_on_request_that_fails_leaves_the_child_down(stage):
    async with stage.open("a") as tree:
        await tree.terminate_child("a")
        stage.script["a"].append(Boom("no"))
        with pytest.raises(ChildNotStarted):
            await tree.restart_child("a")
        assert tree.snapshot().children[0].state == "stopped"
        assert stage.restarts == []
        await tree.restart_child("a")


async def test_a_child_ended_on_request_stays_down_when_its_siblings_restart(stage):
    async with stage.open("a", "b", "c", strategy="one_for_all") as tree:
        await tree.terminate_child("b")
        await stage.crash("a")
        assert stage.alive("a", "b", "c") == ["a", "c"]
        await tree.restart_child("b")
        await stage.crash("a")
        assert stage.alive("a", "b", "c") == ["a", "b", "c"]


async def test_ending_a_temporary_child_forgets_it(stage):
    async with stage.open(stage.worker("a", restart="temporary")) as tree:
        await tree.terminate_child("a")
        assert tree.snapshot().children == ()


async def test_ending_a_child_that_waits_for_its_restart_lets_its_siblings_come_up(stage, autojump_clock):
    backoff = Backoff(initial=10, maximum=10, jitter=0)
    for strategy in ("one_for_all", "rest_for_one"):
        async with stage.open("a", "b", "c", strategy=strategy, backoff=backoff) as tree:
            await stage.crash("b")
            await stage.crash("b")
            await tree.terminate_child("b")
            assert "c" not in stage.alive("a", "b", "c")
            await trio.sleep(11)
            assert stage.alive("a", "b", "c") == ["a", "c"]


async def test_deleting_a_child_that_waits_for_its_restart_is_refused(stage, autojump_clock):
    backoff = Backoff(initial=10, maximum=10, jitter=0)
    async with stage.open("a", backoff=backoff) as tree:
        await stage.crash("a")
        await stage.crash("a")
        for call in (tree.delete_child, tree.restart_child):
            with pytest.raises(ChildRunning, match="backoff"):
                await call("a")


async def test_a_child_whose_factory_wants_none_is_kept_without_a_life(stage):
    stage.ignored.update({"b", "c"})
    async with stage.open("a", "b") as tree:
        assert await tree.start_child("", stage.worker("c")) is None
        assert [(node.address, node.state) for node in tree.snapshot().children] == [
            ("a", "running"),
            ("b", "ignored"),
            ("c", "ignored"),
        ]
        stage.ignored.clear()
        await tree.restart_child("b")
        assert stage.alive("b", "c") == ["b"]


async def test_a_temporary_child_whose_factory_wants_none_is_not_kept(stage):
    stage.ignored.update({"a", "b"})
    async with stage.open(stage.worker("a", restart="temporary")) as tree:
        assert await tree.start_child("", stage.worker("b", restart="temporary")) is None
        assert tree.snapshot().children == ()


@pytest.mark.parametrize("restart", ["permanent", "temporary"])
async def test_a_template_whose_factory_wants_none_keeps_nothing(stage, restart):
    stage.ignored.add("a")
    async with stage.open(strategy="simple_one_for_one", template=template(stage, restart=restart)) as tree:
        assert await tree.start_child("", "a") is None
        await tree.start_child("", "b")
        assert [node.address for node in tree.snapshot().children] == ["b"]


async def test_a_restart_under_a_template_that_wants_no_life_forgets_the_child(stage):
    async with stage.open(strategy="simple_one_for_one", template=template(stage)) as tree:
        await tree.start_child("", "a")
        stage.ignored.add("a")
        await stage.crash("a")
        assert tree.snapshot().children == ()


async def test_a_template_makes_children_from_arguments(stage):
    async with stage.open(strategy="simple_one_for_one", template=template(stage)) as tree:
        for name in ("a", "b"):
            assert (await tree.start_child("", name)).address == name
        with pytest.raises(DuplicateChild):
            await tree.start_child("", "a")
        with pytest.raises(ChildNotStarted):
            await tree.start_child("", "too", "many")
        with pytest.raises(ChildNotStarted):
            await tree.start_child("", "no/slashes")
        await tree.terminate_child("a")
        assert [node.address for node in tree.snapshot().children] == ["b"]
        await stage.crash("b")
        assert stage.generations("b") == [2]


async def test_a_template_child_that_does_not_start_is_not_kept(stage):
    async with stage.open(strategy="simple_one_for_one", template=template(stage)) as tree:
        stage.script["a"].append(Boom("no"))
        with pytest.raises(ChildNotStarted):
            await tree.start_child("", "a")
        assert tree.snapshot().children == ()
        await tree.start_child("", "a")


async def test_a_template_that_makes_nonsense_is_refused(stage):
    async with stage.open(strategy="simple_one_for_one", template=lambda: 42) as tree:
        with pytest.raises(ChildNotStarted, match="described by a spec"):
            await tree.start_child("")


async def test_a_crash_under_a_template_leaves_the_others_alone(stage):
    async with stage.open(strategy="simple_one_for_one", template=template(stage)) as tree:
        for name in ("a", "b", "c"):
            await tree.start_child("", name)
        await stage.crash("b")
        assert stage.generations("a", "b", "c") == [1, 2, 1]


async def test_a_template_supervisor_gives_up_too(stage):
    async with stage.open(strategy="simple_one_for_one", template=template(stage), intensity=1) as tree:
        for name in ("a", "b"):
            await tree.start_child("", name)
        await stage.crash("a")
        await stage.crash("b")
        await tree.gave_up.wait()
        assert stage.alive("a", "b") == []


@pytest.mark.parametrize("shutdown", [3, "brutal"])
async def test_children_of_a_template_stop_all_at_once(stage, shutdown, autojump_clock):
    async with stage.open(strategy="simple_one_for_one", template=template(stage, shutdown=shutdown)) as tree:
        for number in range(10):
            await tree.start_child("", f"w{number}")
            stage.stops[f"w{number}"].append("hang" if number % 2 else 1)
    assert trio.current_time() == pytest.approx(3 if shutdown == 3 else 0)


async def test_dynamic_children_by_the_thousand(stage):
    spec = template(stage, restart="temporary")
    async with stage.open(strategy="simple_one_for_one", template=spec) as tree:
        for number in range(3_000):
            await tree.start_child("", f"w{number}")
        assert len(tree.snapshot().children) == 3_000
        for number in range(3_000):
            stage.tell(f"w{number}", "stop")
        await stage.rest()
        assert tree.snapshot().children == ()
        assert stage.system.lives() == (stage.system.ref("top").cell,)


async def test_dynamic_children_are_forgotten_when_their_supervisor_restarts(stage):
    inner = stage.supervisor("b", id="inner", intensity=0)
    async with stage.open(inner) as tree:
        await tree.start_child("inner", stage.worker("c"))
        await stage.crash("b")
        assert stage.alive("b", "c") == ["b"]


async def test_a_supervisor_may_be_added_while_running(stage):
    async with stage.open("a") as tree:
        await tree.start_child("", stage.supervisor("b", id="inner"))
        await stage.crash("b")
        assert stage.generations("inner", "b") == [1, 2]


async def test_a_request_has_a_deadline(stage, autojump_clock):
    async with stage.open("a") as tree:
        stage.script["b"].append(20)
        with pytest.raises(AskTimeout):
            await tree.start_child("", stage.worker("b"), timeout=5)
        await trio.sleep(20)
        assert stage.alive("b") == ["b"]  # the request went on


async def test_requests_are_taken_one_at_a_time(stage, autojump_clock):
    async with stage.open() as tree, trio.open_nursery() as nursery:
        for number in range(20):
            stage.script[f"w{number}"].append(1)
            nursery.start_soon(tree.start_child, "", stage.worker(f"w{number}"))
        await trio.sleep(10.5)
        assert len(stage.happened("ready")) == 10
