"""What stays pykka's, and what raises because it would block the loop."""

import pykka
import pytest
import trio

import actors.kernel
from actors.kernel import ActorDead, AskTimeout, Ref, Reply, TrioActor
from tests.actors.kernel.actors import Echo, Slow


async def test_the_kernels_classes_are_pykkas(system):
    ref = await system.start(Echo(), "echo")
    assert issubclass(TrioActor, pykka.Actor)
    assert issubclass(Ref, pykka.ActorRef)
    assert issubclass(Reply, pykka.Future)
    assert issubclass(ActorDead, pykka.ActorDeadError)
    assert issubclass(AskTimeout, pykka.Timeout)
    assert isinstance(ref, pykka.ActorRef)


async def test_nothing_is_registered_process_wide(system):
    await system.start(Echo(), "echo")
    assert pykka.ActorRegistry.get_all() == []


async def test_a_blocking_ask_or_stop_raises_and_points_at_await(system):
    ref = await system.start(Echo(), "echo")
    with pytest.raises(TypeError, match="await"):
        ref.ask(1, timeout=1, block=True)
    with pytest.raises(TypeError, match="await"):
        await ref.stop(block=True)


def test_pykkas_start_points_at_the_system():
    with pytest.raises(TypeError, match=r"system\.start"):
        Echo.start()


async def test_a_proxy_is_refused(system):
    ref = await system.start(Echo(), "echo")
    with pytest.raises(TypeError, match="deadline"):
        ref.proxy()


async def test_get_raises_instead_of_blocking_and_returns_what_is_there(system, autojump_clock):
    ref = await system.start(Slow(), "slow")
    reply = ref.ask_soon(1, timeout=5)
    with pytest.raises(RuntimeError, match="await"):
        reply.get(timeout=1)
    await trio.sleep(2)
    assert reply.get() == 1
    assert await reply == 1


async def test_a_reply_is_awaited_by_one_task(system, autojump_clock):
    ref = await system.start(Slow(), "slow")
    reply = ref.ask_soon(1, timeout=5)

    async def wait():
        assert await reply == 1

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait)
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(RuntimeError, match="awaited already"):
            await reply


@pytest.mark.parametrize(
    "use",
    [
        lambda reply: reply.map(str),
        lambda reply: reply.filter(bool),
        lambda reply: reply.reduce(max),
        lambda reply: reply.join(reply),
        lambda reply: reply.set_get_hook(lambda timeout: 1),
    ],
)
async def test_what_rests_on_a_blocking_get_is_refused(system, use):
    ref = await system.start(Echo(), "echo")
    reply = ref.ask_soon(1, timeout=1)
    with pytest.raises(TypeError, match="await"):
        use(reply)
    assert await reply == 1


async def test_pykkas_names_for_settling_a_future_work(system, autojump_clock):
    ref = await system.start(Slow(), "slow")
    first, second, third = (ref.ask_soon(10, timeout=60) for _ in range(3))
    first.set("early")
    assert await first == "early"
    try:
        raise KeyError("in flight")
    except KeyError:
        second.set_exception()
    with pytest.raises(KeyError):
        await second
    error = ValueError("given")
    third.set_exception((ValueError, error, None))
    with pytest.raises(ValueError, match="given"):
        await third
    with pytest.raises(TypeError, match="needs an exception"):
        third.set_exception()


async def test_a_future_from_the_hook_belongs_to_the_present_life(system):
    with pytest.raises(RuntimeError, match="belongs to an ask"):
        Echo._create_future()

    class Making(Echo):
        def on_receive(self, message):
            future = self._create_future()
            future.set(message)
            return future

    ref = await system.start(Making(), "making")
    assert await ref.ask("made", timeout=1) == "made"


def test_the_facade_exports_what_it_says():
    for name in actors.kernel.__all__:
        assert getattr(actors.kernel, name) is not None
    assert sorted(set(actors.kernel.__all__)) == sorted(actors.kernel.__all__)


async def test_references_and_replies_describe_themselves(system):
    ref = system.ref("nobody")
    assert repr(ref) == "<Ref nobody#0 (dead)>"
    ref = await system.start(Echo(), "echo")
    assert str(ref) == "<Ref echo#1>"
    assert str(ref.cell.actor) == "Echo (echo)"
    assert str(Echo()) == "Echo"
    assert repr(ref.cell) == "<Cell echo#1 running>"
    reply = ref.ask_soon(1, timeout=1)
    assert repr(reply) == "<Reply to int from echo: pending>"
    await reply
