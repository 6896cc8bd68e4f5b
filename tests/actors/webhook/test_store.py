"""Where deliveries are kept: one suite over PostgreSQL and its twin in memory."""

from collections.abc import AsyncIterator
from decimal import Decimal

import pytest

from actors.model.position import Position
from actors.webhook.port import (
    ACTIVE,
    BURIED,
    DELIVERED,
    DISABLED,
    RETRY,
    Delivery,
    Endpoint,
    Outbox,
    Settlement,
    WebhookStore,
)
from persistence.memory.webhooks import MemoryWebhookStore
from persistence.postgres import Database, open_bridge
from persistence.postgres.webhooks import PostgresWebhookStore
from tests.fixtures.stores import fail_on_error

NOW_US = 1_795_348_800_000_000


@pytest.fixture(params=["memory", "postgres"])
async def store(request) -> AsyncIterator[WebhookStore]:
    if request.param == "memory":
        yield MemoryWebhookStore()
        return
    async with open_bridge(fail_on_error):
        database = Database(request.getfixturevalue("postgres_dsn"))
        yield PostgresWebhookStore(database)
        await database.close()


def endpoint(name: str = "ep_1", **more: object) -> Endpoint:
    return Endpoint(endpoint_id=name, url="https://example.com/x", secret="whsec_a", **more)


def delivery(number: int, subject: str = "order/1", owner: str = "ep_1", due_us: int = NOW_US) -> Delivery:
    return Delivery(
        delivery_id=f"msg_{number}_{owner}",
        endpoint_id=owner,
        number=number,
        event="order_filled",
        subject=subject,
        body=b'{"a":"\xc3\xa9 1"}',
        created_us=NOW_US,
        due_us=due_us,
    )


def settled(
    number: int, outcome: str, *, owner: str = "ep_1", at_us: int = NOW_US, due_us: int = 0
) -> Settlement:
    status = 204 if outcome == DELIVERED else 500
    error = "" if outcome == DELIVERED else "status 500"
    return Settlement(
        delivery_id=f"msg_{number}_{owner}",
        outcome=outcome,
        at_us=at_us,
        due_us=due_us,
        status=status,
        error=error,
    )


async def ids(store: WebhookStore, owner: str = "ep_1", without: tuple[str, ...] = ()) -> list[str]:
    return [each.delivery_id for each in await store.heads(owner, 10, without)]


async def test_an_endpoint_that_is_passed_over_is_behind_until_it_has_caught_up(store):
    before = (Position(exchange="sim", symbol="BTC/USDT", quantity=Decimal("0.1")),)
    after = (Position(exchange="sim", symbol="BTC/USDT", quantity=Decimal("0.3")),)
    await store.add(endpoint())
    await store.add(endpoint("ep_2"))
    await store.move(0, Outbox(seq=3, positions=before), [])
    assert await store.behind("ep_1") is None
    assert await store.move(3, Outbox(seq=7, positions=after), [delivery(80, owner="ep_2")], ["ep_1", "ep_x"])
    assert await store.move(7, Outbox(seq=9), [delivery(128), delivery(128, owner="ep_2")], ["ep_1"])
    assert await store.behind("ep_1") == Outbox(seq=3, positions=before)
    assert await store.behind("ep_2") is None
    assert [each.behind_seq for each in await store.endpoints()] == [3, None]
    assert await store.heads("ep_1", 10, ()) == [], "the outbox keeps nothing for one that is behind"
    assert len(await store.line_up("ep_2", 10)) == 2

    assert not await store.catch_up("ep_1", 2, Outbox(seq=7, positions=after), [delivery(80)])
    assert not await store.catch_up("ep_2", 3, Outbox(seq=7, positions=after), [delivery(80)])
    assert await store.catch_up("ep_1", 3, Outbox(seq=7, positions=after), [delivery(80)])
    assert await store.behind("ep_1") == Outbox(seq=7, positions=after)
    assert await store.catch_up("ep_1", 7, Outbox(seq=9), [delivery(128)])
    assert await store.behind("ep_1") is None
    assert [each.number for each in await store.line_up("ep_1", 10)] == [80, 128]
    assert await store.move(9, Outbox(seq=10), [delivery(144)])
    assert [each.number for each in await store.line_up("ep_1", 10)] == [80, 128, 144]


async def test_a_move_that_comes_too_late_passes_nobody_over(store):
    await store.add(endpoint())
    await store.move(0, Outbox(seq=3), [])
    assert not await store.move(2, Outbox(seq=4), [], ["ep_1"])
    assert await store.behind("ep_1") is None


async def test_an_endpoint_that_is_behind_can_be_sent_what_the_journal_does_not_have(store):
    await store.add(endpoint())
    await store.move(0, Outbox(seq=3), [], ["ep_1"])
    await store.put(delivery(15))
    assert len(await store.line_up("ep_1", 10)) == 1


async def test_an_endpoint_comes_back_as_it_was_kept(store):
    kept = endpoint(events=("order_filled",), note="n", since_seq=7, created_us=1, updated_us=2)
    await store.add(kept)
    await store.add(kept)
    found = await store.endpoints()
    assert found == [kept]
    assert (found[0].secret, found[0].events) == ("whsec_a", ("order_filled",))


async def test_a_rotation_keeps_the_old_secret_beside_the_new_one(store):
    await store.add(endpoint())
    assert await store.set_secret("ep_1", "whsec_b", NOW_US + 5, NOW_US)
    [found] = await store.endpoints()
    assert (found.secret, found.previous_secret, found.previous_until_us) == (
        "whsec_b",
        "whsec_a",
        NOW_US + 5,
    )
    assert not await store.set_secret("ep_2", "whsec_b", 0, NOW_US)


async def test_the_cursor_moves_together_with_the_deliveries_or_not_at_all(store):
    await store.add(endpoint())
    positions = (Position(exchange="sim", symbol="BTC/USDT", quantity=Decimal("0.10")),)
    assert await store.move(0, Outbox(seq=5, positions=positions), [delivery(80)])
    assert await store.outbox() == Outbox(seq=5, positions=positions)
    assert not await store.move(0, Outbox(seq=9), [delivery(96)])
    assert (await store.outbox()).seq == 5
    assert await ids(store) == ["msg_80_ep_1"]


async def test_a_delivery_is_kept_once_and_not_for_an_endpoint_that_is_gone(store):
    await store.add(endpoint())
    await store.move(0, Outbox(seq=1), [delivery(16), delivery(16, owner="ep_gone")])
    await store.move(1, Outbox(seq=2), [delivery(16)])
    assert await ids(store) == ["msg_16_ep_1"]
    [counted] = await store.statistics()
    assert counted.pending == 1


async def test_only_the_first_of_each_subject_is_due_and_the_next_follows_when_it_is_taken(store):
    await store.add(endpoint())
    made = [delivery(16), delivery(32), delivery(17, "position/sim/BTC/USDT"), delivery(48)]
    await store.move(0, Outbox(seq=1), made[:2])
    await store.move(1, Outbox(seq=2), made[2:])
    assert await ids(store) == ["msg_16_ep_1", "msg_17_ep_1"]
    assert await ids(store, without=("msg_16_ep_1",)) == ["msg_17_ep_1"]
    await store.settle([settled(16, DELIVERED)])
    assert await ids(store) == ["msg_17_ep_1", "msg_32_ep_1"]
    await store.settle([settled(32, DELIVERED), settled(17, DELIVERED)])
    assert await ids(store) == ["msg_48_ep_1"]
    [found] = await store.heads("ep_1", 10, ())
    assert found.body == b'{"a":"\xc3\xa9 1"}'


async def test_a_failed_attempt_waits_with_all_that_is_behind_it_and_is_counted_once(store):
    await store.add(endpoint())
    await store.move(0, Outbox(seq=1), [delivery(16), delivery(32)])
    failure = settled(16, RETRY, due_us=NOW_US + 10)
    await store.settle([failure])
    await store.settle([failure])
    [head] = await store.heads("ep_1", 10, ())
    assert (head.delivery_id, head.attempts, head.due_us) == ("msg_16_ep_1", 1, NOW_US + 10)
    assert (head.last_status, head.last_error) == (500, "status 500")
    [counted] = await store.statistics()
    assert (counted.pending, counted.failed_attempts, counted.last_error) == (2, 1, "status 500")


async def test_what_failed_is_listed_with_the_time_of_its_next_attempt(store):
    await store.add(endpoint())
    await store.move(0, Outbox(seq=1), [delivery(16), delivery(32, "order/2"), delivery(48, "order/3")])
    await store.settle([settled(16, RETRY, due_us=NOW_US + 20), settled(32, RETRY, due_us=NOW_US + 10)])
    found = [(each.delivery_id, each.endpoint_id, each.due_us) for each in await store.retries(10)]
    assert found == [
        ("msg_32_ep_1", "ep_1", NOW_US + 10),
        ("msg_16_ep_1", "ep_1", NOW_US + 20),
    ]
    assert len(await store.retries(1)) == 1


async def test_what_is_pending_is_lined_up_by_its_place_whatever_its_subject(store):
    await store.add(endpoint())
    await store.move(0, Outbox(seq=1), [delivery(48), delivery(16, "order/2"), delivery(32)])
    assert [each.number for each in await store.line_up("ep_1", 10)] == [16, 32, 48]
    assert [each.number for each in await store.line_up("ep_1", 2)] == [16, 32]


async def test_an_endpoint_leads_elsewhere_and_keeps_what_it_is_owed(store):
    await store.add(endpoint())
    await store.move(0, Outbox(seq=1), [delivery(16)])
    assert await store.set_place("ep_1", "ntfy", "https://ntfy.sh", ("order_unknown",), NOW_US + 1)
    assert not await store.set_place("ep_2", "ntfy", "https://ntfy.sh", (), NOW_US + 1)
    [found] = await store.endpoints()
    assert (found.kind, found.url, found.events) == ("ntfy", "https://ntfy.sh", ("order_unknown",))
    assert await ids(store) == ["msg_16_ep_1"]


async def test_a_dead_letter_lets_the_next_one_pass_and_comes_back_when_it_is_replayed(store):
    await store.add(endpoint())
    await store.move(0, Outbox(seq=1), [delivery(16), delivery(32)])
    await store.settle([settled(16, BURIED)])
    assert await ids(store) == ["msg_32_ep_1"]
    [letter] = await store.dead_letters(None, 10, None)
    assert await store.dead_letter("msg_16_ep_1") == letter
    assert (letter.state, letter.attempts, letter.dead_us) == ("dead", 1, NOW_US)
    assert await store.dead_letter("msg_32_ep_1") is None
    assert await store.replay("msg_16_ep_1", None, NOW_US + 1) == 1
    assert await store.replay("msg_16_ep_1", None, NOW_US + 1) == 0
    [head] = await store.heads("ep_1", 10, ())
    assert (head.delivery_id, head.attempts) == ("msg_16_ep_1", 0)
    await store.settle([settled(16, DELIVERED)])
    assert await ids(store) == ["msg_32_ep_1"]


async def test_dead_letters_are_listed_newest_first_page_by_page_and_replayed_by_endpoint(store):
    for name in ("ep_1", "ep_2"):
        await store.add(endpoint(name))
    made = [delivery(16 * n, f"order/{n}", owner) for n in range(1, 4) for owner in ("ep_1", "ep_2")]
    await store.move(0, Outbox(seq=1), made)
    for number in (16, 32, 48):
        for owner in ("ep_1", "ep_2"):
            await store.settle([settled(number, BURIED, owner=owner, at_us=NOW_US + number)])
    first = await store.dead_letters(None, 4, None)
    rest = await store.dead_letters(None, 4, (first[-1].dead_us, first[-1].delivery_id))
    listed = [each.delivery_id for each in (*first, *rest)]
    assert listed == [f"msg_{n}_{owner}" for n in (48, 32, 16) for owner in ("ep_2", "ep_1")]
    assert len(await store.dead_letters("ep_1", 10, None)) == 3
    assert await store.replay(None, "ep_1", NOW_US) == 3
    assert await store.replay(None, None, NOW_US) == 3
    assert len(await ids(store)) == 3


async def test_disabling_buries_what_is_pending_and_deleting_forgets_everything(store):
    await store.add(endpoint())
    await store.move(0, Outbox(seq=1), [delivery(16), delivery(32)])
    assert await store.set_state("ep_1", DISABLED, "gone", NOW_US)
    [found] = await store.endpoints()
    assert (found.state, found.reason) == (DISABLED, "gone")
    assert await ids(store) == []
    letters = await store.dead_letters("ep_1", 10, None)
    assert {each.last_error for each in letters} == {"the endpoint was disabled"}
    assert await store.set_state("ep_1", ACTIVE, "", NOW_US)
    assert await store.delete("ep_1")
    assert not await store.delete("ep_1")
    assert not await store.set_state("ep_1", ACTIVE, "", NOW_US)
    assert (await store.dead_letters(None, 10, None), await store.statistics()) == ([], [])


async def test_heads_come_soonest_due_first(store):
    await store.add(endpoint())
    made = [delivery(16 * n, f"order/{n}", due_us=NOW_US - n) for n in range(1, 6)]
    await store.move(0, Outbox(seq=1), made)
    assert await ids(store) == [f"msg_{16 * n}_ep_1" for n in (5, 4, 3, 2, 1)]
    assert [each.number for each in await store.heads("ep_1", 2, ())] == [80, 64]


async def test_what_waits_in_line_comes_in_the_order_of_its_subjects_and_numbers(store):
    """Only what is pending, of this endpoint, and not more of a subject than was asked for."""
    await store.add(endpoint())
    await store.add(endpoint("ep_2"))
    made = [delivery(16 * n, f"order/{n % 2}") for n in range(1, 9)]
    await store.move(0, Outbox(seq=1), [*made, delivery(1, "order/1", "ep_2")])
    await store.settle([settled(16, DELIVERED), settled(32, BURIED)])
    line = await store.in_line("ep_1", ("order/1", "order/0", "order/7"), 3)
    assert [each.number // 16 for each in line] == [3, 5, 7, 4, 6, 8]
    assert await store.in_line("ep_1", (), 3) == []
