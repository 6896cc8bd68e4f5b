"""A handler that blocks the loop is named from outside, with its stack."""

import threading
import time

import trio

from actors.kernel import NullObserver, TrioActor
from supervisors.otp import Blockage, ChildSpec, Sentry, Watchdog
from supervisors.otp.watchdog import log_blockage


class Computing(TrioActor):
    """Blocks the loop until it is told, from another thread, to go on."""

    def __init__(self, at_work, go_on):
        super().__init__()
        self.at_work = at_work
        self.go_on = go_on

    def on_receive(self, message):
        self.at_work.set()
        assert self.go_on.wait(10)


class Waiting(Computing):
    """The same from a coroutine, after a wait."""

    async def on_receive(self, message):
        await trio.lowlevel.checkpoint()
        super().on_receive(message)


async def seen_from_a_thread(stage, kind, inline=False):
    at_work, go_on, seen = threading.Event(), threading.Event(), []
    sentry = Sentry(threading.get_ident(), 1.0, now=0.0)

    def look():
        assert at_work.wait(10)
        seen.append([sentry.look(now) for now in (0.5, 1.0, 1.5, 2.0, 4.0)])
        go_on.set()

    async with stage.open(ChildSpec("c", lambda: kind(at_work, go_on), address="busy")):
        thread = threading.Thread(target=look)
        thread.start()
        await stage.system.ref("busy").ask({"a": "dict"}, timeout=10)
        thread.join()
    return sentry, seen[0]


async def test_a_blocked_loop_is_named_with_actor_message_and_stack(stage):
    for kind in (Computing, Waiting):
        _, looks = await seen_from_a_thread(stage, kind)
        assert looks[0] is None
        assert (looks[1].address, looks[1].message_type, looks[1].seconds) == ("busy", "dict", 1.0)
        assert "self.go_on.wait(10)" in looks[1].stack


async def test_it_is_named_again_each_time_the_wait_has_doubled(stage):
    _, looks = await seen_from_a_thread(stage, Computing)
    assert [look.seconds for look in looks if look] == [1.0, 2.0, 4.0]


async def test_the_end_of_a_blockage_is_told(stage, caplog):
    sentry, _ = await seen_from_a_thread(stage, Computing)
    assert sentry.beat(5.0) == 5.0
    assert "the loop turns again after 5.000 s" in caplog.text
    assert sentry.beat(5.5) == 0.5
    assert sentry.look(6.0) is None


def test_a_blockage_outside_any_actor_is_reported_too(caplog):
    sentry = Sentry(threading.get_ident(), 1.0, now=0.0)
    blockage = sentry.look(3.0)
    assert blockage.address is None
    assert "test_a_blockage_outside_any_actor" in blockage.stack
    log_blockage(blockage)
    assert "blocked for 3.000 s by no actor" in caplog.text
    assert Sentry(-1, 1.0, now=0.0).look(3.0) == Blockage(3.0, None, None, "")


class Lag(NullObserver):
    def __init__(self):
        self.lags = []

    def loop_lag(self, seconds):
        self.lags.append(seconds)


async def test_the_watchdog_reports_lag_and_ends_with_its_thread(stage, autojump_clock):
    observer = stage.system.observer = Lag()
    times = iter(
        [0.0, *(0.1 * turn for turn in range(1, 5)), 2.4, *(2.4 + 0.1 * turn for turn in range(100))]
    )
    watchdog = Watchdog(interval_seconds=0.1, limit_seconds=1000, now=lambda: next(times))
    watchdog._stand_guard = lambda sentry, done: done.wait()
    async with stage.open(ChildSpec("watchdog", lambda: watchdog)):
        await trio.sleep(0.75)
    assert [round(lag, 6) for lag in observer.lags[:6]] == [0, 0, 0, 0, 1.9, 0]
    assert not [thread for thread in threading.enumerate() if thread.name == "watchdog"]


async def test_the_watchdogs_thread_reports_what_it_sees(stage):
    """On real time, because threads are: a handler sleeps for as long as it takes to be seen."""
    reported = threading.Event()
    blockages = []

    def report(blockage):
        blockages.append(blockage)
        reported.set()

    class Sleeping(TrioActor):
        def on_receive(self, message):
            assert reported.wait(10)

    watchdog = ChildSpec("watchdog", lambda: Watchdog(0.02, 0.005, report))
    async with stage.open(watchdog, ChildSpec("s", Sleeping, address="sleeping")):
        began = time.monotonic()
        while not reported.is_set() and time.monotonic() - began < 10:
            await trio.lowlevel.checkpoint()
            await stage.system.ref("sleeping").ask("sleep", timeout=20)
    assert blockages[0].address == "sleeping"
    assert "reported.wait" in blockages[0].stack
