"""Significant children: their own end may end their supervisor, in order."""

import pytest

from actors.kernel import ExitKind


def significant(stage, *names, restart="transient"):
    return [stage.worker(name, restart=restart, significant=True) for name in names]


@pytest.mark.parametrize("end", ["stop", "shutdown"])
@pytest.mark.parametrize("restart", ["transient", "temporary"])
async def test_any_ends_with_the_first_significant_child(stage, end, restart):
    workers = significant(stage, "a", "b", restart=restart)
    async with stage.open(*workers, "c", auto_shutdown="any") as tree:
        stage.tell("a", end)
        await tree.ended.wait()
        assert not tree.gave_up.is_set()
        assert stage.happened("stop") == ["a", "c", "b"]


async def test_all_ends_with_the_last_significant_child(stage):
    async with stage.open(*significant(stage, "a", "b"), "c", auto_shutdown="all") as tree:
        stage.tell("a", "stop")
        await stage.rest()
        assert not tree.ended.is_set()
        stage.tell("b", "stop")
        await tree.ended.wait()
        assert stage.happened("stop") == ["a", "b", "c"]


@pytest.mark.parametrize("end", ["boom", "kill"])
async def test_a_temporary_child_counts_also_when_it_fails(stage, end):
    workers = significant(stage, "a", restart="temporary")
    async with stage.open(*workers, "b", auto_shutdown="any") as tree:
        stage.tell("a", end)
        await tree.ended.wait()


@pytest.mark.parametrize("end", ["boom", "kill"])
async def test_a_transient_child_that_fails_is_restarted_instead(stage, end):
    async with stage.open(*significant(stage, "a"), auto_shutdown="any") as tree:
        stage.tell("a", end)
        await stage.rest()
        assert not tree.ended.is_set()
        assert stage.generations("a") == [2]


@pytest.mark.parametrize("restart", ["transient", "temporary"])
async def test_children_that_are_not_significant_do_not_count(stage, restart):
    worker = stage.worker("a", restart=restart)
    async with stage.open(worker, "b", auto_shutdown="any") as tree:
        stage.tell("a", "stop")
        await stage.rest()
        assert not tree.ended.is_set()


async def test_never_is_never(stage):
    worker = stage.worker("a", restart="transient")
    async with stage.open(worker, auto_shutdown="never") as tree:
        stage.tell("a", "stop")
        await stage.rest()
        assert not tree.ended.is_set()


async def test_an_end_on_request_does_not_count(stage):
    async with stage.open(*significant(stage, "a"), auto_shutdown="any") as tree:
        await tree.terminate_child("a")
        await stage.rest()
        assert not tree.ended.is_set()


@pytest.mark.parametrize("strategy", ["one_for_all", "rest_for_one"])
@pytest.mark.parametrize("auto_shutdown", ["any", "all"])
async def test_a_bystander_that_falls_with_a_sibling_does_not_count(stage, strategy, auto_shutdown):
    for restart in ("transient", "temporary"):
        workers = significant(stage, "s", restart=restart)
        async with stage.open("a", *workers, "b", strategy=strategy, auto_shutdown=auto_shutdown) as tree:
            await stage.crash("a")
            assert not tree.ended.is_set()
            assert stage.alive("a", "b") == ["a", "b"]


async def test_under_a_template(stage):
    async with stage.open(
        strategy="simple_one_for_one",
        template=lambda name: significant(stage, name)[0],
        auto_shutdown="all",
    ) as tree:
        for name in ("a", "b"):
            await tree.start_child("", name)
        stage.tell("a", "stop")
        await stage.rest()
        assert not tree.ended.is_set()
        stage.tell("b", "stop")
        await tree.ended.wait()


@pytest.mark.parametrize(("restart", "comes_back"), [("permanent", True), ("transient", False)])
async def test_what_an_auto_shutdown_means_for_the_supervisor_above(stage, restart, comes_back):
    inner = stage.supervisor(*significant(stage, "a"), id="inner", auto_shutdown="any", restart=restart)
    async with stage.open(inner, "b"):
        cell = stage.system.ref("inner").cell
        stage.tell("a", "stop")
        await stage.rest()
        assert cell.exit.kind is ExitKind.SHUTDOWN
        assert stage.alive("a", "b") == (["a", "b"] if comes_back else ["b"])


async def test_a_significant_supervisor_passes_its_end_on(stage):
    inner = stage.supervisor(
        *significant(stage, "a"), id="inner", auto_shutdown="any", restart="transient", significant=True
    )
    async with stage.open(inner, "b", auto_shutdown="any") as tree:
        stage.tell("a", "stop")
        await tree.ended.wait()
        assert not tree.gave_up.is_set()
        assert stage.happened("stop") == ["a", "b"]


async def test_a_significant_child_that_waits_for_its_restart_counts_as_living(stage, autojump_clock):
    from supervisors.otp import Backoff

    backoff = Backoff(initial=10, maximum=10, jitter=0)
    async with stage.open(*significant(stage, "a", "b"), auto_shutdown="all", backoff=backoff) as tree:
        await stage.crash("a")
        await stage.crash("a")
        stage.tell("b", "stop")
        await stage.rest()
        assert not tree.ended.is_set()
