"""What a person decides: verdicts on unknown orders, corrections of balances."""

import pytest

from actors.model import events as ev
from actors.model.events import AccountOpened

CORRECTION = {
    "exchange": "sim",
    "asset": "USDT",
    "amount": "-250.5",
    "reference": "wd-1",
    "reason": "withdrawn by hand",
}


def unknown(port):
    order = port.accept()
    place = {"exchange": "sim", "symbol": "BTC/USDT", "order_id": order.order_id}
    port.book.orders.clear()
    port.book.orders[order.order_id] = order.__class__(intent=order.intent, created_us=1, updated_us=1)
    port.commit(ev.OrderUnresolved(**place, reason="no answer"))
    return order.order_id


async def test_a_verdict_ends_an_unknown_order(client, auth, port):
    order_id = unknown(port)
    body = {"verdict": "absent", "reason": "not on the site"}
    answer = await client.post(f"/operator/orders/{order_id}/verdict", json=body, headers=auth)
    assert answer.status_code == 200
    assert (await answer.get_json())["status"] == "denied"
    assert port.book.order(order_id).reason == "verdict of development: not on the site"
    again = await client.post(f"/operator/orders/{order_id}/verdict", json=body, headers=auth)
    assert (again.status_code, (await again.get_json())["code"]) == (409, "ORDER_CLOSED")


async def test_an_order_whose_fate_is_known_is_not_judged(client, auth, port):
    order_id = port.accept().order_id
    body = {"verdict": "absent", "reason": "r"}
    answer = await client.post(f"/operator/orders/{order_id}/verdict", json=body, headers=auth)
    assert (answer.status_code, (await answer.get_json())["code"]) == (409, "NOT_UNKNOWN")


@pytest.mark.parametrize(
    "body",
    [{"verdict": "absent"}, {"verdict": "filled", "reason": "r"}, {"verdict": "absent", "reason": " "}],
)
async def test_a_verdict_needs_a_reason_and_can_only_be_absent(client, auth, port, body):
    order_id = unknown(port)
    answer = await client.post(f"/operator/orders/{order_id}/verdict", json=body, headers=auth)
    assert answer.status_code == 400
    assert port.book.order(order_id).is_open


async def test_a_correction_is_booked_once_under_its_reference(client, auth, port):
    port.commit(AccountOpened(exchange="sim", balances=()))
    answer = await client.post("/operator/adjustments", json=CORRECTION, headers=auth)
    assert (answer.status_code, await answer.get_json()) == (
        200,
        {"exchange": "sim", "asset": "USDT", "total": "-250.5"},
    )
    again = await client.post("/operator/adjustments", json=CORRECTION, headers=auth)
    assert (again.status_code, (await again.get_json())["code"]) == (409, "REFERENCE_USED")


@pytest.mark.parametrize("amount", ["0", "-0", "--1", "1e5", "", "NaN", "+5", " 5"])
async def test_an_amount_that_is_no_plain_decimal_beside_zero_is_refused(client, auth, amount):
    answer = await client.post("/operator/adjustments", json=CORRECTION | {"amount": amount}, headers=auth)
    assert (answer.status_code, (await answer.get_json())["code"]) == (400, "VALIDATION")


async def test_a_refused_amount_is_told_what_amounts_there_are(client, auth):
    """Who is told that it must be above zero books what left the account with the wrong sign."""
    answer = await client.post("/operator/adjustments", json=CORRECTION | {"amount": "abc"}, headers=auth)
    detail = (await answer.get_json())["detail"]
    assert "'abc'; a plain decimal other than zero, with or without a minus is needed" in detail
    assert '"-250.5"' in detail
