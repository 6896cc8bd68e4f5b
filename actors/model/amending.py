"""The life of an amend as data: what each of its events makes of the order. Pure, like the rest of the state.

RiskActor accepts an amend while others write what happens to the order, so an acceptance is legal in every
state: where the order can't be amended any more it is recorded as refused. The other events have one writer,
who knows the state, and an illegal one raises and changes nothing.
"""

from decimal import Decimal

import msgspec

from actors.model.amend import Amend, AmendState
from actors.model.order import FORMER_KEPT, TRANSITIONS, IllegalTransition, Order, Step, Submission, Terminal


def objection(order: Order, quantity: Decimal) -> tuple[str, str] | None:
    """Why the order can't be amended to this quantity now, as a code and a sentence; None when it can."""
    if order.terminal is not None:
        return "ORDER_CLOSED", f"the order is {order.status}; there is nothing to amend"
    if order.cancel_requested:
        return "NOT_AMENDABLE", "a cancel of the order is under way, and goes first"
    if order.amending is not None:
        return "AMEND_IN_PROGRESS", f"amend {order.amending.amend_id} of the order is under way"
    if order.intent.stop_price is not None:
        return "NOT_AMENDABLE", "a stop order can't be amended; cancel it and place another"
    if order.submission is not Submission.WORKING or order.intent.limit_price is None:
        return (
            "NOT_AMENDABLE",
            f"the {order.intent.type} order is {order.status}; working limit orders can be",
        )
    if quantity <= order.executed:
        return "QTY_BELOW_FILLED", f"{order.executed} of the order has executed already"
    return None


def accepted(order: Order, amend: Amend, at_us: int) -> Order:
    """The order with an amend begun, or refused where what others journaled meanwhile forbids it."""
    found = objection(order, amend.quantity)
    if found is None:
        widest = _further(order, amend.limit_price)
        return msgspec.structs.replace(order, amend=amend, widest_price=widest, updated_us=at_us)
    if order.amending is not None:
        return order
    return not_begun(order, amend.ended(AmendState.REFUSED, *found), at_us)


def not_begun(order: Order, amend: Amend, at_us: int) -> Order:
    """The order with the record of an amend that came to nothing; one under way is left alone."""
    if order.amending is not None:
        return order
    return msgspec.structs.replace(order, amend=amend, updated_us=at_us)


def amended(order: Order, amend_id: str, at_us: int) -> Order:
    """The order under its new terms, by the exchange's word."""
    amend = _pending(order, amend_id, Step.AMENDED)
    if order.executed > amend.quantity:
        why = f"{order.executed} of {amend.quantity} has executed"
        raise IllegalTransition(order, Step.AMENDED, why)
    complete = order.executed == amend.quantity
    return msgspec.structs.replace(
        _under(order, amend, at_us), terminal=Terminal.FILLED if complete else None
    )


def refused(order: Order, amend_id: str, code: str, reason: str, at_us: int) -> Order:
    """The order under its old terms: the new ones never took effect, and can't any more."""
    amend = _pending(order, amend_id, Step.AMEND_REFUSED)
    complete = order.executed == order.intent.quantity
    return msgspec.structs.replace(
        order,
        amend=amend.ended(AmendState.REFUSED, code, reason),
        terminal=Terminal.FILLED if complete else None,
        updated_us=at_us,
    )


def replaced(order: Order, amend_id: str, at_us: int) -> Order:
    """The order after the proven end of what was at the exchange: its replacement is to be sent."""
    amend = _pending(order, amend_id, Step.REPLACED)
    why = why_not_replaced(order)
    if why is not None:
        raise IllegalTransition(order, Step.REPLACED, why)
    under = _under(order, amend, at_us)
    return msgspec.structs.replace(
        under,
        intent=msgspec.structs.replace(under.intent, venue_id=amend.venue_id),
        submission=TRANSITIONS[order.submission, Step.REPLACED],
        exchange_order_id=None,
        carried=order.executed,
        former=(*order.former, order.intent.venue_id)[-FORMER_KEPT:],
    )


def why_not_replaced(order: Order) -> str | None:
    """Why the end of what is at the exchange is the order's end; None when its replacement is to be sent."""
    amend = order.amending
    if amend is None or amend.in_place:
        return "nothing replaces it"
    if order.cancel_requested:
        return "a cancel is requested"
    if order.executed >= amend.quantity:
        return f"nothing of {amend.quantity} remains, {order.executed} has executed"
    return None


def _further(order: Order, price: Decimal) -> Decimal:
    """Of the prices that the order had and this one, the one that lets it go furthest."""
    had = order.widest_price or order.intent.limit_price or price
    return max(had, price) if order.intent.side == "buy" else min(had, price)


def _pending(order: Order, amend_id: str, step: Step) -> Amend:
    amend = order.amending
    if amend is None or amend.amend_id != amend_id or (order.submission, step) not in TRANSITIONS:
        raise IllegalTransition(order, step, f"amend {amend_id} is not under way")
    return amend


def _under(order: Order, amend: Amend, at_us: int) -> Order:
    terms = msgspec.structs.replace(order.intent, quantity=amend.quantity, limit_price=amend.limit_price)
    return msgspec.structs.replace(
        order,
        intent=terms,
        reserve_price=amend.reserve_price,
        version=order.version + 1,
        amend=amend.ended(AmendState.DONE),
        updated_us=at_us,
    )
