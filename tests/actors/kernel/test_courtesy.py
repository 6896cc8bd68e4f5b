"""Answers that let others go first."""

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actors.kernel import Courtesy


@pytest.fixture
async def courtesy(nursery):
    found = Courtesy()
    nursery.start_soon(found.run)
    await wait_all_tasks_blocked()
    return found


async def test_what_was_woken_at_the_same_time_goes_first_with_what_it_wakes(courtesy):
    """A chain of two tasks, woken together with the polite ones, is through before any of these goes on."""
    started, next_one = trio.Event(), trio.Event()
    done: list[str] = []

    async def polite(event: trio.Event) -> None:
        await event.wait()
        done.append("polite")

    async def first() -> None:
        await started.wait()
        next_one.set()

    async def second() -> None:
        await next_one.wait()
        done.append("chain")

    events = [trio.Event() for _ in range(3)]
    async with trio.open_nursery() as tasks:
        for event in events:
            tasks.start_soon(polite, event)
        tasks.start_soon(first)
        tasks.start_soon(second)
        await wait_all_tasks_blocked()
        for event in events:
            courtesy.set_later(event)
        started.set()
    assert done == ["chain", "polite", "polite", "polite"]


async def test_it_serves_again_and_again(courtesy):
    with trio.fail_after(1):
        for _ in range(3):
            event = trio.Event()
            courtesy.set_later(event)
            assert not event.is_set()
            await event.wait()


async def test_an_event_that_comes_while_it_counts_waits_for_no_other(courtesy):
    first, second = trio.Event(), trio.Event()
    courtesy.set_later(first)
    await trio.lowlevel.checkpoint()
    courtesy.set_later(second)
    with trio.fail_after(1):
        await first.wait()
        await second.wait()


async def test_before_it_runs_and_after_it_has_ended_nobody_is_kept_waiting():
    courtesy, waiting = Courtesy(), [trio.Event() for _ in range(3)]
    courtesy.set_later(waiting[0])
    assert waiting[0].is_set()
    async with trio.open_nursery() as tasks:
        tasks.start_soon(courtesy.run)
        await wait_all_tasks_blocked()
        courtesy.set_later(waiting[1])
        tasks.cancel_scope.cancel()
    courtesy.set_later(waiting[2])
    assert all(event.is_set() for event in waiting)
