"""How much of a position an order, or a stop that waits, can close."""

from decimal import Decimal

import msgspec
import pytest

from actors.model.book import Book
from actors.model.closing import apart_at, closable, whole_lots
from actors.model.instrument import Instrument
from actors.model.messages import BrokerState
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


@pytest.mark.parametrize(
    ("told", "quantity"),
    [
        ({}, "0.1"),
        ({"USDT": D(5)}, "0.1"),
        ({"BTC": D("-0.9001")}, "0.099"),
        ({"BTC": D(3)}, "0.1"),
        ({"BTC": D("-1.5")}, "0"),
    ],
    ids=["nothing told", "as the journal says", "less there", "more there", "nothing there"],
)
def test_what_the_exchange_says_counts_where_the_journal_cannot_know(told, quantity):
    """After trades of others a fee in the bought asset had the closing order refused for ever."""
    stands = Book()
    stands.opened["sim"] = 1
    stands.disturbed["sim"] = 2
    stands.cash["sim", "BTC"] = D(1)
    broker = BrokerState(
        exchange="sim", state="trading", circuit="closed", detail="", apart=tuple(told.items())
    )
    position = Position(exchange="sim", symbol="BTC/USDT", quantity=D("0.1"))
    assert closable(position, BTC, stands, apart_at([broker])) == D(quantity)
    del stands.disturbed["sim"]
    assert closable(position, BTC, stands, apart_at([broker])) == D("0.1")


def test_a_position_of_others_trades_alone_is_what_the_exchange_says():
    """Their trades move no cash of the journal."""
    stands = Book()
    stands.opened["sim"] = stands.disturbed["sim"] = 1
    position = Position(exchange="sim", symbol="BTC/USDT", quantity=D("0.1"))
    assert closable(position, BTC, stands, {"sim": {"BTC": D("0.05")}}) == D("0.05")


def test_quantities_are_rounded_down_to_whole_lots():
    assert str(whole_lots(D("1.9999"), D("0.01"))) == "1.99"
    assert str(whole_lots(D("0.2"), D("0.000001"))) == "0.2"
