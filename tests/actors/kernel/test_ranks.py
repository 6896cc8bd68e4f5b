"""Who may wait for whom."""

import pytest
import trio

from actors.kernel import HandlerFailed, RankViolation, TrioActor


class Asker(TrioActor):
    """Passes what it is asked on to another actor in the way it was made for."""

    def __init__(self, target, how="ask"):
        super().__init__()
        self.target = target
        self.how = how

    async def on_receive(self, message):
        ref = self.system.ref(self.target)
        if self.how == "ask":
            return await ref.ask(message, timeout=1)
        if self.how == "send":
            return await ref.send(message)
        if self.how == "soon":
            return await ref.ask_soon(message, timeout=1)
        return ref.tell(message)


class High(Asker):
    rank = 3


class Low(TrioActor):
    rank = 1

    def on_receive(self, message):
        return message


class Peer(Low):
    rank = 3


class Unranked(Low):
    rank = None


@pytest.mark.parametrize("how", ["ask", "send", "soon"])
@pytest.mark.parametrize(("kind", "allowed"), [(Low, True), (Unranked, True), (Peer, False)])
async def test_waiting_goes_to_a_strictly_lower_rank(system, how, kind, allowed):
    await system.start(kind(), "target")
    ref = await system.start(High("target", how), "asker")
    if allowed:
        await ref.ask("hello", timeout=1)
        return
    with pytest.raises(HandlerFailed) as caught:
        await ref.ask("hello", timeout=1)
    violation = caught.value.__cause__
    assert isinstance(violation, RankViolation)
    assert (violation.asker, violation.asker_rank) == ("asker", 3)
    assert (violation.address, violation.rank) == ("target", 3)


async def test_telling_has_no_rank(system):
    await system.start(Peer(), "target")
    ref = await system.start(High("target", "tell"), "asker")
    await ref.ask("hello", timeout=1)


async def test_those_outside_may_ask_anyone(system):
    ref = await system.start(Peer(), "target")
    assert await ref.ask("hello", timeout=1) == "hello"


@pytest.mark.parametrize("how", ["ask", "send"])
async def test_an_actor_never_waits_for_itself_whatever_its_rank(system, how):
    ref = await system.start(Asker("asker", how), "asker")
    with pytest.raises(HandlerFailed) as caught:
        await ref.ask("hello", timeout=1)
    assert isinstance(caught.value.__cause__, RankViolation)


async def test_child_tasks_keep_the_rank_of_their_actor(system):
    class Parent(High):
        def on_receive(self, message):
            self.start_task(self.child)

        async def child(self):
            await self.system.ref("target").ask("hello", timeout=1)

    await system.start(Peer(), "target")
    ref = await system.start(Parent("target"), "parent")
    cell = ref.cell
    ref.tell("go")
    await cell.wait_ended()
    assert isinstance(cell.exit.error, RankViolation)


async def test_a_child_task_may_ask_its_own_actor(system):
    class Parent(High):
        def __init__(self):
            super().__init__("parent")
            self.answers = []

        def on_receive(self, message):
            if message == "go":
                self.start_task(self.child)
            return message

        async def child(self):
            self.answers.append(await self.actor_ref.ask("to myself", timeout=1))

    actor = Parent()
    ref = await system.start(actor, "parent")
    ref.tell("go")
    await trio.testing.wait_all_tasks_blocked()
    assert actor.answers == ["to myself"]


async def test_an_actor_does_not_wait_for_its_own_end(system):
    class Suicidal(TrioActor):
        async def on_receive(self, message):
            await self.actor_ref.stop()

    ref = await system.start(Suicidal(), "suicidal")
    with pytest.raises(HandlerFailed) as caught:
        await ref.ask("end", timeout=1)
    assert isinstance(caught.value.__cause__, RankViolation)
