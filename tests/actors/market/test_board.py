"""The board keeps the newest of everything and derives one mark."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.market.board import Board
from actors.model.messages import Mark, Tick


def tick(
    bid: str | None = None, ask: str | None = None, last: str | None = None, symbol: str = "BTC/USDT"
) -> Tick:
    """A tick of the simulated exchange."""
    prices = {
        name: None if text is None else Decimal(text)
        for name, text in (("bid", bid), ("ask", ask), ("last", last))
    }
    return Tick(exchange="sim", symbol=symbol, at_us=1, **prices)


def test_the_mark_is_the_middle_of_bid_and_ask() -> None:
    """Exactly, with a digit more than the prices if it needs one."""
    mark = Board().take(tick("100.01", "100.02", "99"), 7)
    assert mark == Mark(
        exchange="sim",
        symbol="BTC/USDT",
        bid=Decimal("100.01"),
        ask=Decimal("100.02"),
        last=Decimal(99),
        mark=Decimal("100.015"),
        at_us=7,
    )


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (tick(last="99"), "99"),
        (tick(bid="98", last="99"), "99"),
        (tick(bid="98"), "98"),
        (tick(ask="101"), "101"),
    ],
)
def test_without_a_whole_quote_the_last_trade_counts(told: Tick, expected: str) -> None:
    """And one side alone only before anything was traded."""
    mark = Board().take(told, 1)
    assert mark is not None
    assert mark.mark == Decimal(expected)


def test_a_field_that_a_tick_does_not_carry_stays() -> None:
    """Quotes and trades come by different streams."""
    board = Board()
    board.take(tick("100", "102"), 1)
    mark = board.take(tick(last="101.5"), 2)
    assert mark is not None
    assert (mark.bid, mark.ask, mark.last, mark.mark, mark.at_us) == (100, 102, Decimal("101.5"), 101, 2)


@pytest.mark.parametrize("bad", ["0", "-1", "NaN", "Infinity"])
def test_a_price_that_is_none_changes_nothing(bad: str) -> None:
    """Neither the mark nor its age."""
    board = Board()
    before = board.take(tick("100", "102"), 1)
    assert board.take(tick(bad, bad, bad), 2) is None
    assert board.take(tick(), 2) is None
    assert board.mark("sim", "BTC/USDT") == before


def test_marks_are_ordered_and_know_their_age() -> None:
    """Whatever order they came in."""
    board = Board()
    for number, symbol in enumerate(["ETH/USDT", "BTC/USDT"]):
        board.take(tick("1", "3", symbol=symbol), number * 1_000_000)
    assert [mark.symbol for mark in board.marks()] == ["BTC/USDT", "ETH/USDT"]
    assert board.age_seconds("sim", "ETH/USDT", 2_500_000) == 2.5
    assert board.age_seconds("sim", "XRP/USDT", 2_500_000) is None
    assert [mark.symbol for mark in board.stale(2_500_000, 2.0)] == ["ETH/USDT"]


def test_a_board_begins_with_the_marks_that_are_known() -> None:
    """So that a restart does not forget what things cost."""
    board = Board()
    board.take(tick("1", "3"), 5)
    assert Board(board.marks()).marks() == board.marks()


prices = st.none() | st.decimals(min_value=Decimal("0.000000000001"), max_value=Decimal(10**12), places=12)


@given(st.lists(st.tuples(prices, prices, prices), max_size=10))
def test_the_mark_lies_between_what_was_told(told: list[tuple[Decimal | None, ...]]) -> None:
    """It is never a price that nobody named, nor outside of bid and ask."""
    board = Board()
    for bid, ask, last in told:
        mark = board.take(Tick(exchange="sim", symbol="X/Y", bid=bid, ask=ask, last=last, at_us=1), 1)
        if mark is None:
            continue
        if mark.bid is not None and mark.ask is not None:
            assert min(mark.bid, mark.ask) <= mark.mark <= max(mark.bid, mark.ask)
        else:
            assert mark.mark in (mark.bid, mark.ask, mark.last)


def marked(price: str) -> Tick:
    """An exchange's own mark price."""
    return Tick(exchange="sim", symbol="BTC/USDT", mark=Decimal(price), at_us=1)


def test_the_exchanges_own_mark_price_counts_while_it_is_told() -> None:
    """A position is liquidated by it, whatever the book says."""
    board = Board()
    assert board.take(tick("100", "102"), 1).mark == 101
    assert board.take(marked("90"), 2).mark == 90
    quoted = board.take(tick("110", "112"), 3)
    assert (quoted.mark, quoted.bid, quoted.ask) == (90, 110, 112)


def test_a_mark_price_that_is_told_no_more_gives_way_to_the_book() -> None:
    """Quotes go on, so the price looks fresh; the mark price in it would not be."""
    board = Board()
    board.take(tick("100", "102"), 0)
    board.take(marked("90"), 0)
    assert board.take(tick("100", "102"), 5_000_000).mark == 90
    assert board.take(tick("100", "102"), 5_000_001).mark == 101
    assert board.take(marked("91"), 6_000_000).mark == 91


@pytest.mark.parametrize("price", ["0", "-1", "NaN"])
def test_a_mark_price_that_is_none_changes_nothing(price: str) -> None:
    board = Board()
    assert board.take(marked(price), 1) is None
    board.take(marked("90"), 2)
    assert board.take(marked(price), 3) is None
    assert board.take(tick("100", "102"), 4).mark == 90
