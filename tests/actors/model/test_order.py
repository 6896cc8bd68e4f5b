"""The state table: every row of it, and everything that is not a row."""

from decimal import Decimal
from itertools import product

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.model.fill import Fill
from actors.model.order import (
    TRANSITIONS,
    IllegalTransition,
    Order,
    OrderIntent,
    Step,
    Submission,
    Terminal,
)

PUBLIC_STATUSES = {
    "accepted",
    "submitted",
    "unknown",
    "open",
    "partially_filled",
    "pending_cancel",
    "filled",
    "canceled",
    "expired",
    "rejected",
    "denied",
}


def order(quantity: str = "1", **state: object) -> Order:
    """An order for one unit, in whatever state is asked."""
    intent = OrderIntent(
        order_id="order-1",
        client_order_id="mine-1",
        exchange="sim",
        symbol="BTC/USDT",
        side="buy",
        type="limit",
        quantity=Decimal(quantity),
        limit_price=Decimal(100),
        venue_id="venue-1",
    )
    return msgspec.structs.replace(Order(intent=intent, created_us=1, updated_us=1), **state)


def fill(quantity: str = "0.4", trade_id: str = "t1", **fields: object) -> Fill:
    """An execution of that order."""
    made = Fill(
        exchange="sim",
        market_type="spot",
        symbol="BTC/USDT",
        exchange_order_id="e1",
        trade_id=trade_id,
        order_id="order-1",
        side="buy",
        quantity=Decimal(quantity),
        price=Decimal(100),
        fee=Decimal("0.1"),
        fee_currency="USDT",
        at_us=5,
    )
    return msgspec.structs.replace(made, **fields)


@pytest.mark.parametrize(("submission", "step"), list(product(Submission, Step)))
def test_every_pair_of_state_and_step_is_a_row_or_raises_and_changes_nothing(
    submission: Submission, step: Step
) -> None:
    """The table is the whole truth: what it does not name can't happen."""
    wanted = step is Step.CANCEL_REFUSED
    before = order(submission=submission, cancel_requested=wanted)
    kept = msgspec.json.encode(before)

    def take() -> Order:
        return before.fill(fill(), 9) if step is Step.FILLED else before.advance(step, 9)

    if (submission, step) in TRANSITIONS:
        after = take()
        assert after.submission is TRANSITIONS[submission, step]
        assert after.updated_us == 9
        assert after.status in PUBLIC_STATUSES
    else:
        with pytest.raises(IllegalTransition) as caught:
            take()
        assert caught.value.order_id == "order-1"
        assert caught.value.step is step
    assert msgspec.json.encode(before) == kept


@pytest.mark.parametrize(
    ("terminal", "step"), list(product(Terminal, [s for s in Step if s is not Step.FILLED]))
)
def test_an_order_that_is_over_takes_no_step(terminal: Terminal, step: Step) -> None:
    """Except the one that shows a verdict of absence to be wrong."""
    submission = Submission.ABSENT if terminal is Terminal.ABSENT else Submission.WORKING
    closed = order(submission=submission, terminal=terminal, code="X", reason="y")
    if terminal is Terminal.ABSENT and step is Step.ACKNOWLEDGED:
        revived = closed.advance(step, 9, exchange_order_id="e1")
        assert revived.is_open
        assert (revived.status, revived.code, revived.reason) == ("open", None, None)
        return
    with pytest.raises(IllegalTransition):
        closed.advance(step, 9)


def test_the_usual_life_of_an_order() -> None:
    """Accepted, sent, acknowledged, partly and then wholly filled."""
    statuses = []
    current = order()
    statuses.append(current.status)
    for step in (Step.SENT, Step.ACKNOWLEDGED):
        current = current.advance(step, 2)
        statuses.append(current.status)
    current = current.fill(fill("0.4"), 3)
    statuses.append(current.status)
    assert current.remaining == Decimal("0.6")
    current = current.fill(fill("0.6", "t2"), 4)
    statuses.append(current.status)
    assert statuses == ["accepted", "submitted", "open", "partially_filled", "filled"]
    assert (current.executed, current.executed_cost, current.fees) == (1, 100, Decimal("0.2"))
    assert current.average_price == 100
    assert current.remaining == 0


def test_a_late_fill_after_a_cancel_is_applied() -> None:
    """The exchange decides what was executed; the order stays canceled."""
    canceled = order(submission=Submission.WORKING).advance(Step.CANCELED, 2, reason="by request")
    late = canceled.fill(fill("0.4"), 3)
    assert (late.status, late.executed) == ("canceled", Decimal("0.4"))
    assert late.remaining == 0
    assert late.fill(fill("0.6", "t2"), 4).status == "filled"


def test_a_fill_may_come_before_its_acknowledgement() -> None:
    """The acknowledgement then only adds the exchange's id."""
    filled = order(submission=Submission.SENT).fill(fill("0.4"), 2)
    assert filled.status == "partially_filled"
    assert filled.exchange_order_id == "e1"


def test_a_refused_cancel_clears_only_the_cancel() -> None:
    """All else of the order is as it was before."""
    working = order(submission=Submission.WORKING).fill(fill(), 2)
    asked = working.advance(Step.CANCEL_REQUESTED, 3)
    assert asked.status == "pending_cancel"
    again = asked.advance(Step.CANCEL_REFUSED, 2)
    assert again == working


def test_a_cancel_is_requested_once_and_refused_only_if_requested() -> None:
    """Both mistakes are told apart by what is wrong."""
    working = order(submission=Submission.WORKING)
    with pytest.raises(IllegalTransition, match="no cancel was requested"):
        working.advance(Step.CANCEL_REFUSED, 2)
    asked = working.advance(Step.CANCEL_REQUESTED, 2)
    with pytest.raises(IllegalTransition, match="already requested"):
        asked.advance(Step.CANCEL_REQUESTED, 3)


@pytest.mark.parametrize(
    "submission", [Submission.ACCEPTED, Submission.SENT, Submission.UNKNOWN, Submission.WORKING]
)
def test_a_partial_fill_never_becomes_rejected(submission: Submission) -> None:
    """Whatever state the first part found the order in."""
    partly = order(submission=submission).fill(fill(), 2)
    with pytest.raises(IllegalTransition):
        partly.advance(Step.REFUSED, 3, code="X", reason="y")


def test_an_execution_of_more_than_was_asked_raises() -> None:
    """It is the caller's to halt the exchange."""
    partly = order().fill(fill("0.4"), 2)
    with pytest.raises(IllegalTransition, match=r"would execute 1\.1 of 1"):
        partly.fill(fill("0.7", "t2"), 3)


@pytest.mark.parametrize(
    ("submission", "terminal"),
    [
        (Submission.REFUSED, Terminal.REFUSED),
        (Submission.ABSENT, Terminal.ABSENT),
        (Submission.NOT_SENT, Terminal.NOT_SENT),
    ],
)
def test_a_fill_shows_a_wrong_verdict_and_revives_the_order(
    submission: Submission, terminal: Terminal
) -> None:
    """What is left of it may still execute, and no code of the verdict stays behind."""
    over = order(submission=submission, terminal=terminal, code="NOT_SENT", reason="proof")
    revived = over.fill(fill(), 3)
    assert (revived.status, revived.code, revived.reason) == ("partially_filled", None, None)
    assert revived.remaining == Decimal("0.6")


def test_a_denied_order_can_not_be_filled() -> None:
    """It never had an id at any exchange."""
    with pytest.raises(IllegalTransition):
        order(submission=Submission.DENIED, terminal=Terminal.DENIED).fill(fill(), 2)


@pytest.mark.parametrize(
    ("step", "submission", "status", "code"),
    [
        (Step.SENT, Submission.ACCEPTED, "submitted", None),
        (Step.UNRESOLVED, Submission.SENT, "unknown", None),
        (Step.ABSENT, Submission.UNKNOWN, "denied", "NOT_SENT"),
        (Step.NOT_SENT, Submission.ACCEPTED, "denied", "NOT_SENT"),
        (Step.REFUSED, Submission.SENT, "rejected", "X"),
        (Step.CANCELED, Submission.WORKING, "canceled", None),
        (Step.EXPIRED, Submission.WORKING, "expired", None),
    ],
)
def test_the_public_status_follows_from_the_state(
    step: Step, submission: Submission, status: str, code: str | None
) -> None:
    """One pure function, no status of its own."""
    changes = {} if code is None else {"code": code}
    after = order(submission=submission).advance(step, 2, **changes)
    assert (after.status, after.code) == (status, code)


def test_a_fee_in_another_asset_is_not_added_to_the_orders_total() -> None:
    """A sum over assets would mean nothing; the position keeps both."""
    first = order().fill(fill("0.4"), 2)
    second = first.fill(fill("0.1", "t2", fee=Decimal("0.001"), fee_currency="BNB"), 3)
    assert (second.fees, second.fee_currency) == (Decimal("0.1"), "USDT")


steps = st.lists(st.sampled_from(list(Step)), max_size=12)


@given(steps, st.lists(st.sampled_from(["0.1", "0.3", "0.5", "0.9"]), max_size=12))
def test_no_sequence_of_events_breaks_what_must_hold(taken: list[Step], parts: list[str]) -> None:
    """Executed never exceeds the quantity nor shrinks; what was refused has no executions."""
    current, sizes = order(), iter(parts)
    for number, step in enumerate(taken):
        executed = current.executed
        try:
            if step is Step.FILLED:
                current = current.fill(fill(next(sizes, "0.1"), f"t{number}"), number)
            else:
                current = current.advance(step, number)
        except IllegalTransition:
            continue
        assert executed <= current.executed <= current.intent.quantity
        assert current.status in PUBLIC_STATUSES
        assert current.status != "rejected" or not current.executed
        assert (current.executed == current.intent.quantity) <= (current.terminal is Terminal.FILLED)
        assert current.is_open or current.remaining == 0
