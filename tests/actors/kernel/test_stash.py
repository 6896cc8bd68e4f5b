"""Messages put aside until the actor is in a state to take them."""

import pytest
import trio

from actors.kernel import ActorDead, MailboxFull, MailboxSpec, TrioActor


class Reconciling(TrioActor):
    """Puts everything aside until it is told that it is ready."""

    mailbox = MailboxSpec(stash=2)

    def __init__(self):
        super().__init__()
        self.ready = False
        self.seen = []

    def on_receive(self, message):
        if message == "ready":
            self.ready = True
            return self.stash.release()
        if not self.ready:
            return self.stash.keep()
        self.seen.append(message)
        return f"did {message}"


async def test_what_was_put_aside_is_handled_first_and_in_order(system):
    actor = Reconciling()
    ref = await system.start(actor, "broker")
    ref.tell("a")
    reply = ref.ask_soon("b", timeout=1)
    ref.tell("ready")
    ref.tell("c")
    assert await reply == "did b"
    await trio.testing.wait_all_tasks_blocked()
    assert actor.seen == ["a", "b", "c"]


async def test_an_ask_in_the_time_slice_of_its_asker_may_be_put_aside(system):
    ref = await system.start(Reconciling(), "broker")
    answers = []

    async def ask():
        answers.append(await ref.ask("a", timeout=1))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask)
        await trio.testing.wait_all_tasks_blocked()
        assert await ref.ask("ready", timeout=1) == 1
    assert answers == ["did a"]


async def test_what_does_not_fit_is_refused_and_the_actor_lives_on(system):
    ref = await system.start(Reconciling(), "broker")
    for _ in range(3):
        ref.tell("filler")
    with pytest.raises(MailboxFull):
        await ref.ask("one more", timeout=1)
    assert [letter.reason for letter in system.dead_letters.recent()] == ["stash full"]
    assert ref.is_alive()


async def test_the_end_of_a_life_answers_what_it_had_put_aside(system):
    ref = await system.start(Reconciling(), "broker")
    ref.tell("a")
    reply = ref.ask_soon("b", timeout=1)
    await trio.testing.wait_all_tasks_blocked()
    await ref.stop()
    with pytest.raises(ActorDead):
        await reply
    assert [letter.message for letter in system.dead_letters.recent()] == ["a", "b"]


async def test_keeping_outside_a_handler_is_refused(system):
    actor = Reconciling()
    await system.start(actor, "broker")
    with pytest.raises(RuntimeError, match="inside on_receive"):
        actor.stash.keep()


async def test_releasing_while_the_life_ends_is_too_late_but_loses_nothing(system):
    class Late(Reconciling):
        async def on_stop(self):
            assert self.stash.release() == 0

    ref = await system.start(Late(), "broker")
    ref.tell("a")
    await trio.testing.wait_all_tasks_blocked()
    await ref.stop()
    assert [letter.message for letter in system.dead_letters.recent()] == ["a"]
