"""Which children fall and rise together, what counts, and who gives up."""

import pytest
import trio

from supervisors.otp import Backoff, GaveUp
from tests.supervisors.otp.workers import Boom

NAMES = ("a", "b", "c")
STATIC = ["one_for_one", "one_for_all", "rest_for_one"]


@pytest.mark.parametrize(
    ("strategy", "crashed", "generations"),
    [
        ("one_for_one", "a", [2, 1, 1]),
        ("one_for_one", "b", [1, 2, 1]),
        ("one_for_one", "c", [1, 1, 2]),
        ("one_for_all", "a", [2, 2, 2]),
        ("one_for_all", "b", [2, 2, 2]),
        ("one_for_all", "c", [2, 2, 2]),
        ("rest_for_one", "a", [2, 2, 2]),
        ("rest_for_one", "b", [1, 2, 2]),
        ("rest_for_one", "c", [1, 1, 2]),
    ],
)
async def test_who_restarts_with_whom(stage, strategy, crashed, generations, autojump_clock):
    async with stage.open(*NAMES, strategy=strategy):
        await stage.crash(crashed)
        assert stage.generations(*NAMES) == generations
        assert stage.alive(*NAMES) == list(NAMES)
        assert stage.restarts == [(crashed, 1)]


async def test_siblings_stop_in_reverse_and_start_in_order(stage, autojump_clock):
    async with stage.open(*NAMES, "d", strategy="rest_for_one"):
        stage.events.clear()
        await stage.crash("b")
        assert [event for event in stage.events if event[0] in {"stop", "start", "ready"}] == [
            ("stop", "d"),
            ("stop", "c"),
            ("start", "b"),
            ("ready", "b"),
            ("start", "c"),
            ("ready", "c"),
            ("start", "d"),
            ("ready", "d"),
        ]


@pytest.mark.parametrize("strategy", STATIC)
async def test_n_crashes_at_once(stage, strategy, autojump_clock):
    async with stage.open(*NAMES, strategy=strategy, intensity=3):
        await stage.crash(*NAMES)
        assert stage.alive(*NAMES) == list(NAMES)
        if strategy == "one_for_one":
            assert stage.generations(*NAMES) == [2, 2, 2]
            assert len(stage.restarts) == 3
        elif strategy == "one_for_all":
            assert len(stage.restarts) == 1  # one failure counts once, whoever falls with it
            assert stage.generations(*NAMES) == [2, 2, 2]
        else:
            assert 1 <= len(stage.restarts) <= 3


@pytest.mark.parametrize("strategy", STATIC)
async def test_exactly_the_intensity_is_survived_and_one_more_is_not(stage, strategy, autojump_clock):
    async with stage.open(*NAMES, strategy=strategy, intensity=2) as tree:
        await stage.crash("a")
        await stage.crash("a")
        assert stage.alive(*NAMES) == list(NAMES)
        await stage.crash("a")
        await tree.gave_up.wait()
        assert stage.alive(*NAMES) == []
        failure = tree.failure
        assert isinstance(failure, GaveUp)
        assert (failure.supervisor, failure.child, failure.intensity) == ("top", "a", 2)
        assert isinstance(failure.__cause__, Boom)
        assert tree.ended.is_set()
        assert tree.snapshot().state == "stopped"


async def test_an_intensity_of_zero_makes_the_first_restart_fatal(stage, autojump_clock):
    async with stage.open("a", "b", intensity=0) as tree:
        await stage.crash("a")
        assert tree.gave_up.is_set()
        assert stage.restarts == []
        assert stage.happened("stop") == ["b"]


async def test_restarts_that_are_old_enough_do_not_count(stage, autojump_clock):
    async with stage.open("a", intensity=1, period_seconds=5) as tree:
        for _ in range(10):
            await stage.crash("a")
            await trio.sleep(5.001)
        assert stage.generations("a") == [11]
        await stage.crash("a")
        await trio.sleep(5)
        await stage.crash("a")
        assert tree.gave_up.is_set()


@pytest.mark.parametrize("strategy", STATIC)
async def test_a_supervisor_that_gave_up_is_a_failure_for_the_one_above(stage, strategy, autojump_clock):
    inner = stage.supervisor("b", "c", id="inner", intensity=1, strategy=strategy)
    async with stage.open("a", inner, "d", intensity=1) as tree:
        await stage.crash("b")
        assert stage.generations("inner") == [1]
        await stage.crash("b")
        assert stage.generations("a", "inner", "d") == [1, 2, 1]
        assert stage.alive("a", "b", "c", "d") == ["a", "b", "c", "d"]
        assert stage.restarts[-1] == ("inner", 1)
        await stage.crash("b")
        await stage.crash("b")  # the new inner supervisor gives up too, which is one too many for the top
        await tree.gave_up.wait()
        assert isinstance(tree.failure, GaveUp)
        assert isinstance(tree.failure.__cause__, GaveUp)
        assert stage.alive("a", "b", "c", "d") == []


async def test_a_transient_supervisor_that_gave_up_comes_back(stage, autojump_clock):
    inner = stage.supervisor("b", id="inner", intensity=0, restart="transient")
    async with stage.open(inner):
        await stage.crash("b")
        assert stage.generations("inner") == [2]


async def test_a_temporary_supervisor_that_gave_up_stays_down(stage, autojump_clock):
    inner = stage.supervisor("b", id="inner", intensity=0, restart="temporary")
    async with stage.open("a", inner) as tree:
        await stage.crash("b")
        assert stage.alive("a", "b") == ["a"]
        assert [node.address for node in tree.snapshot().children] == ["a"]


@pytest.mark.parametrize("strategy", STATIC)
async def test_a_failed_restart_counts_and_is_tried_again(stage, strategy, autojump_clock):
    async with stage.open(*NAMES, strategy=strategy, intensity=3):
        stage.script["b"].extend([Boom("second"), Boom("third")])
        await stage.crash("b")
        await stage.rest()
        assert stage.alive(*NAMES) == list(NAMES)
        assert stage.generations("b") == [4]
        assert stage.restarts == [("b", 1), ("b", 2), ("b", 3)]


@pytest.mark.parametrize("strategy", STATIC)
async def test_failed_restarts_exhaust_the_intensity(stage, strategy, autojump_clock):
    async with stage.open(*NAMES, strategy=strategy, intensity=2) as tree:
        stage.script["b"].extend([Boom("second"), Boom("third"), Boom("never tried")])
        await stage.crash("b")
        await tree.gave_up.wait()
        assert stage.alive(*NAMES) == []
        assert list(stage.script["b"]) == [stage.script["b"][0]]


@pytest.mark.parametrize("strategy", ["one_for_all", "rest_for_one"])
async def test_another_child_fails_during_the_restart(stage, strategy, autojump_clock):
    """The one that failed to come up is tried again, with those that depend on it."""
    async with stage.open(*NAMES, strategy=strategy):
        stage.script["c"].append(Boom("c does not come up"))
        await stage.crash("a")
        await stage.rest()
        assert stage.alive(*NAMES) == list(NAMES)
        assert stage.restarts == [("a", 1), ("c", 1)]
        assert stage.generations(*NAMES) == ([3, 3, 3] if strategy == "one_for_all" else [2, 2, 3])


async def test_another_child_crashes_while_the_first_one_restarts(stage, autojump_clock):
    async with stage.open(*NAMES):
        stage.script["a"].append(3)
        stage.tell("a", "boom")
        await trio.sleep(1)
        stage.tell("b", "boom")
        await trio.sleep(1)
        assert stage.generations("a", "b") == [2, 1]
        await trio.sleep(2)
        assert stage.generations("a", "b") == [2, 2]
        assert stage.alive(*NAMES) == list(NAMES)


async def test_an_earlier_child_crashes_while_later_ones_wait_for_their_restart(stage, autojump_clock):
    backoff = Backoff(initial=10, maximum=10, jitter=0)
    async with stage.open(*NAMES, strategy="rest_for_one", backoff=backoff, intensity=10):
        await stage.crash("b")
        await stage.crash("b")
        assert stage.alive(*NAMES) == ["a"]
        await trio.sleep(4)
        await stage.crash("a")
        assert stage.alive(*NAMES) == []  # the wait of b holds for everything that restarts with a
        await trio.sleep(7)
        assert stage.alive(*NAMES) == list(NAMES)
        assert stage.generations(*NAMES) == [2, 3, 3]


async def test_temporary_bystanders_are_ended_and_not_brought_back(stage, autojump_clock):
    for strategy in ("one_for_all", "rest_for_one"):
        bystander = stage.worker("t", restart="temporary")
        async with stage.open("a", bystander, "b", strategy=strategy) as tree:
            await stage.crash("a")
            assert stage.alive("a", "t", "b") == ["a", "b"]
            assert [node.address for node in tree.snapshot().children] == ["a", "b"]


async def test_a_transient_bystander_is_brought_back(stage, autojump_clock):
    async with stage.open("a", stage.worker("t", restart="transient"), strategy="one_for_all"):
        await stage.crash("a")
        assert stage.alive("a", "t") == ["a", "t"]


async def test_multiple_restarts_of_every_kind_in_a_row(stage, autojump_clock):
    async with stage.open(*NAMES, strategy="one_for_all", intensity=100):
        for turn in range(30):
            await stage.crash(NAMES[turn % 3])
        assert stage.generations(*NAMES) == [31, 31, 31]
        assert len(stage.restarts) == 30


async def test_a_backoff_grows_and_is_forgotten_after_a_healthy_period(stage, autojump_clock):
    backoff = Backoff(initial=1, maximum=8, jitter=0, reset_after=60)
    async with stage.open("a", backoff=backoff, intensity=100):
        waited = [await stage.crash_and_time("a") for _ in range(6)]
        assert waited == pytest.approx([0, 1, 2, 4, 8, 8])
        await trio.sleep(59)
        assert await stage.crash_and_time("a") == pytest.approx(8)
        await trio.sleep(61)
        assert await stage.crash_and_time("a") == pytest.approx(0)
        assert await stage.crash_and_time("a") == pytest.approx(1)


async def test_jitter_comes_from_the_injected_generator(stage, autojump_clock):
    async def delays(seed):
        stage.system.rng.seed(seed)
        backoff = Backoff(initial=1, maximum=60, jitter=0.5)
        async with stage.open("a", backoff=backoff, intensity=100):
            return [round(await stage.crash_and_time("a"), 6) for _ in range(4)]

    assert await delays(1) == await delays(1)
    assert await delays(1) != await delays(2)


async def test_a_hanging_restart_does_not_keep_the_tree_from_stopping(stage, autojump_clock):
    for strategy in STATIC:
        async with stage.open(*NAMES, strategy=strategy):
            stage.script["b"].append("hang")
            began = trio.current_time()
            await stage.crash("b")
        assert trio.current_time() == began
        assert stage.alive(*NAMES) == []


async def test_a_restart_that_hangs_is_given_up_at_its_deadline_and_tried_again(stage, autojump_clock):
    async with stage.open(stage.worker("a", start_timeout=7)):
        stage.script["a"].append("hang")
        await stage.crash("a")
        await trio.sleep(8)
        assert stage.generations("a") == [3]
        assert stage.alive("a") == ["a"]


@pytest.mark.parametrize("strategy", STATIC)
async def test_an_endless_restart_loop_can_be_stopped_in_between(stage, strategy, autojump_clock):
    """OTP's hanging restart loop: the supervisor stays responsive while a child never comes up."""
    async with stage.open(*NAMES, strategy=strategy, intensity=1_000_000) as tree:
        stage.script["b"].extend(Boom("again") for _ in range(200))
        stage.tell("b", "boom")
        for _ in range(50):
            await trio.lowlevel.checkpoint()
        await tree.terminate_child("b")
        await stage.rest()
        assert stage.alive(*NAMES) == ["a", "c"]
        assert stage.script["b"]


async def test_an_endless_restart_loop_under_a_template_can_be_stopped(stage, autojump_clock):
    async with stage.open(strategy="simple_one_for_one", template=stage.worker, intensity=1_000_000) as tree:
        await tree.start_child("", "a")
        stage.script["a"].extend(Boom("again") for _ in range(200))
        stage.tell("a", "boom")
        for _ in range(50):
            await trio.lowlevel.checkpoint()
    assert stage.script["a"]


async def test_waiting_for_a_backoff_does_not_keep_the_tree_from_stopping(stage, autojump_clock):
    backoff = Backoff(initial=1000, maximum=1000, jitter=0)
    async with stage.open(*NAMES, strategy="one_for_all", backoff=backoff) as tree:
        await stage.crash("a")
        await stage.crash("b")
        assert stage.alive(*NAMES) == ["a", "b", "c"]
        await stage.crash("a")
        assert stage.alive(*NAMES) == []
        assert [node.state for node in tree.snapshot().children] == ["backoff", "stopped", "stopped"]
        began = trio.current_time()
    assert trio.current_time() == began


async def test_a_child_that_dies_right_after_it_was_ready_is_restarted(stage, autojump_clock):
    from actors.kernel import TrioActor
    from supervisors.otp import ChildSpec

    lives = []

    class Brief(TrioActor):
        async def on_start(self):
            lives.append(self.generation)
            if self.generation == 1:
                self.actor_ref.tell("die")

        def on_receive(self, message):
            raise Boom(message)

    async with stage.open(ChildSpec("brief", Brief, address="brief")):
        await stage.rest()
        assert lives == [1, 2]


async def test_no_generation_acts_after_the_next_has_started(stage, autojump_clock):
    """A child task of the old life, cancelled, still has something to do: the new life waits for it."""
    from actors.kernel import TrioActor
    from supervisors.otp import ChildSpec

    acts = []

    class Lingering(TrioActor):
        async def on_start(self):
            acts.append(("start", self.generation))
            self.start_task(self.linger)

        async def linger(self):
            try:
                await trio.sleep_forever()
            finally:
                with trio.CancelScope(shield=True):
                    await trio.sleep(3)
                    acts.append(("last act", self.generation))

        def on_receive(self, message):
            raise Boom(message)

    async with stage.open(ChildSpec("l", Lingering, address="l")):
        stage.tell("l", "die")
        await trio.sleep(5)
    assert acts[:3] == [("start", 1), ("last act", 1), ("start", 2)]
