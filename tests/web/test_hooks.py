"""Alerts become orders: with the right secret, through the mapping, within the hook's bounds, once."""

import hashlib
import json
from decimal import Decimal

import msgspec
import pytest

from web.app import create_app
from web.hooks.desk import HookDesk
from web.hooks.spec import BadHooks, read_hooks
from web.hooks.translate import forget, key_of, read_alert, value_at

SECRET, NEXT_SECRET = "open sesame", "next one"

DIGESTS = [hashlib.sha256(secret.encode()).hexdigest() for secret in (SECRET, NEXT_SECRET)]

EXCHANGES = ["sim", "second"]

FILE = f"""
[hooks.chart]
user = "chart"
secret_sha256 = {json.dumps(DIGESTS)}
secret_field = "passphrase"
symbols = ["BTC/USDT"]
sides = ["buy"]
max_qty = "0.1"
per_minute = 3
key = ["id"]
[hooks.chart.order]
symbol = {{ field = "ticker", values = {{ BTCUSDT = "BTC/USDT", ETHUSDT = "ETH/USDT" }} }}
side = {{ field = "strategy.action" }}
type = {{ value = "limit" }}
qty = {{ field = "strategy.contracts" }}
limitPrice = {{ field = "close" }}
"""

ALERT = {
    "passphrase": SECRET,
    "id": "a-1",
    "ticker": "BTCUSDT",
    "strategy": {"action": "buy", "contracts": 0.01},
    "close": 39000.5,
}


@pytest.fixture
def hooks(tmp_path):
    file = tmp_path / "hooks.toml"
    file.write_text(FILE)
    return read_hooks(file, EXCHANGES)


@pytest.fixture
def app(services, hooks):
    return create_app(msgspec.structs.replace(services, hooks=HookDesk(hooks)))


async def send(client, name="chart", headers=None, **changes):
    alert = ALERT | changes
    return await client.post(f"/hooks/{name}", data=json.dumps(alert), headers=headers or {})


async def test_an_alert_becomes_the_order_that_its_mapping_says(client, port):
    answer = await send(client)
    assert answer.status_code == 201
    [intent] = port.placed
    assert (intent.symbol, intent.side, intent.type) == ("BTC/USDT", "buy", "limit")
    assert (intent.quantity, intent.limit_price) == (Decimal("0.01"), Decimal("39000.5"))
    assert (intent.user, intent.token_id) == ("chart", "hook:chart")


async def test_the_same_alert_has_the_same_key_and_another_has_another(client, port):
    for identity in ("a-1", "a-1", "a-2"):
        await send(client, id=identity)
    first, second, third = (intent.idempotency_key for intent in port.placed)
    assert first == second != third
    assert len(first) <= 64


def test_alerts_whose_key_fields_run_together_have_different_keys(hooks):
    """Two alerts under one key are one order: the second would not be placed."""
    hook = msgspec.structs.replace(hooks["chart"], key=["id", "time"])
    alerts = [("1\x1f1", "1"), ("1", "1\x1f1"), ("1", '1","1'), ('1","1', "1"), ("11", "1"), ("1", "11")]
    keys = {key_of("chart", hook, {"id": one, "time": other}) for one, other in alerts}
    assert len(keys) == len(alerts)


@pytest.mark.parametrize("secret", [None, "", "wrong", 5, SECRET + " "])
async def test_without_the_secret_nothing_is_done(client, port, secret):
    answer = await send(client, passphrase=secret)
    assert (answer.status_code, (await answer.get_json(force=True))["code"]) == (401, "UNAUTHENTICATED")
    assert port.placed == []


async def test_the_secret_may_come_as_a_bearer_token_and_be_rotated(client, port):
    assert (await send(client, passphrase=NEXT_SECRET)).status_code == 201
    headers = {"Authorization": f"Bearer {SECRET}"}
    assert (await send(client, headers=headers, passphrase=None)).status_code == 201


async def test_an_unknown_hook_is_not_found(client):
    assert (await send(client, name="other")).status_code == 404


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"ticker": "ETHUSDT"}, 422, "SYMBOL_NOT_ALLOWED"),
        ({"ticker": "DOGE"}, 400, "VALIDATION"),
        ({"ticker": None}, 400, "VALIDATION"),
        ({"strategy": {"action": "sell", "contracts": 1}}, 403, "FORBIDDEN"),
        ({"strategy": {"action": "buy", "contracts": 0.11}}, 422, "ORDER_SIZE"),
        ({"strategy": {"action": "buy", "contracts": "lots"}}, 400, "VALIDATION"),
        ({"strategy": {"action": "buy", "contracts": -0.01}}, 400, "VALIDATION"),
        ({"strategy": {"action": "buy"}}, 400, "VALIDATION"),
        ({"strategy": "buy"}, 400, "VALIDATION"),
        ({"close": 1e400}, 400, "VALIDATION"),
        ({"id": None}, 400, "VALIDATION"),
    ],
)
async def test_what_is_beyond_the_hook_or_not_foreseen_is_refused(client, port, changes, status, code):
    answer = await send(client, **changes)
    assert (answer.status_code, (await answer.get_json(force=True))["code"]) == (status, code)
    assert port.placed == []


@pytest.mark.parametrize(
    ("bound", "mapped", "alert", "placed"),
    [
        (["sim"], None, {}, "sim"),
        (["second", "sim"], None, {}, "sim"),
        (["second"], 'value = "second"', {}, "second"),
        (["second"], 'field = "at"', {"at": "second"}, "second"),
        (["second"], 'field = "at"', {"at": "sim"}, None),
        (["second"], 'field = "at"', {}, None),
        (["second"], 'field = "at"', {"at": ""}, None),
        (None, None, {}, ""),
    ],
)
async def test_an_order_goes_to_an_exchange_of_the_hooks_or_nowhere(
    services, port, tmp_path, bound, mapped, alert, placed
):
    """Without a mapping the first configured exchange is meant, and what is judged is what is placed."""
    bounds = "" if bound is None else f"exchanges = {json.dumps(bound)}\n"
    mapping = "" if mapped is None else f"\nexchange = {{ {mapped} }}"
    file = tmp_path / "hooks.toml"
    file.write_text(FILE.replace("[hooks.chart.order]", f"{bounds}[hooks.chart.order]{mapping}"))
    hooks = HookDesk(read_hooks(file, EXCHANGES))
    client = create_app(msgspec.structs.replace(services, hooks=hooks)).test_client()
    await send(client, **alert)
    assert [intent.exchange for intent in port.placed] == ([] if placed is None else [placed])


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"buy BTC", b"\xff", b'{"a":' * 2000])
async def test_what_is_no_alert_is_refused(client, port, body):
    answer = await client.post("/hooks/chart", data=body)
    assert answer.status_code == 400
    assert (await answer.get_json(force=True))["detail"].startswith("the alert ")
    assert port.placed == []


async def test_a_hook_may_place_only_so_many_orders_a_minute(client, port, autojump_clock):
    answers = [await send(client, id=str(number)) for number in range(5)]
    assert [answer.status_code for answer in answers] == [201, 201, 201, 429, 429]
    assert len(port.placed) == 3


def test_numbers_are_taken_as_they_are_written():
    alert = read_alert(b'{"qty": 0.1000000000000000055, "n": 3, "deep": {"x": [1]}}')
    assert value_at(alert, "qty") == "0.1000000000000000055"
    assert value_at(alert, "n") == "3"
    assert value_at(alert, "deep.x") is None


@pytest.mark.parametrize(
    ("find", "put", "says"),
    [
        ("user =", "usr =", "usr"),
        ('max_qty = "0.1"', 'max_qty = "0"', "above zero"),
        ('max_qty = "0.1"', 'max_qty = "NaN"', "hooks.chart.max_qty: must be a number above zero"),
        ('max_qty = "0.1"', 'max_qty = "sNaN"', "hooks.chart.max_qty: must be a number above zero"),
        ('max_qty = "0.1"', 'max_qty = "Infinity"', "hooks.chart.max_qty: must be a number above zero"),
        ('max_qty = "0.1"', "max_qty = nan", "max_qty"),
        ('max_qty = "0.1"', "max_qty = inf", "max_qty"),
        ('sides = ["buy"]', 'sides = ["hold"]', "no side"),
        ('type = { value = "limit" }', 'type = { value = "limit", field = "x" }', "either field or value"),
        ('type = { value = "limit" }', 'type = { value = "stop" }', "can't place stop orders"),
        ('type = { value = "limit" }', 'type = { value = "stop_limit" }', "can't place stop orders"),
        ("[hooks.chart]", "[hooks.Chart!]", "hooks"),
        ("[hooks.chart.order]", 'exchanges = ["second"]\n[hooks.chart.order]', "would go to the first"),
        ("[hooks.chart.order]", "exchanges = []\n[hooks.chart.order]", "would go to the first"),
        (
            "[hooks.chart.order]",
            'exchanges = ["sim", "kraken"]\n[hooks.chart.order]',
            "there are: sim second",
        ),
        ("[hooks.chart.order]", '[hooks.chart.order]\nexchange = { value = "kraken" }', "order.exchange"),
        (
            "[hooks.chart.order]",
            '[hooks.chart.order]\nexchange = { field = "at", values = { K = "kraken" } }',
            "order.exchange",
        ),
        (SECRET, SECRET, None),
    ],
)
def test_a_file_that_can_not_be_used_says_why(tmp_path, find, put, says):
    file = tmp_path / "hooks.toml"
    file.write_text(FILE.replace(find, put))
    if says is None:
        assert read_hooks(file, EXCHANGES)
        return
    with pytest.raises(BadHooks) as bad:
        read_hooks(file, EXCHANGES)
    assert says in str(bad.value)
    assert "\n" not in str(bad.value)


def test_a_file_that_is_not_there_says_so(tmp_path):
    with pytest.raises(BadHooks):
        read_hooks(tmp_path / "none.toml", EXCHANGES)


@pytest.mark.parametrize("path", ["passphrase", "inner.passphrase", "inner.more.passphrase"])
def test_a_secret_is_forgotten_once_it_was_checked(path):
    alert = {"passphrase": "s", "inner": {"passphrase": "s", "more": {"passphrase": "s"}}, "side": "buy"}
    forget(alert, path)
    assert value_at(alert, path) is None
    assert str(alert).count("passphrase") == 2
    forget(alert, "side.passphrase.deeper")
    assert alert["side"] == "buy"
