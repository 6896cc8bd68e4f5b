"""Lanes, bounds, policies and conflation, on a mailbox alone and through an actor."""

from collections import deque

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from actors.kernel import Lane, MailboxFull, MailboxSpec
from actors.kernel.envelope import Envelope
from actors.kernel.mailbox import Mailbox
from tests.actors.kernel.actors import AsyncEcho, Echo, Slow


def filled(messages, **spec):
    mailbox = Mailbox(MailboxSpec(**spec))
    for message in messages:
        mailbox.put(Envelope(message, 0.0))
    return mailbox


def drain(mailbox):
    taken = []
    while (envelope := mailbox.take()) is not None:
        taken.append(envelope.message)
    return taken


@pytest.mark.parametrize("bad", [{"capacity": 0}, {"capacity": -1}, {"stash": -1}, {"policy": "sometimes"}])
def test_a_spec_that_makes_no_sense_is_refused(bad):
    with pytest.raises(ValueError, match="mailbox"):
        MailboxSpec(**bad)


def test_lanes_are_emptied_in_order():
    mailbox = Mailbox()
    for number, lane in enumerate((Lane.NORMAL, Lane.CONTROL, Lane.SYSTEM, Lane.NORMAL, Lane.SYSTEM)):
        mailbox.put(Envelope(number, 0.0), lane)
    assert drain(mailbox) == [2, 4, 1, 0, 3]


def test_the_urgent_lanes_are_not_bounded():
    mailbox = filled([0], capacity=1)
    for number in range(1, 4):
        assert mailbox.put(Envelope(number, 0.0), Lane.CONTROL)
        assert mailbox.put(Envelope(-number, 0.0), Lane.SYSTEM)
    assert drain(mailbox) == [-1, -2, -3, 1, 2, 3, 0]


def test_refuse_takes_no_more_than_its_capacity():
    mailbox = filled([0, 1], capacity=2)
    assert not mailbox.put(Envelope(2, 0.0))
    assert drain(mailbox) == [0, 1]
    assert mailbox.statistics().refused == 1


def test_drop_oldest_hands_the_oldest_over():
    mailbox = Mailbox(MailboxSpec(capacity=2, policy="drop_oldest"))
    dropped = []
    mailbox.drop = lambda envelope, reason: dropped.append((envelope.message, reason))
    for number in range(4):
        assert mailbox.put(Envelope(number, 0.0))
    assert drain(mailbox) == [2, 3]
    assert dropped == [(0, "mailbox full: oldest dropped"), (1, "mailbox full: oldest dropped")]


def test_a_keyed_message_replaces_the_queued_one_in_its_place():
    mailbox = Mailbox(MailboxSpec(capacity=2))
    mailbox.put(Envelope("old", 0.0, "price"))
    mailbox.put(Envelope("between", 0.0))
    mailbox.put(Envelope("new", 1.0, "price"))
    assert mailbox.statistics().conflated == 1
    assert drain(mailbox) == ["new", "between"]
    mailbox.put(Envelope("next", 0.0, "price"))
    assert drain(mailbox) == ["next"]


def test_a_keyed_message_never_overflows():
    mailbox = filled([0, 1], capacity=2)
    assert mailbox.put(Envelope("advance", 0.0, "advance"))
    assert drain(mailbox) == [0, 1, "advance"]


def test_dropping_a_keyed_message_frees_its_key():
    mailbox = Mailbox(MailboxSpec(capacity=1, policy="drop_oldest"))
    mailbox.put(Envelope("keyed", 0.0, "key"))
    mailbox.put(Envelope("plain", 0.0))
    mailbox.put(Envelope("keyed again", 0.0, "key"))
    assert drain(mailbox) == ["plain", "keyed again"]


def test_conflate_by_class_is_declared_in_the_spec():
    mailbox = filled([1, "a", 2, "b", 3.0], conflate=(int,))
    assert drain(mailbox) == [2, "a", "b", 3.0]
    mailbox = filled([1, "a", 2, "b"], capacity=1, policy="conflate")
    assert drain(mailbox) == [2, "b"]


def test_closing_returns_what_was_queued_by_lane():
    mailbox = filled(["normal"])
    mailbox.put(Envelope("control", 0.0), Lane.CONTROL)
    assert [envelope.message for envelope in mailbox.close()] == ["control", "normal"]
    assert mailbox.empty()
    assert mailbox.closed


def test_what_was_put_back_comes_first_and_in_order():
    mailbox = filled([3])
    mailbox.put_back([Envelope(1, 0.0), Envelope(2, 0.0)])
    assert drain(mailbox) == [1, 2, 3]


def test_pykkas_get_raises_instead_of_blocking():
    mailbox = filled([1])
    assert not mailbox.empty()
    assert mailbox.get().message == 1
    with pytest.raises(trio.WouldBlock):
        mailbox.get()


_OPS = st.lists(st.tuples(st.sampled_from(["put", "key", "control", "take"]), st.integers(0, 3)), max_size=60)


@given(_OPS, st.integers(1, 4), st.sampled_from(["refuse", "drop_oldest"]))
def test_a_mailbox_behaves_like_its_model(operations, capacity, policy):
    mailbox = Mailbox(MailboxSpec(capacity=capacity, policy=policy))
    model: deque = deque()
    control: deque = deque()
    for serial, (operation, key) in enumerate(operations):
        if operation == "control":
            mailbox.put(Envelope(serial, 0.0), Lane.CONTROL)
            control.append(serial)
        elif operation == "key":
            mailbox.put(Envelope(serial, 0.0, key), Lane.NORMAL)
            place = next((at for at, item in enumerate(model) if item[0] == key), None)
            if place is None:
                model.append((key, serial))
            else:
                model[place] = (key, serial)
        elif operation == "put":
            if len(model) < capacity or policy == "drop_oldest":
                if len(model) >= capacity:
                    model.popleft()
                model.append((None, serial))
                assert mailbox.put(Envelope(serial, 0.0))
            else:
                assert not mailbox.put(Envelope(serial, 0.0))
        else:
            envelope = mailbox.take()
            expected = control.popleft() if control else (model.popleft()[1] if model else None)
            assert (envelope.message if envelope else None) == expected
        assert len(mailbox) == len(model) + len(control)
    assert drain(mailbox) == [*control, *(serial for _, serial in model)]


async def test_asks_wait_for_room_under_the_policy_wait(system, autojump_clock):
    class Narrow(Slow):
        mailbox = MailboxSpec(capacity=1, policy="wait")

    actor = Narrow()
    ref = await system.start(actor, "narrow")
    replies = [ref.ask_soon(1, timeout=60) for _ in range(4)]
    assert [await reply for reply in replies] == [1, 1, 1, 1]
    ref.tell(1)
    await trio.testing.wait_all_tasks_blocked()
    ref.tell(1)
    with pytest.raises(MailboxFull):
        ref.tell("a tell cannot wait")


async def test_an_ask_dropped_for_a_newer_message_fails_at_once(system, autojump_clock):
    class Narrow(Slow):
        mailbox = MailboxSpec(capacity=1, policy="drop_oldest")

    ref = await system.start(Narrow(), "narrow")
    ref.tell(10)
    await trio.testing.wait_all_tasks_blocked()
    reply = ref.ask_soon("old", timeout=60)
    ref.tell("new")
    with pytest.raises(MailboxFull):
        await reply
    assert system.dead_letters.by_reason["mailbox full"] == 1


async def test_a_thousand_wake_ups_with_a_key_are_one(system):
    actor = Echo()
    ref = await system.start(actor, "echo")
    for _ in range(1000):
        ref.tell("advance", key="advance")
    await ref.ask("done", timeout=1)
    assert actor.seen == ["advance", "done"]


async def test_sending_to_a_conflating_mailbox_never_waits(system):
    class Latest(Echo):
        mailbox = MailboxSpec(capacity=1, policy="conflate")

    actor = Latest()
    ref = await system.start(actor, "latest")
    ref.tell(1)
    await ref.send(2)
    await trio.testing.wait_all_tasks_blocked()
    assert actor.seen[-1] == 2


async def turns_until(ref, queued, lane, message):
    """Return the scheduler turns between an urgent message and its handling, behind a queue."""
    actor = ref.cell.actor
    for number in range(queued):
        ref.tell(number)
    if message == "stop":
        ref.cell.request_stop()
    else:
        ref.tell(message, lane=lane)
    turns = 0
    while message not in actor.seen and ref.is_alive():
        turns += 1
        await trio.lowlevel.checkpoint()
    return turns


@pytest.mark.parametrize("kind", [Echo, AsyncEcho])
@pytest.mark.parametrize("message", ["urgent", "stop"])
async def test_stop_and_control_overtake_a_queue_of_any_length_in_the_same_number_of_turns(
    system, kind, message
):
    class Roomy(kind):
        mailbox = MailboxSpec(capacity=20_000)

    turns = {}
    for queued in (1, 100, 10_000):
        ref = await system.start(Roomy(), f"roomy{queued}")
        await trio.testing.wait_all_tasks_blocked()
        turns[queued] = await turns_until(ref, queued, Lane.CONTROL, message)
        if ref.is_alive():
            ref.cell.kill()
            await ref.cell.wait_ended()
    assert max(turns.values()) <= 4
    assert turns[10_000] <= turns[1] + 1


async def test_a_busy_actor_lets_others_run_every_32_messages(system):
    class Roomy(Echo):
        mailbox = MailboxSpec(capacity=20_000)

    actor = Roomy()
    ref = await system.start(actor, "roomy")
    for number in range(1000):
        ref.tell(number)
    longest = before = 0
    while before < 1000:
        await trio.lowlevel.checkpoint()
        longest = max(longest, len(actor.seen) - before)
        before = len(actor.seen)
    assert longest <= 64  # two turns may fall between two of ours


async def test_an_actor_that_feeds_itself_does_not_starve_the_others(system):
    class Perpetual(Echo):
        def on_receive(self, message):
            self.actor_ref.tell("again", key="again")

    ref = await system.start(Perpetual(), "perpetual")
    ref.tell("go")
    for _ in range(100):
        await trio.lowlevel.checkpoint()
    ref.cell.kill()
    await ref.cell.wait_ended()
