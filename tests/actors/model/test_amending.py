"""The life of an amend: both terms count until one is proven, and an order keeps its id throughout."""

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.model import events as ev
from actors.model.amend import AmendState
from actors.model.book import Book, DuplicateFill, DuplicateOrder
from actors.model.fill import Fill
from actors.model.order import IllegalTransition, Order, Terminal
from actors.model.snapshot import decode_book, encode_book
from tests.fixtures.orders import INTENT

ABOUT = {"exchange": "sim", "symbol": "BTC/USDT", "order_id": "o1"}


def working(**changes) -> Book:
    book = Book()
    intent = msgspec.structs.replace(INTENT, **changes)
    fold(
        book, ev.OrderAccepted(intent=intent, reserve_price=Decimal(100), mark=Decimal(100), send_before_us=0)
    )
    fold(book, ev.OrderAcknowledged(exchange_order_id="x1", **ABOUT))
    return book


def fold(book: Book, event: ev.AnyEvent) -> Order:
    book.apply(event, book.seq + 1, 1_000 + book.seq)
    order = book.order("o1")
    assert order is not None
    return order


def accepted(quantity="20", price="90", venue_id="", amend_id="a1") -> ev.AmendAccepted:
    asked = ev.AmendAsked(amend_id=amend_id, quantity=Decimal(quantity), limit_price=Decimal(price))
    return ev.AmendAccepted(
        asked=asked,
        reserve_price=Decimal(price),
        venue_id=venue_id,
        mark=Decimal(100),
        send_before_us=0,
        **ABOUT,
    )


def amended(amend_id="a1"):
    return ev.OrderAmended(amend_id=amend_id, **ABOUT)


def refused(amend_id="a1"):
    return ev.AmendRefused(amend_id=amend_id, code="NO", reason="no", **ABOUT)


def replaced(venue_id="v2", quantity="20", amend_id="a1"):
    return ev.OrderReplaced(
        amend_id=amend_id, venue_id=venue_id, quantity=Decimal(quantity), reason="", **ABOUT
    )


def filled(quantity, trade="t1", former=False):
    fill = Fill(
        exchange="sim",
        market_type="spot",
        symbol="BTC/USDT",
        exchange_order_id="x1",
        trade_id=trade,
        order_id="o1",
        side="buy",
        quantity=Decimal(quantity),
        price=Decimal(100),
        fee_currency="USDT",
        at_us=5,
    )
    return ev.OrderFilled(fill=fill, former=former, **ABOUT)


def test_while_an_amend_is_pending_the_larger_of_both_terms_may_still_execute():
    """Nobody knows which of them lives."""
    assert fold(working(), accepted("20")).remaining == 20
    assert fold(working(), accepted("5")).remaining == 10


def test_an_order_amended_in_place_works_under_its_new_terms_and_its_old_id():
    """The exchange changed the order itself."""
    book = working()
    fold(book, accepted("20", "90"))
    order = fold(book, amended())
    assert (order.intent.quantity, order.intent.limit_price, order.version) == (20, 90, 2)
    assert (order.intent.venue_id, order.exchange_order_id, order.status) == ("v1", "x1", "open")
    assert order.amend is not None
    assert order.amend.state is AmendState.DONE


def test_a_refused_amend_leaves_the_order_as_it_was():
    """And gives back what was reserved for it."""
    book = working()
    fold(book, accepted("20"))
    order = fold(book, refused())
    assert (order.intent.quantity, order.remaining, order.version, order.status) == (10, 10, 1, "open")


def test_the_old_quantity_executed_is_not_the_end_while_a_larger_one_may_live():
    """Only the word on the amend decides whether it was."""
    book = working()
    fold(book, accepted("20"))
    assert fold(book, filled("10")).remaining == 10
    assert fold(book, refused()).status == "filled"


def test_an_amend_down_to_what_has_executed_completes_the_order():
    """The fill came before the word on the amend."""
    book = working()
    fold(book, accepted("6"))
    assert fold(book, filled("6")).is_open
    assert fold(book, amended()).terminal is Terminal.FILLED


def test_a_replacement_is_for_what_remains_under_a_new_id():
    """What executed before stays with the order and is not asked for again."""
    book = working()
    fold(book, filled("4"))
    fold(book, accepted("9", venue_id="v2"))
    order = fold(book, replaced(quantity="5"))
    assert (order.placed, order.placed_executed, order.remaining, order.executed) == (5, 0, 5, 4)
    assert (order.at_exchange.quantity, order.at_exchange.venue_id) == (5, "v2")
    assert (order.status, order.former, book.venue_ids) == ("accepted", ("v1",), {"v1": "o1", "v2": "o1"})


def test_a_replacement_is_not_sent_when_nothing_remains_or_a_cancel_is_wanted():
    """The end of what was there is then the end of the order."""
    book = working()
    fold(book, filled("6"))
    fold(book, accepted("7", venue_id="v2"))
    fold(book, filled("1", "t2"))
    with pytest.raises(IllegalTransition):
        fold(book, replaced())
    book = working()
    fold(book, accepted("7", venue_id="v2"))
    fold(book, ev.CancelRequested(by="me", **ABOUT))
    with pytest.raises(IllegalTransition):
        fold(book, replaced())


def test_a_late_fill_of_what_was_replaced_adds_to_the_order():
    """The replacement is still for all that it was sent for, so the reservation must not shrink."""
    book = working()
    fold(book, accepted("10", venue_id="v2"))
    fold(book, replaced())
    order = fold(book, filled("3", former=True))
    assert (order.executed, order.intent.quantity, order.remaining, order.placed) == (3, 13, 10, 10)
    assert order.status == "accepted"


@pytest.mark.parametrize(
    ("event", "code"),
    [
        (ev.CancelRequested(by="me", **ABOUT), "NOT_AMENDABLE"),
        (ev.OrderCanceled(reason="", **ABOUT), "ORDER_CLOSED"),
        (filled("10"), "ORDER_CLOSED"),
        (filled("9"), "QTY_BELOW_FILLED"),
    ],
)
def test_an_acceptance_that_others_overtook_in_the_journal_is_recorded_as_refused(event, code):
    """RiskActor can't know what is on its way; its event must never be one that the fold refuses."""
    book = working()
    fold(book, event)
    order = fold(book, accepted("8"))
    assert order.amend is not None
    assert (order.amend.state, order.amend.code) == (AmendState.REFUSED, code)
    assert order.version == 1


def test_an_acceptance_for_an_order_that_has_left_memory_changes_nothing():
    """It is over by then."""
    book = Book()
    assert book.apply(accepted(), 1, 1).order is None


def test_the_end_of_an_order_ends_its_amend():
    """Nothing is pending any more."""
    book = working()
    fold(book, accepted("20"))
    order = fold(book, ev.OrderCanceled(reason="gone", **ABOUT))
    assert (order.remaining, order.amending, order.amend.state) == (0, None, AmendState.REFUSED)


def test_an_amend_that_is_not_the_pending_one_is_illegal_and_changes_nothing():
    """Late words about an earlier amend."""
    for event in (amended("a0"), refused("a0"), replaced(amend_id="a0")):
        book = working()
        before = fold(book, accepted("20", venue_id="v2"))
        with pytest.raises(IllegalTransition):
            fold(book, event)
        assert book.order("o1") == before


STEPS = st.one_of(
    st.builds(
        lambda q, v: accepted(str(q), venue_id=v), st.integers(1, 20), st.sampled_from(["", "v2", "v3"])
    ),
    st.just(amended()),
    st.just(refused()),
    st.sampled_from([replaced("v2"), replaced("v3")]),
    st.builds(
        lambda q, t, f: filled(str(q), t, f), st.integers(1, 9), st.sampled_from("abcdefgh"), st.booleans()
    ),
    st.just(ev.OrderAcknowledged(exchange_order_id="x2", **ABOUT)),
    st.just(ev.CancelRequested(by="me", **ABOUT)),
    st.just(ev.OrderCanceled(reason="", **ABOUT)),
    st.just(ev.OrderUnresolved(reason="", **ABOUT)),
)


@given(st.lists(STEPS, max_size=14))
def test_no_sequence_of_events_breaks_what_must_hold(events):
    """Illegal ones change nothing; what remains covers what is at the exchange."""
    book = working()
    for event in events:
        before = book.order("o1")
        try:
            order = fold(book, event)
        except (IllegalTransition, DuplicateFill, DuplicateOrder):
            assert book.order("o1") == before
            continue
        assert 0 <= order.placed_executed <= max(order.placed, order.most)
        assert order.executed <= order.intent.quantity
        if order.is_open:
            assert order.remaining >= order.placed - order.placed_executed >= 0
        assert book.venue_ids[order.intent.venue_id] == "o1"
        assert set(order.former) <= set(book.venue_ids)
    assert encode_book(decode_book(encode_book(book))) == encode_book(book)


def test_a_journal_from_before_amends_folds_to_the_same_state():
    """Old bytes lack the new fields."""
    old = (
        b'{"type":"OrderFilled","exchange":"sim","symbol":"BTC/USDT","order_id":"o1","fill":{"exchange":"sim",'
        b'"market_type":"spot","symbol":"BTC/USDT","exchange_order_id":"x1","trade_id":"t1","order_id":"o1",'
        b'"side":"buy","quantity":"4","price":"100","fee":"0","fee_currency":"USDT","liquidity":"taker",'
        b'"at_us":5},"recalled":null,"recalled_trades":null}'
    )
    book, other = working(), working()
    fold(book, ev.decode(old))
    fold(other, filled("4"))
    assert encode_book(book) == encode_book(other)


def test_the_same_trade_id_of_two_orders_at_the_exchange_is_two_trades():
    """Some exchanges count trades per order."""
    book = working()
    fold(book, filled("1", "1"))
    fold(book, accepted("9", venue_id="v2"))
    fold(book, replaced())
    again = msgspec.structs.replace(filled("1", "1").fill, exchange_order_id="x2")
    order = fold(book, ev.OrderFilled(fill=again, **ABOUT))
    assert order.executed == 2
    for fill in (again, filled("1", "1").fill):
        with pytest.raises(DuplicateFill):
            fold(book, ev.OrderFilled(fill=fill, former=fill is not again, **ABOUT))


def test_a_stop_order_can_not_be_amended():
    """Nobody could say whether the old stop or the new one is what triggers."""
    book = working(type="stop_limit", stop_price=Decimal(99))
    order = fold(book, accepted())
    assert order.amend is not None
    assert (order.amend.state, order.amend.code) == (AmendState.REFUSED, "NOT_AMENDABLE")
