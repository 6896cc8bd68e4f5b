"""Tasks that let others go first."""

import trio
from trio.testing import wait_all_tasks_blocked

from actors.kernel import Courtesy


async def test_what_was_woken_at_the_same_time_goes_first_with_what_it_wakes():
    """A chain of two tasks, woken together with the polite ones, is through before any of these goes on."""
    courtesy, started, next_one = Courtesy(), trio.Event(), trio.Event()
    done: list[str] = []

    async def polite() -> None:
        await started.wait()
        await courtesy.give_way()
        done.append("polite")

    async def first() -> None:
        await started.wait()
        next_one.set()

    async def second() -> None:
        await next_one.wait()
        done.append("chain")

    async with trio.open_nursery() as nursery:
        for work in (polite, polite, first, second, polite):
            nursery.start_soon(work)
        await wait_all_tasks_blocked()
        started.set()
    assert done == ["chain", "polite", "polite", "polite"]


async def test_a_task_that_is_cancelled_while_it_counts_keeps_nobody_waiting():
    courtesy = Courtesy()
    done: list[str] = []

    async def polite(name: str, scope: trio.CancelScope) -> None:
        with scope:
            await courtesy.give_way()
            done.append(name)

    first, second = trio.CancelScope(), trio.CancelScope()
    first.cancel()
    with trio.fail_after(1):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(polite, "first", first)
            nursery.start_soon(polite, "second", second)
    assert done == ["second"]


async def test_it_can_be_used_again_and_again():
    courtesy = Courtesy()
    with trio.fail_after(1):
        for _ in range(3):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(courtesy.give_way)
                nursery.start_soon(courtesy.give_way)
