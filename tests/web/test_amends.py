"""Amending orders over REST, the trading socket and the Python client: one translation for all."""

import pytest

from actors.model import results as r
from tests.web.talking import joined
from tests.web.test_orders import LIMIT, MARKET
from web.client import ApiError, Client

NO_ORDER = "00000000-0000-4000-8000-00000000ffff"


@pytest.fixture
def api(client, auth):
    """The application, asked with every scope."""

    class Api:
        def __getattr__(self, method):
            async def send(path, *, headers=None, **more):
                return await getattr(client, method)(path, headers=auth | (headers or {}), **more)

            return send

    return Api()


async def placed(api, body=LIMIT):
    return (await (await api.post("/orders", json=body)).get_json())["orderId"]


async def patch(api, order_id, body, **headers):
    answer = await api.patch(f"/orders/{order_id}", json=body, headers=headers)
    return answer.status_code, await answer.get_json()


async def test_an_order_gets_the_terms_that_are_named_and_keeps_the_others(api, port):
    order_id = await placed(api)
    status, body = await patch(api, order_id, {"limitPrice": "38900"}, **{"Idempotency-Key": "k1"})
    assert (status, body["orderId"], body["limitPrice"], body["version"]) == (200, order_id, "38900", 2)
    assert body["amend"] == {
        "amendId": "00000000-0000-4000-8000-00000000000a",
        "state": "done",
        "qty": LIMIT["qty"],
        "limitPrice": "38900",
        "code": None,
        "reason": None,
    }
    asked = port.amended[0]
    assert (asked["quantity"], asked["idempotency_key"], len(asked["fingerprint"])) == (None, "k1", 64)
    status, body = await patch(api, order_id, {"qty": "0.5", "limitPrice": "38800"})
    assert (status, body["qty"], body["limitPrice"], body["version"]) == (200, "0.5", "38800", 3)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "#"),
        ({"qty": None}, "#/qty"),
        ({"qty": 1}, "#/qty"),
        ({"qty": "0"}, "#/qty"),
        ({"limitPrice": "-1"}, "#/limitPrice"),
        ({"qty": "1", "side": "sell"}, "#"),
    ],
)
async def test_terms_that_can_not_be_are_refused_before_anything_is_done(api, port, body, pointer):
    status, found = await patch(api, await placed(api), body)
    assert (status, found["code"], found["errors"][0]["pointer"]) == (400, "VALIDATION", pointer)
    assert not port.amended


async def test_each_outcome_has_its_status_and_code(api, port):
    order_id = await placed(api)
    assert (await patch(api, NO_ORDER, {"qty": "1"}))[0] == 404
    for code, status in (("NOT_AMENDABLE", 409), ("AMEND_IN_PROGRESS", 409), ("QTY_BELOW_FILLED", 422)):
        port.on_amend = lambda order, code=code: r.NotAmended(order=order, code=code, detail="no")
        assert (await patch(api, order_id, {"qty": "1"}))[0] == status
    port.on_amend = lambda order: r.NotAmended(
        order=order, code="MAX_POSITION", detail="too much", limit="1", value="2"
    )
    status, body = await patch(api, order_id, {"qty": "1"})
    assert (status, body["code"], body["orderId"], body["limit"], body["value"]) == (
        422,
        "MAX_POSITION",
        order_id,
        "1",
        "2",
    )
    port.on_amend = lambda order: r.Pending(order=order)
    answer = await api.patch(f"/orders/{order_id}", json={"qty": "1"})
    assert (answer.status_code, answer.headers["Location"]) == (202, f"/orders/{order_id}")
    port.on_amend = lambda _order: r.Conflict(code="IDEMPOTENCY_MISMATCH", detail="other")
    assert (await patch(api, order_id, {"qty": "1"}))[0] == 422
    port.on_amend = lambda _order: r.Refused(code="JOURNAL_UNAVAILABLE", detail="away")
    assert (await patch(api, order_id, {"qty": "1"}))[0] == 503
    port.on_amend = None
    await api.delete(f"/orders/{order_id}")
    status, body = await patch(api, order_id, {"qty": "1"})
    assert (status, body["code"]) == (409, "ORDER_CLOSED")


async def test_the_same_terms_written_otherwise_are_the_same_request(api, port):
    order_id = await placed(api)
    for terms in ({"qty": "0.50"}, {"qty": "0.5"}, {"limitPrice": "0.5"}):
        await patch(api, order_id, terms)
    first, second, third = (asked["fingerprint"] for asked in port.amended)
    assert first == second != third


async def test_an_amend_goes_over_the_trading_socket(address, port):
    async with joined(address, "/ws/trade") as talker:
        await talker.say(action="place", id="1", order=LIMIT)
        order_id = (await talker.hear())["order"]["orderId"]
        await talker.say(
            action="amend", id="2", orderId=order_id, terms={"qty": "0.5"}, idempotencyKey="k", wait=1
        )
        amended = await talker.hear()
        assert (amended["id"], amended["status"], amended["order"]["qty"]) == ("2", 200, "0.5")
        await talker.say(action="amend", id="3", orderId=order_id, terms={"qty": 1})
        refused = await talker.hear()
        assert (refused["id"], refused["status"]) == ("3", 400)
        assert refused["problem"]["errors"][0]["pointer"] == "#/terms/qty"
    assert (port.amended[0]["idempotency_key"], port.amended[0]["wait_seconds"]) == ("k", 1.0)


async def test_the_python_client_amends_with_a_key_of_its_own(address, port):
    order = port.accept()
    async with Client(address.replace("ws://", "http://"), "all-scopes-token") as client:
        amended = await client.amend(order.order_id, limit_price="38900")
        assert (amended.limit_price, amended.version) == ("38900", 2)
        assert port.amended[0]["idempotency_key"]
        with pytest.raises(ApiError) as error:
            await client.amend(NO_ORDER, qty="1")
    assert error.value.code == "NOT_FOUND"


async def test_a_market_order_can_not_be_amended(api, port):
    status, body = await patch(api, await placed(api, MARKET), {"qty": "1"})
    assert (status, body["code"]) == (409, "NOT_AMENDABLE")
