"""The whole state of an order after a step, field by field: what a step must not touch stays as it was."""

from decimal import Decimal

import msgspec
import pytest

from actors.model import amending
from actors.model.amend import Amend, AmendState
from actors.model.fill import Fill
from actors.model.order import IllegalTransition, Order, Step, Submission, Terminal, trade_key
from tests.fixtures.orders import INTENT

D = Decimal
replace = msgspec.structs.replace
WORKING = Order(
    intent=INTENT,
    submission=Submission.WORKING,
    executed=D(3),
    executed_cost=D(300),
    fees=D("0.5"),
    fee_currency="USDT",
    exchange_order_id="x1",
    reserve_price=D(100),
    created_us=1,
    updated_us=2,
    accepted_seq=7,
)


def an_amend(**changes) -> Amend:
    fields = {"amend_id": "a1", "quantity": D(20), "limit_price": D(90), "reserve_price": D(91)}
    return Amend(**{**fields, **changes})


def a_fill(quantity="2", fee="0.25", currency="USDT") -> Fill:
    return Fill(
        exchange="sim",
        market_type="spot",
        symbol="BTC/USDT",
        exchange_order_id="x9",
        trade_id="t1",
        order_id="o1",
        side="buy",
        quantity=D(quantity),
        price=D(99),
        fee=D(fee),
        fee_currency=currency,
        at_us=5,
    )


PENDING = replace(WORKING, amend=an_amend())


def objection(order, quantity="20"):
    found = amending.objection(order, D(quantity))
    return None if found is None else found[0]


@pytest.mark.parametrize(
    ("order", "quantity", "code"),
    [
        (WORKING, "20", None),
        (WORKING, "3.1", None),
        (WORKING, "3", "QTY_BELOW_FILLED"),
        (PENDING, "20", "AMEND_IN_PROGRESS"),
        (replace(WORKING, intent=replace(INTENT, limit_price=None)), "20", "NOT_AMENDABLE"),
        (replace(WORKING, submission=Submission.UNKNOWN), "20", "NOT_AMENDABLE"),
        (replace(WORKING, cancel_requested=True), "20", "NOT_AMENDABLE"),
        (replace(WORKING, terminal=Terminal.CANCELED), "20", "ORDER_CLOSED"),
    ],
)
def test_an_amend_is_objected_to_by_code(order, quantity, code):
    assert objection(order, quantity) == code


@pytest.mark.parametrize(
    ("side", "had", "price", "widest"),
    [
        ("buy", None, "90", "100"),
        ("buy", None, "110", "110"),
        ("buy", "120", "110", "120"),
        ("sell", None, "90", "90"),
        ("sell", None, "110", "100"),
        ("sell", "80", "90", "80"),
    ],
)
def test_an_accepted_amend_remembers_how_far_the_order_may_go(side, had, price, widest):
    order = replace(WORKING, intent=replace(INTENT, side=side), widest_price=None if had is None else D(had))
    amend = an_amend(limit_price=D(price))
    expected = replace(order, amend=amend, widest_price=D(widest), updated_us=9)
    assert amending.accepted(order, amend, 9) == expected


def test_an_amend_that_came_to_nothing_changes_the_record_and_the_time_only():
    amend = an_amend(state=AmendState.REFUSED)
    assert amending.not_begun(WORKING, amend, 9) == replace(WORKING, amend=amend, updated_us=9)


def test_an_amend_in_place_changes_the_terms_only():
    assert amending.amended(PENDING, "a1", 9) == replace(
        WORKING,
        intent=replace(INTENT, quantity=D(20), limit_price=D(90)),
        reserve_price=D(91),
        version=2,
        amend=an_amend(state=AmendState.DONE),
        updated_us=9,
    )


def test_a_refused_amend_leaves_code_reason_and_time():
    assert amending.refused(PENDING, "a1", "TOO_LATE", "it had gone", 9) == replace(
        WORKING,
        amend=an_amend(state=AmendState.REFUSED, code="TOO_LATE", reason="it had gone"),
        updated_us=9,
    )


def test_a_replaced_order_is_to_be_sent_again_for_what_remains():
    amend = an_amend(venue_id="v2")
    after = amending.replaced(replace(WORKING, amend=amend), "a1", 9)
    assert after == replace(
        WORKING,
        intent=replace(INTENT, quantity=D(20), limit_price=D(90), venue_id="v2"),
        submission=Submission.ACCEPTED,
        exchange_order_id=None,
        carried=D(3),
        former=("v1",),
        reserve_price=D(91),
        version=2,
        amend=replace(amend, state=AmendState.DONE),
        updated_us=9,
    )


def test_without_an_amend_nothing_replaces_an_order():
    assert amending.why_not_replaced(WORKING) == "nothing replaces it"
    assert amending.why_not_replaced(PENDING) == "nothing replaces it"


@pytest.mark.parametrize("amend", [None, an_amend(), an_amend(state=AmendState.DONE)])
def test_a_late_fill_of_a_predecessor_makes_the_order_larger_by_it(amend):
    order = replace(WORKING, amend=amend)
    grown = amend if amend is None or amend.state is AmendState.DONE else replace(amend, quantity=D(22))
    assert order.fill(a_fill(), 9, former=True) == replace(
        WORKING,
        intent=replace(INTENT, quantity=D(12)),
        carried=D(2),
        executed=D(5),
        executed_cost=D(498),
        fees=D("0.75"),
        amend=grown,
        updated_us=9,
    )


@pytest.mark.parametrize("former", [False, True])
def test_fees_add_up_in_the_currency_of_the_first_fill_only(former):
    other = WORKING.fill(a_fill(currency="BNB"), 9, former=former)
    assert (other.fees, other.fee_currency) == (D("0.5"), "USDT")
    first = replace(WORKING, fees=D(0), fee_currency=None).fill(a_fill(currency="BNB"), 9, former=former)
    assert (first.fees, first.fee_currency) == (D("0.25"), "BNB")


def test_a_fill_changes_what_was_executed_only():
    order = replace(WORKING, code="A", reason="b")
    assert order.fill(a_fill(), 9) == replace(
        order, executed=D(5), executed_cost=D(498), fees=D("0.75"), updated_us=9
    )


@pytest.mark.parametrize("terminal", [Terminal.REFUSED, Terminal.ABSENT, Terminal.NOT_SENT])
def test_a_fill_after_a_wrong_verdict_takes_the_verdict_back_with_its_reason(terminal):
    order = replace(WORKING, submission=Submission(terminal.value), terminal=terminal, code="A", reason="b")
    after = order.fill(a_fill(), 9)
    assert (after.terminal, after.code, after.reason, after.submission) == (
        None,
        None,
        None,
        Submission.WORKING,
    )


def test_a_late_fill_after_a_cancel_leaves_the_cancel_and_its_reason():
    order = replace(WORKING, terminal=Terminal.CANCELED, reason="as asked")
    after = order.fill(a_fill(), 9)
    assert (after.terminal, after.reason) == (Terminal.CANCELED, "as asked")


def test_a_last_fill_ends_the_amend_that_it_overtook():
    order = replace(WORKING, amend=an_amend(quantity=D(8)))
    after = order.fill(a_fill("7"), 9)
    assert after.terminal is Terminal.FILLED
    assert after.amend == an_amend(
        quantity=D(8), state=AmendState.REFUSED, code="ORDER_CLOSED", reason="the order was over first"
    )


def test_a_fill_of_an_order_being_amended_leaves_the_amend():
    assert PENDING.fill(a_fill(), 9).amend == an_amend()
    assert PENDING.fill(a_fill("7"), 9).terminal is None


def test_an_end_leaves_an_amend_that_is_over_as_it_was():
    done = replace(WORKING, amend=an_amend(state=AmendState.DONE))
    assert done.advance(Step.CANCELED, 9).amend == done.amend
    assert PENDING.advance(Step.CANCEL_REQUESTED, 9).amend == an_amend()
    assert PENDING.advance(Step.CANCELED, 9).amend == an_amend(
        state=AmendState.REFUSED, code="ORDER_CLOSED", reason="the order was over first"
    )


def test_only_an_acknowledgement_takes_back_only_a_verdict_of_absence():
    absent = replace(WORKING, submission=Submission.ABSENT, terminal=Terminal.ABSENT, executed=D(0))
    assert absent.advance(Step.ACKNOWLEDGED, 9).terminal is None
    canceled = replace(WORKING, submission=Submission.SENT, terminal=Terminal.CANCELED)
    for order, step in ((absent, Step.CANCELED), (canceled, Step.ACKNOWLEDGED)):
        with pytest.raises(IllegalTransition, match="the order is over"):
            order.advance(step, 9)


@pytest.mark.parametrize(
    ("order", "step", "why"),
    [
        (replace(WORKING, terminal=Terminal.FILLED), Step.CANCELED, "the order is over"),
        (WORKING, Step.SENT, "not in submission state working"),
        (replace(WORKING, submission=Submission.SENT), Step.REFUSED, "a part of it has executed"),
        (replace(WORKING, cancel_requested=True), Step.CANCEL_REQUESTED, "a cancel is already requested"),
        (WORKING, Step.CANCEL_REFUSED, "no cancel was requested"),
    ],
)
def test_an_illegal_step_says_of_which_order_and_why(order, step, why):
    with pytest.raises(IllegalTransition) as raised:
        order.advance(step, 9)
    assert (raised.value.order_id, raised.value.step, raised.value.why) == ("o1", step, why)


def illegal(do):
    with pytest.raises(IllegalTransition) as raised:
        do()
    return raised.value.order_id, raised.value.step, raised.value.why


def test_an_illegal_fill_or_amend_says_of_which_order_and_why():
    denied = replace(WORKING, submission=Submission.DENIED, terminal=Terminal.DENIED)
    assert illegal(lambda: denied.fill(a_fill(), 9)) == (
        "o1",
        Step.FILLED,
        "not in submission state denied",
    )
    assert illegal(lambda: WORKING.fill(a_fill("8"), 9)) == ("o1", Step.FILLED, "it would execute 11 of 10")
    small = replace(WORKING, amend=an_amend(quantity=D(2)))
    assert illegal(lambda: amending.amended(small, "a1", 9)) == (
        "o1",
        Step.AMENDED,
        "3 of 2 has executed",
    )
    assert illegal(lambda: amending.amended(PENDING, "a2", 9)) == (
        "o1",
        Step.AMENDED,
        "amend a2 is not under way",
    )
    assert illegal(lambda: amending.replaced(PENDING, "a1", 9)) == (
        "o1",
        Step.REPLACED,
        "nothing replaces it",
    )


def test_a_trade_is_known_by_its_own_id_until_its_order_is_replaced():
    assert trade_key(WORKING, "x9", "t1") == "t1"
    assert trade_key(replace(WORKING, former=("v0",)), "x9", "t1") == "x9/t1"
