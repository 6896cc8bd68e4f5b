"""How much of a position an order, or a stop that waits, can close."""

from decimal import Decimal

import msgspec
import pytest

from actors.model.book import Book
from actors.model.closing import closable, whole_lots
from actors.model.instrument import Instrument
from actors.model.position import Position

D = Decimal
BTC = Instrument(
    exchange="sim",
    symbol="BTC/USDT",
    base="BTC",
    quote="USDT",
    tick=D("0.01"),
    lot=D("0.001"),
    min_notional=D(5),
)


@pytest.mark.parametrize(
    ("held", "cash", "quantity"),
    [
        ("0.1", "0.0999", "0.099"),
        ("0.1", "7.5", "0.1"),
        ("0.001", "0.0009", "0"),
        ("0.001", "0", "0"),
        ("0.1", "-1", "0"),
        ("-0.1", "0.05", "0.1"),
        ("0.1", None, "0.1"),
    ],
)
def test_no_more_of_a_spot_position_is_sold_than_the_account_has(held, cash, quantity):
    """A buy's fee in the bought asset had the exchange refuse the closing order for ever."""
    stands = Book()
    stands.opened["sim"] = 1
    if cash is not None:
        stands.cash["sim", "BTC"] = D(cash)
    position = Position(exchange="sim", symbol="BTC/USDT", quantity=D(held))
    assert closable(position, BTC, stands) == D(quantity)
    swap = msgspec.structs.replace(BTC, market_type="swap")
    assert closable(position, swap, stands) == abs(D(held))
    stands.disturbed["sim"] = 2
    assert closable(position, BTC, stands) == abs(D(held))


def test_quantities_are_rounded_down_to_whole_lots():
    assert str(whole_lots(D("1.9999"), D("0.01"))) == "1.99"
    assert str(whole_lots(D("0.2"), D("0.000001"))) == "0.2"
