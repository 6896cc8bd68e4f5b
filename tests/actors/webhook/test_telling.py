"""The whole way from the journal to a receiver, with senders that are killed and stores that go away."""

import json
from random import Random

import msgspec
import pytest
import trio

from actors.kernel import open_system
from actors.model import events as ev
from actors.model.messages import BrokerState
from actors.webhook.desk import Unfit
from actors.webhook.port import DISABLED, Answer
from tests.actors.webhook.world import PAUSES, World
from tests.fixtures.journal import accepted, order_id

URL = "https://a.example/hook"


async def trade(world: World, rng: Random, count: int, pause: float = 0.02) -> None:
    for _ in range(count):
        world.journal.trade(rng.randrange(1, 2 + count // 3), rng)
        await trio.sleep(rng.random() * pause)


def first_deliveries(world: World, host: str) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for where, message_id, body in world.receivers.taken:
        if where == host:
            assert found.setdefault(message_id, body) == body, "an id stands for one body"
    return found


@pytest.mark.parametrize("seed", range(8))
async def test_nothing_is_lost_though_the_sender_is_killed_again_and_again(seed, autojump_clock):
    """Receivers fail, the store goes away, the process dies at any moment: all arrives, ids are stable."""
    world = World(seed, away=0.02)
    world.receivers.failing = {"a.example": 0.3}
    rng = Random(seed)
    async with open_system(rng=Random(1)) as system:
        desk = await world.start(system)
        made = await desk.create(URL)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trade, world, rng, 200)
            for _ in range(10):
                await trio.sleep(rng.random() * 0.3)
                await world.kill(system)
                desk = await world.start(system)
        await world.until_quiet()
        while letters := await desk.dead_letters(None, 1000, None):
            assert all(each.attempts == len(PAUSES) for each in letters)
            await desk.replay(None)
            await world.until_quiet()
        await world.kill(system)
    expected = world.journal.expected(made)
    assert len(expected) > 100
    assert first_deliveries(world, "a.example") == expected


@pytest.mark.parametrize("seed", range(4))
async def test_what_happens_to_one_order_arrives_in_order(seed, autojump_clock):
    """With failures, retries and many orders at a time, each order's messages come one after the other."""
    world = World(seed)
    world.receivers.failing = {"a.example": 0.2}
    async with open_system(rng=Random(1)) as system:
        desk = await world.start(system)
        made = await desk.create(URL)
        await trade(world, Random(seed), 150)
        await world.until_quiet()
        buried = {each.delivery_id for each in world.disk.deliveries.values()}
        await world.kill(system)
    by_subject: dict[str, list[int]] = {}
    for body in world.receivers.bodies("a.example"):
        subject = body.get("orderId", "position")
        by_subject.setdefault(subject, []).append(body["seq"])
    assert all(found == sorted(found) for found in by_subject.values())
    assert len(world.receivers.taken) + len(buried) == len(world.journal.expected(made))


def resumed(number: int) -> ev.TradingResumed:
    return ev.TradingResumed(kill_ids=("k",), reason=str(number), by="ann")


async def test_what_waits_for_one_subject_goes_out_as_fast_as_it_is_taken(autojump_clock):
    """Three hundred messages of which each has to wait for the one before, at 10 ms each on average."""
    world = World()
    async with open_system(rng=Random(1)) as system:
        desk = await world.start(system)
        made = await desk.create(URL)
        world.journal.commit(*map(resumed, range(300)))
        began = trio.current_time()
        while len(world.receivers.taken) < 300:  # noqa: ASYNC110
            await trio.sleep(0.05)
        assert trio.current_time() - began < 5.0
        await world.until_quiet()
        await world.kill(system)
    assert [each[1] for each in world.receivers.taken] == list(world.journal.expected(made))


async def test_a_dead_letter_replayed_while_its_subject_is_being_sent_waits_for_its_turn(autojump_clock):
    """A second sender beside the first would send the same again, out of order."""
    world = World()
    world.receivers.answers = {"a.example": Answer(status=500)}
    async with open_system(rng=Random(1)) as system:
        desk = await world.start(system)
        await desk.create(URL)
        world.journal.commit(resumed(0))
        await world.until_quiet()
        world.receivers.answers = {}
        world.journal.commit(*map(resumed, range(1, 40)))
        while len(world.receivers.taken) < 5:  # noqa: ASYNC110
            await trio.sleep(0.001)
        assert await desk.replay(None) == 1
        await world.until_quiet()
        await world.kill(system)
    assert len(world.receivers.taken) == 40


async def test_a_pause_holds_what_waits_behind_the_delivery_under_way(autojump_clock):
    world = World()
    async with open_system(rng=Random(1)) as system:
        desk = await world.start(system)
        made = await desk.create(URL)
        world.journal.commit(*map(resumed, range(30)))
        while not world.receivers.taken:  # noqa: ASYNC110
            await trio.sleep(0.001)
        await desk.pause(made.endpoint_id)
        sent = len(world.receivers.seen)
        await trio.sleep(60)
        assert sent <= len(world.receivers.seen) <= sent + 1
        await desk.resume(made.endpoint_id)
        await world.until_quiet()
        await world.kill(system)
    assert [each[1] for each in world.receivers.taken] == list(world.journal.expected(made))


async def test_a_receiver_that_hangs_delays_no_other(autojump_clock):
    """One endpoint takes 15 s an attempt; the other one's deliveries arrive as if it were not there."""
    world = World()
    world.receivers.hanging = {"slow.example": None}
    async with open_system(rng=Random(1)) as system:
        desk = await world.start(system)
        await desk.create("https://slow.example/hook")
        made = await desk.create(URL)
        await trade(world, Random(1), 100)
        began = trio.current_time()
        while len(first_deliveries(world, "a.example")) < len(world.journal.expected(made)):  # noqa: ASYNC110
            await trio.sleep(0.05)
        assert trio.current_time() - began < 2.0
        await world.kill(system)


async def test_an_endpoint_whose_sending_raises_what_nobody_foresaw_ends_no_other(autojump_clock):
    """Each attempt is a failed one of that endpoint; the others get all of theirs, once, from one life."""
    world = World()
    world.receivers.raising = {"odd.example": UnicodeError("no name")}
    async with open_system(rng=Random(1)) as system:
        desk = await world.start(system)
        odd = await desk.create("https://odd.example/hook", ("order_accepted",))
        made = await desk.create(URL)
        for number in range(1, 4):
            world.journal.commit(accepted(number))
            await trio.sleep(0.1)
        await world.until_quiet()
        assert [each[1] for each in world.receivers.seen if each[0] == "a.example"] == list(
            world.journal.expected(made)
        )
        letters = await desk.dead_letters(odd.endpoint_id, 100, None)
        assert {(each.attempts, each.last_status, each.last_error) for each in letters} == {
            (len(PAUSES), None, "UnicodeError: no name")
        }
        assert len(letters) == 3
        await world.kill(system)


async def test_no_more_deliveries_are_under_way_at_a_time_than_the_settings_say(autojump_clock):
    world = World()
    world.concurrency = 2
    world.receivers.hanging = {"a.example": None}
    async with open_system(rng=Random(1)) as system:
        desk = await world.start(system)
        await desk.create(URL)
        world.journal.commit(*(accepted(number) for number in range(1, 10)))
        await trio.sleep(5)
        assert len(world.receivers.seen) == 2
        await world.kill(system)


async def test_a_busy_journal_and_a_receiver_that_hangs_cost_the_store_a_few_transactions_a_second(
    autojump_clock,
):
    """The store is shared with the journal: what webhooks ask of it is bounded by time, not by events."""
    world = World()
    world.receivers.hanging = {"a.example": None}
    async with open_system(rng=Random(1)) as system:
        desk = await world.start(system)
        made = await desk.create(URL)
        await trio.sleep(1)
        world.store.calls.clear()
        await trade(world, Random(1), 1000, pause=0.02)
        await trio.sleep(1)
        seconds = 1000 * 0.01 + 1
        assert len(world.journal.expected(made)) > 500
        assert world.store.calls["move"] <= 6 * seconds
        assert world.store.calls["heads"] <= 3
        assert len(world.receivers.seen) <= 8
        assert len(world.disk.deliveries) < 150, "the journal is its queue"
        world.receivers.hanging = {}
        await world.until_quiet()
        assert first_deliveries(world, "a.example") == world.journal.expected(made)
        assert not world.disk.behind
        world.journal.commit(accepted(9_999))
        await trio.sleep(1)
        assert first_deliveries(world, "a.example") == world.journal.expected(made)
        await world.kill(system)


async def test_what_is_passed_over_for_one_is_told_to_another_at_once(autojump_clock):
    world = World()
    world.receivers.hanging = {"b.example": None}
    async with open_system(rng=Random(1)) as system:
        desk = await world.start(system)
        made = await desk.create(URL)
        await desk.create("https://b.example/hook")
        await trade(world, Random(1), 400)
        assert world.disk.behind
        for number in range(5_000, 5_020):
            world.journal.commit(accepted(number))
            await trio.sleep(0.4)
            assert order_id(number) in world.receivers.bodies("a.example")[-1]["orderId"]
        assert first_deliveries(world, "a.example") == world.journal.expected(made)
        await world.kill(system)


async def stall(world: World, rng: Random) -> None:
    """Have the receiver hang and come back, without end."""
    while True:
        await trio.sleep(rng.random() * 2)
        world.receivers.hanging = {"a.example": None}
        await trio.sleep(rng.random() * 8)
        world.receivers.hanging = {}


@pytest.mark.parametrize("seed", range(6))
async def test_a_receiver_that_stalls_again_and_again_is_told_all_and_in_order(seed, autojump_clock):
    """It is passed over and catches up, while the store goes away and the process is killed."""
    world = World(seed, away=0.01)
    rng = Random(seed)
    async with open_system(rng=Random(1)) as system:
        desk = await world.start(system)
        made = await desk.create(URL)
        passed_over = 0
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stall, world, rng)
            for _ in range(12):
                await trade(world, rng, 60, pause=rng.random() * 0.2)
                passed_over += bool(world.disk.behind)
                if rng.random() < 0.4:
                    await world.kill(system)
                    await world.start(system)
            nursery.cancel_scope.cancel()
        world.receivers.hanging = {}
        await world.until_quiet()
        await world.kill(system)
    assert passed_over
    assert not world.disk.behind
    assert first_deliveries(world, "a.example") == world.journal.expected(made)
    first: dict[str, list[int]] = {}
    told: dict[str, None] = {}
    for _, message_id, body in world.receivers.taken:
        if message_id not in told:
            told[message_id] = None
            message = json.loads(body)
            first.setdefault(message.get("orderId", message.get("symbol")), []).append(message["seq"])
    assert all(found == sorted(found) for found in first.values())


async def test_an_endpoint_that_wants_nothing_of_it_asks_the_store_for_nothing(autojump_clock):
    world = World()
    async with open_system(rng=Random(1)) as system:
        desk = await world.start(system)
        await desk.create(URL, ["supervisor_gave_up"])
        await trio.sleep(1)
        world.store.calls.clear()
        await trade(world, Random(1), 500, pause=0.02)
        assert world.store.calls["heads"] <= 1
        assert world.store.calls["move"] <= 1
        await world.kill(system)


async def test_an_endpoint_hears_only_what_it_wants_and_only_what_came_after_it(autojump_clock):
    world = World()
    async with open_system(rng=Random(1)) as system:
        desk = await world.start(system)
        world.journal.commit(accepted(1))
        await trio.sleep(1)
        await desk.create(URL, ["order_denied"])
        await desk.create("https://b.example/hook")
        world.journal.commit(accepted(2))
        world.journal.commit(ev.TradingResumed(kill_ids=("k",), reason="fine", by="ann"))
        await world.until_quiet()
        await world.kill(system)
    assert world.receivers.bodies("a.example") == []
    heard = sorted(each["event"] for each in world.receivers.bodies("b.example"))
    assert heard == ["order_accepted", "trading_state_changed"]


async def test_a_receiver_that_is_gone_is_disabled_and_its_deliveries_can_be_replayed(autojump_clock):
    """410: nothing more is sent; what was pending becomes dead letters; resume and replay bring it."""
    world = World()
    world.receivers.answers = {"a.example": Answer(status=410)}
    async with open_system(rng=Random(1)) as system:
        desk = await world.start(system)
        made = await desk.create(URL)
        world.journal.commit(accepted(1), accepted(2))
        await trio.sleep(5)
        world.journal.commit(accepted(3))
        await trio.sleep(60)
        [(found, counted)] = await desk.all()
        assert (found.state, counted.pending, counted.dead) == (DISABLED, 0, 2)
        world.receivers.answers = {}
        await desk.resume(made.endpoint_id)
        assert await desk.replay(None, made.endpoint_id) == 2
        await world.until_quiet()
        await world.kill(system)
    assert len(world.receivers.bodies("a.example")) == 2


async def test_a_paused_endpoint_gets_everything_when_it_is_resumed(autojump_clock):
    world = World()
    async with open_system(rng=Random(1)) as system:
        desk = await world.start(system)
        made = await desk.create(URL)
        await desk.pause(made.endpoint_id)
        world.journal.commit(accepted(1), accepted(2))
        await trio.sleep(120)
        assert world.receivers.seen == []
        await desk.resume(made.endpoint_id)
        await world.until_quiet()
        await world.kill(system)
    assert len(world.receivers.bodies("a.example")) == 2


async def test_retry_after_is_honoured(autojump_clock):
    world = World()
    world.receivers.answers = {"a.example": Answer(status=503, retry_after="30")}
    async with open_system(rng=Random(1)) as system:
        desk = await world.start(system)
        await desk.create(URL)
        world.journal.commit(accepted(1))
        await trio.sleep(100)
        await world.kill(system)
    gaps = [
        later - earlier
        for earlier, later in zip(world.receivers.times, world.receivers.times[1:], strict=False)
    ]
    assert gaps
    assert all(gap >= 30 for gap in gaps)


async def test_a_test_message_is_sent_and_a_deleted_endpoint_gets_nothing_more(autojump_clock):
    world = World()
    async with open_system(rng=Random(1)) as system:
        desk = await world.start(system)
        made = await desk.create(URL)
        message_id = await desk.test(made.endpoint_id)
        await world.until_quiet()
        assert [each[1] for each in world.receivers.taken] == [message_id]
        assert await desk.delete(made.endpoint_id)
        world.journal.commit(accepted(1))
        await trio.sleep(60)
        assert await desk.test(made.endpoint_id) is None
        assert await desk.rotate(made.endpoint_id, 60) is None
        await world.kill(system)
    assert len(world.receivers.seen) == 1


async def test_a_circuit_that_opens_is_told_though_the_journal_does_not_have_it(autojump_clock):
    world = World()
    closed = BrokerState(exchange="sim", state="trading", circuit="closed", detail="")
    world.brokers["sim"] = closed
    async with open_system(rng=Random(1)) as system:
        desk = await world.start(system)
        await desk.create(URL)
        await trio.sleep(3)
        world.brokers["sim"] = msgspec.structs.replace(closed, circuit="open", detail="5 of 10 failed")
        await trio.sleep(3)
        await world.kill(system)
    [body] = world.receivers.bodies("a.example")
    assert (body["event"], body["circuit"], body["previousCircuit"]) == ("breaker_changed", "open", "closed")


async def test_an_outbox_that_was_left_far_behind_catches_up_with_the_same_bodies(autojump_clock):
    """Hundreds of records while no process ran, more than memory holds: positions and averages are those of
    their time.
    """
    world = World()
    async with open_system(rng=Random(1)) as system:
        desk = await world.start(system)
        made = await desk.create(URL)
        await trade(world, Random(7), 30)
        await world.kill(system)
        await trade(world, Random(8), 600)
        await world.start(system)
        await world.until_quiet()
        await world.kill(system)
    assert first_deliveries(world, "a.example") == world.journal.expected(made)


async def test_what_a_person_asks_for_in_vain_is_said_plainly(autojump_clock):
    world = World()
    async with open_system(rng=Random(1)) as system:
        desk = await world.start(system)
        for url, events, note, field in (
            ("https://127.0.0.1/", (), "", "url"),
            ("https://xn--a/", (), "", "url"),
            (URL, ("order_eaten",), "", "events"),
            (URL, (), "n" * 201, "note"),
        ):
            with pytest.raises(Unfit) as refused:
                await desk.create(url, events, note)
            assert refused.value.field == field
        for _ in range(64):
            await desk.create(URL)
        with pytest.raises(Unfit, match="delete one first"):
            await desk.create(URL)
        await world.kill(system)
