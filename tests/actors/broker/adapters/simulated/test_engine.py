"""Who trades with whom: price, then time; and what that does to the book."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.broker.adapters.simulated.engine import Match, OrderBook, Placed, Quote, Resting

D = Decimal


def order(
    number: int, side: str, quantity: str = "1", price: str | None = None, account: str | None = None
) -> Resting:
    """An order of an account of its own, unless one is named."""
    return Resting(
        number=number,
        account=account or f"a{number}",
        side=side,
        price=None if price is None else D(price),
        remaining=D(quantity),
    )


def executed(placed: Placed) -> list[tuple[int | None, str, str]]:
    """Maker, price and quantity of each match."""
    return [(match.maker, str(match.price), str(match.quantity)) for match in placed.matches]


def test_the_best_price_executes_first_then_the_oldest() -> None:
    """At the makers' prices."""
    book = OrderBook()
    book.place(order(1, "sell", "1", "101"))
    book.place(order(2, "sell", "1", "100"))
    book.place(order(3, "sell", "1", "100"))
    placed = book.place(order(4, "buy", "2.5", "101"))
    assert placed.status == "filled"
    assert executed(placed) == [(2, "100", "1"), (3, "100", "1"), (1, "101", "0.5")]
    assert len(book) == 1


def test_a_limit_order_rests_with_what_it_could_not_execute() -> None:
    """And keeps its place in time."""
    book = OrderBook()
    book.place(order(1, "sell", "1", "100"))
    placed = book.place(order(2, "buy", "3", "100"))
    assert (placed.status, executed(placed)) == ("open", [(1, "100", "1")])
    assert book.best() == Quote(D(100), None)
    assert executed(book.place(order(3, "sell", "2", "99"))) == [(2, "100", "2")]
    assert len(book) == 0


def test_a_market_order_takes_what_is_there_and_the_rest_is_canceled() -> None:
    """It never rests."""
    book = OrderBook()
    book.place(order(1, "sell", "1", "100"))
    placed = book.place(order(2, "buy", "2"))
    assert (placed.status, executed(placed)) == ("canceled", [(1, "100", "1")])
    assert book.place(order(3, "buy", "2")) == Placed(status="canceled")
    assert len(book) == 0


def test_an_ioc_order_executes_what_it_can_at_once() -> None:
    """Nothing of it stays."""
    book = OrderBook()
    book.place(order(1, "sell", "1", "100"))
    placed = book.place(order(2, "buy", "2", "100"), "IOC")
    assert (placed.status, executed(placed)) == ("canceled", [(1, "100", "1")])
    assert book.best() == Quote()


@pytest.mark.parametrize(("quantity", "status"), [("2", "filled"), ("2.000001", "canceled")])
def test_a_fok_order_executes_whole_or_not_at_all(quantity: str, status: str) -> None:
    """What it can't have whole it leaves untouched."""
    book = OrderBook()
    book.place(order(1, "sell", "1", "100"))
    book.place(order(2, "sell", "1", "101"))
    book.place(order(3, "sell", "9", "102"))
    placed = book.place(order(4, "buy", quantity, "101"), "FOK")
    assert placed.status == status
    assert len(placed.matches) == (2 if status == "filled" else 0)
    assert len(book) == (1 if status == "filled" else 3)


@pytest.mark.parametrize(("price", "status"), [("99.99", "open"), ("100", "refused"), ("101", "refused")])
def test_a_post_only_order_never_takes(price: str, status: str) -> None:
    """Neither from another order nor from the outside."""
    book = OrderBook()
    book.place(order(1, "sell", "1", "100"))
    assert book.place(order(2, "buy", "1", price), post_only=True).status == status
    outside = OrderBook(Quote(D(99), D(100)))
    assert outside.place(order(1, "buy", "1", price), post_only=True).status == status


def test_the_outside_has_unlimited_size_at_its_price() -> None:
    """A market order of any size executes there, whole."""
    book = OrderBook(Quote(D("99.5"), D("100.5")))
    assert executed(book.place(order(1, "buy", "1000000"))) == [(None, "100.5", "1000000")]
    assert executed(book.place(order(2, "sell", "1000000"))) == [(None, "99.5", "1000000")]


def test_better_and_equal_orders_execute_before_the_outside() -> None:
    """Then the outside takes the rest."""
    book = OrderBook(Quote(D(90), D(100)))
    book.place(order(1, "sell", "1", "99"))
    book.place(order(2, "sell", "1", "100"))
    book.place(order(3, "sell", "1", "101"))
    placed = book.place(order(4, "buy", "5"))
    assert executed(placed) == [(1, "99", "1"), (2, "100", "1"), (None, "100", "3")]


def test_a_limit_beyond_the_outside_executes_at_the_outsides_price() -> None:
    """No worse than it asked for."""
    book = OrderBook(Quote(D(90), D(100)))
    assert executed(book.place(order(1, "buy", "2", "105"))) == [(None, "100", "2")]
    assert book.place(order(2, "buy", "2", "99")).status == "open"


def test_an_account_passes_its_own_orders_by() -> None:
    """They keep their place, and what lies behind them executes."""
    book = OrderBook(Quote(None, D(110)))
    book.place(order(1, "sell", "1", "100", "me"))
    book.place(order(2, "sell", "1", "100", "other"))
    book.place(order(3, "sell", "1", "101", "me"))
    book.place(order(4, "sell", "1", "102", "other"))
    placed = book.place(order(5, "buy", "3", None, "me"))
    assert executed(placed) == [(2, "100", "1"), (4, "102", "1"), (None, "110", "1")]
    assert executed(book.place(order(6, "buy", "2", None, "third"))) == [(1, "100", "1"), (3, "101", "1")]


def test_own_orders_count_neither_for_fok_nor_for_post_only() -> None:
    """Nothing of them can be taken."""
    book = OrderBook()
    book.place(order(1, "sell", "5", "100", "me"))
    assert book.place(order(2, "buy", "1", "100", "me"), "FOK").status == "canceled"
    assert book.place(order(3, "buy", "1", "100", "me"), post_only=True).status == "open"


def test_a_canceled_order_is_out_of_the_book() -> None:
    """And can't be canceled again."""
    book = OrderBook()
    book.place(order(1, "buy", "1", "100"))
    book.place(order(2, "buy", "1", "99"))
    assert book.cancel(1) is not None
    assert book.cancel(1) is None
    assert book.best() == Quote(D(99), None)
    assert executed(book.place(order(3, "sell", "1"))) == [(2, "99", "1")]


@pytest.mark.parametrize(
    ("side", "price", "reached"),
    [
        # A resting buy at 100: a seller's print has to be beyond it, a buyer's print at it locks the book.
        ("sell", "100.01", False),
        ("sell", "100", False),
        ("sell", "99.99", True),
        ("buy", "100.01", False),
        ("buy", "100", True),
        ("buy", "99.99", True),
        (None, "100", False),
        (None, "99.99", True),
    ],
)
def test_when_a_print_executes_a_resting_buy(side: str | None, price: str, reached: bool) -> None:
    """At its own price, whatever was printed."""
    book = OrderBook()
    book.place(order(1, "buy", "1", "100"))
    matches = book.printed(Quote(), D(price), D("0.4"), side)
    expected = (Match(maker=1, taker=None, price=D(100), quantity=D("0.4")),)
    assert matches == (expected if reached else ())


@pytest.mark.parametrize(
    ("side", "price", "reached"),
    [
        ("buy", "99.99", False),
        ("buy", "100", False),
        ("buy", "100.01", True),
        ("sell", "99.99", False),
        ("sell", "100", True),
        ("sell", "100.01", True),
        (None, "100", False),
        (None, "100.01", True),
    ],
)
def test_when_a_print_executes_a_resting_sell(side: str | None, price: str, reached: bool) -> None:
    """The mirror image."""
    book = OrderBook()
    book.place(order(1, "sell", "1", "100"))
    matches = book.printed(Quote(), D(price), D("0.4"), side)
    expected = (Match(maker=1, taker=None, price=D(100), quantity=D("0.4")),)
    assert matches == (expected if reached else ())


def test_a_print_executes_no_more_than_its_size_best_and_oldest_first() -> None:
    """Over all orders that it reaches."""
    book = OrderBook()
    book.place(order(1, "buy", "1", "100"))
    book.place(order(2, "buy", "1", "101"))
    book.place(order(3, "buy", "1", "101"))
    matches = book.printed(Quote(), D(99), D("2.25"), "sell")
    assert [(match.maker, match.price, match.quantity) for match in matches] == [
        (2, 101, 1),
        (3, 101, 1),
        (1, 100, D("0.25")),
    ]
    assert book.printed(Quote(), D(99), D(0), "sell") == ()


def test_a_new_quote_executes_what_it_reaches_up_to_its_size() -> None:
    """Only its opposite side counts."""
    book = OrderBook()
    book.place(order(1, "buy", "1", "100"))
    book.place(order(2, "sell", "1", "103"))
    assert book.moved(Quote(D(100), D("100.01")), D(5)) == ()
    assert [match.maker for match in book.moved(Quote(D(99), D(100)), D("0.5"))] == [1]
    assert [match.maker for match in book.moved(Quote(D(103), D(104)), D(5))] == [2]


def test_restored_orders_rest_where_they_were() -> None:
    """In the order of their numbers; nothing executes by restoring."""
    book = OrderBook(Quote(D(99), D(100)))
    book.restore(order(1, "buy", "1", "105"))
    book.restore(order(2, "buy", "1", "105"))
    assert len(book) == 2
    assert [match.maker for match in book.printed(Quote(), D(104), D("1.5"), "sell")] == [1, 2]
    with pytest.raises(ValueError, match="no price"):
        book.restore(order(3, "buy"))


def test_levels_that_come_and_go_leave_nothing_behind() -> None:
    """A market maker who requotes all day must not fill the memory."""
    book = OrderBook()
    book.place(order(0, "buy", "1", "1000"))
    for number in range(1, 5_000):
        book.place(order(number, "buy", "1", str(number % 900 + 1)))
        book.cancel(number)
    side = book._bids
    assert len(side.levels) == 1
    assert len(side._heap) <= 70
    assert len(side._queued) == len(side._heap)


class Naive:
    """The same rules, written as plainly as possible: sort everything each time."""

    def __init__(self, outside: Quote) -> None:
        self.orders: list[Resting] = []
        self.outside = outside

    def _reach(self, taker: Resting) -> list[tuple[Decimal, int, Resting | None]]:
        opposite = "sell" if taker.side == "buy" else "buy"
        sign = 1 if taker.side == "buy" else -1
        found: list[tuple[Decimal, int, Resting | None]] = [
            (maker.price * sign, maker.number, maker)
            for maker in self.orders
            if maker.side == opposite and maker.account != taker.account and maker.price is not None
        ]
        price = self.outside.ask if taker.side == "buy" else self.outside.bid
        if price is not None:
            found.append((price * sign, 10**9, None))
        limit = None if taker.price is None else taker.price * sign
        return sorted(
            (each for each in found if limit is None or each[0] <= limit), key=lambda each: each[:2]
        )

    def place(
        self, taker: Resting, time_in_force: str, post_only: bool
    ) -> tuple[str, list[tuple[object, ...]]]:
        reach = self._reach(taker)
        if post_only and reach:
            return "refused", []
        room = sum((D("Infinity") if maker is None else maker.remaining for _, _, maker in reach), D(0))
        if time_in_force == "FOK" and room < taker.remaining:
            return "canceled", []
        matches: list[tuple[object, ...]] = []
        for key, _, maker in reach:
            quantity = taker.remaining if maker is None else min(maker.remaining, taker.remaining)
            if not quantity:
                continue
            matches.append((None if maker is None else maker.number, abs(key), quantity))
            taker.remaining -= quantity
            if maker is not None:
                maker.remaining -= quantity
        self.orders = [resting for resting in self.orders if resting.remaining]
        if not taker.remaining:
            return "filled", matches
        if taker.price is None or time_in_force != "GTC":
            return "canceled", matches
        self.orders.append(taker)
        return "open", matches


prices = st.integers(90, 110).map(D)
actions = st.lists(
    st.tuples(
        st.sampled_from(["place", "place", "place", "cancel"]),
        st.sampled_from(["buy", "sell"]),
        st.none() | prices,
        st.integers(1, 9).map(D),
        st.sampled_from(["GTC", "GTC", "IOC", "FOK"]),
        st.booleans(),
        st.sampled_from(["a", "b", "c"]),
        st.integers(0, 40),
    ),
    max_size=40,
)


@given(actions, st.none() | prices, st.none() | prices)
def test_the_engine_agrees_with_a_plain_one(
    taken: list[tuple[str, str, Decimal | None, Decimal, str, bool, str, int]],
    bid: Decimal | None,
    ask: Decimal | None,
) -> None:
    """Whatever is placed and canceled: the same matches, the same outcome, the same book."""
    book, naive = OrderBook(Quote(bid, ask)), Naive(Quote(bid, ask))
    for number, (action, side, price, quantity, time_in_force, post_only, account, which) in enumerate(taken):
        if action == "cancel":
            known = any(resting.number == which for resting in naive.orders)
            assert (book.cancel(which) is not None) == known
            naive.orders = [resting for resting in naive.orders if resting.number != which]
            continue
        values = {"number": number, "account": account, "side": side, "price": price, "remaining": quantity}
        placed = book.place(Resting(**values), time_in_force, post_only=post_only)
        status, matches = naive.place(Resting(**values), time_in_force, post_only)
        assert placed.status == status
        assert [(match.maker, match.price, match.quantity) for match in placed.matches] == matches
        assert len(book) == len(naive.orders)
        for resting in naive.orders:
            assert book._orders[resting.number].remaining == resting.remaining
