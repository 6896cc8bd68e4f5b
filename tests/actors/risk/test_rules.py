"""Each control at its boundary: at the limit an order passes, one step beyond it is denied; what can't be
known is denied.
"""

from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from actors.model.events import BalanceAdjusted, CancelRequested
from actors.risk.decide import Passed
from actors.risk.limits import KINDS, RiskLimits, texts
from actors.risk.rules import RULES, Breach
from tests.actors.risk.desk import BTC, ETH, START_US, D, Desk, instrument, mark


@dataclass(frozen=True)
class Boundary:
    """Two orders, one step apart, on the same desk."""

    code: str
    passes: tuple[str, str, str | None]
    denied: tuple[str, str, str | None]
    limits: dict[str, object] = field(default_factory=dict)
    limit: str | None = None
    value: str | None = None


BOUNDARIES = {
    "position, buying at the market": Boundary(
        "MAX_POSITION", ("buy", "1.25", None), ("buy", "1.250001", None), {}, "50000", "50000.04"
    ),
    "position, selling short at a limit": Boundary(
        "MAX_POSITION", ("sell", "1.25", "41000"), ("sell", "1.250001", "41000"), {}, "50000", "50000.04"
    ),
    "long position": Boundary(
        "MAX_LONG",
        ("buy", "0.25", None),
        ("buy", "0.250001", None),
        {"max_long_usd": D(10000)},
        "10000",
        "10000.04",
    ),
    "short position": Boundary(
        "MAX_SHORT", ("sell", "0.25", None), ("sell", "0.250001", None), {"max_short_usd": D(10000)}, "10000"
    ),
    "exchange exposure": Boundary(
        "MAX_EXCHANGE_EXPOSURE",
        ("buy", "0.5", None),
        ("buy", "0.500001", None),
        {"max_exchange_usd": D(20000)},
        "20000",
    ),
    "gross exposure": Boundary(
        "MAX_GROSS_EXPOSURE",
        ("sell", "0.5", None),
        ("sell", "0.500001", None),
        {"max_gross_usd": D(20000)},
        "20000",
    ),
    "net exposure": Boundary(
        "MAX_NET_EXPOSURE",
        ("buy", "0.5", None),
        ("buy", "0.500001", None),
        {"max_net_usd": D(20000)},
        "20000",
    ),
    "order value at a limit price": Boundary(
        "ORDER_SIZE",
        ("buy", "0.25", "39000"),
        ("buy", "0.25", "39000.01"),
        {"max_order_usd": D(9750)},
        "9750",
    ),
    "order value at the market": Boundary(
        "ORDER_SIZE", ("buy", "0.25", None), ("buy", "0.250001", None), {"max_order_usd": D(10000)}, "10000"
    ),
    "order quantity": Boundary(
        "ORDER_SIZE",
        ("buy", "0.25", None),
        ("buy", "0.250001", None),
        {"max_order_quantity": D("0.25")},
        "0.25",
    ),
    "collar above": Boundary(
        "PRICE_COLLAR", ("buy", "0.1", "44000"), ("buy", "0.1", "44000.01"), {}, "44000"
    ),
    "collar below": Boundary(
        "PRICE_COLLAR", ("sell", "0.1", "36000"), ("sell", "0.1", "35999.99"), {}, "36000"
    ),
    "least value": Boundary(
        "MIN_NOTIONAL", ("buy", "0.000125", "40000"), ("buy", "0.000124", "40000"), {}, "5", "4.96"
    ),
    "tick": Boundary(
        "INVALID_TICK", ("buy", "0.1", "40000.01"), ("buy", "0.1", "40000.001"), {}, "0.01", "40000.001"
    ),
    "lot": Boundary(
        "INVALID_LOT", ("buy", "0.100001", None), ("buy", "0.1000001", None), {}, "0.000001", "0.1000001"
    ),
}


@pytest.mark.parametrize("name", BOUNDARIES)
def test_an_order_at_the_limit_passes_and_one_step_beyond_is_denied(name):
    case = BOUNDARIES[name]
    desk = Desk(**case.limits)
    assert desk.code(*case.passes) is None
    verdict = desk.judge(desk.intent(*case.denied))
    assert isinstance(verdict, Breach)
    assert verdict.code == case.code
    if case.limit is not None:
        assert verdict.limit == case.limit
    if case.value is not None:
        assert verdict.value == case.value


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_every_limit_that_a_row_names_exists(rule):
    known = set(RiskLimits.__struct_fields__)
    assert set(rule.limits) <= known
    assert rule.switch is None or rule.switch in rule.limits


def test_every_limit_is_named_by_a_row_and_has_a_kind():
    named = {name for rule in RULES for name in rule.limits}
    assert named == set(RiskLimits.__struct_fields__) == set(KINDS)


def test_what_is_on_by_default_is_what_was_promised():
    """A limit that is off by default is one that a person has to ask for."""
    on = {rule.code for rule in RULES if rule.is_on(RiskLimits())}
    assert on == {
        "INVALID_LOT",
        "SYMBOL_NOT_ALLOWED",
        "TRADING_HALTED",
        "EXCHANGE_RECONCILING",
        "CIRCUIT_OPEN",
        "INVALID_TICK",
        "STALE_PRICE",
        "ORDER_TYPE_UNSUPPORTED",
        "STOP_WOULD_TRIGGER",
        "PRICE_COLLAR",
        "MIN_NOTIONAL",
        "REDUCE_ONLY",
        "MAX_POSITION",
        "MAX_DAILY_LOSS",
        "INSUFFICIENT_MARGIN",
        "TRADING_REDUCING",
    }
    assert texts(RiskLimits())["max_pos_usd"] == "50000"
    assert texts(RiskLimits())["max_daily_loss_usd"] == "5000"
    assert texts(RiskLimits())["symbol_whitelist"] == "BTC/USDT,ETH/USDT"
    assert texts(RiskLimits())["price_collar"] == "0.1"


# Numbers that are none.


@pytest.mark.parametrize("quantity", ["NaN", "sNaN", "Infinity", "-Infinity", "0", "-1"])
def test_a_quantity_that_is_no_positive_number_is_denied(quantity):
    assert Desk().code("buy", quantity, "40000") == "INVALID_LOT"


@pytest.mark.parametrize("price", ["NaN", "sNaN", "Infinity", "0", "-40000"])
def test_a_price_that_is_no_positive_number_is_denied(price):
    assert Desk().code("buy", "0.1", price) == "INVALID_TICK"


@pytest.mark.parametrize("quantity", ["999999999999999999", "1e60", "1e400"])
def test_an_extreme_quantity_is_denied(quantity):
    desk = Desk(max_pos_usd=None, margin=False)
    assert desk.code("buy", quantity) in ("ORDER_SIZE", "INVALID_LOT", None)
    assert Desk().code("buy", quantity) in ("ORDER_SIZE", "INVALID_LOT", "MAX_POSITION")


def test_numbers_whose_product_has_too_many_digits_are_denied_and_not_rounded():
    desk = Desk(symbol_whitelist=(BTC,), price_collar=None, max_pos_usd=None, margin=False)
    desk.broker(instruments=(instrument(BTC, lot=D("1e-40"), tick=D("1e-40")),))
    long_number = "9" * 30 + "." + "0" * 39 + "1"
    verdict = desk.judge(desk.intent("buy", long_number, long_number))
    assert isinstance(verdict, Breach)
    assert verdict.code == "ORDER_SIZE"


# Prices.


def test_without_a_price_nothing_that_opens_passes():
    desk = Desk()
    desk.state.valuation.marks.clear()
    assert desk.code("buy", "0.1") == "STALE_PRICE"
    assert desk.code("buy", "0.1", "40000") == "STALE_PRICE"


@pytest.mark.parametrize("price", ["NaN", "Infinity", "0", "-1"])
def test_a_mark_that_is_no_price_takes_the_old_price_away(price):
    desk = Desk()
    desk.state.set_mark(msgspec.structs.replace(mark(BTC, "1"), mark=Decimal(price)))
    assert desk.code("buy", "0.1") == "STALE_PRICE"


def test_a_price_at_its_age_limit_passes_and_an_older_one_is_stale():
    desk = Desk(max_price_age_seconds=D(30))
    desk.now_us = START_US + 30_000_000
    assert desk.code("buy", "0.1") is None
    desk.now_us += 1
    assert desk.code("buy", "0.1") == "STALE_PRICE"


def test_a_stale_price_of_something_else_that_is_held_denies_what_opens():
    """The day's result rests on it."""
    desk = Desk(max_price_age_seconds=D(30))
    desk.hold("buy", "1", "2000", symbol=ETH)
    desk.now_us = START_US + 31_000_000
    desk.price(BTC, "40000")
    assert desk.code("buy", "0.1") == "STALE_PRICE"
    desk.price(ETH, "2000")
    assert desk.code("buy", "0.1") is None


def test_a_market_exit_passes_without_any_price():
    desk = Desk()
    desk.hold("buy", "1", "40000")
    desk.state.valuation.marks.clear()
    assert desk.code("sell", "1", reduce_only=True) is None
    assert desk.code("sell", "1", "40000", reduce_only=True) == "STALE_PRICE"


def test_an_exit_at_a_limit_is_held_to_the_collar_of_an_old_price():
    desk = Desk(max_price_age_seconds=D(30))
    desk.hold("buy", "1", "40000")
    desk.now_us += 3_600_000_000
    assert desk.code("sell", "1", "40000", reduce_only=True) is None
    assert desk.code("sell", "1", "30000", reduce_only=True) == "PRICE_COLLAR"


def test_a_market_whose_quote_currency_has_no_price_in_usd_is_denied():
    desk = Desk(symbol_whitelist=("XRP/ETH",))
    desk.broker(instruments=(instrument("XRP/ETH", tick=D("0.00001")),))
    desk.price("XRP/ETH", "0.001")
    desk.state.valuation.rates.clear()
    assert desk.code("buy", "10000", "0.001", symbol="XRP/ETH") == "STALE_PRICE"


def test_exposure_in_another_currency_is_counted_in_usd():
    desk = Desk(symbol_whitelist=("XRP/ETH",))
    desk.broker(instruments=(instrument("XRP/ETH", tick=D("0.00001")),))
    desk.price("XRP/ETH", "0.001")
    assert desk.code("buy", "25000", symbol="XRP/ETH") is None
    assert desk.code("buy", "25000.000001", symbol="XRP/ETH") == "MAX_POSITION"


def test_the_collar_can_be_off():
    assert Desk(price_collar=None).code("buy", "0.1", "90000") is None


def test_a_market_order_reserves_at_the_collar_price():
    desk = Desk()
    bought, sold = desk.judge(desk.intent("buy", "0.1")), desk.judge(desk.intent("sell", "0.1"))
    assert isinstance(bought, Passed)
    assert isinstance(sold, Passed)
    assert (bought.price, sold.price, bought.mark) == (D(44000), D(36000), D(40000))


def test_a_limit_order_reserves_at_its_own_price():
    verdict = Desk().judge(Desk().intent("buy", "0.1", "39000"))
    assert isinstance(verdict, Passed)
    assert verdict.price == D(39000)


# Places and states.


def test_a_symbol_off_the_whitelist_is_denied():
    desk = Desk(symbol_whitelist=(BTC,))
    assert desk.code("buy", "1", symbol=ETH) == "SYMBOL_NOT_ALLOWED"


def test_a_symbol_that_the_exchange_does_not_list_is_denied():
    desk = Desk(symbol_whitelist=(BTC, "DOGE/USDT"))
    assert desk.code("buy", "1", symbol="DOGE/USDT") == "SYMBOL_NOT_ALLOWED"


@pytest.mark.parametrize("state", ["connecting", "reconciling", "reconnecting", "halted"])
def test_an_exchange_that_is_not_trading_takes_nothing_that_opens(state):
    desk = Desk()
    desk.broker(state=state)
    assert desk.code("buy", "0.1") == "EXCHANGE_RECONCILING"


def test_an_exchange_that_never_reported_takes_nothing():
    assert Desk().code("buy", "0.1", exchange="other") == "EXCHANGE_RECONCILING"


def test_an_open_circuit_denies_what_opens_and_lets_exits_try():
    desk = Desk()
    desk.hold("buy", "1", "40000")
    desk.broker(circuit="open")
    assert desk.code("buy", "0.1") == "CIRCUIT_OPEN"
    assert desk.code("sell", "1", reduce_only=True) is None
    desk.broker(circuit="half_open")
    assert desk.code("buy", "0.1") is None


def test_a_kill_denies_all_but_reduce_only_exits():
    desk = Desk()
    desk.hold("buy", "1", "40000")
    desk.killed, desk.trading_state = True, "halted"
    assert desk.code("buy", "0.1") == "TRADING_HALTED"
    assert desk.code("sell", "1") == "TRADING_HALTED"
    assert desk.code("sell", "1", reduce_only=True) is None
    assert desk.code("sell", "1.000001", reduce_only=True) == "TRADING_HALTED"
    assert desk.code("buy", "1", reduce_only=True) == "TRADING_HALTED"


def test_where_a_kill_closes_the_position_nobody_elses_exit_passes():
    """They would take the closing order's room, and have it wait for them."""
    desk = Desk()
    desk.hold("buy", "1", "40000")
    desk.trading_state = "closing"
    assert desk.code("buy", "0.1") == "TRADING_HALTED"
    assert desk.code("sell", "1", reduce_only=True) == "TRADING_HALTED"


def test_a_kill_speaks_before_every_other_limit():
    desk = Desk()
    desk.killed, desk.trading_state = True, "halted"
    assert desk.code("buy", "1000") == "TRADING_HALTED"


def test_a_state_that_came_by_itself_speaks_after_the_limit_that_brought_it():
    desk = Desk()
    desk.trading_state = "reducing"
    assert desk.code("buy", "2") == "MAX_POSITION"
    assert desk.code("buy", "0.1") == "TRADING_REDUCING"
    desk.trading_state = "halted"
    assert desk.code("buy", "0.1") == "TRADING_HALTED"


def test_reducing_takes_what_shrinks_and_never_what_flips():
    desk = Desk()
    desk.hold("buy", "1", "40000")
    desk.trading_state = "reducing"
    assert desk.code("sell", "1") is None
    assert desk.code("sell", "1.000001") == "TRADING_REDUCING"
    desk.place("sell", "0.4", "41000")
    assert desk.code("sell", "0.6") is None
    assert desk.code("sell", "0.600001") == "TRADING_REDUCING"


def test_reduce_only_orders_together_never_exceed_the_position():
    desk = Desk()
    assert desk.code("sell", "0.1", reduce_only=True) == "REDUCE_ONLY"
    desk.hold("buy", "1", "40000")
    desk.place("sell", "0.7", "41000", reduce_only=True)
    assert desk.code("sell", "0.3", "42000", reduce_only=True) is None
    assert desk.code("sell", "0.300001", "42000", reduce_only=True) == "REDUCE_ONLY"
    assert desk.code("buy", "0.1", reduce_only=True) == "REDUCE_ONLY"


# Exposure.


def test_working_orders_count_like_a_position():
    desk = Desk()
    desk.place("buy", "1", "39000")
    assert desk.code("buy", "0.25") is None
    assert desk.code("buy", "0.250001") == "MAX_POSITION"


def test_long_and_short_worst_cases_are_separate():
    """A working sell makes no room for a buy: it may never execute."""
    desk = Desk()
    desk.place("buy", "1.25", "39000")
    desk.place("sell", "1.25", "41000")
    assert desk.code("buy", "0.001") == "MAX_POSITION"
    assert desk.code("sell", "0.001") == "MAX_POSITION"


def test_an_unknown_order_keeps_its_room_until_its_absence_is_proven():
    desk = Desk()
    order_id = desk.place("buy", "1.25", "39000")
    desk.unresolved(order_id)
    assert desk.code("buy", "0.001") == "MAX_POSITION"
    desk.absent(order_id)
    assert desk.code("buy", "0.001") is None


def test_a_late_fill_after_a_cancel_counts():
    desk = Desk()
    order_id = desk.place("buy", "1", "39000")
    desk.cancelled(order_id)
    assert desk.code("buy", "1.25") is None
    desk.fill(order_id, "0.25", "39000")
    assert desk.code("buy", "1.000001") == "MAX_POSITION"
    assert desk.code("buy", "1") is None


def test_an_order_that_shrinks_passes_even_beyond_the_limit():
    desk = Desk()
    desk.hold("buy", "1.25", "40000")
    desk.price(BTC, "43000")
    assert desk.code("buy", "0.001") == "MAX_POSITION"
    assert desk.code("sell", "1.25") is None
    assert desk.code("sell", "2.4") is None
    assert desk.code("sell", "2.5") == "MAX_POSITION"


def test_a_symbol_is_one_limit_over_all_exchanges():
    desk = Desk(exchanges=("sim", "other"))
    desk.hold("buy", "1", "40000", exchange="other")
    assert desk.code("buy", "0.25") is None
    assert desk.code("buy", "0.250001") == "MAX_POSITION"


def test_a_short_elsewhere_makes_no_room():
    desk = Desk(exchanges=("sim", "other"))
    desk.hold("sell", "1", "40000", exchange="other")
    assert desk.code("buy", "1.25") is None
    assert desk.code("buy", "1.250001") == "MAX_POSITION"


def test_gross_exposure_adds_symbols_and_sides():
    desk = Desk(max_gross_usd=D(50000), max_pos_usd=None)
    desk.hold("buy", "1", "40000")
    assert desk.code("sell", "5", symbol=ETH) is None
    assert desk.code("sell", "5.000001", symbol=ETH) == "MAX_GROSS_EXPOSURE"
    assert desk.code("sell", "2") is None


def test_net_exposure_lets_opposite_positions_offset():
    desk = Desk(max_net_usd=D(50000), max_pos_usd=None)
    desk.hold("buy", "1", "40000")
    desk.hold("sell", "10", "2000", symbol=ETH)
    assert desk.code("buy", "0.75") is None
    assert desk.code("buy", "0.750001") == "MAX_NET_EXPOSURE"


def test_an_exit_passes_the_net_limit_though_closing_a_short_raises_it():
    """Otherwise a hedged account could not be flattened; one that does not say so is held to the limit."""
    desk = Desk(max_net_usd=D(50000), max_pos_usd=None)
    desk.hold("sell", "10", "2000", symbol=ETH)
    desk.hold("buy", "1.5", "40000")
    assert desk.code("buy", "10", symbol=ETH) == "MAX_NET_EXPOSURE"
    assert desk.code("buy", "10", symbol=ETH, reduce_only=True) is None


# Losses.


def test_a_loss_at_the_limit_passes_and_one_cent_more_is_denied():
    desk = Desk()
    desk.hold("buy", "1", "40000")
    desk.price(BTC, "35000")
    assert desk.code("buy", "0.01") is None
    desk.price(BTC, "34999.99")
    verdict = desk.judge(desk.intent("buy", "0.01"))
    assert isinstance(verdict, Breach)
    assert (verdict.code, verdict.limit, verdict.value) == ("MAX_DAILY_LOSS", "5000", "5000.01")


def test_fees_count_as_loss():
    desk = Desk()
    order_id = desk.place("buy", "1")
    desk.fill(order_id, "1", "40000", fee="10")
    desk.price(BTC, "35010")
    assert desk.code("buy", "0.01") is None
    desk.price(BTC, "35009.99")
    assert desk.code("buy", "0.01") == "MAX_DAILY_LOSS"


def test_fees_in_another_asset_count_at_its_price():
    desk = Desk()
    desk.record(
        __import__("actors.model.events", fromlist=["AccountOpened"]).AccountOpened(
            exchange="x", balances=(("BNB", D(10)),)
        )
    )
    order_id = desk.place("buy", "1")
    desk.fill(order_id, "1", "40000", fee="0.1", asset="BNB")
    assert desk.code("buy", "0.01") == "STALE_PRICE"
    desk.price("BNB/USDT", "500")
    desk.price(BTC, "35050")
    assert desk.code("buy", "0.01") is None
    desk.price(BTC, "35049.99")
    assert desk.code("buy", "0.01") == "MAX_DAILY_LOSS"


def test_a_loss_never_locks_a_person_into_a_position():
    desk = Desk()
    desk.hold("buy", "1", "40000")
    desk.price(BTC, "30000")
    assert desk.code("sell", "1") is None
    assert desk.code("sell", "1.000001") == "MAX_DAILY_LOSS"


def test_a_new_day_begins_with_a_clean_slate():
    desk = Desk()
    desk.hold("buy", "1", "40000")
    desk.price(BTC, "34000")
    assert desk.code("buy", "0.01") == "MAX_DAILY_LOSS"
    assert not desk.state.day_due(desk.now_us)
    desk.now_us += 86_400_000_000
    assert desk.state.day_due(desk.now_us)
    desk.price(BTC, "34000")
    desk.open_day()
    assert desk.code("buy", "0.01") is None
    assert desk.state.day_result() == 0


def test_an_unpriced_position_denies_what_opens_elsewhere():
    desk = Desk(max_price_age_seconds=None)
    desk.hold("buy", "1", "2000", symbol=ETH)
    desk.state.set_mark(msgspec.structs.replace(mark(ETH, "1"), mark=D("NaN")))
    assert desk.code("buy", "0.01") == "STALE_PRICE"


@pytest.mark.parametrize("name", ["max_gross_usd", "max_net_usd", "max_exchange_usd"])
def test_an_unpriced_position_denies_what_opens_where_a_sum_is_limited_and_nothing_else_is(name):
    """Its share of the sum is not zero because nobody knows it."""
    desk = Desk(max_price_age_seconds=None, max_daily_loss_usd=None, **{name: D(50000)})
    desk.hold("buy", "1", "2000", symbol=ETH)
    assert desk.code("buy", "0.01") is None
    desk.state.set_mark(msgspec.structs.replace(mark(ETH, "1"), mark=D("NaN")))
    assert desk.code("buy", "0.01") == "STALE_PRICE"


def test_an_unpriced_position_denies_what_needs_margin_at_its_exchange_only():
    desk = Desk(max_price_age_seconds=None, max_daily_loss_usd=None, exchanges=("sim", "other"))
    desk.hold("buy", "1", "2000", symbol=ETH)
    desk.state.set_mark(msgspec.structs.replace(mark(ETH, "1"), mark=D("NaN")))
    assert desk.code("buy", "0.01") == "STALE_PRICE"
    assert desk.code("buy", "0.01", exchange="other") is None


def test_an_unpriced_position_holds_back_nothing_that_shrinks_another():
    desk = Desk(max_price_age_seconds=None, max_daily_loss_usd=None, max_net_usd=D(50000))
    desk.hold("buy", "1", "2000", symbol=ETH)
    desk.hold("sell", "1", "40000")
    desk.state.set_mark(msgspec.structs.replace(mark(ETH, "1"), mark=D("NaN")))
    assert desk.code("buy", "0.5") is None


def test_a_fall_from_the_peak_at_the_limit_passes_and_beyond_is_denied():
    desk = Desk(max_drawdown_usd=D(1000), max_daily_loss_usd=None, max_pos_usd=None)
    desk.hold("buy", "1", "40000")
    desk.price(BTC, "42000")
    assert desk.code("buy", "0.01") is None
    desk.price(BTC, "41000")
    assert desk.code("buy", "0.01") is None
    desk.price(BTC, "40999.99")
    assert desk.code("buy", "0.01") == "MAX_DRAWDOWN"
    assert desk.code("sell", "1") is None


# Margin.


def test_equity_that_just_covers_passes_and_one_lot_more_is_denied():
    desk = Desk(cash="44000", max_pos_usd=None)
    assert desk.code("buy", "1", "40000") is None
    assert desk.code("buy", "1") is None
    verdict = desk.judge(desk.intent("buy", "1.000001"))
    assert isinstance(verdict, Breach)
    assert (verdict.code, verdict.limit, verdict.value) == ("INSUFFICIENT_MARGIN", "44000", "44000.044")


def test_margin_is_cumulative_over_working_orders():
    desk = Desk(cash="44000", max_pos_usd=None)
    desk.place("buy", "0.5", "40000")
    desk.place("buy", "12", "2000", symbol=ETH)
    assert desk.code("buy", "0.000001", "40000") == "MIN_NOTIONAL"
    assert desk.code("buy", "0.001", "40000") == "INSUFFICIENT_MARGIN"


def test_a_leveraged_instrument_needs_its_share_only():
    desk = Desk(cash="4000", max_pos_usd=None)
    desk.broker(instruments=(instrument(BTC, initial_margin=D("0.1"), market_type="swap"),))
    assert desk.code("buy", "1", "40000") is None
    assert desk.code("buy", "1.000001", "40000") == "INSUFFICIENT_MARGIN"


def test_closing_a_position_needs_no_margin():
    desk = Desk(cash="44000", max_pos_usd=None, max_daily_loss_usd=None)
    desk.hold("buy", "1", "40000")
    desk.price(BTC, "20000")
    assert desk.code("sell", "1") is None


def test_an_account_without_money_opens_nothing():
    assert Desk(cash="0").code("buy", "0.1") == "INSUFFICIENT_MARGIN"


# How often, how many.


def test_messages_are_counted_at_once_and_within_their_window():
    desk = Desk(max_messages=2, message_window_seconds=D(1))
    order_id = desk.place("buy", "0.01", "39000")
    desk.record(CancelRequested(exchange="sim", symbol=BTC, order_id=order_id, by="ann"))
    assert desk.code("buy", "0.01", "39000") == "MESSAGE_RATE"
    desk.now_us += 1_000_000
    assert desk.code("buy", "0.01", "39000") is None


def test_an_exit_is_never_throttled():
    desk = Desk(max_messages=1)
    desk.hold("buy", "0.1", "40000")
    assert desk.code("buy", "0.1") == "MESSAGE_RATE"
    assert desk.code("sell", "0.1", reduce_only=True) is None


def test_the_same_order_twice_within_the_window_is_a_duplicate():
    desk = Desk(duplicate_seconds=D(5))
    desk.place("buy", "0.01", "39000")
    assert desk.code("buy", "0.01", "39000") == "DUPLICATE_ORDER"
    assert desk.code("buy", "0.01", "39000.01") is None
    assert desk.code("buy", "0.01", "39000", user="ben") is None
    desk.now_us += 5_000_000
    assert desk.code("buy", "0.01", "39000") is None


def test_repeated_executions_halt_the_symbol():
    desk = Desk(max_repeated_executions=2, repeated_window_seconds=D(60))
    desk.hold("buy", "0.01", "40000")
    assert desk.code("buy", "0.01") is None
    desk.hold("buy", "0.01", "40000")
    verdict = desk.judge(desk.intent("buy", "0.01"))
    assert isinstance(verdict, Breach)
    assert (verdict.code, verdict.halts) == ("REPEATED_EXECUTION", True)
    assert desk.code("sell", "0.02") is None
    desk.now_us += 60_000_000
    assert desk.code("buy", "0.01") is None


def test_an_order_that_could_trade_with_our_own_is_denied():
    desk = Desk(self_match_prevention=True)
    order_id = desk.place("sell", "0.01", "40500")
    assert desk.code("buy", "0.01", "40499.99") is None
    assert desk.code("buy", "0.01", "40500") == "SELF_MATCH"
    assert desk.code("buy", "0.01") == "SELF_MATCH"
    desk.cancelled(order_id)
    assert desk.code("buy", "0.01", "40500") is None


def test_open_orders_are_limited_in_all_and_for_each_symbol():
    desk = Desk(max_open_orders=2, max_open_orders_per_symbol=1)
    assert desk.code("buy", "0.01", "39000") is None
    desk.place("buy", "0.01", "39000")
    assert desk.code("buy", "0.01", "39000") == "OPEN_ORDERS"
    desk.place("buy", "1", "1900", symbol=ETH)
    desk.limits(max_open_orders_per_symbol=None)
    assert desk.code("buy", "0.01", "39000") == "OPEN_ORDERS"


def test_a_post_only_order_that_would_trade_at_once_is_denied_when_checked():
    desk = Desk(post_only_check=True)
    assert desk.code("buy", "0.01", "40000", post_only=True) is None
    assert desk.code("buy", "0.01", "40000.01", post_only=True) == "POST_ONLY"
    assert desk.code("sell", "0.01", "39999.99", post_only=True) == "POST_ONLY"
    assert desk.code("buy", "0.01", "40000.01") is None


def test_a_clock_too_far_from_the_exchanges_denies_what_opens():
    desk = Desk(max_clock_skew_seconds=D(1))
    desk.state.skews["sim"] = -1_000_000
    assert desk.code("buy", "0.01") is None
    desk.state.skews["sim"] = -1_000_001
    assert desk.code("buy", "0.01") == "CLOCK_SKEW"


def test_the_documentation_names_every_code_and_every_limit():
    page = (Path(__file__).parents[3] / "docs" / "risk.md").read_text()
    missing = {rule.code for rule in RULES} | set(KINDS)
    assert {name for name in missing if f"`{name}`" not in page} == set()


@pytest.mark.parametrize(
    ("limits", "orders", "code", "headroom"),
    [
        ({}, [("buy", "1"), ("buy", "0.3")], "MAX_POSITION", "10000"),
        ({"max_long_usd": D(41000)}, [("buy", "1"), ("buy", "0.1")], "MAX_LONG", "1000"),
        ({"max_exchange_usd": D(41000)}, [("buy", "1"), ("buy", "0.1")], "MAX_EXCHANGE_EXPOSURE", "1000"),
        ({"max_gross_usd": D(41000)}, [("buy", "1"), ("buy", "0.1")], "MAX_GROSS_EXPOSURE", "1000"),
        ({"max_net_usd": D(41000)}, [("buy", "1"), ("buy", "0.1")], "MAX_NET_EXPOSURE", "1000"),
        ({"max_order_usd": D(3000)}, [("buy", "0.1")], "ORDER_SIZE", "3000"),
        ({"max_open_orders": 2}, [("buy", "0.1"), ("buy", "0.1"), ("buy", "0.1")], "OPEN_ORDERS", "0"),
        ({"max_messages": 1}, [("buy", "0.1"), ("buy", "0.1")], "MESSAGE_RATE", "0"),
    ],
)
def test_a_denial_says_what_was_left_before_the_order(limits, orders, code, headroom):
    desk = Desk(**limits)
    for side, quantity in orders[:-1]:
        desk.place(side, quantity, "40000")
    verdict = desk.judge(desk.intent(*orders[-1], "40000"))
    assert isinstance(verdict, Breach)
    assert (verdict.code, verdict.headroom) == (code, headroom)
    assert verdict.detail.endswith(f"{headroom} is left")


def test_what_closes_a_position_passes_though_the_symbol_is_over_its_limit_elsewhere():
    """The limit counts all exchanges; closing at one of them opens nothing."""
    desk = Desk(exchanges=("sim", "other"), max_net_usd=None)
    desk.hold("buy", "1", "40000", exchange="other")
    desk.hold("sell", "0.1", "40000")
    desk.limits(max_pos_usd=D(30000))
    assert desk.code("buy", "0.1") is None
    assert desk.code("buy", "0.100001") == "MAX_POSITION"


@pytest.mark.parametrize("limit", ["max_gross_usd", "max_exchange_usd"])
@pytest.mark.parametrize(("held", "back"), [("sell", "buy"), ("buy", "sell")])
def test_the_smaller_side_of_a_place_may_grow_where_gross_exposure_is_at_its_limit(limit, held, back):
    """Only the larger side counts, and an order adds to its own side alone."""
    desk = Desk(max_net_usd=None, **{limit: D(8000)})
    desk.hold(held, "0.2", "40000")
    assert desk.code(back, "0.05") is None
    assert desk.code(held, "0.05") in ("MAX_GROSS_EXPOSURE", "MAX_EXCHANGE_EXPOSURE")


def test_what_needs_no_more_margin_passes_though_there_is_too_little():
    """Turning a position round to the same size binds as much as before; one step more is denied."""
    desk = Desk(cash="10000", max_daily_loss_usd=None, max_net_usd=None)
    desk.hold("buy", "0.1", "40000")
    desk.record(
        BalanceAdjusted(
            exchange="sim", asset="USDT", amount=D(-6500), cause="withdrawal", evidence="w", happened_us=1
        )
    )
    assert desk.code("sell", "0.2", "40000") is None
    assert desk.code("sell", "0.200001", "40000") == "INSUFFICIENT_MARGIN"


@pytest.mark.parametrize("name", ["max_gross_usd", "max_net_usd"])
def test_a_sum_over_all_exchanges_is_unknown_where_one_of_them_has_no_price(name):
    """Margin and exposure of the order's own exchange are known; the sum is not."""
    desk = Desk(
        exchanges=("sim", "other"), max_price_age_seconds=None, max_daily_loss_usd=None, **{name: D(50000)}
    )
    desk.hold("buy", "1", "2000", symbol=ETH)
    assert desk.code("buy", "0.01", exchange="other") is None
    desk.state.set_mark(msgspec.structs.replace(mark(ETH, "1"), mark=D("NaN")))
    assert desk.code("buy", "0.01", exchange="other") == "STALE_PRICE"


def test_at_a_halted_exchange_only_exits_pass_and_at_one_that_reconciles_nothing():
    """What the journal and the exchange agree on is not known there."""
    desk = Desk()
    desk.hold("buy", "0.1", "40000")
    desk.broker(state="halted")
    assert desk.code("sell", "0.1", reduce_only=True) is None
    assert desk.code("buy", "0.1") == "EXCHANGE_RECONCILING"
    desk.broker(state="reconciling")
    assert desk.code("sell", "0.1", reduce_only=True) == "EXCHANGE_RECONCILING"


def test_a_clock_that_is_right_passes_a_limit_of_nothing():
    assert Desk(max_clock_skew_seconds=D(0)).code("buy", "0.1") is None


def test_a_market_order_that_asks_for_post_only_is_left_to_the_exchange():
    assert Desk(post_only_check=True).code("buy", "0.1", post_only=True) is None


def test_exits_are_not_counted_as_repetitions():
    desk = Desk(max_repeated_executions=2)
    desk.hold("buy", "0.1", "40000")
    for _ in range(4):
        desk.fill(desk.place("sell", "0.01"), "0.01", "40000")
