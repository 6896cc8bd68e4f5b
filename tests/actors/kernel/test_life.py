"""One life of an actor: starting, stopping, being killed, failing, and owning tasks."""

import logging

import pytest
import trio

from actors.kernel import (
    ActorDead,
    AddressInUse,
    AskTimeout,
    ExitKind,
    LifeState,
    StartFailed,
    System,
    TrioActor,
    open_system,
)
from tests.actors.kernel.actors import Echo, Slow


async def test_start_returns_when_the_actor_is_ready(system, autojump_clock):
    class SlowStart(Echo):
        async def on_start(self):
            await trio.sleep(3)
            self.events.append("ready")

    actor = SlowStart()
    ref = await system.start(actor, "slow")
    assert actor.events == ["ready"]
    assert ref.is_alive()
    assert (actor.address, actor.generation) == ("slow", 1)
    assert actor.actor_ref is ref
    assert actor.system is system


async def test_a_start_that_raises_is_a_failed_start_with_its_cause(system):
    boom = ValueError("boom")

    class Broken(Echo):
        async def on_start(self):
            raise boom

    actor = Broken()
    with pytest.raises(StartFailed) as caught:
        await system.start(actor, "broken")
    assert caught.value.__cause__ is boom
    assert not system.ref("broken").is_alive()
    assert actor.events == []  # on_failure is for lives that had started


async def test_a_start_has_a_deadline(system, autojump_clock):
    class Never(Echo):
        async def on_start(self):
            await trio.sleep_forever()

    with pytest.raises(StartFailed, match="not ready within 2"):
        await system.start(Never(), "never", timeout=2)
    assert not system.ref("never").is_alive()


async def test_cancelling_the_wait_for_a_start_ends_the_life(system, autojump_clock):
    class Never(Echo):
        async def on_start(self):
            await trio.sleep_forever()

    with trio.move_on_after(1):
        await system.start(Never(), "never")
    assert not system.ref("never").is_alive()


async def test_a_stop_while_starting_cancels_the_start(system, autojump_clock):
    class Never(Echo):
        async def on_start(self):
            await trio.sleep_forever()

    actor = Never()
    cell = system.spawn(actor, "never")
    await trio.testing.wait_all_tasks_blocked()
    assert await cell.ref.stop()
    assert cell.exit.kind is ExitKind.NORMAL
    assert actor.events == []


async def test_a_stop_that_the_start_does_not_notice_still_counts(system, autojump_clock):
    class Deaf(Echo):
        async def on_start(self):
            with trio.CancelScope(shield=True):
                await trio.sleep(1)

    actor = Deaf()
    cell = system.spawn(actor, "deaf")
    await trio.testing.wait_all_tasks_blocked()
    await cell.ref.stop()
    assert not cell.started_ok
    assert actor.events == []


async def test_an_actor_may_stop_itself_while_it_starts(system):
    class Brief(Echo):
        async def on_start(self):
            self.stop()

    actor = Brief()
    ref = await system.start(actor, "brief")
    await trio.testing.wait_all_tasks_blocked()
    assert not ref.is_alive()
    assert actor.events == ["stop"]


async def test_a_stop_comes_after_the_current_message_and_before_the_queue(system, autojump_clock):
    actor = Slow()
    ref = await system.start(actor, "slow")
    cell = ref.cell
    ref.tell(2)
    ref.tell("queued")
    await trio.testing.wait_all_tasks_blocked()
    began = trio.current_time()
    assert await ref.stop()
    assert trio.current_time() - began == pytest.approx(2)
    assert actor.seen == [2]
    assert actor.events == ["start", "stop"]
    assert cell.exit.kind is ExitKind.NORMAL
    assert [letter.message for letter in system.dead_letters.recent()] == ["queued"]


async def test_asks_in_the_queue_of_a_stopped_actor_fail_before_its_on_stop_is_over(system, autojump_clock):
    class SlowStop(Slow):
        async def on_stop(self):
            await trio.sleep(10)

    ref = await system.start(SlowStop(), "slow")
    ref.tell(1)
    await trio.testing.wait_all_tasks_blocked()
    reply = ref.ask_soon("queued", timeout=60)
    began = trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ref.stop)
        with pytest.raises(ActorDead):
            await reply
        assert trio.current_time() - began == pytest.approx(1)
        with pytest.raises(ActorDead, match="ending"):
            await ref.ask("while it stops", timeout=60)


async def test_an_actor_may_stop_itself_from_a_handler_and_still_answers(system):
    class Last(Echo):
        def on_receive(self, message):
            self.stop()
            return "bye"

    actor = Last()
    ref = await system.start(actor, "last")
    await trio.testing.wait_all_tasks_blocked()
    assert await ref.ask("hello", timeout=1) == "bye"
    await trio.testing.wait_all_tasks_blocked()
    assert not ref.is_alive()
    assert actor.events == ["start", "stop"]


async def test_stopping_a_dead_address_says_so(system):
    assert not await system.ref("nobody").stop()


@pytest.mark.parametrize("where", ["on_stop", "handler"])
async def test_a_life_that_stops_itself_may_not_take_for_ever(system, where, autojump_clock, caplog):
    class Hanging(Echo):
        async def on_receive(self, message):
            self.stop()
            if where == "handler":
                await trio.sleep_forever()

        async def on_stop(self):
            if where == "on_stop":
                await trio.sleep_forever()

    ref = await system.start(Hanging(), "hanging")
    cell = ref.cell
    ref.tell("go")
    await cell.wait_ended()
    assert trio.current_time() == pytest.approx(5)
    assert cell.exit.kind is ExitKind.KILLED
    assert "hanging did not stop in time" in caplog.text


async def test_the_wait_for_a_stop_may_have_a_deadline_and_the_stop_goes_on(system, autojump_clock):
    ref = await system.start(Slow(), "slow")
    ref.tell(3)
    await trio.testing.wait_all_tasks_blocked()
    with pytest.raises(AskTimeout):
        await ref.stop(timeout=1)
    await trio.sleep(3)
    assert not ref.is_alive()


async def test_a_kill_cancels_the_handler_and_skips_on_stop(system, autojump_clock):
    actor = Slow()
    ref = await system.start(actor, "slow")
    cell = ref.cell
    reply = ref.ask_soon(100, timeout=1000)
    await trio.testing.wait_all_tasks_blocked()
    cell.kill()
    with pytest.raises(ActorDead, match="killed"):
        await reply
    await cell.wait_ended()
    assert cell.exit.kind is ExitKind.KILLED
    assert actor.events == ["start"]


async def test_a_kill_ends_a_stop_that_takes_too_long(system, autojump_clock):
    class Stubborn(Echo):
        async def on_stop(self):
            await trio.sleep_forever()

    ref = await system.start(Stubborn(), "stubborn")
    cell = ref.cell
    await system.end(cell, 2)
    assert cell.exit.kind is ExitKind.KILLED


async def test_a_life_that_ignores_its_cancellation_is_named_with_its_stack(system, autojump_clock, caplog):
    class Shielded(Echo):
        async def on_stop(self):
            with trio.CancelScope(shield=True):
                await trio.sleep(30)

    ref = await system.start(Shielded(), "shielded")
    with caplog.at_level(logging.ERROR):
        await system.end(ref.cell, 1)
    assert caplog.text.count("shielded was cancelled but does not end") == 2  # after 5 s and 15 s
    assert "await trio.sleep(30)" in caplog.text


async def test_hooks_that_fail_themselves_do_not_keep_a_life_from_ending(system, caplog):
    class Hopeless(Echo):
        async def on_failure(self, error):
            raise KeyError("in on_failure")

    ref = await system.start(Hopeless(), "hopeless")
    cell = ref.cell
    boom = ValueError("first")
    ref.tell(boom)
    await cell.wait_ended()
    assert cell.exit.error is boom
    assert "on_failure of hopeless failed itself" in caplog.text


async def test_an_on_stop_that_raises_makes_the_end_a_failure(system):
    class BadStop(Echo):
        async def on_stop(self):
            raise KeyError("in on_stop")

    actor = BadStop()
    ref = await system.start(actor, "bad")
    cell = ref.cell
    await ref.stop()
    assert cell.exit.kind is ExitKind.FAILED
    assert isinstance(cell.exit.error, KeyError)


async def test_an_on_failure_that_hangs_is_cancelled(system, autojump_clock, caplog):
    class Hanging(Echo):
        async def on_failure(self, error):
            await trio.sleep_forever()

    ref = await system.start(Hanging(), "hanging")
    cell = ref.cell
    ref.tell(ValueError())
    await cell.wait_ended()
    assert trio.current_time() >= 5
    assert "on_failure of hanging was cancelled" in caplog.text


async def test_a_kill_ends_an_on_failure_that_hangs(system, autojump_clock):
    class Hanging(Echo):
        async def on_failure(self, error):
            await trio.sleep_forever()

    ref = await system.start(Hanging(), "hanging")
    cell = ref.cell
    ref.tell(ValueError())
    await trio.testing.wait_all_tasks_blocked()
    began = trio.current_time()
    await system.kill(cell)
    assert trio.current_time() == began


async def test_a_failing_on_stop_requested_is_a_failure(system):
    class Bad(Echo):
        def on_stop_requested(self):
            raise KeyError("at once")

    ref = await system.start(Bad(), "bad")
    cell = ref.cell
    await ref.stop()
    assert isinstance(cell.exit.error, KeyError)


async def test_an_address_has_one_life_at_a_time(system):
    ref = await system.start(Echo(), "one")
    with pytest.raises(AddressInUse):
        await system.start(Echo(), "one")
    await ref.stop()
    again = await system.start(Echo(), "one")
    assert again is ref
    assert ref.generation == 2
    assert await ref.ask("new life", timeout=1) == "new life"


async def test_an_instance_lives_once(system):
    actor = Echo()
    ref = await system.start(actor, "one")
    await ref.stop()
    with pytest.raises(RuntimeError, match="fresh actor"):
        await system.start(actor, "two")


async def test_an_actor_without_a_life_says_so():
    with pytest.raises(RuntimeError, match="from on_start on"):
        Echo().address


async def test_a_failed_spawn_leaves_the_address_free(system):
    actor = Echo()
    await (await system.start(actor, "one")).stop()
    with pytest.raises(RuntimeError):
        system.spawn(actor, "two")
    await system.start(Echo(), "two")


class Parent(TrioActor):
    """Runs child tasks on request."""

    def __init__(self):
        super().__init__()
        self.log = []

    def on_receive(self, message):
        self.start_task(self.child, message)

    async def child(self, message):
        try:
            if isinstance(message, BaseException):
                raise message
            if message == "report":
                self.actor_ref.tell("stay")
                await self.actor_ref.send("stay")
            await trio.sleep_forever()
        finally:
            self.log.append(message)

    async def on_stop(self):
        self.log.append("on_stop")

    async def on_failure(self, error):
        self.log.append(("on_failure", error))


async def test_child_tasks_are_over_before_the_life_is(system):
    actor = Parent()
    ref = await system.start(actor, "parent")
    ref.tell("a")
    ref.tell("b")
    await trio.testing.wait_all_tasks_blocked()
    await ref.stop()
    assert actor.log[0] == "on_stop"
    assert sorted(actor.log[1:]) == ["a", "b"]


async def test_a_child_task_that_raises_fails_the_life(system):
    actor = Parent()
    ref = await system.start(actor, "parent")
    cell = ref.cell
    boom = ValueError("boom")
    ref.tell("other")
    ref.tell(boom)
    await cell.wait_ended()
    assert cell.exit.error is boom
    assert actor.log[0] is boom
    assert actor.log[1:] == ["other", ("on_failure", boom)]


async def test_a_child_task_that_raises_cancels_the_handler_and_answers_its_asker(system, autojump_clock):
    class Waiting(Parent):
        async def on_receive(self, message):
            self.start_task(self.child, ValueError("child"))
            await trio.sleep_forever()

    ref = await system.start(Waiting(), "waiting")
    with pytest.raises(ActorDead):
        await ref.ask("hello", timeout=60)


async def test_a_child_task_may_report_to_its_own_actor(system):
    ref = await system.start(Parent(), "parent")
    ref.tell("report")
    await trio.testing.wait_all_tasks_blocked()
    assert ref.is_alive()


async def test_a_second_failure_is_logged_and_the_first_stays_the_reason(system, caplog):
    ref = await system.start(Parent(), "parent")
    cell = ref.cell
    first, second = ValueError("first"), KeyError("second")
    cell.fail(first)
    cell.fail(second)
    await cell.wait_ended()
    assert cell.exit.error is first
    assert "failed again while ending" in caplog.text
    cell.fail(RuntimeError("third"))
    assert "had ended when this came" in caplog.text


async def test_an_ended_life_takes_no_new_tasks(system):
    actor = Parent()
    ref = await system.start(actor, "parent")
    await ref.stop()
    with pytest.raises(RuntimeError, match="takes no new tasks"):
        actor.start_task(trio.sleep_forever)


async def test_leaving_the_system_stops_the_lives_in_reverse_order():
    order = []

    class Noting(Echo):
        async def on_stop(self):
            order.append(self.address)

    async with open_system() as system:
        for name in ("a", "b", "c"):
            await system.start(Noting(), name)
    assert order == ["c", "b", "a"]


async def test_leaving_the_system_by_an_exception_stops_the_lives_and_keeps_the_exception():
    actor = Echo()
    boom = ValueError("boom")

    async def run():
        async with open_system() as system:
            await system.start(actor, "a")
            raise boom

    with pytest.raises(ValueError, match="boom") as caught:
        await run()
    assert caught.value is boom
    assert actor.events == ["start", "stop"]


async def test_cancelling_the_system_still_stops_the_lives_in_order(autojump_clock):
    class Flushing(Echo):
        async def on_stop(self):
            await trio.sleep(1)
            self.events.append("flushed")

    actor = Flushing()
    with trio.move_on_after(1) as scope:
        async with open_system() as system:
            await system.start(actor, "a")
            await trio.sleep_forever()
    assert scope.cancelled_caught
    assert actor.events == ["start", "flushed"]


async def test_a_system_runs_once_at_a_time_and_may_run_again():
    system = System()
    with pytest.raises(RuntimeError, match="not running"):
        system.spawn(Echo(), "a")
    async with system.running():
        await system.start(Echo(), "a")
        with pytest.raises(RuntimeError, match="running already"):
            async with system.running():
                pass
    async with system.running():
        ref = await system.start(Echo(), "a")
        assert ref.generation == 2


async def test_a_base_exception_in_a_handler_is_not_swallowed():
    class Fatal(BaseException):
        pass

    async def run():
        async with open_system() as system:
            ref = await system.start(Echo(), "a")
            ref.tell(Fatal())
            await trio.sleep_forever()

    with pytest.raises(BaseExceptionGroup) as caught:
        await run()
    assert caught.group_contains(Fatal)


async def test_a_timer_that_is_due_while_a_life_ends_is_not_left_in_its_mailbox(system, autojump_clock):
    class Lingering(Echo):
        async def on_start(self):
            self.timers.every("tick", 1, "tick")

        async def on_stop(self):
            await trio.sleep(3)
            self.timers.start("late", 0, "late")
            await trio.sleep(1)

    ref = await system.start(Lingering(), "lingering")
    await ref.stop()  # the fixture looks into the mailbox


async def test_the_end_of_an_owner_is_the_end_of_what_it_owns(system):
    owner = await system.start(Echo(), "owner")
    owned = system.spawn(Echo(), "owned", owner=owner.cell)
    await owned.wait_ready()
    cell = owner.cell
    await owner.stop()
    assert owned.state is LifeState.STOPPED
    assert owned.exit.kind is ExitKind.KILLED
    assert cell.state is LifeState.STOPPED


async def test_statistics_tell_depth_and_age(system, autojump_clock):
    ref = await system.start(Slow(), "slow")
    ref.tell(10)
    await trio.testing.wait_all_tasks_blocked()
    ref.tell("a")
    await trio.sleep(2)
    ref.tell("b")
    statistics = system.statistics()
    (actor,) = statistics.actors
    assert (actor.address, actor.generation, actor.state) == ("slow", 1, "running")
    assert actor.mailbox.depth == 2
    assert actor.mailbox.accepted == 3
    assert actor.oldest_seconds == pytest.approx(2)
    assert statistics.addresses == 1
    assert statistics.dead_letters == 0
