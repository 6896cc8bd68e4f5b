"""What each dialect checks and how it says no: signatures, times, filters, ids, limits."""

import hashlib
import hmac
import json
import time
from decimal import Decimal
from urllib.parse import urlencode

import pytest

from ops.venue.control import blueprint
from ops.venue.service import Limits, Venue

KEY, SECRET = "test-api-key-0001", "test-secret-0001"
FUNDS = {"USDT": Decimal(100_000), "BTC": Decimal(1)}


def signature(text, secret=SECRET):
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


def now_ms():
    return time.time_ns() // 1_000_000


class Caller:
    """Speaks to a venue without a socket."""

    def __init__(self, limits=None):
        self.venue = Venue(limits=limits or Limits.none())
        self.venue.app.register_blueprint(blueprint(self.venue))
        for name in self.venue.exchanges:
            self.venue.open_account(name, KEY, SECRET, FUNDS)
        self.client = self.venue.app.test_client()

    async def binance(self, method, path, *, secret=SECRET, key=KEY, at_ms=None, **params):
        """A signed Binance request; status, JSON body and headers of the answer."""
        text = urlencode({**params, "timestamp": now_ms() if at_ms is None else at_ms})
        signed = f"{text}&signature={signature(text, secret)}"
        headers = {"X-MBX-APIKEY": key, "Content-Type": "application/x-www-form-urlencoded"}
        if method == "POST":
            answer = await self.client.post(path, data=signed, headers=headers)
        else:
            answer = await self.client.open(f"{path}?{signed}", method=method, headers=headers)
        return answer.status_code, await answer.get_json(), answer.headers

    async def bybit(self, method, path, *, secret=SECRET, key=KEY, at_ms=None, **params):
        """A signed Bybit request; status, retCode, result and headers of the answer."""
        stamp = str(now_ms() if at_ms is None else at_ms)
        text = json.dumps(params) if method == "POST" else urlencode(params)
        headers = {
            "X-BAPI-API-KEY": key,
            "X-BAPI-TIMESTAMP": stamp,
            "X-BAPI-RECV-WINDOW": "5000",
            "X-BAPI-SIGN": signature(stamp + key + "5000" + text, secret),
            "Content-Type": "application/json",
        }
        if method == "POST":
            answer = await self.client.post(path, data=text, headers=headers)
        else:
            answer = await self.client.get(f"{path}?{text}", headers=headers)
        body = await answer.get_json()
        return answer.status_code, body["retCode"], body["result"], answer.headers


def order(**changes):
    """A limit order that rests."""
    values = {
        "symbol": "BTCUSDT",
        "side": "BUY",
        "type": "LIMIT",
        "timeInForce": "GTC",
        "quantity": "0.01",
        "price": "39000",
        "newClientOrderId": "mine-1",
    }
    return {name: value for name, value in {**values, **changes}.items() if value is not None}


def link(**changes):
    """The same for Bybit."""
    values = {
        "category": "linear",
        "symbol": "BTCUSDT",
        "side": "Buy",
        "orderType": "Limit",
        "qty": "0.01",
        "price": "39000",
        "orderLinkId": "mine-1",
    }
    return {name: value for name, value in {**values, **changes}.items() if value is not None}


PATHS = {"spot": "/api/v3", "usdm": "/fapi/v1"}

BAD_SPOT = [
    (order(price="39000.001"), 400, -1013),
    (order(quantity="0.000001"), 400, -1013),
    (order(quantity="9999"), 400, -1013),
    (order(quantity="0.0001"), 400, -1013),
    (order(price="1"), 400, -1013),
    (order(quantity="10"), 400, -2010),
    (order(symbol="DOGEUSDT"), 400, -1121),
    (order(symbol=None), 400, -1102),
    (order(quantity="abc"), 400, -1100),
    (order(quantity=None), 400, -1102),
    (order(price=None), 400, -1102),
    (order(side="HOLD"), 400, -1117),
    (order(type="MAGIC"), 400, -1116),
    (order(timeInForce="SOON"), 400, -1115),
    (order(timeInForce=None), 400, -1102),
    (order(newClientOrderId="spaces are bad"), 400, -1100),
    (order(type="LIMIT_MAKER", timeInForce=None, price="41000"), 400, -2010),
]
BAD_USDM = [
    (order(price="39000.01"), 400, -4014),
    (order(quantity="0.0001"), 400, -1111),
    (order(price="1"), 400, -4131),
    (order(quantity="0.001", price="4500"), 400, -4131),
    (order(quantity="100"), 400, -2019),
    (order(timeInForce="GTX", price="41000"), 400, -5022),
    (order(side="SELL", reduceOnly="true", price="41000"), 400, -2022),
]


@pytest.mark.parametrize(("params", "status", "code"), BAD_SPOT)
async def test_spot_refuses_as_binance_does(params, status, code):
    caller = Caller()
    found = await caller.binance("POST", "/api/v3/order", **params)
    assert (found[0], found[1]["code"]) == (status, code)
    assert caller.venue.exchanges["binance-spot"].orders == {}
    account = caller.venue.exchanges["binance-spot"].accounts[KEY]
    assert (account.free, any(account.locked.values())) == (FUNDS, False)


@pytest.mark.parametrize(("params", "status", "code"), BAD_USDM)
async def test_futures_refuse_as_binance_does(params, status, code):
    caller = Caller()
    found = await caller.binance("POST", "/fapi/v1/order", **params)
    assert (found[0], found[1]["code"]) == (status, code)
    assert caller.venue.exchanges["binance-usdm"].orders == {}


BAD_LINEAR = [
    (link(price="39000.01"), 10001),
    (link(qty="0.0001"), 10001),
    (link(price="1"), 110003),
    (link(qty="0.001", price="4900"), 110003),
    (link(qty="1000"), 110007),
    (link(symbol="DOGEUSDT"), 10001),
    (link(side="Hold"), 10001),
    (link(orderLinkId="spaces are bad"), 10001),
    (link(side="Sell", reduceOnly=True, price="41000"), 110017),
]
BAD_SPOT_LINKS = [
    (link(category="spot", price="39000.001"), 170134),
    (link(category="spot", qty="0.0000001"), 170137),
    (link(category="spot", qty="0.0001"), 170140),
    (link(category="spot", qty="10"), 170131),
    (link(category="spot", symbol="DOGEUSDT"), 170121),
    (link(category="spot", orderType="Market", price=None), 10001),
]


@pytest.mark.parametrize(("params", "code"), [*BAD_LINEAR, *BAD_SPOT_LINKS])
async def test_bybit_refuses_with_a_code_in_a_good_answer(params, code):
    caller = Caller()
    found = await caller.bybit("POST", "/v5/order/create", **params)
    assert (found[0], found[1]) == (200, code)
    assert not any(exchange.orders for exchange in caller.venue.exchanges.values())


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"secret": "another"}, 400, -1022),
        ({"key": "short"}, 401, -2014),
        ({"key": "unknown-key-0001"}, 401, -2015),
        ({"at_ms": 0}, 400, -1021),
        ({"at_ms": 10**14}, 400, -1021),
        ({"recvWindow": "60001"}, 400, -1131),
    ],
)
@pytest.mark.parametrize("path", ["/api/v3/account", "/fapi/v3/account"])
async def test_binance_checks_key_signature_and_time(path, changes, status, code):
    found = await Caller().binance("GET", path, **changes)
    assert (found[0], found[1]["code"]) == (status, code)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"secret": "another"}, 10004),
        ({"key": "unknown"}, 10003),
        ({"at_ms": 0}, 10002),
        ({"at_ms": 10**14}, 10002),
    ],
)
async def test_bybit_checks_key_signature_and_time(changes, code):
    assert (await Caller().bybit("GET", "/v5/account/info", **changes))[1] == code


@pytest.mark.parametrize(("market", "code"), [("spot", -2010), ("usdm", -4116)])
async def test_at_binance_an_id_is_taken_only_while_its_order_is_open(market, code):
    """After that it can be used again: a blind resend would double the order."""
    caller, path = Caller(), f"{PATHS[market]}/order"
    assert (await caller.binance("POST", path, **order()))[0] == 200
    again = await caller.binance("POST", path, **order())
    assert (again[0], again[1]["code"]) == (400, code)
    await caller.binance("DELETE", path, symbol="BTCUSDT", origClientOrderId="mine-1")
    assert (await caller.binance("POST", path, **order()))[0] == 200


@pytest.mark.parametrize(("category", "code"), [("spot", 170141), ("linear", 110072)])
async def test_at_bybit_an_id_is_taken_for_ever(category, code):
    caller = Caller()
    assert (await caller.bybit("POST", "/v5/order/create", **link(category=category)))[1] == 0
    await caller.bybit("POST", "/v5/order/cancel", category=category, symbol="BTCUSDT", orderLinkId="mine-1")
    assert (await caller.bybit("POST", "/v5/order/create", **link(category=category)))[1] == code


@pytest.mark.parametrize("market", ["spot", "usdm"])
async def test_a_cancel_of_what_is_not_open_is_an_unknown_order(market):
    caller, path = Caller(), f"{PATHS[market]}/order"
    for _ in range(2):
        found = await caller.binance("DELETE", path, symbol="BTCUSDT", origClientOrderId="mine-1")
        assert (found[0], found[1]["code"]) == (400, -2011)
        await caller.binance("POST", path, **order(type="MARKET", price=None, timeInForce=None))
    missing = await caller.binance("GET", path, symbol="BTCUSDT", origClientOrderId="other")
    assert (missing[0], missing[1]["code"]) == (400, -2013)


async def test_weights_are_counted_then_throttled_then_banned():
    """Going on after a 429 leads to a 418, and then everything is refused for a while."""
    caller = Caller(Limits(spot_weight=100))
    statuses = [(await caller.binance("GET", "/api/v3/account"))[0] for _ in range(17)]
    assert statuses == [200] * 5 + [429] * 10 + [418] * 2
    status, body, headers = await caller.binance("GET", "/api/v3/order", symbol="BTCUSDT", orderId="1")
    assert (status, body["code"]) == (418, -1003)
    assert int(headers["Retry-After"]) > 100


async def test_the_used_weight_is_told():
    caller = Caller(Limits())
    found = await caller.binance("GET", "/api/v3/account")
    assert found[2]["X-MBX-USED-WEIGHT-1M"] == "20"
    placed = await caller.binance("POST", "/api/v3/order", **order())
    assert (placed[2]["X-MBX-USED-WEIGHT-1M"], placed[2]["X-MBX-ORDER-COUNT-10S"]) == ("21", "1")


async def test_too_many_orders_are_refused_before_they_are_taken():
    caller = Caller(Limits(spot_orders=2))
    for number in range(2):
        await caller.binance("POST", "/api/v3/order", **order(newClientOrderId=f"mine-{number}"))
    status, body, headers = await caller.binance("POST", "/api/v3/order", **order(newClientOrderId="mine-9"))
    assert (status, body["code"]) == (429, -1015)
    assert 1 <= int(headers["Retry-After"]) <= 11
    assert len(caller.venue.exchanges["binance-spot"].orders) == 2


async def test_bybit_counts_orders_by_user_and_requests_by_address():
    """The one is a code with a time, the other a 403 that lasts ten minutes."""
    caller = Caller(Limits(bybit_orders=1, bybit_address=5))
    await caller.bybit("POST", "/v5/order/create", **link())
    status, code, _, headers = await caller.bybit("POST", "/v5/order/create", **link(orderLinkId="mine-2"))
    if code == 0:  # the second began between the two
        status, code, _, headers = await caller.bybit(
            "POST", "/v5/order/create", **link(orderLinkId="mine-3")
        )
    assert (status, code) == (200, 10006)
    assert int(headers["X-Bapi-Limit-Reset-Timestamp"]) > now_ms() - 1000
    found = [await caller.bybit("GET", "/v5/account/info") for _ in range(6)]
    assert found[-1][0] == 403


async def test_the_ledger_keeps_every_coin():
    """What one account pays another or the market gets: nothing appears and nothing is lost."""
    caller = Caller()
    exchange = caller.venue.exchanges["binance-spot"]
    other = caller.venue.open_account("binance-spot", "other-key-0001", SECRET, FUNDS)
    await caller.binance("POST", "/api/v3/order", **order(price="40000"))
    await caller.binance(
        "POST",
        "/api/v3/order",
        key="other-key-0001",
        **order(side="SELL", price="40000", newClientOrderId="theirs"),
    )
    mine = exchange.accounts[KEY]
    assert len(exchange.trades) == 2
    for asset in ("USDT", "BTC"):
        held = sum(account.free[asset] + account.locked.get(asset, 0) for account in (mine, other))
        fees = sum(trade.fee for trade in exchange.trades if trade.fee_asset == asset)
        assert held + fees == 2 * FUNDS[asset]
    assert not any(mine.locked.values())
    assert not any(other.locked.values())


async def test_margin_is_given_back_when_a_position_is_closed():
    caller = Caller()
    path = "/fapi/v1/order"
    await caller.binance("POST", path, **order(type="MARKET", price=None, timeInForce=None))
    await caller.binance(
        "POST", path, **order(side="SELL", type="MARKET", price=None, timeInForce=None, reduceOnly="true")
    )
    exchange = caller.venue.exchanges["binance-usdm"]
    account = exchange.accounts[KEY]
    fees = sum(trade.fee for trade in exchange.trades)
    realized = sum(trade.realized for trade in exchange.trades)
    assert not any(account.locked.values())
    assert account.free["USDT"] == FUNDS["USDT"] - fees + realized
    assert account.positions["BTCUSDT"].quantity == 0


async def test_the_dead_mans_switch_cancels_when_nobody_renews_it():
    caller = Caller()
    await caller.binance("POST", "/fapi/v1/order", **order())
    await caller.binance("POST", "/fapi/v1/countdownCancelAll", symbol="BTCUSDT", countdownTime="1000")
    assert caller.venue.usdm.switches.expire() == 0
    caller.venue.clock.skew_us = 2_000_000
    assert caller.venue.usdm.switches.expire() == 1
    exchange = caller.venue.exchanges["binance-usdm"]
    assert [one.status for one in exchange.orders.values()] == ["canceled"]


async def test_the_control_api_moves_the_market_and_shows_the_truth():
    caller = Caller()
    await caller.binance("POST", "/api/v3/order", **order())
    told = {
        "exchange": "binance-spot",
        "symbol": "BTCUSDT",
        "price": "38999",
        "quantity": "0.004",
        "side": "sell",
    }
    moved = await (await caller.client.post("/_venue/market", json=told)).get_json()
    assert (moved["bid"], moved["last"]) == ("38999", "38999")
    ledger = await (await caller.client.get("/_venue/ledger/binance-spot")).get_json()
    (found,), (trade,) = ledger["orders"], ledger["trades"]
    assert (found["status"], found["executed"]) == ("new", "0.004")
    assert (trade["price"], trade["quantity"], trade["maker"]) == ("39000", "0.004", True)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("faults", {"kind": "magic"}),
        ("faults", {"kind": "html", "probability": 2}),
        ("faults", {"kind": "html", "where": "("}),
        ("faults", {"kind": "html", "count": 0}),
        ("market", {"exchange": "nowhere", "symbol": "BTCUSDT"}),
        ("market", {"exchange": "binance-spot", "symbol": "DOGE"}),
        ("clock", {}),
        ("accounts", {"exchange": "binance-spot", "apiKey": "k", "secret": "s", "balances": 1}),
        ("cancel", {"exchange": "binance-spot", "apiKey": KEY, "orderId": "7"}),
        ("orders", []),
    ],
)
async def test_the_control_api_says_what_is_wrong(path, body):
    answer = await Caller().client.post(f"/_venue/{path}", json=body)
    assert answer.status_code == 400
    assert (await answer.get_json())["error"]


async def test_faults_are_listed_counted_and_taken_back():
    caller = Caller()
    rule = await (
        await caller.client.post("/_venue/faults", json={"kind": "html", "where": "GET", "count": 1})
    ).get_json()
    assert (await caller.client.get("/api/v3/time")).content_type == "text/html"
    assert (await (await caller.client.get("/api/v3/time")).get_json())["serverTime"]
    (listed,) = await (await caller.client.get("/_venue/faults")).get_json()
    assert (listed["used"], listed["remaining"]) == (1, 0)
    await caller.client.delete(f"/_venue/faults/{rule['id']}")
    assert await (await caller.client.get("/_venue/faults")).get_json() == []


async def test_the_same_seed_draws_the_same_faults():
    async def draws():
        venue = Venue(seed=5)
        rule = venue.faults.add({"kind": "html", "where": "", "probability": 0.3})
        return [venue.faults.pick("GET /", frozenset({"html"})) is rule for _ in range(50)]

    assert await draws() == await draws()


async def test_futures_change_a_working_order_and_refuse_what_is_over_or_unchanged():
    caller, path = Caller(), "/fapi/v1/order"
    placed = await caller.binance("POST", path, **order())
    terms = {"symbol": "BTCUSDT", "side": "BUY", "origClientOrderId": "mine-1"}
    amended = await caller.binance("PUT", path, **terms, quantity="0.02", price="38900")
    body = amended[1]
    assert (amended[0], body["orderId"], body["origQty"]) == (200, placed[1]["orderId"], "0.02")
    assert (body["status"], Decimal(body["price"])) == ("NEW", Decimal(38900))
    same = await caller.binance("PUT", path, **terms, quantity="0.02", price="38900")
    assert (same[0], same[1]["code"]) == (400, -5027)
    poor = await caller.binance("PUT", path, **terms, quantity="900", price="38900")
    assert (poor[0], poor[1]["code"]) == (400, -2019)
    await caller.binance("DELETE", path, symbol="BTCUSDT", origClientOrderId="mine-1")
    over = await caller.binance("PUT", path, **terms, quantity="0.03", price="38900")
    assert (over[0], over[1]["code"]) == (400, -2011)


@pytest.mark.parametrize("category", ["spot", "linear"])
async def test_bybit_changes_what_is_named_and_keeps_the_rest(category):
    caller = Caller()
    await caller.bybit("POST", "/v5/order/create", **link(category=category))
    named = {"category": category, "symbol": "BTCUSDT", "orderLinkId": "mine-1"}
    for terms in ({"qty": "0.02"}, {"price": "38900"}):
        answer = await caller.bybit("POST", "/v5/order/amend", **named, **terms)
        assert (answer[1], answer[2]["orderLinkId"]) == (0, "mine-1")
    row = (await caller.bybit("GET", "/v5/order/realtime", **named))[2]["list"][0]
    assert (Decimal(row["qty"]), Decimal(row["price"]), row["orderStatus"]) == (
        Decimal("0.02"),
        Decimal(38900),
        "New",
    )
    same = await caller.bybit("POST", "/v5/order/amend", **named, qty="0.02")
    assert same[1] == 10001


async def test_an_amended_order_locks_what_it_needs_and_gives_it_all_back():
    caller = Caller()
    exchange = caller.venue.exchanges["bybit-spot"]
    account = exchange.accounts[KEY]
    await caller.bybit("POST", "/v5/order/create", **link(category="spot"))
    named = {"category": "spot", "symbol": "BTCUSDT", "orderLinkId": "mine-1"}
    await caller.bybit("POST", "/v5/order/amend", **named, qty="0.02", price="38000")
    assert account.locked["USDT"] == Decimal(760)
    await caller.bybit("POST", "/v5/order/cancel", **named)
    assert (account.locked["USDT"], account.free["USDT"]) == (0, FUNDS["USDT"])
