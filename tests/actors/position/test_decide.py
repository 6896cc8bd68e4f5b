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
    assert not decided(after, foreign)[0].events
    assert decision.events[0].happened_us == foreign.fill.at_us


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


# Amends.


def amending_book(*before, quantity="20", venue_id=""):
    """An order of 10 that works, with an amend under way."""
    book = book_with(intent())
    fold(book, ev.OrderAcknowledged(exchange_order_id="x1", exchange=SIM, symbol=BTC, order_id="o1"), *before)
    asked = ev.AmendAsked(amend_id="a1", quantity=Decimal(quantity), limit_price=Decimal(90))
    event = ev.AmendAccepted(
        exchange=SIM,
        symbol=BTC,
        order_id="o1",
        asked=asked,
        reserve_price=Decimal(90),
        venue_id=venue_id,
        mark=Decimal(100),
        send_before_us=0,
    )
    fold(book, event)
    return book


def test_the_word_of_the_exchange_on_an_amend_becomes_its_event_once():
    """It comes by several roads."""
    word = told("amended", amend_id="a1")
    assert names(decided(amending_book(), word, word)[0]) == ["OrderAmended"]
    word = told("amend_refused", amend_id="a1", code="NO", reason="no")
    assert names(decided(amending_book(), word, word)[0]) == ["AmendRefused"]
    assert names(decided(amending_book(), told("amended", amend_id="a0"))[0]) == []


def test_a_fill_beyond_the_old_quantity_proves_that_the_amend_took_effect():
    """The stream is faster than the answer."""
    first, more = told("filled", fill=fill("t1", "10")), told("filled", fill=fill("t2", "5"))
    decision, after = decided(amending_book(), first, more, told("amended", amend_id="a1"))
    assert names(decision) == ["OrderFilled", "OrderAmended", "OrderFilled"]
    assert (after.order("o1").executed, after.order("o1").remaining) == (15, 5)
    decision, _ = decided(amending_book(quantity="12"), first, more)
    assert names(decision) == ["OrderFilled", "PositionAdjusted"]
    assert decision.halts


def test_the_end_of_an_order_that_is_being_replaced_lets_its_replacement_go():
    """For what remains, whatever executed on the way."""
    part = told("filled", fill=fill("t1", "4"))
    decision, after = decided(amending_book(venue_id="v2"), part, told("canceled", reason="as asked"))
    assert names(decision) == ["OrderFilled", "OrderReplaced"]
    assert (decision.events[1].quantity, decision.events[1].venue_id) == (16, "v2")
    assert after.order("o1").at_exchange.quantity == 16


def test_nothing_replaces_an_order_of_which_nothing_remains_or_that_somebody_cancels():
    """A cancel wins, and so does what executed meanwhile."""
    part = told("filled", fill=fill("t1", "6"))
    decision, after = decided(amending_book(quantity="6", venue_id="v2"), part, told("canceled"))
    assert names(decision) == ["OrderFilled", "OrderCanceled"]
    assert after.order("o1").status == "canceled"
    command = CancelCommand(order_id="o1", by="me")
    decision, _ = decided(amending_book(venue_id="v2"), told("canceled"), commands=(command,))
    assert names(decision) == ["CancelRequested", "OrderCanceled"]


def test_an_order_that_can_not_be_cancelled_for_its_replacement_works_on():
    """Its amend is refused."""
    decision, after = decided(amending_book(venue_id="v2"), told("cancel_refused", reason="no"))
    assert names(decision) == ["AmendRefused"]
    assert after.order("o1").remaining == 10


def test_an_order_that_can_not_be_cancelled_for_a_person_is_not_replaced_either():
    """Both waited for the same end; a pending amend would be carried out whenever that comes."""
    wish = CancelCommand(order_id="o1", by="me")
    _, asked = decided(amending_book(venue_id="v2"), commands=[wish])
    decision, after = decided(asked, told("cancel_refused", reason="no"), told("canceled"))
    assert names(decision) == ["CancelRefused", "AmendRefused", "OrderCanceled"]
    assert after.order("o1").status == "canceled"


def test_what_is_said_of_a_replaced_order_is_old_but_its_fills_count():
    """Streams are late."""
    book = amending_book(venue_id="v2")
    fold(book, *decided(book, told("canceled"))[0].events)
    late = told("filled", fill=fill("t9", "3"))
    decision, after = decided(
        book, told("canceled"), told("acknowledged"), told("absent"), late, late, told("acknowledged", "v2")
    )
    assert names(decision) == ["OrderFilled", "OrderAcknowledged"]
    assert decision.events[0].former
    assert (after.order("o1").executed, after.order("o1").remaining) == (3, 20)
    assert not decision.halts


def test_an_order_whose_replacement_fails_is_canceled_and_neither_rejected_nor_denied():
    """It has worked before."""
    for word in (told("refused", "v2", code="NO", reason="no"), told("not_sent", "v2", reason="halted")):
        book = amending_book(venue_id="v2")
        fold(book, *decided(book, told("canceled"))[0].events)
        decision, after = decided(book, word)
        assert names(decision) == ["OrderCanceled"]
        assert after.order("o1").status == "canceled"
    book = amending_book(venue_id="v2")
    fold(book, *decided(book, told("canceled"))[0].events)
    _, after = decided(book, told("unresolved", "v2"), told("absent", "v2", reason="proof"))
    assert after.order("o1").status == "canceled"


@given(st.data())
def test_no_evidence_about_an_amend_gives_an_event_that_the_fold_refuses(data):
    """Whatever is said in whatever order, by the exchange, the client and the risk check in between."""
    ids = st.sampled_from(["v1", "v1", "v2"])
    kinds = st.sampled_from(
        [
            "acknowledged",
            "refused",
            "unresolved",
            "absent",
            "not_sent",
            "cancel_refused",
            "canceled",
            "expired",
        ]
    )
    plain = st.builds(told, kinds, ids)
    amends = st.builds(
        lambda kind: told(kind, amend_id="a1", code="NO"), st.sampled_from(["amended", "amend_refused"])
    )
    fills = st.builds(
        lambda trade, q, v: told("filled", v, fill=fill(trade, str(q), v)),
        st.sampled_from("abcdefg"),
        st.integers(1, 9),
        ids,
    )
    commands = st.lists(st.just(CancelCommand(order_id="o1", by="me")), max_size=1)
    quantity = data.draw(st.integers(1, 25))
    book = amending_book(quantity=str(quantity), venue_id=data.draw(st.sampled_from(["", "v2"])))
    for _ in range(data.draw(st.integers(1, 4))):
        evidence = data.draw(st.lists(st.one_of(plain, amends, fills), max_size=5))
        decision = decide(book, SIM, BTC, evidence, data.draw(commands))
        if data.draw(st.booleans()):
            asked = ev.AmendAsked(amend_id="a1", quantity=Decimal(quantity), limit_price=Decimal(95))
            about = {
                "exchange": SIM,
                "symbol": BTC,
                "order_id": "o1",
                "mark": Decimal(1),
                "send_before_us": 0,
            }
            # What the risk check accepts meanwhile is committed before what is decided here.
            fold(book, ev.AmendAccepted(asked=asked, reserve_price=Decimal(95), venue_id="", **about))
        fold(book, *decision.events)
