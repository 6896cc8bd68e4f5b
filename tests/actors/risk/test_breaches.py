"""What a denied order is told, whole: code, limit, value and sentence; and both sides of each control."""

from decimal import Decimal

import msgspec
import pytest

from actors.risk.checks.breach import Breach
from tests.actors.risk.desk import BTC, ETH, D, Desk, mark


def told(desk: Desk, *order: str | None, **changes: object) -> tuple[str, str | None, str | None, str]:
    """Code, limit, value and sentence of what denies the order."""
    verdict = desk.judge(desk.intent(*order, **changes))
    assert isinstance(verdict, Breach), verdict
    return verdict.code, verdict.limit, verdict.value, verdict.detail


def unpriced(desk: Desk, symbol: str = ETH) -> None:
    desk.state.set_mark(msgspec.structs.replace(mark(symbol, "1"), mark=D("NaN")))


SIZES = {
    "max_pos_usd": ("MAX_POSITION", "the worst-case long position in BTC/USDT in USD"),
    "max_long_usd": ("MAX_LONG", "the worst-case long position in BTC/USDT in USD"),
    "max_exchange_usd": ("MAX_EXCHANGE_EXPOSURE", "the gross exposure at sim in USD"),
    "max_gross_usd": ("MAX_GROSS_EXPOSURE", "the gross exposure in USD"),
    "max_net_usd": ("MAX_NET_EXPOSURE", "the net exposure in USD"),
    "max_order_usd": ("ORDER_SIZE", "the order's value in USD"),
}


@pytest.mark.parametrize("name", SIZES)
def test_a_size_beyond_its_limit_says_which_and_what_is_left(name):
    code, what = SIZES[name]
    desk = Desk(**{"max_pos_usd": None, name: D(10000)})
    sentence = f"{what} would be 12000, the limit is 10000, 10000 is left"
    assert told(desk, "buy", "0.3") == (code, "10000", "12000", sentence)


def test_a_short_position_beyond_its_limits_is_called_short():
    desk = Desk(max_pos_usd=D(10000))
    sentence = (
        "the worst-case short position in BTC/USDT in USD would be 12000, the limit is 10000, 10000 is left"
    )
    assert told(desk, "sell", "0.3") == ("MAX_POSITION", "10000", "12000", sentence)


def test_a_quantity_beyond_its_limit():
    sentence = "the order's quantity would be 0.3, the limit is 0.2, 0.2 is left"
    assert told(Desk(max_order_quantity=D("0.2")), "buy", "0.3") == ("ORDER_SIZE", "0.2", "0.3", sentence)


def test_a_limit_of_one_side_holds_back_nothing_of_the_other():
    desk = Desk(max_long_usd=D(10000))
    assert desk.code("sell", "0.3") is None
    desk = Desk(max_short_usd=D(10000))
    assert desk.code("buy", "0.3") is None


def test_what_is_short_elsewhere_counts_for_shorts():
    desk = Desk(exchanges=("sim", "other"), max_pos_usd=D(10000))
    desk.place("sell", "0.2", exchange="other")
    assert desk.code("sell", "0.05") is None
    assert told(desk, "sell", "0.06")[:3] == ("MAX_POSITION", "10000", "10400")
    assert desk.code("buy", "0.2") is None


def test_an_order_that_does_not_raise_the_gross_exposure_passes_beyond_its_limit():
    desk = Desk(max_pos_usd=None, max_gross_usd=D(50000), max_exchange_usd=D(50000))
    desk.hold("buy", "1", "40000")
    desk.price(BTC, "60000")
    assert desk.code("sell", "0.1") is None
    assert desk.code("buy", "0.1") == "MAX_EXCHANGE_EXPOSURE"


def test_a_place_without_a_price_counts_at_its_own_exchange_only():
    desk = Desk(
        exchanges=("sim", "other"),
        max_price_age_seconds=None,
        max_daily_loss_usd=None,
        max_exchange_usd=D(50000),
    )
    desk.hold("buy", "1", "2000", symbol=ETH)
    unpriced(desk)
    assert desk.code("buy", "0.01", exchange="other") is None
    assert told(desk, "buy", "0.01")[3] == "there is no price for sim/ETH/USDT"


def test_an_unpriced_position_is_named_where_results_count():
    desk = Desk(max_price_age_seconds=None)
    desk.hold("buy", "1", "2000", symbol=ETH)
    unpriced(desk)
    sentence = "the day's result is not known: no price for sim/ETH/USDT"
    assert told(desk, "buy", "0.01") == ("STALE_PRICE", None, None, sentence)


def test_an_unknown_drawdown_denies_what_opens():
    desk = Desk(max_price_age_seconds=None, max_daily_loss_usd=None, max_drawdown_usd=D(100))
    desk.hold("buy", "1", "2000", symbol=ETH)
    unpriced(desk)
    sentence = "the drawdown is not known: no price for sim/ETH/USDT"
    assert told(desk, "buy", "0.01") == ("STALE_PRICE", None, None, sentence)


def test_a_loss_and_a_fall_are_told_in_numbers():
    desk = Desk()
    desk.hold("buy", "1", "40000")
    desk.price(BTC, "34000")
    sentence = "today's loss is 6000 USD, the limit 5000"
    assert told(desk, "buy", "0.01") == ("MAX_DAILY_LOSS", "5000", "6000", sentence)


def test_missing_margin_is_told_in_numbers():
    desk = Desk(cash="10000", max_pos_usd=None)
    code, limit, value, sentence = told(desk, "buy", "0.3", "40000")
    assert (code, limit, value) == ("INSUFFICIENT_MARGIN", "10000", "12000")
    assert sentence == (
        "working orders and positions at sim would need 12000 USD of margin, the equity is 10000"
    )


def test_reduce_only_says_what_is_left():
    desk = Desk()
    desk.hold("buy", "1", "40000")
    desk.place("sell", "0.7", "41000", reduce_only=True)
    sentence = "reduce-only: the position is 1 and other reduce-only orders leave 0.3 of it"
    assert told(desk, "sell", "0.4", reduce_only=True) == ("REDUCE_ONLY", "0.3", "0.4", sentence)


def test_the_collar_names_the_bound_that_was_passed():
    desk = Desk(price_collar=D("0.1"))
    sentence = "44000.01 is more than 10 % away from the mark 40000"
    assert told(desk, "buy", "0.01", "44000.01") == ("PRICE_COLLAR", "44000", "44000.01", sentence)
    assert told(desk, "sell", "0.01", "35999.99")[1:3] == ("36000", "35999.99")


@pytest.mark.parametrize(
    ("side", "passes", "denied"), [("buy", "39999", "40001"), ("sell", "40001", "39999")]
)
def test_a_post_only_order_that_would_trade_at_once(side, passes, denied):
    desk = Desk(post_only_check=True)
    desk.state.set_mark(msgspec.structs.replace(mark(BTC, "40000"), bid=D(40000), ask=D(40000)))
    assert desk.code(side, "0.01", passes, post_only=True) is None
    sentence = f"at {denied} it would trade at once"
    expected = ("POST_ONLY", "40000", denied, sentence)
    assert told(desk, side, "0.01", denied, post_only=True) == expected


@pytest.mark.parametrize(
    ("side", "rests", "passes", "denied"),
    [
        ("buy", ("40100", "40200"), "40099.99", "40100"),
        ("sell", ("39800", "39900"), "39900.01", "39900"),
    ],
)
def test_an_order_that_could_trade_with_our_own(side, rests, passes, denied):
    desk = Desk(self_match_prevention=True)
    for price in rests:
        desk.place("sell" if side == "buy" else "buy", "0.01", price)
    assert desk.code(side, "0.01", passes) is None
    sentence = f"it could trade with our own order at {denied}"
    assert told(desk, side, "0.01", denied) == ("SELF_MATCH", denied, denied, sentence)
    assert told(desk, side, "0.01")[:3] == ("SELF_MATCH", denied, "the market")


def test_a_halt_and_reducing_say_what_still_passes():
    desk = Desk()
    desk.hold("buy", "1", "40000")
    desk.trading_state = "reducing"
    sentence = "only orders that shrink the position, working orders included, pass"
    assert told(desk, "sell", "1.5") == ("TRADING_REDUCING", "1", "1.5", sentence)
    assert told(desk, "buy", "0.1")[1] == "0"
    desk.trading_state = "halted"
    sentence = "trading is halted; only reduce-only orders that shrink a position pass"
    assert told(desk, "buy", "0.1") == ("TRADING_HALTED", None, None, sentence)


def test_an_exit_that_other_orders_stand_in_the_way_of_says_so():
    """A plain take-profit for all that is held keeps a stop for the same out while trading is restricted."""
    desk = Desk()
    desk.hold("buy", "1", "40000")
    desk.place("sell", "1", "42000")
    for state in ("reducing", "halted"):
        desk.trading_state = state
        detail = told(desk, "sell", "0.5", reduce_only=True)[3]
        assert detail.endswith("; other sell orders work for that position: cancel them first")
        assert "cancel them" not in told(desk, "sell", "1.5", reduce_only=True)[3]


def test_too_many_open_orders_are_counted():
    desk = Desk(max_open_orders=1, max_open_orders_per_symbol=None)
    desk.place("buy", "0.01", "39000")
    sentence = "open orders would be 2, the limit is 1, 0 is left"
    assert told(desk, "buy", "0.02", "39000") == ("OPEN_ORDERS", "1", "2", sentence)
    desk = Desk(max_open_orders_per_symbol=1)
    desk.place("buy", "0.01", "39000")
    sentence = "open orders in BTC/USDT would be 2, the limit is 1, 0 is left"
    assert told(desk, "buy", "0.02", "39000") == ("OPEN_ORDERS", "1", "2", sentence)
    assert desk.code("buy", "0.02", "1900", symbol=ETH) is None


def test_numbers_in_what_is_told_are_plain():
    code, limit, value, _ = told(Desk(max_order_usd=Decimal("1E+4")), "buy", "0.3")
    assert (code, limit, value) == ("ORDER_SIZE", "10000", "12000")
