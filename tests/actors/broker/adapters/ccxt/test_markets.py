"""ccxt's market table as instruments, and what is refused before anything leaves."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.broker.adapters.ccxt.build import budgets, looks_like_ours
from actors.broker.adapters.ccxt.dialect import plain
from actors.broker.adapters.ccxt.markets import Names, markets_of
from actors.broker.adapters.ccxt.precision import Filters, breach, describe
from actors.broker.adapters.ccxt.profiles import UnknownAccountType, profile_for
from actors.broker.adapters.ccxt.usage import cost_of, usage_in
from actors.broker.adapters.ccxt.values import Malformed, average, micros, number
from actors.broker.limiter import Budget, Limiter, Priority
from actors.broker.port import EXTERNAL
from actors.model.order import OrderIntent


def row(symbol="BTC/USDT", **changes):
    base, _, rest = symbol.partition("/")
    values = {
        "id": symbol.partition(":")[0].replace("/", ""),
        "symbol": symbol,
        "base": base,
        "quote": rest.partition(":")[0],
        "settle": rest.partition(":")[2] or None,
        "active": True,
        "spot": ":" not in symbol,
        "swap": ":" in symbol,
        "linear": True if ":" in symbol else None,
        "precision": {"price": Decimal("0.01000000"), "amount": Decimal("0.00001000")},
        "limits": {
            "amount": {"min": Decimal("0.00001"), "max": Decimal(9000)},
            "price": {"min": Decimal("0.01"), "max": Decimal(1000000)},
            "cost": {"min": Decimal(5), "max": None},
            "market": {"min": Decimal(0), "max": Decimal(100)},
        },
    }
    return {**values, **changes}


def table(*rows):
    return {one["symbol"]: one for one in rows}


def test_a_perpetual_has_the_name_of_its_spot_market():
    """An account trades one kind of market; the kind is in the instrument."""
    both = table(row("BTC/USDT"), row("BTC/USDT:USDT"), row("BTC/USD:BTC", linear=False))
    (spot,) = markets_of("here", "spot", both, Decimal(1)).values()
    (linear,) = markets_of("here", "linear", both, Decimal("0.05")).values()
    assert (spot.instrument.symbol, linear.instrument.symbol) == ("BTC/USDT", "BTC/USDT")
    assert (spot.unified, linear.unified) == ("BTC/USDT", "BTC/USDT:USDT")
    assert (spot.instrument.market_type, linear.instrument.market_type) == ("spot", "linear")
    assert (spot.instrument.initial_margin, linear.instrument.initial_margin) == (Decimal(1), Decimal("0.05"))
    assert str(spot.instrument.tick) == "0.01"


@pytest.mark.parametrize(
    "missing",
    [
        row(active=False, limits=None),
        row(precision={"price": None, "amount": Decimal(1)}),
        row(precision={"price": Decimal("0.1"), "amount": Decimal(0)}),
    ],
)
def test_a_market_that_can_not_be_traded_is_left_out(missing):
    assert markets_of("here", "spot", table(missing), Decimal(1)) == {}


def test_a_market_that_is_not_offered_is_known_and_gives_way_to_one_of_its_name_that_is():
    rows = [row("BTC/USDT", active=False, id="OLD"), row("ETH/USDT", active=False)]
    new = {**row("BTC/USDT", id="NEW"), "symbol": "BTC/USDT new"}
    listed = Names("here", "spot", markets_of("here", "spot", table(*rows, new), Decimal(1)), bool)
    assert list(listed.offered) == ["BTC/USDT"]
    assert sorted(listed.by_id) == ["ETHUSDT", "NEW"]


def test_a_perpetual_whose_contract_is_not_one_unit_is_left_out():
    """ccxt counts its orders in contracts: a quantity in base units would become a thousand times as much."""
    sizes = {"BTC": "0.01", "DOGE": "1000", "ETH": "1", "XRP": None}
    listed = table(*[row(f"{base}/USDT:USDT", contractSize=size) for base, size in sizes.items()])
    assert list(markets_of("here", "linear", listed, Decimal(1))) == ["ETH/USDT", "XRP/USDT"]


def test_a_market_table_without_limits_is_no_market_table():
    with pytest.raises(Malformed):
        markets_of("here", "spot", table(row(limits=None)), Decimal(1))


def test_zero_is_no_bound():
    """Some exchanges say zero where they mean none."""
    free = row()
    free["limits"]["price"] = {"min": Decimal(0), "max": Decimal(0)}
    (market,) = markets_of("here", "spot", table(free), Decimal(1)).values()
    assert (market.filters.min_price, market.filters.max_price) == (None, None)


def intent(**fields):
    values = {
        "order_id": "o",
        "client_order_id": "c",
        "exchange": "here",
        "symbol": "BTC/USDT",
        "side": "buy",
        "type": "limit",
        "quantity": Decimal("0.01"),
        "limit_price": Decimal(40000),
    }
    return OrderIntent(**{**values, **fields})


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({}, None),
        ({"limit_price": Decimal("40000.001")}, "INVALID_TICK"),
        ({"limit_price": Decimal("0.001")}, "INVALID_TICK"),
        ({"limit_price": Decimal(1000001)}, "INVALID_TICK"),
        ({"quantity": Decimal("0.010000001")}, "INVALID_LOT"),
        ({"quantity": Decimal(9000)}, None),
        ({"quantity": Decimal(9001)}, "INVALID_LOT"),
        ({"quantity": Decimal("0.0001")}, "MIN_NOTIONAL"),
        ({"quantity": Decimal("0.0001"), "reduce_only": True}, None),
        ({"quantity": Decimal(101), "type": "market", "limit_price": None}, "INVALID_LOT"),
        ({"quantity": Decimal(100), "type": "market", "limit_price": None}, None),
    ],
)
def test_what_would_be_changed_or_refused_is_not_sent(fields, code):
    (market,) = markets_of("here", "spot", table(row()), Decimal(1)).values()
    found = breach(market.instrument, market.filters, intent(**fields))
    assert (None if found is None else found.code) == code
    if found is not None:
        assert describe(found).startswith(f"{code}: ")


@given(st.integers(1, 10**12), st.integers(0, 12))
def test_a_decimal_leaves_without_exponent_and_without_loss(digits, places):
    value = Decimal(digits).scaleb(-places)
    text = plain(value)
    assert "e" not in text.lower()
    assert Decimal(text) == value


def test_names_tell_ours_from_others():
    names = Names(
        "here", "spot", markets_of("here", "spot", table(row()), Decimal(1)), lambda one: one == "mine"
    )
    assert (names.order_id("mine"), names.order_id("web_1"), names.order_id("")) == (
        "mine",
        EXTERNAL,
        EXTERNAL,
    )
    assert names.symbol("BTCUSDT") == "BTC/USDT"
    with pytest.raises(Malformed):
        names.symbol("DOGEUSDT")


@pytest.mark.parametrize(
    ("client_id", "ours"),
    [
        ("a1b2k3j4l5m6-1f", True),
        ("proof1-12", True),
        ("web_1a2b", False),
        ("ios_5123", False),
        ("autoclose-1633", False),
        ("x-TD67BGP9-T0000", False),
        ("6gCrw2kRUAF9CvJDGP16IP", False),
        ("", False),
    ],
)
def test_the_form_of_our_ids_is_not_that_of_the_exchanges_own(client_id, ours):
    assert looks_like_ours(client_id) is ours


@pytest.mark.parametrize("value", [1.5, None, "", "abc", True, "NaN", "Infinity", [], "1e400"])
def test_only_exact_text_is_a_number(value):
    """A JSON float has lost its digits already."""
    with pytest.raises(Malformed):
        number({"x": value}, "x")


@pytest.mark.parametrize(
    ("told", "read"), [("", None), ("0.000", None), ("0.1234567890125", "0.123456789012")]
)
def test_an_average_is_rounded_and_none_where_there_is_none(told, read):
    assert average({"p": told}, "p") == (None if read is None else Decimal(read))


@pytest.mark.parametrize("told", ["NaN", "Infinity", "soon", "1e40"])
def test_what_is_no_number_is_no_average(told):
    with pytest.raises(Malformed):
        average({"p": told}, "p")


def test_times_come_as_numbers_or_texts():
    assert micros({"t": "1672282722429"}, "t") == micros({"t": 1672282722429}, "t") == 1672282722429000
    with pytest.raises(Malformed):
        micros({"t": "soon"}, "t")


def test_profiles_are_found_by_kind_and_account_type():
    assert profile_for("binance", "swap").ccxt_id == "binanceusdm"
    assert profile_for("binanceusdm", "spot").market_type == "linear"
    assert profile_for("bybit", None).market_type == "spot"
    untested = profile_for("kraken", "spot")
    assert (untested.tested, untested.receive_window_ms) == (False, None)
    with pytest.raises(UnknownAccountType):
        profile_for("binance", "margin")


def test_the_budgets_of_an_exchange_are_known_and_headers_speak_of_them():
    assert {spec.name: spec.limit for spec in budgets("binance", "spot")} == {"weight": 6000, "orders": 100}
    assert {spec.name for spec in budgets("bybit", "swap")} == {"requests", "orders"}
    assert budgets("kraken", "spot") == ()
    told = usage_in(
        {"X-MBX-USED-WEIGHT-1M": "70", "x-mbx-order-count-10s": "3", "X-MBX-ORDER-COUNT-1D": "9", "A": "b"}
    )
    assert [(usage.budget, usage.used, usage.window_seconds) for usage in told] == [
        ("weight", 70, 60.0),
        ("orders", 3, 10.0),
        ("orders_1d", 9, 86400.0),
    ]
    (bybit,) = usage_in({"X-Bapi-Limit": "20", "X-Bapi-Limit-Status": "18"})
    assert (bybit.budget, bybit.used, bybit.limit) == ("endpoint", 2, 20)
    headers = {"X-Bapi-Limit": "40", "X-Bapi-Limit-Status": "39"}
    (created,) = usage_in(headers, "https://api.bybit.com/v5/order/create")
    assert (created.budget, created.used, created.limit, created.window_seconds) == ("orders", 1, 40, 1.0)


def test_bounds_that_are_not_there_hold_nothing_back():
    (market,) = markets_of("here", "spot", table(row()), Decimal(1)).values()
    assert breach(market.instrument, Filters(), intent(quantity=Decimal(10**6))) is None


def test_a_futures_account_has_two_order_limits_and_a_header_for_each():
    """Told under one name, each would be taken for the count of the other's window, and ours for others'."""
    told = usage_in({"X-MBX-ORDER-COUNT-10S": "3", "X-MBX-ORDER-COUNT-1M": "40"})
    assert [(usage.budget, usage.used, usage.window_seconds) for usage in told] == [
        ("orders", 3, 10.0),
        ("orders_1m", 40, 60.0),
    ]


def test_orders_at_a_modest_pace_are_not_held_up_by_what_the_exchange_tells_of_them():
    """Five a second on Binance's futures, whose every answer counts them by ten seconds and by minutes."""
    limiter = Limiter([Budget(spec) for spec in budgets("binance", "swap")])
    cost, now_us, sent = cost_of("binance", "linear", "submit"), 0, []
    for _ in range(300):
        waited = limiter.wait_us(now_us, cost, Priority.ENTRY)
        assert waited == 0, f"after {len(sent)} orders"
        limiter.spend(now_us, cost)
        sent.append(now_us)
        count = {
            f"X-MBX-ORDER-COUNT-{name}": str(sum(at // window_us == now_us // window_us for at in sent))
            for name, window_us in (("10S", 10_000_000), ("1M", 60_000_000))
        }
        for usage in usage_in(count):
            limiter.learn(now_us, now_us, usage)
        now_us += 200_000


@pytest.mark.parametrize(("account_type", "per_second"), [("spot", 16), ("swap", 8)])
def test_bybits_count_of_the_last_second_holds_no_order_up_whose_pace_is_allowed(account_type, per_second):
    """It counts a second that ends now, not one of the clock: half of it is of ours before."""
    specs = [spec for spec in budgets("bybit", account_type) if spec.name == "orders"]
    limiter, now_us, sent = Limiter([Budget(spec) for spec in specs]), 0, []
    for _ in range(20 * per_second):
        assert limiter.wait_us(now_us, {"orders": 1}, Priority.ENTRY) == 0, f"after {len(sent)} orders"
        limiter.spend(now_us, {"orders": 1})
        sent.append(now_us)
        left = specs[0].limit - sum(at > now_us - 1_000_000 for at in sent)
        headers = {"X-Bapi-Limit": str(specs[0].limit), "X-Bapi-Limit-Status": str(left)}
        for usage in usage_in(headers, "https://api.bybit.com/v5/order/create"):
            limiter.learn(now_us, now_us + 300_000, usage)
        now_us += 1_000_000 // per_second


def test_no_window_of_a_futures_account_ever_holds_more_orders_than_it_may():
    limiter = Limiter([Budget(spec) for spec in budgets("binance", "swap")])
    cost, now_us, sent = cost_of("binance", "linear", "submit"), 0, []
    while now_us < 180_000_000:
        now_us += limiter.wait_us(now_us, cost, Priority.ENTRY)
        limiter.spend(now_us, cost)
        sent.append(now_us)
    for limit, window_us in ((300, 10_000_000), (1200, 60_000_000)):
        assert all(later - first > window_us for first, later in zip(sent, sent[limit:], strict=False))
    assert cost_of("binance", "linear", "amend") == cost
