"""What an observer hears, and the throttled log of dead letters."""

import logging

import pytest
import trio

from actors.kernel import ExitKind, NullObserver, Observer, open_system
from tests.actors.kernel.actors import Echo, Slow


class Notebook(NullObserver):
    def __init__(self):
        self.notes = []

    def handled(self, address, message_type, seconds):
        self.notes.append(("handled", address, message_type, round(seconds, 6)))

    def dead_letter(self, letter):
        self.notes.append(("dead letter", letter.address, letter.message))

    def started(self, address, generation):
        self.notes.append(("started", address, generation))

    def ended(self, address, generation, exit_):
        self.notes.append(("ended", address, generation, exit_.kind))


async def test_an_observer_hears_of_lives_handlers_and_dead_letters(autojump_clock):
    notebook = Notebook()
    async with open_system(observer=notebook) as system:
        ref = await system.start(Slow(), "slow")
        await ref.ask(2, timeout=5)
        plain = await system.start(Echo(), "plain")
        await plain.ask("hello", timeout=5)
        await ref.stop()
        ref.tell("gone")
    assert notebook.notes == [
        ("started", "slow", 1),
        ("handled", "slow", "int", 2),
        ("started", "plain", 1),
        ("handled", "plain", "str", 0),
        ("ended", "slow", 1, ExitKind.NORMAL),
        ("dead letter", "slow", "gone"),
        ("ended", "plain", 1, ExitKind.SHUTDOWN),
    ]


def test_the_null_observer_is_an_observer():
    observer: Observer = NullObserver()
    observer.loop_lag(1.0)
    observer.restarted("a", 1, None)
    assert observer.handled("a", "b", 1.0) is None


async def test_a_dead_letter_names_its_sender(system):
    class Sender(Echo):
        def on_receive(self, message):
            self.system.ref("nobody").tell("hello")

    ref = await system.start(Sender(), "sender")
    await ref.ask("go", timeout=1)
    (letter,) = system.dead_letters.recent()
    assert letter.sender == "sender"


async def test_a_flood_of_dead_letters_is_counted_but_not_logged(system, autojump_clock, caplog):
    with caplog.at_level(logging.WARNING):
        for number in range(100):
            system.ref("nobody").tell(number)
        await trio.sleep(11)
        system.ref("nobody").tell("later")
    assert system.dead_letters.total == 101
    assert len([record for record in caplog.records if "dead letter for" in record.message]) == 11
    assert "dead letters not logged: 90" in caplog.text
    assert system.dead_letters.by_reason == {"nobody lives there": 101}


async def test_the_latest_dead_letters_can_be_read(system):
    for number in range(2000):
        system.ref("nobody").tell(number)
    recent = system.dead_letters.recent()
    assert len(recent) == 1024
    assert recent[-1].message == 1999
    assert pytest.approx(trio.current_time(), abs=5) == recent[-1].at
