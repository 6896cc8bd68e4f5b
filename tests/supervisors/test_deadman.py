"""The watchdog: it acts when the runtime is silent, never after a disarm, and does not stop half-way."""

from contextlib import asynccontextmanager
from decimal import Decimal

import pytest
import trio

from actors.broker.port import Unavailable
from supervisors.deadman.countdowns import Countdowns
from supervisors.deadman.line import SOCKET, Asked, WatchdogSwitch
from supervisors.deadman.memory import GUARDED, FileMemory
from supervisors.deadman.watchdog import Watchdog, serve_watchdog
from tests.actors.broker.little_exchange import LittleExchange
from tests.actors.broker.world import TestClock

SECONDS = 10.0


class Kept:
    """What is guarded, in memory."""

    def __init__(self):
        self.guarded = {}

    def read(self):
        return dict(self.guarded)

    async def write(self, guarded):
        self.guarded = dict(guarded)


class Place:
    """A watchdog over an exchange that fits on a screen."""

    def __init__(self, memory=None, port=None):
        self.memory, self.clock = memory or Kept(), TestClock()
        self.port = port or LittleExchange(self.clock)
        self.watchdog = Watchdog(self.memory, {"sim": self.port}, self.clock)

    async def arm(self, seconds=SECONDS):
        return (await self.watchdog.answer(Asked("sim", seconds))).error

    def rest(self, key="tw-1"):
        self.port.take(key, "BTC/USDT", "buy", "limit", Decimal(1), Decimal(90))

    def status(self, key="tw-1"):
        return self.port.orders[key].status


@asynccontextmanager
async def open_place():
    place = Place()
    async with trio.open_nursery() as nursery:
        place.nursery = nursery
        await nursery.start(place.watchdog.run)
        yield place
        nursery.cancel_scope.cancel()


async def test_silence_cancels_what_is_ours_and_nothing_else(autojump_clock):
    async with open_place() as place:
        place.rest()
        place.rest("")
        assert await place.arm() == ""
        await trio.sleep(9)
        assert place.status() == "open"
        await trio.sleep(2)
        assert place.status() == "canceled"
        assert place.status("foreign-2") == "open"


async def test_whoever_is_heard_is_left_alone(autojump_clock):
    async with open_place() as place:
        place.rest()
        for _ in range(20):
            await place.arm()
            await trio.sleep(9)
        assert place.status() == "open"


async def test_a_planned_stop_fires_nothing(autojump_clock):
    async with open_place() as place:
        place.rest()
        await place.arm()
        assert await place.arm(0) == ""
        await trio.sleep(100)
        assert place.status() == "open"


async def test_an_order_that_arrives_after_the_sweep_is_cancelled_too(autojump_clock):
    """The dead runtime had it on its way."""
    async with open_place() as place:
        await place.arm()
        await trio.sleep(11)
        place.rest("tw-2")
        await trio.sleep(20)
        assert place.status("tw-2") == "canceled"


async def test_it_stops_as_soon_as_the_runtime_is_heard_again(autojump_clock):
    async with open_place() as place:
        await place.arm()
        await trio.sleep(11)
        await place.arm()
        place.rest("tw-3")
        for _ in range(5):
            await trio.sleep(8)
            await place.arm()
        assert place.status("tw-3") == "open"


async def test_an_exchange_that_is_away_is_tried_until_it_is_back(autojump_clock):
    async with open_place() as place:
        place.rest()
        await place.arm()
        place.port.reachable = False
        await trio.sleep(60)
        assert place.status() == "open"
        place.port.reachable = True
        await trio.sleep(3)
        assert place.status() == "canceled"


async def test_a_watchdog_that_was_killed_does_not_forget_its_duty(autojump_clock):
    """It does not know how long the silence already lasted, so it counts anew; after a disarm it has none."""
    async with open_place() as place:
        place.rest()
        await place.arm()
        place.nursery.cancel_scope.cancel()
    again = Place(place.memory, place.port)
    async with trio.open_nursery() as nursery:
        await nursery.start(again.watchdog.run)
        await trio.sleep(9)
        assert place.status() == "open"
        await trio.sleep(2)
        assert place.status() == "canceled"
        await again.arm(0)
        nursery.cancel_scope.cancel()
    assert place.memory.guarded == {}


async def test_a_key_that_does_not_work_is_told_before_anything_is_guarded(autojump_clock):
    async with open_place() as place:
        place.port.reachable = False
        assert "can't read the open orders" in await place.arm()
        place.port.reachable = True
        assert await place.arm() == ""


async def test_the_line_says_when_there_is_no_watchdog_and_what_it_refuses(tmp_path):
    switch = WatchdogSwitch(tmp_path / SOCKET, "sim")
    with pytest.raises(Unavailable, match="tradewarden watchdog"):
        await switch.arm(10)
    place = Place()
    async with trio.open_nursery() as nursery:
        await nursery.start(serve_watchdog, place.watchdog, tmp_path / SOCKET)
        await switch.arm(10)
        assert place.watchdog._countdowns.guarded == {"sim": 10}
        await switch.disarm()
        assert place.watchdog._countdowns.guarded == {}
        with pytest.raises(Unavailable, match="none of its exchanges"):
            await WatchdogSwitch(tmp_path / SOCKET, "elsewhere").arm(10)
        for rubbish in (b"rubbish\n", b'{"exchange": "\xff", "seconds": 1}\n'):
            async with await trio.open_unix_socket(str(tmp_path / SOCKET)) as stream:
                await stream.send_all(rubbish)
                assert b"can't be read" in await stream.receive_some(4096)
        assert ((tmp_path / SOCKET).stat().st_mode & 0o777) == 0o600
        nursery.cancel_scope.cancel()


def test_what_is_due_is_told_once_until_it_is_armed_again():
    countdowns = Countdowns(0.0, {})
    countdowns.arm("sim", 5, 0.0)
    assert countdowns.due(4.9) == []
    assert countdowns.due(5.0) == ["sim"]
    assert countdowns.due(6.0) == []
    countdowns.arm("sim", 5, 7.0)
    assert not countdowns.has_fired("sim")
    assert countdowns.due(12.0) == ["sim"]


async def test_what_is_guarded_is_kept_whole_or_not_at_all(tmp_path):
    memory = FileMemory(tmp_path)
    assert memory.read() == {}
    await memory.write({"binance": 30.0})
    assert FileMemory(tmp_path).read() == {"binance": 30.0}
    assert [path.name for path in tmp_path.iterdir()] == [GUARDED]
    for rubbish in (b"rubbish", b'{"\xff": 30.0}'):
        (tmp_path / GUARDED).write_bytes(rubbish)
        assert FileMemory(tmp_path).read() == {}
