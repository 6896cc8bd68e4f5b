"""Positions: what is held, what it cost and what closing earned always add up, to the last digit."""

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.model.fill import Fill
from actors.model.money import EXACT, ZERO
from actors.model.position import Position

FLAT = Position(exchange="sim", symbol="BTC/USDT")

quantities = st.decimals(min_value=Decimal("0.000001"), max_value=Decimal(1000), places=6)
prices = st.decimals(min_value=Decimal("0.01"), max_value=Decimal(100000), places=2)
trades = st.lists(st.tuples(st.sampled_from([1, -1]), quantities, prices), max_size=20)


def traded(*moves: tuple[str, str]) -> Position:
    """The position after these signed quantities at these prices."""
    position = FLAT
    for quantity, price in moves:
        position = position.trade(Decimal(quantity), Decimal(price))
    return position


@given(trades)
def test_cost_less_realised_is_what_was_paid(moves: list[tuple[int, Decimal, Decimal]]) -> None:
    """All cash flows add up to realised P&L less the cost of what is held, whatever was rounded."""
    position, paid, held = FLAT, ZERO, ZERO
    for sign, quantity, price in moves:
        position = position.trade(quantity * sign, price)
        paid = EXACT.add(paid, EXACT.multiply(quantity * sign, price))
        held += quantity * sign
    assert position.quantity == held
    assert EXACT.subtract(position.cost, position.realized_pnl) == paid
    if not held:
        assert position.cost == 0
        assert position.average_price is None
    else:
        # Cost and quantity have the same sign: an average price is never negative.
        assert position.cost * held > 0


@pytest.mark.parametrize(
    ("moves", "quantity", "cost", "realized"),
    [
        ([("1", "100")], "1", "100", "0"),
        ([("1", "100"), ("1", "110")], "2", "210", "0"),
        ([("2", "100"), ("-1", "110")], "1", "100", "10"),
        ([("2", "100"), ("-2", "90")], "0", "0", "-20"),
        ([("-1", "100")], "-1", "-100", "0"),
        ([("-2", "100"), ("1", "90")], "-1", "-100", "10"),
        ([("-2", "100"), ("2", "110")], "0", "0", "-20"),
        ([("1", "100"), ("-3", "110")], "-2", "-220", "10"),
        ([("-1", "100"), ("3", "90")], "2", "180", "10"),
    ],
)
def test_long_short_and_through_zero(
    moves: list[tuple[str, str]], quantity: str, cost: str, realized: str
) -> None:
    """A fill through zero closes the whole and opens the rest at the fill's price."""
    found = traded(*moves)
    assert (found.quantity, found.cost, found.realized_pnl) == (
        Decimal(quantity),
        Decimal(cost),
        Decimal(realized),
    )


def test_a_partial_close_takes_a_rounded_share_and_leaves_the_rest() -> None:
    """A third of 100 has no last digit: what is rounded off stays in the cost, so that nothing is lost."""
    position = traded(("3", "33.333333333333"), ("0", "0"))
    assert position.cost == Decimal("99.999999999999")
    part = msgspec.structs.replace(position, cost=Decimal(100)).trade(Decimal(-1), Decimal(40))
    assert part.cost == Decimal("66.666666666667")
    assert part.realized_pnl == Decimal("6.666666666667")


def test_fees_are_kept_by_asset_and_outside_of_the_profit() -> None:
    """A rebate is a negative fee."""
    fill = Fill(
        exchange="sim",
        market_type="spot",
        symbol="BTC/USDT",
        exchange_order_id="e",
        trade_id="1",
        order_id="o",
        side="sell",
        quantity=Decimal(1),
        price=Decimal(10),
        fee=Decimal("0.5"),
        fee_currency="USDT",
        at_us=1,
    )
    position = FLAT.apply(fill, 7).apply(
        msgspec.structs.replace(fill, side="buy", fee=Decimal("-0.1"), fee_currency="BNB"), 8
    )
    assert FLAT.apply(fill, 7).quantity == -1
    assert position.apply(fill, 9).fees == (("BNB", Decimal("-0.1")), ("USDT", Decimal("1.0")))
    assert position.fees == (("BNB", Decimal("-0.1")), ("USDT", Decimal("0.5")))
    assert (position.quantity, position.realized_pnl, position.updated_us) == (0, 0, 8)


@given(trades, prices)
def test_unrealised_profit_is_what_closing_at_the_mark_would_realise(
    moves: list[tuple[int, Decimal, Decimal]], mark: Decimal
) -> None:
    """The same arithmetic, asked before instead of after."""
    position = FLAT
    for sign, quantity, price in moves:
        position = position.trade(quantity * sign, price)
    closed = position.trade(-position.quantity, mark)
    assert closed.quantity == 0
    assert closed.realized_pnl == EXACT.add(position.realized_pnl, position.unrealized_pnl(mark))


def test_more_digits_than_the_interpreters_default_are_kept() -> None:
    """The default context of the process rounds to 28 digits; nothing here may use it."""
    many = Decimal("123456789012345678.123456789012")
    position = FLAT.trade(many, Decimal(1)).trade(many.copy_negate(), Decimal(2))
    assert (position.quantity, position.realized_pnl) == (0, many)
    partly = FLAT.trade(many.copy_negate(), Decimal(1)).trade(Decimal(1), Decimal(1))
    assert partly.quantity == EXACT.subtract(Decimal(1), many)
