"""Persons are told: soon, not too often, in order, and nothing is lost, whatever fails."""

from random import Random

import pytest
import trio

from actors.kernel import open_system
from actors.model import events as ev
from actors.webhook.desk import Unfit
from actors.webhook.notify.channel import Channel
from actors.webhook.notify.wording import Message
from actors.webhook.port import DISABLED, Answer
from actors.webhook.shell.channels import Channels
from tests.actors.webhook.world import World

PHONE = Channel(name="phone", kind="ntfy", url="https://ntfy.sh/secret-topic", pause_seconds=60.0)


class Phone:
    """Takes messages; `answers` are given first, one after the other."""

    def __init__(self) -> None:
        self.told: list[tuple[float, Message]] = []
        self.tried = 0
        self.answers: list[Answer] = []
        self.raising: list[Exception] = []

    async def send(self, message: Message, now_us: int) -> Answer:
        self.tried += 1
        await trio.sleep(0.1)
        if self.raising:
            raise self.raising.pop(0)
        answer = self.answers.pop(0) if self.answers else Answer(status=200)
        if answer.status == 200:
            self.told.append((trio.current_time(), message))
        return answer

    async def close(self) -> None:
        """Nothing is open."""

    @property
    def lines(self) -> list[str]:
        return [line for _, message in self.told for line in message.lines]


def with_phone(seed: int = 1, *, away: float = 0.0) -> tuple[World, Phone]:
    world, phone = World(seed, away=away), Phone()
    world.channels = Channels((PHONE,), lambda _channel: phone)
    return world, phone


def resumed(number: int) -> ev.TradingResumed:
    return ev.TradingResumed(kill_ids=("k",), reason=f"no {number}", by="ann")


def killed(number: int) -> ev.KillEngaged:
    return ev.KillEngaged(
        kill_id=f"k{number}", level="cancel", exchange=None, symbol=None, reason="help", by="ann"
    )


async def test_the_first_news_go_at_once_and_a_burst_after_it_is_one_message(autojump_clock):
    world, phone = with_phone()
    async with open_system(rng=Random(1)) as system:
        await world.start(system)
        await trio.sleep(1)
        began = trio.current_time()
        world.journal.commit(resumed(0))
        await trio.sleep(5)
        for number in range(1, 8):
            world.journal.commit(resumed(number))
            await trio.sleep(1)
        await trio.sleep(120)
        await world.kill(system)
    [(first, one), (second, burst)] = phone.told
    assert first - began < 2
    assert len(one.lines) == 1
    assert 59 <= second - first <= 65
    assert [line.rpartition("no ")[2] for line in burst.lines] == [f"{n} (by ann)" for n in range(1, 8)]


async def test_urgent_news_dont_wait_for_the_pause(autojump_clock):
    world, phone = with_phone()
    async with open_system(rng=Random(1)) as system:
        await world.start(system)
        await trio.sleep(1)
        world.journal.commit(resumed(0))
        await trio.sleep(1.5)
        world.journal.commit(killed(1))
        await trio.sleep(8)
        await world.kill(system)
    assert [message.urgent for _, message in phone.told] == [False, True]
    assert 4 < phone.told[1][0] - phone.told[0][0] < 8


async def test_what_fails_is_told_later_together_with_what_has_come_meanwhile(autojump_clock):
    world, phone = with_phone()
    phone.answers = [Answer(status=500), Answer(status=None, error="lost")]
    async with open_system(rng=Random(1)) as system:
        await world.start(system)
        await trio.sleep(1)
        world.journal.commit(resumed(0))
        await trio.sleep(30)
        world.journal.commit(resumed(1))
        await trio.sleep(200)
        await world.kill(system)
    assert [line.rpartition("no ")[2][0] for line in phone.lines] == ["0", "1"]
    assert world.disk.deliveries == {}


async def test_a_channel_whose_sending_raises_what_nobody_foresaw_tells_it_later(autojump_clock):
    """It is a failed attempt with the error's name and without the secret; webhooks and others go on."""
    world, phone = with_phone()
    phone.raising = [UnicodeError(f"{PHONE.url} is odd")]
    async with open_system(rng=Random(1)) as system:
        desk = await world.start(system)
        hook = await desk.create("https://a.example/hook")
        await trio.sleep(1)
        world.journal.commit(resumed(0))
        await trio.sleep(2)
        [error] = [each.last_error for each in world.disk.deliveries.values()]
        assert error == "UnicodeError: ******** is odd"
        await trio.sleep(120)
        await world.kill(system)
    assert phone.tried == 2
    assert [line.rpartition("no ")[2][0] for line in phone.lines] == ["0"]
    assert [each[1] for each in world.receivers.seen] == list(world.journal.expected(hook))


async def test_what_was_given_up_is_a_dead_letter_and_can_be_replayed(autojump_clock):
    world, phone = with_phone()
    phone.answers = [Answer(status=403)] * 5
    async with open_system(rng=Random(1)) as system:
        desk = await world.start(system)
        await trio.sleep(1)
        world.journal.commit(resumed(0))
        await trio.sleep(600)
        assert phone.tried == 5
        [letter] = await desk.dead_letters(PHONE.endpoint_id, 10, None)
        assert letter.last_status == 403
        assert await desk.replay(letter.delivery_id) == 1
        await trio.sleep(100)
        await world.kill(system)
    assert len(phone.lines) == 1


@pytest.mark.parametrize("seed", range(4))
async def test_nothing_is_lost_though_the_sender_is_killed_and_the_store_goes_away(seed, autojump_clock):
    world, phone = with_phone(seed, away=0.02)
    rng = Random(seed)
    async with open_system(rng=Random(1)) as system:
        await world.start(system)
        await trio.sleep(5)
        for number in range(40):
            world.journal.commit(resumed(number))
            await trio.sleep(rng.random() * 10)
            if number % 8 == 7:
                await world.kill(system)
                await world.start(system)
        await world.until_quiet()
        await world.kill(system)
    told = {int(line.rpartition("no ")[2].split()[0]) for line in phone.lines}
    assert told == set(range(40))


async def test_a_channel_is_an_endpoint_without_secrets_that_can_be_tested_and_paused(autojump_clock):
    world, phone = with_phone()
    async with open_system(rng=Random(1)) as system:
        desk = await world.start(system)
        await trio.sleep(1)
        [(found, _)] = await desk.all()
        assert (found.kind, found.url, found.secret) == ("ntfy", "https://ntfy.sh", "")
        with pytest.raises(Unfit, match="settings"):
            await desk.rotate(found.endpoint_id, 60)
        await desk.test(found.endpoint_id)
        await trio.sleep(3)
        assert phone.lines[0].endswith("This is a test; all is well")
        await desk.pause(found.endpoint_id)
        world.journal.commit(killed(1))
        await trio.sleep(100)
        assert len(phone.told) == 1
        await desk.resume(found.endpoint_id)
        await trio.sleep(100)
        await world.kill(system)
    assert len(phone.told) == 2


async def test_a_channel_that_left_the_settings_gets_nothing_more_until_it_is_back(autojump_clock):
    world, phone = with_phone()
    async with open_system(rng=Random(1)) as system:
        desk = await world.start(system)
        await trio.sleep(1)
        await world.kill(system)
        configured, world.channels = world.channels, Channels()
        desk = await world.start(system)
        await trio.sleep(1)
        world.journal.commit(killed(1))
        await trio.sleep(5)
        [(found, counted)] = await desk.all()
        assert (found.state, counted.pending) == (DISABLED, 0)
        await world.kill(system)
        world.channels = configured
        await world.start(system)
        await trio.sleep(1)
        world.journal.commit(killed(2))
        await trio.sleep(10)
        await world.kill(system)
    assert len(phone.lines) == 1
