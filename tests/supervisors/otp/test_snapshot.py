"""The live tree as data and as text."""

import trio

import supervisors.otp
from supervisors.otp import Backoff, format_tree


async def test_a_snapshot_shows_every_actor_as_it_is(stage, autojump_clock):
    inner = stage.supervisor("b", "c", id="inner", backoff=Backoff(initial=9, maximum=9, jitter=0))
    async with stage.open("a", inner, strategy="rest_for_one") as tree:
        await stage.crash("b")
        await stage.crash("b")
        stage.tell("a", ("sleep", 5))
        await stage.rest()
        stage.tell("a", "waits")
        await trio.sleep(2)
        root = tree.snapshot()
        a, below = root.children
        b, c = below.children
        assert (root.address, root.kind, root.strategy) == ("top", "supervisor", "rest_for_one")
        assert (a.state, a.mailbox, a.oldest_seconds) == ("running", 1, 2)
        assert (b.state, b.generation, b.restarts) == ("backoff", 2, 2)
        assert b.last_error == "Boom('b')"
        assert (c.kind, c.restarts, c.last_error) == ("worker", 0, None)
        assert format_tree(root).splitlines() == [
            "top running gen=1 restarts=0 mailbox=0 [rest_for_one]",
            "├─ a running gen=1 restarts=0 mailbox=1 oldest=2.000s",
            "└─ inner running gen=1 restarts=0 mailbox=0 [one_for_one]",
            "   ├─ b backoff gen=2 restarts=2 mailbox=0 last_error=Boom('b')",
            "   └─ c running gen=1 restarts=0 mailbox=0",
        ]


async def test_a_snapshot_can_be_taken_while_a_child_starts_and_stops(stage, autojump_clock):
    stage.script["b"].append(2)
    stage.stops["a"].append(2)
    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def look():
            await trio.sleep(1)
            (tree,) = trees
            assert [node.state for node in tree.snapshot().children] == ["running", "starting"]
            await trio.sleep(2)
            assert [node.state for node in tree.snapshot().children] == ["stopping", "stopped"]

        from supervisors.otp import Supervisor

        trees = [Supervisor(stage.system, stage.supervisor("a", "b"))]
        async with stage.system.running():
            await trees[0].start()
            await trees[0].stop()


def test_the_facade_exports_what_it_says():
    for name in supervisors.otp.__all__:
        assert getattr(supervisors.otp, name) is not None
