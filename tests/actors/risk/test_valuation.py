"""Worth in USD, kept up by differences: the same as reckoned anew, and silent about nothing that has no
price.
"""

import msgspec
import pytest

from actors.model.events import AccountOpened, BalanceAdjusted, PositionAdjusted
from actors.model.snapshot import decode_book, encode_book
from actors.risk.counters import KeyedCount, SlidingCount
from actors.risk.ledger import Account, Hold, assets_of
from actors.risk.state import RiskState, day_of
from actors.risk.valuation import NOTHING, Sum, Worth
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
    assert desk.state.valuation.equity_of("sim") == 1_000_000


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


def perpetual(desk: Desk, **changes: object) -> None:
    """The exchange lists a perpetual swap that needs a tenth of its value as margin."""
    made = instrument("BTC/USDT:USDT", **{"market_type": "swap", "initial_margin": D("0.1"), **changes})
    desk.broker(instruments=(made,))


def test_a_derivative_binds_its_share_of_margin_and_its_profit_is_equity_everywhere():
    desk = Desk(symbol_whitelist=("BTC/USDT:USDT",), cash="1000")
    perpetual(desk)
    desk.price("BTC/USDT:USDT", "40000")
    for _ in range(2):
        desk.fill(desk.place("buy", "0.1", symbol="BTC/USDT:USDT"), "0.1", "40000", market="swap")
    valuation, place = desk.state.valuation, ("sim", "BTC/USDT:USDT")
    assert valuation.worth(place).margin == 800
    desk.price("BTC/USDT:USDT", "40500")
    desk.price("BTC/USDT:USDT", "40600")
    assert valuation.equity_of("sim") == valuation.equity() == 1120
    perpetual(desk, initial_margin=D("0.5"))
    assert valuation.worth(place).margin == 4060
    assert valuation.total.margin == 4060


def test_an_exchange_that_has_told_nothing_is_worth_nothing():
    assert Desk().state.valuation.equity_of("elsewhere") == 0


def test_the_oldest_of_the_prices_in_use_is_known():
    """Places that hold nothing don't count, nor do those without a price."""
    desk = Desk(max_net_usd=None, max_price_age_seconds=None, max_daily_loss_usd=None)
    valuation = desk.state.valuation
    assert valuation.oldest_mark_us() is None
    desk.hold("buy", "0.1", "40000")
    desk.hold("buy", "1", "2000", symbol=ETH)
    began = desk.now_us
    desk.now_us += 5
    desk.price(BTC, "40000")
    assert valuation.oldest_mark_us() == began
    desk.now_us += 5
    desk.price(ETH, "2000")
    assert valuation.oldest_mark_us() == began + 5
    desk.state.set_mark(msgspec.structs.replace(mark(BTC, "1"), mark=D("NaN")))
    assert valuation.oldest_mark_us() == began + 10
    desk.state.set_mark(msgspec.structs.replace(mark(ETH, "1"), mark=D("NaN")))
    assert valuation.oldest_mark_us() is None


def test_a_place_is_unpriced_only_while_it_matters():
    """What was held and earned there counts as long as it is not known what it is worth."""
    desk = Desk(max_price_age_seconds=None, symbol_whitelist=("ETH/EUR", "BTC/USDT"), max_daily_loss_usd=None)
    desk.broker(instruments=(instrument("ETH/EUR"), instrument(BTC)))
    desk.price("EUR/USDT", "2")
    desk.price("ETH/EUR", "1000")
    valuation, place = desk.state.valuation, ("sim", "ETH/EUR")
    order_id = desk.place("buy", "0.1", "900", symbol="ETH/EUR")
    assert valuation.worth(place).gross == 200
    no_euro = msgspec.structs.replace(mark("EUR/USDT", "1"), mark=D("NaN"))
    desk.state.set_mark(no_euro)
    assert list(valuation.unpriced) == [place]
    assert valuation.worth(place).gross == 0
    desk.state.set_mark(no_euro)
    desk.price("EUR/USDT", "3")
    assert list(valuation.unpriced) == []
    assert valuation.worth(place).gross == 300
    desk.state.set_mark(no_euro)
    desk.cancelled(order_id)
    assert list(valuation.unpriced) == []
    desk.price("EUR/USDT", "3")
    desk.state.set_mark(no_euro)
    assert list(valuation.unpriced) == []


def test_a_place_that_is_left_is_not_waited_for():
    """Its old price makes nothing stale."""
    desk = Desk()
    desk.hold("buy", "0.1", "40000")
    desk.fill(desk.place("sell", "0.1"), "0.1", "40000")
    assert desk.state.valuation.oldest_mark_us() is None


def test_a_spot_profit_is_in_the_assets_and_counts_once():
    desk = Desk(cash="100000")
    desk.record(AccountOpened(exchange="sim", balances=(("USDT", D(100000)), ("BTC", D(0)))))
    desk.hold("buy", "1", "40000")
    desk.price(BTC, "41000")
    assert desk.state.valuation.equity_of("sim") == 101_000


def test_a_symbol_without_an_instrument_needs_all_of_its_value_as_margin():
    desk = Desk(symbol_whitelist=(BTC,))
    desk.price("XRP/USDT", "2")
    desk.record(
        PositionAdjusted(
            exchange="sim",
            symbol="XRP/USDT",
            quantity=D(10),
            price=D(2),
            cause="transfer",
            evidence="transfer:1",
        )
    )
    assert desk.state.valuation.worth(("sim", "XRP/USDT")).margin == 20


def test_rates_are_named_where_something_rests_on_them():
    """What is owned, what fees were paid in, what a place is quoted in; no other."""
    desk = Desk(symbol_whitelist=("ETH/EUR",))
    for asset in ("XRP", "FEE", "EUR", "DOGE"):
        desk.price(f"{asset}/USDT", "2")
    valuation = desk.state.valuation
    valuation.set_cash("sim", "XRP", D(1))
    valuation.add_fees((), (("FEE", D(1)),))
    desk.broker(instruments=(instrument("ETH/EUR"),))
    desk.price("ETH/EUR", "1000")
    desk.place("buy", "0.1", "900", symbol="ETH/EUR")
    named = [symbol for exchange, symbol, _ in valuation.references("sim", BTC) if not exchange]
    assert sorted(named) == ["EUR", "FEE", "XRP"]


def test_of_equally_new_prices_that_of_the_first_place_counts():
    desk = Desk(exchanges=("b", "a"))
    desk.price("XRP/USDT", "2", "b")
    desk.price("XRP/USDT", "3", "a")
    assert desk.state.valuation.rate("XRP") == 3
    desk.now_us += 1
    desk.price("XRP/USDT", "1", "b")
    assert desk.state.valuation.rate("XRP") == 1
    for exchange in ("b", "a"):
        gone = msgspec.structs.replace(mark("XRP/USDT", "1", exchange), mark=D("NaN"))
        desk.state.set_mark(gone)
        desk.state.set_mark(gone)
    assert desk.state.valuation.rate("XRP") is None


def test_a_dollar_coin_is_worth_a_dollar_whatever_its_market_says():
    desk = Desk()
    desk.price("USDC/USDT", "0.9")
    assert desk.state.valuation.rate("USDC") == 1
    assert "USDC" not in desk.state.valuation.rates


def test_an_asset_without_a_price_that_is_owned_is_no_debt():
    desk = Desk()
    desk.record(
        AccountOpened(exchange="sim", balances=(("USDT", D(1000)), ("DOGE", D("0.5")), ("SHIB", D(0))))
    )
    assert desk.state.valuation.equity_of("sim") == 1000


def test_sums_are_equal_when_every_part_is():
    one, two = Sum(), Sum()
    assert one == two
    assert one != "a sum"
    for name in ("gross", "long", "short", "result", "margin"):
        two.move(NOTHING, Worth(**{name: D(1)}))
        assert one != two
        one.move(NOTHING, Worth(**{name: D(1)}))
        assert one == two
        assert getattr(one, name) == 1


def test_fees_are_counted_from_where_they_stood():
    """By asset; an asset without a price makes the sum unknown only if something was paid in it."""
    valuation = Desk().state.valuation
    valuation.add_fees((), (("USDT", D(5)), ("XYZ", D(1))))
    valuation.add_fees((("USDT", D(5)), ("XYZ", D(1))), (("USDT", D(9)), ("XYZ", D(1))))
    assert valuation.fees == {"USDT": 9, "XYZ": 1}
    assert valuation.fees_since({"USDT": D(2), "XYZ": D(1)}) == 7
    assert valuation.fees_since({"USDT": D(2)}) is None
