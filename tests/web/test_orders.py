"""Order entry over REST: what is asked becomes an intent, and each outcome its answer."""

from decimal import Decimal

import pytest

from actors.model import messages as m
from actors.model import results as r
from actors.model.folding import denied_order
from tests.web.fake_port import FakePort

LIMIT = {"symbol": "BTC/USDT", "side": "buy", "type": "limit", "qty": "0.01", "limitPrice": "39000"}
MARKET = {"symbol": "BTC/USDT", "side": "sell", "type": "market", "qty": "0.010"}


async def test_a_limit_order_is_placed_and_answered_with_its_state(client, auth, port):
    answer = await client.post("/orders", json=LIMIT | {"clientOrderId": "my-1"}, headers=auth)
    body = await answer.get_json()
    assert answer.status_code == 201
    assert answer.headers["Location"] == f"/orders/{body['orderId']}"
    assert body["status"] == "open"
    assert body["clientOrderId"] == "my-1"
    assert (body["qty"], body["limitPrice"], body["filledQty"], body["avgPrice"]) == (
        "0.01",
        "39000",
        "0",
        None,
    )
    intent = port.placed[0]
    assert (intent.user, intent.token_id, intent.exchange) == ("development", "settings", "")
    assert intent.quantity == Decimal("0.01")


async def test_only_symbol_side_type_and_quantity_are_required_of_a_market_order(client, auth, port):
    answer = await client.post("/orders", json=MARKET, headers=auth)
    assert answer.status_code == 201
    assert (await answer.get_json())["qty"] == "0.01"
    assert port.placed[0].limit_price is None


async def test_a_pending_order_is_answered_with_202_and_where_to_look(client, auth, port):
    order = port.accept()
    port.on_place = lambda intent: r.Pending(order=order)
    answer = await client.post("/orders", json=LIMIT, headers=auth)
    assert answer.status_code == 202
    assert answer.headers["Location"] == f"/orders/{order.order_id}"


async def test_a_repeated_request_is_answered_with_200(client, auth, port):
    order = port.accept()
    port.on_place = lambda intent: r.Replayed(order=order)
    answer = await client.post("/orders", json=LIMIT, headers=auth)
    assert answer.status_code == 200
    assert (await answer.get_json())["orderId"] == order.order_id


async def test_a_denied_order_is_a_problem_that_names_the_order_and_the_limit(client, auth, port):
    order = port.accept()
    port.on_place = lambda intent: r.Denied(
        order=order, code="MAX_POSITION", detail="too large", limit="50000", value="51000"
    )
    answer = await client.post("/orders", json=LIMIT, headers=auth)
    body = await answer.get_json()
    assert answer.status_code == 422
    assert answer.content_type == "application/problem+json"
    assert (body["code"], body["orderId"], body["limit"], body["value"]) == (
        "MAX_POSITION",
        order.order_id,
        "50000",
        "51000",
    )


async def test_a_code_of_the_exchange_itself_is_told_under_one_that_clients_know(client, auth, port):
    port.on_place = lambda intent: r.Denied(order=port.accept(), code="-2010", detail="no funds")
    body = await (await client.post("/orders", json=LIMIT, headers=auth)).get_json()
    assert (body["code"], body["detail"]) == ("EXCHANGE_REJECTED", "-2010: no funds")


@pytest.mark.parametrize(
    ("result", "status", "retry"),
    [
        (m.Refused(code="JOURNAL_UNAVAILABLE", detail="away", retry_after_seconds=0.2), 503, "1"),
        (m.Refused(code="OVERLOADED", detail="busy"), 503, "1"),
        (m.Refused(code="VALIDATION", detail="no such exchange"), 422, None),
        (r.Conflict(code="IN_PROGRESS", detail="wait"), 409, None),
        (r.Conflict(code="IDEMPOTENCY_MISMATCH", detail="other body"), 422, None),
    ],
)
async def test_a_refusal_has_the_status_of_its_code(client, auth, port, result, status, retry):
    port.on_place = lambda intent: result
    answer = await client.post("/orders", json=LIMIT, headers=auth)
    assert answer.status_code == status
    assert answer.headers.get("Retry-After") == retry
    assert (await answer.get_json())["code"] == result.code


async def test_the_same_request_has_the_same_fingerprint_however_it_is_written(client, auth, port):
    headers = auth | {"Idempotency-Key": "k1"}
    await client.post("/orders", json=LIMIT, headers=headers)
    await client.post("/orders", json=LIMIT | {"qty": "0.0100", "postOnly": False}, headers=headers)
    await client.post("/orders", json=LIMIT | {"qty": "0.02"}, headers=headers)
    first, second, third = (intent.fingerprint for intent in port.placed)
    assert first == second != third
    assert port.placed[0].idempotency_key == "k1"


@pytest.mark.parametrize(
    ("prefer", "wait"),
    [
        ("wait=2", 2.0),
        ("respond-async", 0.0),
        ("wait=999", 5.0),
        ("handling=lenient, wait=1", 1.0),
        ("wait=x", 5.0),
    ],
)
async def test_the_client_may_prefer_a_shorter_wait(client, auth, port, prefer, wait):
    await client.post("/orders", json=LIMIT, headers=auth | {"Prefer": prefer})
    assert port.waits == [wait]


async def test_a_dry_run_records_nothing_and_locates_nothing(client, auth, port):
    answer = await client.post("/orders?dryRun=true", json=LIMIT, headers=auth)
    assert answer.status_code == 200
    assert "Location" not in answer.headers
    assert port.records == []


@pytest.mark.parametrize("dry_run", [False, True])
async def test_a_denial_names_the_order_only_where_it_was_recorded(client, auth, port, dry_run):
    """Nobody finds the order of a dry run by its id."""
    intent = port.accept().intent
    denied = r.Denied(
        order=denied_order(intent, "MAX_POSITION", "too large", 0), code="MAX_POSITION", detail="d"
    )
    port.on_place = lambda _intent: denied
    query = "?dryRun=true" if dry_run else ""
    answer = await client.post(f"/orders{query}", json=LIMIT, headers=auth)
    batch = await client.post(f"/orders/batch{query}", json={"orders": [LIMIT]}, headers=auth)
    (item,) = (await batch.get_json())["results"]
    for body in (await answer.get_json(), item["problem"]):
        assert body["code"] == "MAX_POSITION"
        assert body.get("orderId") == (None if dry_run else intent.order_id)


async def test_a_cancel_answers_with_the_order_and_a_second_one_with_409(client, auth, port):
    order = port.accept()
    answer = await client.delete(f"/orders/{order.order_id}", headers=auth)
    assert (answer.status_code, (await answer.get_json())["status"]) == (200, "canceled")
    answer = await client.delete(f"/orders/{order.order_id}", headers=auth)
    body = await answer.get_json()
    assert (answer.status_code, body["code"], body["orderId"]) == (409, "ORDER_CLOSED", order.order_id)


async def test_an_order_that_does_not_exist_is_not_found(client, auth):
    for path in ("/orders/nonsense", "/orders/00000000-0000-4000-8000-00000000abcd"):
        for method in (client.get, client.delete):
            answer = await method(path, headers=auth)
            assert (answer.status_code, (await answer.get_json())["code"]) == (404, "NOT_FOUND")


async def test_orders_are_listed_in_pages_that_meet_without_gap_or_overlap(client, auth, port):
    expected = [port.accept().order_id for _ in range(7)][::-1]
    seen, cursor = [], None
    while True:
        path = "/orders?limit=3" + (f"&cursor={cursor}" if cursor else "")
        body = await (await client.get(path, headers=auth)).get_json()
        seen += [order["orderId"] for order in body["orders"]]
        cursor = body["nextCursor"]
        if cursor is None:
            break
    assert seen == expected


async def test_orders_are_filtered_by_status(client, auth, port):
    kept, gone = port.accept(), port.accept()
    port.cancel_now(gone)
    body = await (await client.get("/orders?status=open,partially_filled", headers=auth)).get_json()
    assert [order["orderId"] for order in body["orders"]] == [kept.order_id]


async def test_cancel_all_touches_only_what_is_in_scope(client, auth, port):
    buy, sell = port.accept(), port.accept(side="sell")
    body = await (await client.delete("/orders?side=buy", headers=auth)).get_json()
    assert body == {"orderIds": [buy.order_id]}
    assert port.book.order(sell.order_id).is_open


async def test_a_misspelled_filter_of_cancel_all_cancels_nothing(client, auth, port):
    order = port.accept()
    answer = await client.delete("/orders?sybmol=ETH/USDT", headers=auth)
    assert answer.status_code == 400
    assert port.book.order(order.order_id).is_open


async def test_the_history_of_an_order_is_its_events_in_order(client, auth, port):
    order = port.accept()
    port.accept()
    port.fill(order, "0.01")
    body = await (await client.get(f"/orders/{order.order_id}/events", headers=auth)).get_json()
    assert [event["type"] for event in body["events"]] == [
        "OrderAccepted",
        "OrderAcknowledged",
        "OrderFilled",
    ]
    assert body["events"][2]["payload"]["fill"]["quantity"] == "0.01"


async def test_a_batch_has_one_result_an_item_in_the_order_of_the_request(client, auth, port):
    orders = [LIMIT, LIMIT | {"qty": "-1"}, MARKET | {"colour": "red"}, MARKET]
    answer = await client.post("/orders/batch", json={"orders": orders}, headers=auth)
    results = (await answer.get_json())["results"]
    assert answer.status_code == 200
    assert [each["status"] for each in results] == [201, 400, 400, 201]
    assert results[1]["problem"]["errors"][0]["pointer"] == "#/orders/1/qty"
    assert len(port.placed) == 2


async def test_each_order_of_a_repeated_batch_has_its_own_stable_key(client, auth, port):
    headers = auth | {"Idempotency-Key": "b1"}
    for _ in range(2):
        await client.post("/orders/batch", json={"orders": [LIMIT, LIMIT]}, headers=headers)
    keys = [intent.idempotency_key for intent in port.placed]
    assert sorted(keys[:2]) == sorted(keys[2:])
    assert len(set(keys)) == 2


async def test_a_batch_with_an_order_more_is_another_request(client, auth, port):
    """However the same one is written: its orders say what they came with."""
    other = LIMIT | {"qty": "0.5"}
    for orders in ([LIMIT, other], [dict(reversed(LIMIT.items())), other], [LIMIT, other, other], [LIMIT]):
        await client.post("/orders/batch", json={"orders": orders}, headers=auth | {"Idempotency-Key": "b1"})
    first, second, third, fourth = (port.placed[at].fingerprint for at in (0, 2, 4, 7))
    assert first == second
    assert len({first, third, fourth}) == 3
    assert len({each.partition("/")[0] for each in (first, third, fourth)}) == 1


async def test_commands_beyond_the_bound_are_refused_while_kill_and_cancel_pass(
    app, client, auth, port: FakePort
):
    order = port.accept()
    app.edge.in_flight = 4
    answer = await client.post("/orders", json=LIMIT, headers=auth)
    assert (answer.status_code, (await answer.get_json())["code"]) == (503, "OVERLOADED")
    assert answer.headers["Retry-After"] == "1"
    assert port.placed == []
    assert (await client.delete(f"/orders/{order.order_id}", headers=auth)).status_code == 200
    assert (await client.post("/operator/kill", json={"reason": "x"}, headers=auth)).status_code == 200
