"""Asking, telling, answering later, and what becomes of messages that nobody takes."""

import pytest
import trio

from actors.kernel import (
    ActorDead,
    AskTimeout,
    HandlerFailed,
    LifeState,
    MailboxFull,
    MailboxSpec,
    NoReply,
    TrioActor,
)
from tests.actors.kernel.actors import AsyncEcho, Echo, Slow

BOTH = pytest.mark.parametrize("kind", [Echo, AsyncEcho])


def reasons(system):
    return [letter.reason for letter in system.dead_letters.recent()]


@BOTH
async def test_an_ask_is_answered_with_what_the_handler_returns(system, kind):
    ref = await system.start(kind(), "echo")
    assert await ref.ask("hello", timeout=1) == "hello"
    assert await ref.ask(None, timeout=1) is None


@BOTH
async def test_messages_of_one_sender_arrive_in_order(system, kind, autojump_clock):
    actor = kind()
    ref = await system.start(actor, "echo")
    for number in range(100):
        ref.tell(number)
    assert await ref.ask("last", timeout=1) == "last"
    assert actor.seen == [*range(100), "last"]


async def test_an_ask_after_a_tell_does_not_overtake_it_although_the_actor_was_idle(system):
    actor = Echo()
    ref = await system.start(actor, "echo")
    await trio.testing.wait_all_tasks_blocked()
    ref.tell(1)
    await ref.ask(2, timeout=1)
    assert actor.seen == [1, 2]


async def test_every_ask_of_many_askers_gets_its_own_answer(system):
    ref = await system.start(Echo(), "echo")
    answers = {}

    async def ask(number):
        answers[number] = await ref.ask(number, timeout=5)

    async with trio.open_nursery() as nursery:
        for number in range(200):
            nursery.start_soon(ask, number)
    assert answers == {number: number for number in range(200)}


async def test_an_ask_is_a_checkpoint_also_when_it_is_answered_at_once(system):
    ref = await system.start(Echo(), "echo")
    await trio.testing.wait_all_tasks_blocked()
    with trio.testing.assert_checkpoints():
        await ref.ask(1, timeout=1)
    with trio.CancelScope() as scope:
        scope.cancel()
        await ref.ask("never sent", timeout=1)
    assert scope.cancelled_caught
    assert ref.cell.actor.seen == [1]


async def test_two_asks_sent_soon_are_under_way_at_the_same_time(system, autojump_clock):
    first = await system.start(Slow(), "first")
    second = await system.start(Slow(), "second")
    began = trio.current_time()
    replies = [first.ask_soon(2, timeout=5), second.ask_soon(2, timeout=5)]
    assert [await reply for reply in replies] == [2, 2]
    assert trio.current_time() - began == pytest.approx(2)


@BOTH
async def test_a_failing_handler_answers_its_asker_and_ends_the_life(system, kind):
    actor = kind()
    ref = await system.start(actor, "echo")
    cell = ref.cell
    boom = ValueError("boom")
    with pytest.raises(HandlerFailed) as caught:
        await ref.ask(boom, timeout=1)
    assert caught.value.__cause__ is boom
    assert caught.value.address == "echo"
    assert caught.value.message is boom
    assert caught.value.elapsed >= 0
    assert caught.value.code == "HANDLER_FAILED"
    await cell.wait_ended()
    assert cell.exit.error is boom
    assert actor.events == ["start", ("failure", boom)]
    assert not ref.is_alive()


@BOTH
async def test_the_rest_of_the_queue_of_a_failed_life_is_not_handled_and_not_lost(system, kind):
    actor = kind()
    ref = await system.start(actor, "echo")
    ref.tell(ValueError("boom"))
    ref.tell("after")
    with pytest.raises(ActorDead):
        await ref.ask("asked after", timeout=1)
    assert [type(message) for message in actor.seen] == [ValueError]
    assert [letter.message for letter in system.dead_letters.recent()] == ["after", "asked after"]


async def test_an_ask_of_a_dead_address_fails_at_once(system, autojump_clock):
    began = trio.current_time()
    with pytest.raises(ActorDead) as caught:
        await system.ref("nobody").ask("hello", timeout=60)
    assert trio.current_time() == began
    assert caught.value.address == "nobody"
    assert caught.value.message_type == "str"


async def test_a_tell_to_a_dead_address_is_a_dead_letter(system):
    system.ref("nobody").tell("hello")
    (letter,) = system.dead_letters.recent()
    assert (letter.address, letter.message, letter.generation) == ("nobody", "hello", 0)
    assert system.dead_letters.total == 1


async def test_an_ask_whose_deadline_passes_raises_and_says_how_long_it_took(system, autojump_clock):
    ref = await system.start(Slow(), "slow")
    with pytest.raises(AskTimeout) as caught:
        await ref.ask(10, timeout=2)
    assert caught.value.elapsed == pytest.approx(2)
    assert caught.value.address == "slow"
    assert caught.value.message_type == "int"


async def test_a_late_reply_is_a_dead_letter(system, autojump_clock):
    ref = await system.start(Slow(), "slow")
    with pytest.raises(AskTimeout):
        await ref.ask(10, timeout=2)
    await trio.sleep(10)
    assert reasons(system) == ["late reply to int: expired"]


async def test_a_message_past_its_deadline_is_dropped_before_its_handler(system, autojump_clock):
    actor = Slow()
    ref = await system.start(actor, "slow")
    ref.tell(10)
    with pytest.raises(AskTimeout):
        await ref.ask("too late", timeout=2)
    await trio.sleep(20)
    assert actor.seen == [10]
    assert reasons(system) == ["not handled: ask expired"]


async def test_a_deadline_that_passed_while_the_loop_was_busy_is_noticed(system, mock_clock):
    actor = Echo()
    ref = await system.start(actor, "echo")
    reply = ref.ask_soon("too late", timeout=1)
    mock_clock.jump(2)  # as if a handler had computed for two seconds: the agenda has had no turn
    with pytest.raises(AskTimeout):
        await reply
    assert actor.seen == []


async def test_cancelling_the_asker_does_not_cancel_an_admitted_message(system, autojump_clock):
    actor = Slow()
    ref = await system.start(actor, "slow")
    with trio.move_on_after(1):
        await ref.ask(5, timeout=60)
    await trio.sleep(10)
    assert actor.seen == [5]
    assert reasons(system) == ["late reply to int: abandoned"]


@pytest.mark.parametrize("timeout", [float("inf"), float("nan")])
async def test_an_ask_without_a_deadline_is_refused(system, timeout):
    ref = await system.start(Echo(), "echo")
    with pytest.raises(ValueError, match="every ask has a deadline"):
        await ref.ask(1, timeout=timeout)


@BOTH
@pytest.mark.parametrize("timeout", [0, -1])
async def test_a_deadline_in_the_past_has_passed(system, kind, timeout, autojump_clock):
    actor = kind()
    ref = await system.start(actor, "echo")
    await trio.sleep(1)
    with pytest.raises(AskTimeout):
        await ref.ask(1, timeout=timeout)
    assert actor.seen == []


class Later(TrioActor):
    """Answers when it is told to."""

    def __init__(self):
        super().__init__()
        self.deferred = []

    def on_receive(self, message):
        if isinstance(message, tuple):
            self.deferred.pop(0).reply(message[0])
            return None
        if message == "fail":
            self.deferred.pop(0).fail(KeyError("no"))
            return None
        if message == "drop":
            self.deferred.clear()
            return None
        deferred = self.defer()
        self.deferred.append(deferred)
        return deferred


async def test_an_answer_may_come_later(system):
    ref = await system.start(Later(), "later")
    await trio.testing.wait_all_tasks_blocked()
    first = ref.ask_soon("question", timeout=1)
    await trio.testing.wait_all_tasks_blocked()
    ref.tell(("answer",))
    assert await first == "answer"


async def test_an_answer_may_come_later_in_the_time_slice_of_the_asker(system):
    ref = await system.start(Later(), "later")
    answers = []

    async def ask():
        answers.append(await ref.ask("question", timeout=1))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask)
        await trio.testing.wait_all_tasks_blocked()
        assert answers == []
        ref.tell(("answer",))
    assert answers == ["answer"]


async def test_a_deferred_failure_reaches_the_asker_and_the_actor_lives_on(system):
    ref = await system.start(Later(), "later")
    reply = ref.ask_soon("question", timeout=1)
    ref.tell("fail")
    with pytest.raises(KeyError):
        await reply
    assert ref.is_alive()


async def test_a_deferred_that_is_dropped_answers_no_reply_at_once(system, autojump_clock):
    ref = await system.start(Later(), "later")
    reply = ref.ask_soon("question", timeout=60)
    ref.tell("drop")
    began = trio.current_time()
    with pytest.raises(NoReply):
        await reply
    assert trio.current_time() == began


async def test_an_unanswered_deferred_fails_when_the_life_ends(system):
    actor = Later()
    ref = await system.start(actor, "later")
    reply = ref.ask_soon("question", timeout=60)
    await trio.testing.wait_all_tasks_blocked()
    await ref.stop()
    with pytest.raises(ActorDead):
        await reply
    actor.deferred[0].reply("too late")
    assert reasons(system) == ["late reply to str: failed"]


async def test_only_one_answer_counts(system):
    actor = Later()
    ref = await system.start(actor, "later")
    reply = ref.ask_soon("question", timeout=60)
    await trio.testing.wait_all_tasks_blocked()
    (deferred,) = actor.deferred
    deferred.reply(1)
    deferred.reply(2)
    assert await reply == 1
    assert reasons(system) == ["late reply to str: answered"]


class Confused(TrioActor):
    def __init__(self):
        super().__init__()
        self.kept = None

    def on_receive(self, message):
        if self.kept is None:
            self.kept = self.defer()
        return self.kept


async def test_returning_the_deferred_of_another_message_is_a_failure(system):
    ref = await system.start(Confused(), "confused")
    first = ref.ask_soon(1, timeout=1)
    second = ref.ask_soon(2, timeout=1)
    with pytest.raises(HandlerFailed):
        await second
    with pytest.raises(ActorDead):
        await first


async def test_deferring_twice_or_outside_a_handler_is_refused(system):
    class Twice(TrioActor):
        def on_receive(self, message):
            self.defer()
            return self.defer()

    actor = Twice()
    ref = await system.start(actor, "twice")
    with pytest.raises(RuntimeError, match="only inside on_receive"):
        actor.defer()
    with pytest.raises((HandlerFailed, NoReply)):
        await ref.ask(1, timeout=1)


async def test_a_deferred_of_a_tell_answers_nobody(system):
    actor = Later()
    ref = await system.start(actor, "later")
    ref.tell("question")
    await trio.testing.wait_all_tasks_blocked()
    (deferred,) = actor.deferred
    assert not deferred.pending
    deferred.reply("to nobody")
    deferred.fail(ValueError())
    assert system.dead_letters.total == 0


class PlainThatAwaits(Echo):
    """A plain handler that sometimes returns a coroutine."""

    def on_receive(self, message):
        if message == "slow":
            return self.slowly()
        return super().on_receive(message)

    async def slowly(self):
        await trio.sleep(1)
        assert trio.lowlevel.current_task() is self.cell.task
        self.seen.append("slowly")
        return "slowly"


async def test_a_plain_handler_may_return_a_coroutine_which_the_actor_then_awaits(system, autojump_clock):
    actor = PlainThatAwaits()
    ref = await system.start(actor, "mixed")
    await trio.testing.wait_all_tasks_blocked()
    answers = []

    async def ask(message):
        answers.append(await ref.ask(message, timeout=5))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask, "slow")
        await trio.testing.wait_all_tasks_blocked(0.1)
        nursery.start_soon(ask, "quick")
    assert sorted(answers) == ["quick", "slowly"]
    assert actor.seen == ["slowly", "quick"]


async def test_a_stop_while_a_handed_over_coroutine_runs_waits_for_it(system, autojump_clock):
    ref = await system.start(PlainThatAwaits(), "mixed")
    await trio.testing.wait_all_tasks_blocked()
    answers = []

    async def ask():
        answers.append(await ref.ask("slow", timeout=5))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask)
        await trio.sleep(0.5)
        await ref.stop()
    assert answers == ["slowly"]


async def test_a_kill_before_a_handed_over_coroutine_ran_answers_its_asker(system, autojump_clock):
    ref = await system.start(PlainThatAwaits(), "mixed")
    await trio.testing.wait_all_tasks_blocked()
    cell = ref.cell

    async def ask():
        with pytest.raises(ActorDead):
            await ref.ask("slow", timeout=5)

    class Killer(trio.abc.Instrument):
        def task_scheduled(self, task):
            if cell._handoff is not None:
                cell.kill()

    killer = Killer()
    trio.lowlevel.add_instrument(killer)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask)
    trio.lowlevel.remove_instrument(killer)
    await cell.wait_ended()


class Forwarder(TrioActor):
    def __init__(self, target):
        super().__init__()
        self.target = target

    def on_receive(self, message):
        return self.target.ask_soon(message, timeout=1)


async def test_a_handler_may_return_the_future_of_another_actor(system):
    echo = await system.start(Echo(), "echo")
    ref = await system.start(Forwarder(echo), "forwarder")
    assert await ref.ask("through", timeout=1) == "through"


async def test_send_waits_for_room_and_keeps_the_order_of_the_senders(system, autojump_clock):
    class Narrow(Slow):
        mailbox = MailboxSpec(capacity=1, policy="refuse")

    actor = Narrow()
    ref = await system.start(actor, "narrow")

    async def send(number):
        await trio.sleep(number / 10)
        await ref.send(1 + number / 1000)

    began = trio.current_time()
    async with trio.open_nursery() as nursery:
        for number in range(5):
            nursery.start_soon(send, number)
    assert trio.current_time() - began >= 3
    await trio.sleep(10)
    assert actor.seen == [1, 1.001, 1.002, 1.003, 1.004]


async def test_a_cancelled_send_withdraws_its_message(system, autojump_clock):
    class Narrow(Slow):
        mailbox = MailboxSpec(capacity=1)

    actor = Narrow()
    ref = await system.start(actor, "narrow")
    ref.tell(10)
    await trio.testing.wait_all_tasks_blocked()
    ref.tell(1)
    with trio.move_on_after(1):
        await ref.send("withdrawn")
    await trio.sleep(60)
    assert actor.seen == [10, 1]
    assert system.dead_letters.total == 0


async def test_a_waiting_send_ends_with_the_actor_and_becomes_a_dead_letter(system, autojump_clock):
    class Narrow(Slow):
        mailbox = MailboxSpec(capacity=1)

    ref = await system.start(Narrow(), "narrow")
    ref.tell(10)
    await trio.testing.wait_all_tasks_blocked()
    ref.tell("queued")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ref.send, "waiting")
        await trio.testing.wait_all_tasks_blocked()
        await ref.stop()
    assert [letter.message for letter in system.dead_letters.recent()] == ["queued", "waiting"]
    await ref.send("after")
    assert system.dead_letters.total == 3


async def test_a_full_mailbox_refuses_tells_and_asks(system, autojump_clock):
    class Narrow(Slow):
        mailbox = MailboxSpec(capacity=1)

    ref = await system.start(Narrow(), "narrow")
    ref.tell(10)
    await trio.testing.wait_all_tasks_blocked()
    ref.tell("fits")
    with pytest.raises(MailboxFull) as caught:
        ref.tell("does not")
    assert caught.value.capacity == 1
    with pytest.raises(MailboxFull):
        await ref.ask("does not", timeout=1)
    assert system.statistics().actors[0].mailbox.refused == 2


async def test_a_started_actor_takes_what_came_while_it_was_starting(system, autojump_clock):
    class SlowStart(Echo):
        async def on_start(self):
            await trio.sleep(1)

    actor = SlowStart()
    cell = system.spawn(actor, "slow")
    assert cell.state is LifeState.STARTING
    cell.ref.tell("early")
    assert await cell.ref.ask("asked early", timeout=5) == "asked early"
    assert actor.seen == ["early", "asked early"]


async def test_an_actor_that_does_not_know_a_message_fails(system):
    ref = await system.start(TrioActor(), "plain")
    with pytest.raises(HandlerFailed) as caught:
        await ref.ask("what", timeout=1)
    assert isinstance(caught.value.__cause__, TypeError)
