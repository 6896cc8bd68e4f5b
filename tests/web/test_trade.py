"""Order entry over WebSocket: the same promises as REST, many requests in flight, each answered by its id."""

import pytest
import trio
import trio.testing

from actors.model import messages as m
from actors.model import results as r
from tests.web.talking import joined
from tests.web.test_orders import LIMIT, MARKET


def bearer(token):
    return [(b"Authorization", b"Bearer " + token.encode())]


async def test_an_order_is_placed_and_cancelled_by_request_ids(address, port):
    async with joined(address, "/ws/trade") as talker:
        await talker.say(action="place", id="1", order=LIMIT, idempotencyKey="k1", wait=1)
        placed = await talker.hear()
        assert (placed["type"], placed["id"], placed["status"]) == ("result", "1", 201)
        assert placed["order"]["status"] == "open"
        await talker.say(action="cancel", id="2", orderId=placed["order"]["orderId"])
        cancelled = await talker.hear()
        assert (cancelled["id"], cancelled["status"], cancelled["order"]["status"]) == ("2", 200, "canceled")
    assert (port.placed[0].idempotency_key, port.waits) == ("k1", [1.0])
    assert port.placed[0].fingerprint


async def test_results_come_as_they_are_ready_and_not_in_the_order_of_the_requests(address, port):
    hold = trio.Event()
    place = port.place

    async def slow_first(intent, **more):
        if intent.client_order_id == "slow":
            await hold.wait()
        return await place(intent, **more)

    port.place = slow_first
    async with joined(address, "/ws/trade") as talker:
        await talker.say(action="place", id="a", order=LIMIT | {"clientOrderId": "slow"})
        await talker.say(action="place", id="b", order=MARKET)
        assert (await talker.hear())["id"] == "b"
        hold.set()
        assert (await talker.hear())["id"] == "a"


@pytest.mark.parametrize(
    ("order", "pointer"),
    [
        (LIMIT | {"qty": "0"}, "#/order/qty"),
        (LIMIT | {"qty": 1}, "#/order/qty"),
        (LIMIT | {"colour": "red"}, "#/order"),
        ([], "#/order"),
    ],
)
async def test_a_bad_order_is_refused_under_its_id(address, port, order, pointer):
    async with joined(address, "/ws/trade") as talker:
        await talker.say(action="place", id="x", order=order)
        found = await talker.hear()
    assert (found["id"], found["status"], found["problem"]["errors"][0]["pointer"]) == ("x", 400, pointer)
    assert port.placed == []


async def test_a_request_that_is_not_understood_is_answered_under_its_id(address, port):
    async with joined(address, "/ws/trade") as talker:
        await talker.say(action="place", id="7", order=MARKET, wait="soon")
        heard = await talker.hear()
        assert (heard["type"], heard["code"], heard["id"]) == ("error", "VALIDATION", "7")
        await talker.say(action="place", id="", order=MARKET)
        assert "id" not in await talker.hear()
    assert port.placed == []


async def test_denials_refusals_and_faults_are_problems_as_over_rest(address, port):
    denied = r.Denied(order=port.accept(), code="MAX_POSITION", detail="too large", limit="1", value="2")

    def fail(intent):
        raise RuntimeError("secret")

    answers = [
        lambda intent: denied,
        lambda intent: m.Refused(code="JOURNAL_UNAVAILABLE", detail="away"),
        fail,
    ]
    async with joined(address, "/ws/trade") as talker:
        found = []
        for number, answer in enumerate(answers):
            port.on_place = answer
            await talker.say(action="place", id=str(number), order=MARKET)
            found.append(await talker.hear())
    assert [each["problem"]["code"] for each in found] == ["MAX_POSITION", "JOURNAL_UNAVAILABLE", "INTERNAL"]
    assert [each["status"] for each in found] == [422, 503, 500]
    assert "secret" not in str(found)


async def test_commands_in_flight_are_bounded_over_all_connections(app, address, port):
    app.edge.in_flight = 4
    async with joined(address, "/ws/trade") as talker:
        await talker.say(action="place", id="1", order=MARKET)
        assert (await talker.hear())["problem"]["code"] == "OVERLOADED"
    assert port.placed == []


async def test_each_action_needs_its_own_scope(address, port, make_token):
    order = port.accept()
    async with joined(address, "/ws/trade", bearer(await make_token("cancel"))) as talker:
        await talker.say(action="place", id="1", order=MARKET)
        assert (await talker.hear())["problem"]["code"] == "FORBIDDEN"
        await talker.say(action="subscribe", channel="orders")
        assert (await talker.hear())["code"] == "FORBIDDEN"
        await talker.say(action="cancel", id="2", orderId=order.order_id)
        assert (await talker.hear())["status"] == 200


async def test_the_rate_of_a_token_is_the_same_however_it_asks(app, address, make_token):
    app.edge.services.keyring.requests_per_second = 3
    async with joined(address, "/ws/trade", bearer(await make_token("trade"))) as talker:
        for number in range(5):
            await talker.say(action="place", id=str(number), order=MARKET)
        statuses = sorted([(await talker.hear())["status"] for _ in range(5)])
    assert statuses[:3] == [201, 201, 201]
    assert 429 in statuses


async def test_open_orders_are_cancelled_at_the_end_if_the_client_asked_for_it(address, port):
    async with joined(address, "/ws/trade") as talker:
        await talker.say(action="place", id="0", order=LIMIT)
        await talker.hear()
        await talker.say(action="cancelOnDisconnect", enabled=True)
        await talker.say(action="place", id="1", order=LIMIT)
        await talker.hear()
        foreign = port.accept()
    with trio.fail_after(30):
        while len(port.book.orders) > 1:
            await trio.testing.wait_all_tasks_blocked(0.01)
    assert list(port.book.orders) == [foreign.order_id]


async def test_orders_stay_when_the_connection_ends_unless_asked_otherwise(app, address, port):
    async with joined(address, "/ws/trade") as talker:
        await talker.say(action="place", id="1", order=LIMIT)
        await talker.hear()
    with trio.fail_after(30):
        while app.sockets:
            await trio.testing.wait_all_tasks_blocked(0.01)
    assert len(port.book.orders) == 1


async def test_feeds_can_be_followed_on_the_trading_connection(address, port):
    async with joined(address, "/ws/trade") as talker:
        await talker.say(action="subscribe", channel="fills")
        assert (await talker.hear())["type"] == "snapshot"
        port.fill(port.accept(), "0.01")
        assert (await talker.hear())["channel"] == "fills"
