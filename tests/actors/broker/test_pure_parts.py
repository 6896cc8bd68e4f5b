"""Proof of absence, the outbox, the intake of fills, and the comparison of book and exchange."""

from decimal import Decimal

import msgspec
import pytest

from actors.broker.intake import REMEMBERED, Intake
from actors.broker.outbox import GENERATION_SHIFT, Outbox
from actors.broker.outcome import is_whole, not_in_time, reduces
from actors.broker.port import EXTERNAL, Confirmed, OrderReport, PositionReport
from actors.broker.reconcile import compare_balances, compare_orders, compare_positions, was_judged_absent
from actors.broker.unresolved import Absent, Found, Looked, NeedsOperator, TooEarly, verdict
from actors.model import events as ev
from actors.model.book import Book
from actors.model.fill import Fill
from actors.model.order import OrderIntent
from actors.model.position import Position

SIM, BTC = "sim", "BTC/USDT"
SECOND = 1_000_000


def intent(number=1, **more):
    values = {
        "order_id": f"o{number}",
        "client_order_id": f"c{number}",
        "exchange": SIM,
        "symbol": BTC,
        "side": "buy",
        "type": "limit",
        "quantity": Decimal(10),
        "limit_price": Decimal(100),
        "venue_id": f"v{number}",
    }
    return OrderIntent(**{**values, **more})


def report(venue_id="v1", status="open", executed="0"):
    return OrderReport(
        symbol=BTC,
        venue_id=venue_id,
        exchange_order_id=f"x{venue_id}",
        side="buy",
        type="limit",
        quantity=Decimal(10),
        limit_price=Decimal(100),
        executed=Decimal(executed),
        status=status,
        at_us=1,
    )


def fill(trade="t1", venue_id="v1", quantity="4", at_us=5):
    return Fill(
        exchange=SIM,
        market_type="spot",
        symbol=BTC,
        exchange_order_id=f"x{venue_id}",
        trade_id=trade,
        order_id=venue_id,
        side="buy",
        quantity=Decimal(quantity),
        price=Decimal(100),
        fee_currency="USDT",
        at_us=at_us,
    )


def book_with(*numbers, acknowledged=True, at_us=1000):
    book = Book()
    for number in numbers:
        made = intent(number)
        accepted = ev.OrderAccepted(
            intent=made, reserve_price=Decimal(100), mark=Decimal(100), send_before_us=0
        )
        book.apply(accepted, book.seq + 1, at_us)
        if acknowledged:
            about = {"exchange": SIM, "symbol": BTC, "order_id": made.order_id}
            book.apply(ev.OrderAcknowledged(exchange_order_id=f"xv{number}", **about), book.seq + 1, at_us)
    return book


# Proof of absence.


def looked(server_us, found=None, among_open=None, fills=()):
    return Looked(server_us=server_us, report=found, among_open=among_open, fills=fills)


def test_absence_needs_the_exchanges_clock_beyond_window_and_margin():
    """One microsecond decides."""
    deadline = 100 * SECOND + 7 * SECOND
    assert isinstance(verdict(looked(deadline), 100 * SECOND, 5.0, 2.0), TooEarly)
    assert isinstance(verdict(looked(deadline + 1), 100 * SECOND, 5.0, 2.0), Absent)


@pytest.mark.parametrize(
    "hit", [{"found": report()}, {"among_open": report()}, {"fills": (fill(),)}], ids=["id", "open", "trades"]
)
def test_one_hit_of_three_looks_is_enough_to_find_it(hit):
    """Whatever the clock says."""
    assert isinstance(verdict(looked(10**12, **hit), 0, 5.0, 2.0), Found)


def test_without_a_window_only_a_person_can_tell():
    """Time proves nothing there."""
    assert isinstance(verdict(looked(10**15), 0, None, 2.0), NeedsOperator)


# The outbox.


def test_evidence_stays_until_it_is_acknowledged():
    """Taking is not acknowledging."""
    woken = []
    outbox = Outbox(1, woken.append)
    outbox.add(BTC, "sent", venue_id="v1")
    outbox.add(BTC, "unresolved", venue_id="v1")
    first = outbox.take(BTC, 0)
    assert [item.kind for item in first] == ["sent", "unresolved"]
    assert outbox.take(BTC, 0) == first
    assert [item.kind for item in outbox.take(BTC, first[0].number)] == ["unresolved"]
    assert outbox.take(BTC, first[1].number) == ()
    assert outbox.symbols() == ()


def test_a_taker_is_woken_once_until_it_has_taken():
    """A batch of answers is one message; what comes after the taking is another."""
    woken = []
    outbox = Outbox(1, woken.append)
    for _ in range(3):
        outbox.add(BTC, "sent", venue_id="v1")
    assert woken == [BTC]
    outbox.take(BTC, 0)
    outbox.add(BTC, "sent", venue_id="v2")
    assert woken == [BTC, BTC]


def test_an_acknowledgement_of_a_former_life_drops_nothing_new():
    """However far the former life had counted."""
    outbox = Outbox(2, lambda _symbol: None)
    outbox.add(BTC, "sent", venue_id="v1")
    assert len(outbox.take(BTC, (1 << GENERATION_SHIFT) + 999_999)) == 1


def test_what_waits_in_the_outbox_counts_as_executed_once():
    """Until the journal has it."""
    outbox, book = Outbox(1, lambda _symbol: None), book_with(1)
    Intake(outbox).take(fill(), book)
    assert outbox.executed(BTC, "v1", book) == 4
    book.apply(ev.OrderFilled(exchange=SIM, symbol=BTC, order_id="o1", fill=fill()), book.seq + 1, 1)
    assert outbox.executed(BTC, "v1", book) == 0


# The intake.


def taken(*fills, book=None):
    outbox = Outbox(1, lambda _symbol: None)
    intake = Intake(outbox)
    for each in fills:
        intake.take(each, book or Book())
    return outbox.take(BTC, 0), intake


def test_a_fill_by_three_roads_is_evidence_once():
    """Its key is what counts, not the object."""
    again = msgspec.structs.replace(fill(), liquidity="maker")
    evidence, _ = taken(fill(), again, fill())
    assert len(evidence) == 1


def test_the_same_trade_id_of_two_orders_is_two_fills():
    """Both sides of a trade with oneself carry one trade id."""
    evidence, _ = taken(fill(venue_id="v1"), fill(venue_id="v2"))
    assert len(evidence) == 2


def test_a_fill_that_the_journal_has_is_no_news():
    """After a restart polls bring what was applied before."""
    book = book_with(1)
    book.apply(ev.OrderFilled(exchange=SIM, symbol=BTC, order_id="o1", fill=fill()), book.seq + 1, 1)
    evidence, _ = taken(fill(), book=book)
    assert not evidence


def test_anothers_fill_is_said_to_be_so():
    """It moves the position without an order."""
    evidence, _ = taken(fill(venue_id=EXTERNAL))
    assert evidence[0].kind == "foreign_fill"


def test_anothers_fill_that_the_journal_has_is_no_news():
    """Polls bring it for as long as no order of ours was filled, longer than it is remembered here."""
    book, trade = Book(), fill(venue_id=EXTERNAL)
    book.apply(
        ev.PositionAdjusted(
            exchange=SIM,
            symbol=BTC,
            quantity=trade.quantity,
            price=trade.price,
            cause="trade of another on the account",
            evidence=trade.fill_id,
            happened_us=trade.at_us,
        ),
        1,
        1,
    )
    evidence, _ = taken(trade, book=book)
    assert not evidence


def test_memory_of_fills_is_bounded():
    """What is forgotten costs a look into the store, no more."""
    fills = [fill(f"t{n}") for n in range(REMEMBERED + 10)]
    _, intake = taken(*fills)
    assert len(intake._seen) == REMEMBERED


def test_a_restarted_position_actor_gets_everything_again():
    """Only of its own symbol."""
    _, intake = taken(fill())
    intake.forget_symbol("ETH/USDT")
    assert not intake.take(fill(), Book())
    intake.forget_symbol(BTC)
    assert intake.take(fill(), Book())


# Outcomes.


def test_an_answer_that_says_filled_needs_the_fills_for_all_of_it():
    """Else somebody has to ask for them."""
    some = Confirmed(exchange_order_id="x", status="filled", fills=(fill(quantity="4"),))
    assert not is_whole(some, intent(), True)
    whole = Confirmed(
        exchange_order_id="x", status="filled", fills=(fill(quantity="4"), fill("t2", quantity="6"))
    )
    assert is_whole(whole, intent(), False)


def test_an_ended_order_is_whole_only_where_fills_come_with_the_answer():
    """An IOC that ended may have filled in part."""
    ended = Confirmed(exchange_order_id="x", status="canceled")
    assert is_whole(ended, intent(), True)
    assert not is_whole(ended, intent(), False)


@pytest.mark.parametrize(
    ("held", "side", "quantity", "expected"),
    [
        ("10", "sell", "10", True),
        ("10", "sell", "11", False),
        ("10", "buy", "1", False),
        ("-5", "buy", "5", True),
        ("0", "sell", "1", False),
    ],
)
def test_an_exit_shrinks_the_position_and_never_turns_it(held, side, quantity, expected):
    """Only then does it pass a halt."""
    exit_order = intent(side=side, quantity=Decimal(quantity), reduce_only=True)
    assert reduces(exit_order, Position(exchange=SIM, symbol=BTC, quantity=Decimal(held))) is expected


def test_an_order_may_be_sent_until_its_last_moment():
    """The boundary belongs to the sender."""
    assert not_in_time(5, 5) is None
    assert "too late" in not_in_time(6, 5)


# The comparison.


def test_agreement_finds_nothing():
    """The usual case."""
    found = compare_orders(book_with(1), SIM, [report()], {}, 10**9)
    assert not found.questions
    assert not found.revived
    assert not found.strangers


def test_a_missing_order_is_a_question_never_a_verdict():
    """Open-only polling can't prove absence."""
    found = compare_orders(book_with(1), SIM, [], {}, 10**9)
    assert [question.order.order_id for question in found.questions] == ["o1"]


def test_nothing_is_asked_about_what_changed_within_the_threshold():
    """The listing may be older than the change."""
    assert not compare_orders(book_with(1, at_us=1000), SIM, [], {}, 1000).questions
    assert compare_orders(book_with(1, at_us=1000), SIM, [], {}, 1001).questions


def test_another_executed_quantity_is_a_question_unless_the_fill_is_on_its_way():
    """What waits in the outbox counts."""
    book = book_with(1)
    assert compare_orders(book, SIM, [report(executed="4")], {}, 10**9).questions
    assert not compare_orders(book, SIM, [report(executed="4")], {"o1": Decimal(4)}, 10**9).questions


def test_an_order_without_an_answer_is_asked_for_even_if_it_is_listed():
    """Its acknowledgement is missing."""
    book = book_with(1, acknowledged=False)
    assert compare_orders(book, SIM, [report()], {}, 10**9).questions


def test_an_order_that_is_over_and_listed_as_open_is_revived():
    """With the verdict that was wrong."""
    book = book_with(1, acknowledged=False)
    about = {"exchange": SIM, "symbol": BTC, "order_id": "o1"}
    book.apply(ev.OrderUnresolved(reason="r", **about), book.seq + 1, 1000)
    book.apply(ev.OrderAbsent(proof="p", **about), book.seq + 1, 1000)
    found = compare_orders(book, SIM, [report()], {}, 10**9)
    assert [order.order_id for order, _ in found.revived] == ["o1"]
    assert was_judged_absent(found.revived[0][0])


def test_open_orders_with_ids_nobody_knows_are_strangers_and_those_without_an_id_are_left_alone():
    """A person's order by hand carries no id of ours."""
    found = compare_orders(Book(), SIM, [report("zzz"), report("")], {}, 10**9)
    assert [stranger.venue_id for stranger in found.strangers] == ["zzz"]


def test_orders_of_another_exchange_are_not_compared():
    """Every broker looks at its own."""
    assert not compare_orders(book_with(1), "other", [], {}, 10**9).questions


def test_positions_differ_by_what_is_missing():
    """A symbol that the exchange does not report is flat there."""
    book = Book()
    book.positions[SIM, BTC] = Position(exchange=SIM, symbol=BTC, quantity=Decimal(3))
    (difference,) = compare_positions(book, SIM, [BTC], [])
    assert difference.missing == -3
    same = PositionReport(symbol=BTC, quantity=Decimal(3), average_price=None)
    assert compare_positions(book, SIM, [BTC], [same]) == ()


def test_balances_are_compared_for_assets_that_the_book_knows():
    """An airdrop of something else is not our business."""
    book = Book()
    book.cash[SIM, "USDT"] = Decimal(10)
    (difference,) = compare_balances(book, SIM, {"USDT": Decimal(9), "DOGE": Decimal(1)})
    assert (difference.asset, difference.at_exchange, difference.in_book) == ("USDT", 9, 10)
