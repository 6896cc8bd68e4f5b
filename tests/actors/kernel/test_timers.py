"""Timers belong to a life and are never heard of after they were cancelled."""

import pytest
import trio

from actors.kernel import TrioActor
from actors.kernel.agenda import Agenda
from actors.kernel.clock import TrioClock


class Clockwork(TrioActor):
    """Notes what arrives and when; does what it is told with its timers."""

    def __init__(self):
        super().__init__()
        self.heard = []

    async def on_receive(self, message):
        if callable(message):
            result = message(self)
            if result is not None and hasattr(result, "__await__"):
                await result
        else:
            self.heard.append((message, round(trio.current_time(), 6)))


@pytest.fixture
async def clockwork(system):
    """A running clockwork at time 0."""
    actor = Clockwork()
    await system.start(actor, "clockwork")
    return actor


async def test_a_timer_fires_once_at_its_time(clockwork, autojump_clock):
    clockwork.actor_ref.tell(lambda actor: actor.timers.start("a", 3, "fired"))
    await trio.sleep(10)
    assert clockwork.heard == [("fired", 3)]
    assert clockwork.timers.active() == ()


async def test_a_timer_of_zero_seconds_fires_at_once(clockwork, autojump_clock):
    clockwork.actor_ref.tell(lambda actor: actor.timers.start("a", 0, "fired"))
    await trio.sleep(1)
    assert clockwork.heard == [("fired", 0)]


async def test_a_repeating_timer_keeps_to_its_grid(clockwork, autojump_clock):
    clockwork.actor_ref.tell(lambda actor: actor.timers.every("a", 2, "tick"))
    await trio.sleep(7)
    assert clockwork.heard == [("tick", 2), ("tick", 4), ("tick", 6)]
    assert clockwork.timers.active() == ("a",)


async def test_periods_that_a_busy_actor_missed_are_one_message(clockwork, autojump_clock):
    clockwork.actor_ref.tell(lambda actor: actor.timers.every("a", 1, "tick"))

    async def busy(actor):
        await trio.sleep(4.5)

    clockwork.actor_ref.tell(busy)
    await trio.sleep(6.2)
    assert clockwork.heard == [("tick", 4.5), ("tick", 5), ("tick", 6)]


async def test_a_clock_that_jumps_skips_the_periods_in_between(system, mock_clock):
    actor = Clockwork()
    ref = await system.start(actor, "clockwork")
    ref.tell(lambda actor: actor.timers.every("a", 1, "tick"))
    await trio.testing.wait_all_tasks_blocked()
    mock_clock.jump(10.5)
    await trio.testing.wait_all_tasks_blocked()
    mock_clock.jump(0.5)
    await trio.testing.wait_all_tasks_blocked()
    assert actor.heard == [("tick", 10.5), ("tick", 11)]


async def test_a_new_timer_with_the_same_key_replaces_the_old(clockwork, autojump_clock):
    clockwork.actor_ref.tell(lambda actor: actor.timers.start("a", 2, "old"))
    clockwork.actor_ref.tell(lambda actor: actor.timers.start("a", 5, "new"))
    await trio.sleep(10)
    assert clockwork.heard == [("new", 5)]


async def test_a_cancelled_timer_does_not_fire(clockwork, autojump_clock):
    clockwork.actor_ref.tell(lambda actor: actor.timers.start("a", 2, "fired"))
    await trio.sleep(1)
    assert clockwork.timers.cancel("a")
    assert not clockwork.timers.cancel("a")
    await trio.sleep(10)
    assert clockwork.heard == []


@pytest.mark.parametrize("how", ["cancel", "start", "every"])
async def test_a_message_of_a_timer_that_lies_in_the_mailbox_is_taken_back(clockwork, how, autojump_clock):
    async def busy(actor):
        await trio.sleep(5)  # the timer fires meanwhile
        if how == "cancel":
            actor.timers.cancel("a")
        else:
            getattr(actor.timers, how)("a", 20, "later")

    clockwork.actor_ref.tell(lambda actor: actor.timers.start("a", 2, "stale"))
    clockwork.actor_ref.tell(busy)
    await trio.sleep(10)
    assert clockwork.heard == []
    assert clockwork.system.dead_letters.total == 0


async def test_timers_end_with_the_life_and_the_next_life_does_not_hear_them(system, autojump_clock):
    first, second = Clockwork(), Clockwork()
    ref = await system.start(first, "clockwork")
    ref.tell(lambda actor: actor.timers.every("a", 1, "tick"))
    await trio.sleep(1.5)
    await ref.stop()
    assert system.agenda.live == 0
    await system.start(second, "clockwork")
    await trio.sleep(10)
    assert len(first.heard) == 1
    assert second.heard == []
    first.timers.start("b", 1, "from the grave")
    await trio.sleep(10)
    assert second.heard == []
    assert first.timers.active() == ()


@pytest.mark.parametrize("seconds", [-1, float("inf"), float("nan")])
async def test_a_timer_needs_a_finite_time(clockwork, seconds, autojump_clock):
    with pytest.raises(ValueError, match="timer"):
        clockwork.timers.start("a", seconds, "never")
    with pytest.raises(ValueError, match="timer"):
        clockwork.timers.every("a", seconds, "never")


class Entry:
    def __init__(self, log, name):
        self.log, self.name, self.wanted = log, name, True

    def expire(self, now):
        self.log.append((self.name, now))
        self.wanted = False


async def test_the_agenda_expires_in_order_of_time_and_then_of_entry(autojump_clock):
    agenda, log = Agenda(TrioClock()), []
    async with trio.open_nursery() as nursery:
        for at, name in ((3, "c"), (1, "a"), (3, "d"), (2, "b")):
            agenda.add(at, Entry(log, name))
        nursery.start_soon(agenda.run)
        await trio.sleep(1.5)
        agenda.add(1.75, Entry(log, "late"))
        await trio.sleep(5)
        nursery.cancel_scope.cancel()
    assert log == [("a", 1), ("late", 1.75), ("b", 2), ("c", 3), ("d", 3)]
    assert len(agenda) == 0


async def test_the_agenda_forgets_what_is_settled(autojump_clock):
    agenda = Agenda(TrioClock())
    for _ in range(10_000):
        entry = Entry([], "x")
        agenda.add(1000, entry)
        entry.wanted = False
        agenda.settled()
    assert len(agenda) <= 200
    assert agenda.live == 0
