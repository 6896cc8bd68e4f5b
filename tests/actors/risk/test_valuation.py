"""Worth in USD, kept up by differences: the same as reckoned anew, and silent about nothing that has no
price.
"""

import msgspec
import pytest

from actors.model.events import AccountOpened, BalanceAdjusted
from actors.model.snapshot import decode_book, encode_book
from actors.risk.counters import KeyedCount, SlidingCount
from actors.risk.ledger import Account, Hold, assets_of
from actors.risk.state import RiskState, day_of
from tests.actors.risk.desk import BTC, ETH, START_US, D, Desk, instrument, mark


def test_symbols_are_taken_apart():
    assert assets_of("BTC/USDT") == ("BTC", "USDT")
    assert assets_of("BTC/USDT:USDT") == ("BTC", "USDT")


def test_equity_is_cash_at_present_rates():
    desk = Desk(cash="1000", max_pos_usd=None, margin=False)
    desk.record(
        AccountOpened(exchange="other", balances=(("BTC", D("0.5")), ("DOGE", D(1000)), ("USDC", D(7))))
    )
    assert desk.state.valuation.equity_of("other") == 20_007
    desk.price(BTC, "50000")
    assert desk.state.valuation.equity_of("other") == 25_007
    assert desk.state.valuation.equity() == 26_007


def test_an_owed_asset_without_a_price_makes_the_equity_unknown():
    desk = Desk()
    desk.record(AccountOpened(exchange="sim", balances=(("USDT", D(1000)), ("DOGE", D(-1)))))
    assert desk.state.valuation.equity_of("sim") is None
    assert desk.code("buy", "0.001") == "STALE_PRICE"
    desk.price("DOGE/USDT", "2")
    assert desk.state.valuation.equity_of("sim") == 998


def test_a_derivatives_profit_is_part_of_its_accounts_equity():
    desk = Desk(symbol_whitelist=("BTC/USDT:USDT",))
    perp = instrument("BTC/USDT:USDT", market_type="swap", initial_margin=D("0.1"))
    desk.broker(instruments=(perp,))
    desk.price("BTC/USDT:USDT", "40000")
    order_id = desk.place("buy", "1", symbol="BTC/USDT:USDT")
    desk.fill(order_id, "1", "40000", market="swap")
    desk.price("BTC/USDT:USDT", "40500")
    assert desk.state.valuation.equity_of("sim") == 1_000_500
    spot_again = msgspec.structs.replace(perp, market_type="spot")
    desk.state.set_instruments((spot_again,))
    assert desk.state.valuation.of_exchange("sim").result == 500


def test_a_place_without_a_price_is_named_and_left_out():
    desk = Desk(max_price_age_seconds=None)
    desk.hold("buy", "1", "40000")
    desk.state.set_mark(msgspec.structs.replace(mark(BTC, "1"), mark=D("NaN")))
    assert list(desk.state.valuation.unpriced) == [("sim", BTC)]
    assert desk.state.day_result() is None
    assert desk.state.next_day(START_US) is None
    desk.price(BTC, "41000")
    assert not desk.state.valuation.unpriced
    assert desk.state.day_result() == 1000


def test_realised_profit_stays_when_the_position_is_gone():
    desk = Desk()
    desk.hold("buy", "1", "40000")
    desk.price(BTC, "41000")
    desk.hold("sell", "1", "41000")
    desk.price(BTC, "10000")
    assert desk.state.day_result() == 1000


def test_the_newest_mark_of_an_asset_gives_its_rate():
    desk = Desk(exchanges=("sim", "other"))
    desk.now_us += 1
    desk.price(ETH, "2100", "sim")
    assert desk.state.valuation.rate("ETH") == 2100
    desk.now_us += 1
    desk.price(ETH, "2200", "other")
    assert desk.state.valuation.rate("ETH") == 2200
    assert desk.state.valuation.rate("USDT") == 1
    assert desk.state.valuation.rate("DOGE") is None


def test_what_an_order_rests_on_names_every_other_price():
    desk = Desk(exchanges=("sim", "other"))
    desk.hold("buy", "1", "2000", symbol=ETH)
    desk.hold("buy", "0.1", "40000", exchange="other")
    verdict = desk.judge(desk.intent("buy", "0.01"))
    assert ("sim", ETH, D(2000)) in verdict.references
    assert ("other", BTC, D(40000)) in verdict.references
    assert ("", "ETH", D(2000)) in verdict.references
    assert not any(reference[:2] == ("sim", BTC) for reference in verdict.references)


@pytest.mark.parametrize(
    ("held", "working", "value"),
    [
        ("0", (), "0"),
        ("1", (), "100"),
        ("-1", (), "100"),
        ("1", (("buy", "2", "90"),), "280"),
        ("1", (("sell", "1", "120"),), "100"),
        ("1", (("sell", "3", "120"),), "240"),
        ("-2", (("buy", "3", "90"),), "200"),
        ("-2", (("buy", "5", "90"),), "270"),
        ("0", (("buy", "1", "90"), ("sell", "1", "120")), "120"),
    ],
)
def test_margin_is_for_the_larger_side_and_closing_needs_none(held, working, value):
    account = Account("sim", BTC)
    account.position = msgspec.structs.replace(account.position, quantity=D(held))
    for side, quantity, price in working:
        account.take(Hold("sim", BTC, side == "buy", D(quantity), D(price), False, D(price)), 1)
    assert account.margin_value(D(100), True, D(0), D(0)) == D(value)


def test_a_hold_that_is_taken_back_leaves_nothing():
    desk = Desk()
    ids = [
        desk.place(side, "0.1", price) for side, price in (("buy", "39000"), ("sell", "41000"), ("buy", None))
    ]
    for order_id in ids:
        desk.cancelled(order_id)
    account = desk.state.ledger.account("sim", BTC)
    assert account.is_idle
    assert (account.buys, account.sells, account.buy_value, account.sell_value) == (0, 0, 0, 0)
    assert (account.buy_prices, account.sell_prices) == ([], [])
    assert desk.state.valuation.total.margin == 0


def test_days_are_utc():
    assert day_of(0) == "1970-01-01"
    assert day_of(86_399_999_999) == "1970-01-01"
    assert day_of(86_400_000_000) == "1970-01-02"


def test_windows_slide():
    count, keyed = SlidingCount(), KeyedCount()
    for at in (0, 5, 10):
        count.add(at, 20)
        keyed.add("a", at, 20)
    assert count.within(10, 10) == 2
    assert count.within(20, 10) == 0
    assert keyed.within("a", 10, 6) == 2
    assert keyed.within("b", 10, 6) == 0
    assert keyed.within("a", 100, 6) == 0
    assert not keyed._counts


def test_windows_forget_without_being_asked():
    count, keyed = SlidingCount(), KeyedCount()
    for at in range(1000):
        count.add(at, 10)
        keyed.add(at, at, 10)
    assert len(count._times) == len(keyed._counts) == len(keyed._order) == 10


def test_what_no_limit_asks_for_is_not_counted():
    desk = Desk()
    for _ in range(3):
        desk.fill(desk.place("buy", "0.001"), "0.001", "40000")
    assert not desk.state.messages._times
    assert not desk.state.executions._order


def test_funding_counts_in_the_day_and_a_transfer_does_not():
    desk = Desk(max_daily_loss_usd=D(100))
    desk.record(moved("-100", "funding_fee", "f-1"))
    desk.record(moved("-5000", "transfer", "t-1"))
    assert desk.state.day_result() == -100
    assert desk.code("buy", "0.001") is None
    desk.record(moved("-0.000001", "settlement", "f-2"))
    assert desk.code("buy", "0.001") == "MAX_DAILY_LOSS"
    desk.record(moved("50", "interest", "i-1"))
    assert desk.code("buy", "0.001") is None
    assert desk.state.valuation.equity_of("sim") == D("994949.999999")


def test_funding_in_another_asset_counts_at_its_rate_and_is_rebuilt():
    desk = Desk()
    desk.record(moved("-0.01", "funding_fee", "f-1", "BTC"))
    assert desk.state.day_result() == -400
    fresh = RiskState.rebuild(decode_book(encode_book(desk.book)), desk.state.limits)
    desk.state.brokers, fresh.brokers = {}, {}
    for price in desk.state.valuation.marks.values():
        fresh.set_mark(price)
    assert fresh.day_result() == -400
    assert fresh.valuation.fees == desk.state.valuation.fees


def moved(amount: str, cause: str, evidence: str, asset: str = "USDT") -> BalanceAdjusted:
    """A line of the exchange's statement."""
    return BalanceAdjusted(
        exchange="sim", asset=asset, amount=D(amount), cause=cause, evidence=evidence, happened_us=START_US
    )
