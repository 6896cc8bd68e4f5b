"""Whatever comes in: an answer below 500 in the one form of errors, and nothing was done."""

import base64
import json
from contextlib import suppress

import pytest
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from werkzeug.datastructures import Headers

from tests.web.test_orders import LIMIT

OVERSIZED = b'{"symbol":"' + b"x" * 70_000 + b'"}'

MALFORMED = [
    b"",
    b"{",
    b"null",
    b"[]",
    b'"BTC/USDT"',
    b"\xff\xfe",
    b"{}",
    b"[" * 30_000,
    b'{"symbol":"BTC/USDT","side":"buy","type":"limit","qty":"1","limitPrice":"1"} x',
    json.dumps(LIMIT).encode("utf-16"),
]

BAD_FIELDS = [
    {"qty": value}
    for value in (
        "-1",
        "0",
        "0.0",
        "-0",
        "NaN",
        "nan",
        "Infinity",
        "1e400",
        "1e5",
        "1E-3",
        "",
        " 1",
        "1 ",
        "+1",
        "1_000",
        "٣",
        "0x10",
        "1,5",
        ".5",
        "5.",
        "1" * 19,
        "0.1234567890123",
        "9" * 5000,
        "1\n",
        1,
        0.01,
        True,
        None,
        [],
        {},
    )
] + [
    {"limitPrice": "-1"},
    {"limitPrice": "0"},
    {"limitPrice": None},
    {"limitPrice": 39000},
    {"symbol": ""},
    {"symbol": "btc/usdt"},
    {"symbol": "BTCUSDT"},
    {"symbol": "BTC/USDT\n"},
    {"symbol": "BTC/USDT; DROP"},
    {"symbol": "A" * 60 + "/B"},
    {"side": "BUY"},
    {"side": "hold"},
    {"type": "stop"},
    {"type": "stop_limit"},
    {"type": "stop", "stopPrice": "38000"},
    {"type": "stop_limit", "stopPrice": "0"},
    {"type": "stop_limit", "stopPrice": "38000", "timeInForce": "IOC"},
    {"type": "stop_limit", "stopPrice": "38000", "postOnly": True},
    {"stopPrice": "38000"},
    {"type": "trailing_stop"},
    {"timeInForce": "DAY"},
    {"exchange": "SIM"},
    {"exchange": "../etc"},
    {"exchange": ""},
    {"clientOrderId": ""},
    {"clientOrderId": "a" * 33},
    {"clientOrderId": "a b"},
    {"clientOrderId": "é"},
    {"postOnly": "yes"},
    {"postOnly": 1},
    {"reduceOnly": None},
    {"postOnly": True, "timeInForce": "IOC"},
    {"type": "market"},
    {"colour": "red"},
    {"orderId": "mine"},
    {"venueId": "v"},
]


async def refused(answer, *statuses):
    body = await answer.get_json(force=True)
    assert answer.status_code in (statuses or (400,)), body
    assert answer.content_type == "application/problem+json"
    assert body["status"] == answer.status_code
    return body


@pytest.mark.parametrize("body", MALFORMED, ids=lambda body: repr(body[:20]))
async def test_a_body_that_is_no_order_is_refused(client, auth, port, body):
    answer = await client.post("/orders", data=body, headers=auth | {"Content-Type": "application/json"})
    assert (await refused(answer))["code"] == "VALIDATION"
    assert port.placed == []


@pytest.mark.parametrize("fields", BAD_FIELDS, ids=lambda fields: json.dumps(fields)[:40])
async def test_a_bad_field_is_refused_and_named(client, auth, port, fields):
    body = await refused(await client.post("/orders", json=LIMIT | fields, headers=auth))
    assert body["code"] == "VALIDATION"
    assert body["errors"]
    assert port.placed == []


async def test_a_number_instead_of_a_decimal_string_is_refused_with_what_to_do(client, auth):
    body = await refused(await client.post("/orders", json=LIMIT | {"qty": 0.01}, headers=auth))
    assert body["errors"][0]["pointer"] == "#/qty"
    assert "string" in body["detail"]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (
            {"type": "market"},
            "limitPrice: is only for limit and stop-limit orders; leave it out of a market order",
        ),
        (
            {"type": "stop", "stopPrice": "38000"},
            "limitPrice: is only for limit and stop-limit orders; leave it out of a stop order",
        ),
        ({"type": "limit", "limitPrice": None}, "limitPrice: is required for a limit order"),
        (
            {"type": "stop_limit", "stopPrice": "38000", "limitPrice": None},
            "limitPrice: is required for a stop-limit order",
        ),
        ({"type": "stop", "limitPrice": None}, "stopPrice: is required for a stop order"),
        ({"type": "stop_limit"}, "stopPrice: is required for a stop-limit order"),
    ],
)
async def test_a_price_that_does_not_fit_is_refused_in_the_words_of_the_type_that_was_asked_for(
    client, auth, changes, says
):
    """Who asked for a stop order and reads of a market order looks for the fault in the wrong place."""
    asked = {name: value for name, value in (LIMIT | changes).items() if value is not None}
    assert (await refused(await client.post("/orders", json=asked, headers=auth)))["detail"] == says


@pytest.mark.parametrize("missing", ["symbol", "side", "type", "qty", "limitPrice"])
async def test_a_missing_field_is_refused(client, auth, missing):
    order = {name: value for name, value in LIMIT.items() if name != missing}
    assert missing in (await refused(await client.post("/orders", json=order, headers=auth)))["detail"]


@pytest.mark.parametrize("path", ["/orders", "/orders/batch", "/operator/kill", "/operator/resume"])
async def test_an_oversized_body_is_413_and_a_foreign_media_type_415(client, auth, port, path):
    headers = auth | {"Content-Type": "application/json"}
    body = await refused(await client.post(path, data=OVERSIZED, headers=headers), 413)
    assert body["code"] == "PAYLOAD_TOO_LARGE"
    headers = auth | {"Content-Type": "text/xml"}
    body = await refused(await client.post(path, data=b"<a/>", headers=headers), 415)
    assert body["code"] == "UNSUPPORTED_MEDIA_TYPE"
    assert (port.placed, port.killed) == ([], [])


async def test_a_body_that_does_not_arrive_is_cut_off(app, auth, autojump_clock):
    """The body begins and never ends; after its time the request is answered and over."""
    for path in ("/orders", "/operator/kill"):
        headers = {"Authorization": auth["Authorization"], "Content-Type": "application/json"}
        began = trio.current_time()
        async with app.test_client().request(path, method="POST", headers=headers) as connection:
            await connection.send(b'{"symbol"')
            answer = await connection.as_response()
            assert answer.status_code == 408
        assert 9 < trio.current_time() - began < 15


@pytest.mark.parametrize(
    "path",
    [
        "/orders?limit=0",
        "/orders?limit=1001",
        "/orders?limit=x",
        "/orders?limit=-1",
        "/orders?limit=1&limit=2",
        "/orders?status=closed",
        "/orders?cursor=!!!",
        "/orders?symbol=%00",
        "/orders?nonsense=1",
        "/fills?orderId=x",
        "/events?after=-1",
        "/events?after=99999999999999999999",
        "/positions?exchange=SIM",
        "/balances?x=1",
        "/risk?x=1",
        "/operator/tree?x",
        "/orders?%ff=1",
    ],
)
async def test_a_bad_query_is_refused(client, auth, path):
    assert (await refused(await client.get(path, headers=auth)))["code"] == "VALIDATION"


async def test_a_cursor_that_is_none_of_ours_can_not_be_used(client, auth):
    for path in ("/orders", "/fills", "/events"):
        await refused(await client.get(f"{path}?cursor=YWJj", headers=auth), 422)


@pytest.mark.parametrize(
    ("path", "cursor"),
    [
        ("/orders", "1."),
        ("/fills", "1.x"),
        ("/events", "1.0f8fad5b-d9cb-469f-a165-70867728950e"),
        ("/limits/changes", "1.x"),
        ("/operator/audit", "0."),
    ],
)
async def test_a_cursor_of_another_list_can_not_be_used(client, auth, path, cursor):
    text = base64.urlsafe_b64encode(cursor.encode()).decode().rstrip("=")
    found = await refused(await client.get(f"{path}?cursor={text}", headers=auth), 422)
    assert "nextCursor" in found["detail"]


@pytest.mark.parametrize(
    ("reason", "status"),
    [("", 400), (" \t\n", 400), ("\u3000\ufeff", 400), ("\x1c", 200), ("\x85", 200), ("x", 200)],
)
async def test_a_reason_says_something_in_the_sense_of_the_contract(client, auth, reason, status):
    """What is white space in JSON Schema's regular expressions is another set than in Python's."""
    answer = await client.post("/operator/kill", json={"reason": reason}, headers=auth)
    assert answer.status_code == status
    if status == 400:
        assert (await refused(answer))["errors"][0]["detail"] == "more than white space is needed"


async def test_no_more_statuses_are_taken_than_there_are(client, auth):
    assert (await client.get("/orders?status=" + ",".join(["open"] * 11), headers=auth)).status_code == 200
    await refused(await client.get("/orders?status=" + ",".join(["open"] * 12), headers=auth))


async def test_a_key_that_is_said_twice_is_none(client, auth, port):
    headers = [*auth.items(), ("Idempotency-Key", "a"), ("Idempotency-Key", "b")]
    await refused(await client.post("/orders", json=LIMIT, headers=Headers(headers)))
    assert port.placed == []


async def test_what_the_framework_refuses_has_a_correlation_id_too(client, auth):
    for headers, expected in ((auth | {"X-Correlation-ID": "mine-7"}, "mine-7"), (auth, None)):
        answer = await client.get("/no-such-thing", headers=headers)
        found = (await answer.get_json())["correlationId"]
        assert answer.headers["X-Correlation-ID"] == found
        assert found == expected or (expected is None and found)


@pytest.mark.parametrize("value", ["a\0b", "\ufffd"])
async def test_a_note_may_hold_any_text(client, auth, value):
    asked = {"user": "bot", "scopes": ["read"], "note": value}
    answer = await client.post("/operator/tokens", json=asked, headers=auth)
    assert answer.status_code == 201
    assert (await answer.get_json())["record"]["note"] == value.replace("\0", "\ufffd")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/orders/", 404),
        ("GET", "/orders/a/b", 404),
        ("GET", "/orders/%2e%2e/x", 404),
        ("POST", "/positions", 405),
        ("GET", "/orders/batch", 405),
        ("PUT", "/orders", 405),
        ("OPTIONS", "/orders", 405),
        ("TRACE", "/orders", 405),
        ("BREW", "/orders", 405),
    ],
)
async def test_what_is_not_there_is_a_problem_too(client, auth, method, path, status):
    answer = await client.open(method, path, headers=auth)
    body = await refused(answer, status)
    assert body["code"] == {404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED"}[status]
    assert (status == 405) == ("Allow" in answer.headers)


@pytest.mark.parametrize("key", ["", " ", "a b", "a" * 65, "é"])
async def test_a_bad_idempotency_key_is_refused(client, auth, port, key):
    await refused(await client.post("/orders", json=LIMIT, headers=auth | {"Idempotency-Key": key}))
    assert port.placed == []


@pytest.mark.parametrize("count", [0, 51])
async def test_a_batch_has_one_to_fifty_orders(client, auth, port, count):
    await refused(await client.post("/orders/batch", json={"orders": [LIMIT] * count}, headers=auth))
    assert port.placed == []


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"reason": ""},
        {"reason": "  "},
        {"reason": "x" * 501},
        {"reason": "x", "level": "maim"},
        {"reason": 1},
    ],
)
async def test_a_kill_needs_a_reason_and_a_known_level(client, auth, port, body):
    await refused(await client.post("/operator/kill", json=body, headers=auth))
    assert port.killed == []


async def test_a_fault_of_the_service_is_a_problem_without_its_innards(client, auth, port):
    def fail(intent):
        raise RuntimeError("the password is hunter2")

    port.on_place = fail
    body = await refused(await client.post("/orders", json=LIMIT, headers=auth), 500)
    assert body["code"] == "INTERNAL"
    assert "hunter2" not in json.dumps(body)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(
        st.sampled_from([*LIMIT, "exchange", "x"]),
        st.recursive(
            st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=30),
            lambda inner: (
                st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2)
            ),
            max_leaves=4,
        ),
    )
)
def test_no_body_makes_a_server_error(fields):
    """Any JSON object is either an order or refused by the reader of bodies, never a crash."""
    from web.asked import NewOrder, decoder, intent_of
    from web.problems import ProblemError

    with suppress(ProblemError):
        asked = decoder(NewOrder)(json.dumps(LIMIT | fields).encode())
        intent_of(asked, user="u", token_id="t", idempotency_key="k")


@pytest.mark.parametrize(
    ("path", "allowed"),
    [("/limits/changes", {"GET"}), ("/limits/max_pos_usd", {"PATCH"}), ("/positions", {"GET"})],
)
async def test_a_method_that_is_not_there_is_told_with_those_that_are(client, auth, path, allowed):
    answer = await client.open("PUT", path, headers=auth)
    assert answer.status_code == 405
    assert set(answer.headers["Allow"].split(", ")) - {"HEAD"} == allowed
