"""The pure core of the position actor: evidence in any order and any number gives each event once."""

from decimal import Decimal
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.model import events as ev
from actors.model.book import Book
from actors.model.fill import Fill
from actors.model.messages import Evidence
from actors.model.order import OrderIntent
from actors.position.decide import CancelCommand, decide, unknown_venue_ids

SIM, BTC = "sim", "BTC/USDT"


def intent(number=1, quantity="10", side="buy", **more):
    return OrderIntent(
        order_id=f"o{number}",
        client_order_id=f"c{number}",
        exchange=SIM,
        symbol=BTC,
        side=side,
        type="limit",
        quantity=Decimal(quantity),
        limit_price=Decimal(100),
        venue_id=f"v{number}",
        **more,
    )


def book_with(*intents):
    book = Book()
    for each in intents:
        fold(book, accepted(each))
    return book


def accepted(each):
    return ev.OrderAccepted(intent=each, reserve_price=Decimal(100), mark=Decimal(100), send_before_us=0)


def fold(book, *events):
    for event in events:
        book.apply(event, book.seq + 1, 1_000)


def fill(trade="t1", quantity="4", venue_id="v1", side="buy"):
    return Fill(
        exchange=SIM,
        market_type="spot",
        symbol=BTC,
        exchange_order_id="x1",
        trade_id=trade,
        order_id=venue_id,
        side=side,
        quantity=Decimal(quantity),
        price=Decimal(100),
        fee_currency="USDT",
        at_us=5,
    )


def told(kind, venue_id="v1", **more):
    if kind == "filled":
        more.setdefault("fill", fill(venue_id=venue_id))
    if kind == "acknowledged":
        more.setdefault("exchange_order_id", "x1")
    return Evidence(number=1, kind=kind, venue_id=venue_id, **more)


def decided(book, *evidence, commands=(), recalled=None):
    decision = decide(book, SIM, BTC, evidence, commands, recalled)
    scratch = book.copy()
    fold(scratch, *decision.events)
    return decision, scratch


def names(decision):
    return [type(event).__name__ for event in decision.events]


def test_an_acknowledgement_is_left_out_when_a_fill_says_the_same():
    """One event fewer for every order that fills with its answer."""
    decision, after = decided(book_with(intent()), told("acknowledged"), told("filled"))
    assert names(decision) == ["OrderFilled"]
    assert after.orders["o1"].exchange_order_id == "x1"


def test_a_fill_before_its_acknowledgement_is_applied():
    """The acknowledgement that comes later says nothing new."""
    decision, after = decided(book_with(intent()), told("filled"), told("acknowledged"))
    assert names(decision) == ["OrderFilled"]
    assert after.orders["o1"].status == "partially_filled"


def test_the_same_fill_from_answer_stream_and_poll_is_applied_once():
    """Within one batch and across batches."""
    decision, after = decided(book_with(intent()), told("filled"), told("filled"), told("filled"))
    assert names(decision) == ["OrderFilled"]
    again, _ = decided(after, told("filled"))
    assert not again.events


def test_a_late_fill_after_a_cancel_is_applied():
    """The order stays canceled, the position has the trade."""
    _, after = decided(book_with(intent()), told("acknowledged"), told("canceled", reason="asked"))
    decision, last = decided(after, told("filled"))
    assert names(decision) == ["OrderFilled"]
    assert last.closed["o1"].status == "canceled"
    assert last.position(SIM, BTC).quantity == 4


def test_a_refusal_after_a_partial_fill_ends_the_rest_only():
    """A partial fill never becomes rejected."""
    _, after = decided(book_with(intent()), told("filled"))
    decision, last = decided(after, told("refused", code="X", reason="later"))
    assert names(decision) == ["OrderCanceled"]
    assert last.closed["o1"].executed == 4


def test_a_refusal_of_a_working_order_ends_it():
    """As an exchange does with a post-only order that it took and would have matched."""
    _, after = decided(book_with(intent()), told("acknowledged"))
    decision, _ = decided(after, told("refused", code="POST_ONLY", reason="would take"))
    assert names(decision) == ["OrderCanceled"]


def test_not_sent_after_sent_is_a_proof_of_absence():
    """The journal said that it left; nothing did."""
    _, after = decided(book_with(intent()), told("sent"))
    decision, last = decided(after, told("not_sent", reason="connection refused"))
    assert names(decision) == ["OrderUnresolved", "OrderAbsent"]
    assert (last.closed["o1"].status, last.closed["o1"].code) == ("denied", "NOT_SENT")


def test_an_unresolved_order_that_is_already_working_stays_working():
    """A restarted broker's doubt comes after the answer of its former life."""
    _, after = decided(book_with(intent()), told("acknowledged"))
    decision, _ = decided(after, told("unresolved", reason="restart"))
    assert not decision.events


def test_an_order_that_comes_back_after_its_absence_lives_again():
    """The acknowledgement revives it."""
    _, after = decided(book_with(intent()), told("unresolved"), told("absent", reason="proof"))
    assert after.closed["o1"].status == "denied"
    decision, last = decided(after, told("acknowledged"))
    assert names(decision) == ["OrderAcknowledged"]
    assert last.orders["o1"].status == "open"


def test_a_fill_beyond_the_orders_quantity_adjusts_the_position_and_halts():
    """The account did change; the order can't explain it."""
    _, after = decided(book_with(intent(quantity="4")), told("filled"))
    decision, last = decided(after, told("filled", fill=fill("t2", "1")))
    assert names(decision) == ["PositionAdjusted"]
    assert decision.halts
    assert "t2" in decision.halts[0]
    assert last.position(SIM, BTC).quantity == 5


def test_a_fill_of_an_order_nobody_knows_is_an_adjustment_once():
    """Restored backups meet such fills."""
    decision, after = decided(Book(), told("filled"), told("filled"))
    assert names(decision) == ["PositionAdjusted"]
    assert not decided(after, told("filled"))[0].events


def test_anothers_trade_is_an_adjustment_once():
    """Signed by its side."""
    foreign = Evidence(number=1, kind="foreign_fill", fill=fill(venue_id="EXTERNAL", side="sell"))
    decision, after = decided(Book(), foreign, foreign)
    assert names(decision) == ["PositionAdjusted"]
    assert after.position(SIM, BTC).quantity == -4


def test_an_opening_position_is_taken_once():
    """Its evidence has a name of its own."""
    opening = Evidence(number=1, kind="opening", quantity=Decimal(3), price=Decimal(50))
    _, after = decided(Book(), opening)
    assert after.position(SIM, BTC).quantity == 3
    assert not decided(after, opening)[0].events


def test_a_fill_of_an_order_that_left_memory_carries_the_order_along():
    """With the trades that it had until then."""
    full = book_with(intent())
    fold(full, *decided(full, told("filled"))[0].events)
    stored = msgspec.structs.replace(full.orders["o1"], terminal="canceled")
    late = told("filled", fill=fill("t2", "2"))
    assert unknown_venue_ids(Book(), [late]) == ("v1",)
    recalled = {"v1": (stored, ("t1",))}
    decision, after = decided(Book(), late, recalled=recalled)
    (event,) = decision.events
    assert event.recalled == stored
    assert event.recalled_trades == ("t1",)
    assert after.closed["o1"].executed == 6
    assert not decided(Book(), told("filled"), recalled=recalled)[0].events


def test_two_late_fills_of_one_recalled_order_are_both_applied():
    """The second builds on the first."""
    stored = msgspec.structs.replace(book_with(intent()).orders["o1"], terminal="canceled")
    evidence = [told("filled", fill=fill(f"t{n}", "1")) for n in (1, 2)]
    decision, after = decided(Book(), *evidence, recalled={"v1": (stored, ())})
    assert names(decision) == ["OrderFilled", "OrderFilled"]
    assert after.closed["o1"].executed == 2


def test_a_closed_order_in_memory_travels_with_its_fill():
    """It may be forgotten before the event is folded."""
    _, after = decided(book_with(intent()), told("acknowledged"), told("canceled"))
    decision, _ = decided(after, told("filled"))
    assert decision.events[0].recalled.order_id == "o1"
    empty = Book()
    fold(empty, *decision.events)
    assert empty.position(SIM, BTC).quantity == 4


def test_a_cancel_is_requested_once_and_only_of_an_open_order():
    """The second wish adds nothing."""
    wish = CancelCommand(order_id="o1", by="me")
    decision, after = decided(book_with(intent()), commands=[wish, wish])
    assert names(decision) == ["CancelRequested"]
    assert not decided(after, commands=[wish])[0].events
    _, closed = decided(after, told("canceled"))
    assert not decided(closed, commands=[wish])[0].events


def test_a_refused_cancel_clears_only_the_cancel():
    """The order lives on."""
    wish = CancelCommand(order_id="o1", by="me")
    _, after = decided(book_with(intent()), told("acknowledged"), commands=[wish])
    decision, last = decided(after, told("cancel_refused", reason="too late"))
    assert names(decision) == ["CancelRefused"]
    assert last.orders["o1"].status == "open"


def test_evidence_of_orders_nobody_knows_is_dropped():
    """Only fills change the account."""
    kinds = ["sent", "acknowledged", "refused", "unresolved", "absent", "not_sent", "canceled", "expired"]
    decision, _ = decided(Book(), *[told(kind) for kind in kinds])
    assert not decision.events


KINDS = [
    "sent",
    "acknowledged",
    "refused",
    "unresolved",
    "absent",
    "not_sent",
    "cancel_refused",
    "canceled",
    "expired",
]


@st.composite
def histories(draw):
    """Evidence and wishes about two orders in any order, cut into batches anywhere."""
    items = []
    for _ in range(draw(st.integers(1, 14))):
        number = draw(st.integers(1, 3))
        what = draw(st.sampled_from([*KINDS, "filled", "filled", "filled", "wish"]))
        if what == "wish":
            items.append(CancelCommand(order_id=f"o{number}", by="me"))
        elif what == "filled":
            trade = draw(st.integers(1, 4))
            made = fill(f"t{number}{trade}", str(trade), venue_id=f"v{number}")
            items.append(told("filled", f"v{number}", fill=made))
        else:
            items.append(told(what, f"v{number}", code="C", reason="r"))
    cuts = draw(st.lists(st.integers(0, len(items)), max_size=4).map(sorted))
    edges = [0, *cuts, len(items)]
    return [items[a:b] for a, b in pairwise(edges)]


@given(histories())
def test_whatever_the_exchange_says_the_fold_takes_every_decision(batches):
    """No order of evidence leads to an event that the fold refuses; each trade moves the position once."""
    book = book_with(intent(1, "8"), intent(2, "10"))
    trades = {}
    for batch in batches:
        evidence = [item for item in batch if isinstance(item, Evidence)]
        wishes = [item for item in batch if isinstance(item, CancelCommand)]
        decision = decide(book, SIM, BTC, evidence, wishes)
        fold(book, *decision.events)
        for item in evidence:
            if item.fill is not None:
                trades[item.fill.trade_id] = item.fill.quantity
    assert book.position(SIM, BTC).quantity == sum(trades.values())


@pytest.mark.parametrize("kind", [*KINDS, "filled"])
def test_saying_it_twice_changes_nothing_more(kind):
    """Every kind of evidence is idempotent."""
    _, once = decided(book_with(intent()), told("acknowledged"), told(kind, reason="r"))
    decision, _ = decided(once, told(kind, reason="r"))
    assert not decision.events
