"""What orders may still do, counted by place and side; what is counted in comes out again."""

from decimal import Decimal

import msgspec
import pytest

from actors.model.amend import Amend
from actors.model.order import Order, Submission, Terminal
from actors.model.position import Position
from actors.risk.ledger import Account, Hold, Ledger, assets_of
from tests.actors.risk.desk import D
from tests.fixtures.orders import INTENT as BUY

INTENT = msgspec.structs.replace(BUY, reduce_only=True)
ORDER = Order(intent=INTENT, submission=Submission.WORKING, reserve_price=D(101), executed=D(4))


def test_of_a_symbol_with_more_than_one_slash_the_first_ends_the_base():
    assert assets_of("A/B/C") == ("A", "B/C")


@pytest.mark.parametrize(("side", "buy"), [("buy", True), ("sell", False)])
def test_a_hold_is_what_an_order_may_still_do(side, buy):
    intent = msgspec.structs.replace(INTENT, side=side)
    hold = Hold(
        exchange="sim",
        symbol="BTC/USDT",
        buy=buy,
        remaining=D(10),
        price=D(103),
        reduce_only=True,
        rests_at=D(100),
    )
    assert Hold.of_intent(intent, D(103)) == hold
    order = msgspec.structs.replace(ORDER, intent=intent)
    assert Hold.of(order) == msgspec.structs.replace(hold, remaining=D(6), price=D(101))
    assert Hold.of(msgspec.structs.replace(order, terminal=Terminal.CANCELED)) is None


@pytest.mark.parametrize(
    ("side", "limit", "rests_at"),
    [("buy", "120", "120"), ("buy", "90", "100"), ("sell", "120", "100"), ("sell", "90", "90")],
)
def test_under_an_amend_the_worst_of_both_terms_counts(side, limit, rests_at):
    """The larger quantity, the higher value, and the price that is nearer to the other side."""
    amend = Amend(amend_id="a1", quantity=D(20), limit_price=D(limit), reserve_price=D(130))
    intent = msgspec.structs.replace(INTENT, side=side)
    hold = Hold.of(msgspec.structs.replace(ORDER, intent=intent, amend=amend))
    assert hold is not None
    assert (hold.remaining, hold.price, hold.rests_at) == (D(16), D(130), D(rests_at))
    assert hold.reduce_only
    cheaper = msgspec.structs.replace(amend, reserve_price=D(7))
    hold = Hold.of(msgspec.structs.replace(ORDER, intent=intent, amend=cheaper))
    assert hold is not None
    assert hold.price == D(101)


def test_a_market_orders_hold_rests_where_its_terms_do():
    hold = Hold.of_intent(msgspec.structs.replace(INTENT, limit_price=None, type="market"), D(103))
    assert hold.rests_at is None
    assert hold.with_terms(D(3), D(99), D(1)).rests_at == D(99)


@pytest.mark.parametrize("buy", [True, False])
def test_what_is_counted_in_comes_out_again(buy):
    account = Account("sim", "BTC/USDT")
    assert (account.symbol, account.quote) == ("BTC/USDT", "USDT")
    assert account.position == Position(exchange="sim", symbol="BTC/USDT")
    hold = Hold("sim", "BTC/USDT", buy, D(2), D(100), True, D(99))
    account.take(hold, 1)
    account.take(msgspec.structs.replace(hold, reduce_only=False), 1)
    side = (account.buys, account.buy_value, account.reduce_buys, account.buy_prices)
    other = (account.sells, account.sell_value, account.reduce_sells, account.sell_prices)
    if not buy:
        side, other = other, side
    assert side == (4, 400, 2, [99, 99])
    assert other == (0, 0, 0, [])
    assert account.open_orders == 2
    assert account.room_to_reduce(buy) == -2
    account.take(hold, -1)
    account.take(msgspec.structs.replace(hold, reduce_only=False), -1)
    assert (account.buys, account.buy_value, account.reduce_buys, account.buy_prices) == (0, 0, 0, [])
    assert (account.sells, account.sell_value, account.reduce_sells, account.sell_prices) == (0, 0, 0, [])
    assert account.is_idle


@pytest.mark.parametrize(
    ("held", "buy", "extra", "price", "value"),
    [
        ("0", True, "2", "90", "180"),
        ("0", True, "2", "0.0000000000001", "0.0000000000002"),
        ("3", True, "2", "90", "480"),
        ("3", False, "3", "90", "300"),
        ("3", False, "3.5", "90", "300"),
        ("-3", True, "9", "90", "540"),
        ("-3", False, "1", "90", "390"),
        ("-1", True, "1.5", "100", "100"),
        ("-2", True, "3", "1e29", "1e29"),
        ("-2", True, "3", "0.0000000000001", "200"),
    ],
)
def test_margin_is_for_the_larger_side(held, buy, extra, price, value):
    """What closes the opposite position first needs none; of the rest its share, at any size of number."""
    account = Account("sim", "BTC/USDT")
    account.position = Position(exchange="sim", symbol="BTC/USDT", quantity=D(held))
    assert account.margin_value(D(100), buy, D(extra), D(price)) == D(value)


def test_a_share_of_a_value_is_rounded_up_to_twelve_places():
    """Two thirds of one, for what is left of three when one of them closes."""
    account = Account("sim", "BTC/USDT")
    account.position = Position(exchange="sim", symbol="BTC/USDT", quantity=D("-1"))
    account.take(Hold("sim", "BTC/USDT", True, D(3), Decimal("0.1111111111111"), False, None), 1)
    assert account.margin_value(D("0.01"), True, D(0), D(0)) == D("0.222222222223")


def test_a_hold_is_changed_by_its_difference():
    ledger = Ledger()
    hold = Hold("sim", "BTC/USDT", True, D(2), D(100), False, D(99))
    account = ledger.hold("o1", hold)
    assert account is ledger.account("sim", "BTC/USDT")
    assert ledger.hold("o1", hold) is None
    ledger.hold("o1", msgspec.structs.replace(hold, remaining=D(1)))
    assert (account.buys, account.open_orders, len(ledger.holds)) == (1, 1, 1)
    assert ledger.hold("o1", None) is account
    assert (account.buys, account.open_orders, len(ledger.holds)) == (0, 0, 0)
    assert ledger.hold("o1", None) is None
    assert ledger.of_symbol("BTC/USDT") == (account,)
