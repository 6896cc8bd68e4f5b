"""Whether a working order may be amended: its new terms judged as if it were new, in its own room. Pure.

The order's reservation is set aside while its new terms are judged, so that what it binds already is not
counted twice. New terms that bind no more than the old ones pass the rules about size, exposure, losses and
margin unasked: a limit that was lowered meanwhile must not keep anybody from asking for less.
"""

import msgspec

from actors.model.events import AmendAccepted, AmendAsked, AmendDenied
from actors.model.money import EXACT
from actors.model.order import Order
from actors.risk.checks.breach import Breach
from actors.risk.decide import Decider, Passed
from actors.risk.ledger import Hold
from actors.risk.state import RiskState

multiply = EXACT.multiply


def judge(
    decider: Decider,
    state: RiskState,
    order: Order,
    asked: AmendAsked,
    trading_state: str,
    killed: bool,
    now_us: int,
) -> Passed | Breach:
    """Judge an amend of a working order; the state is afterwards as it was."""
    remaining = EXACT.subtract(asked.quantity, order.executed)
    intent = msgspec.structs.replace(order.intent, quantity=remaining, limit_price=asked.limit_price)
    held = state.ledger.holds.get(order.order_id)
    state.hold(order.order_id, None)
    try:
        raises = held is None or _raises(held, Hold.of_intent(intent, asked.limit_price))
        return decider.decide_amend(state, intent, trading_state, killed, now_us, raises=raises)
    finally:
        state.hold(order.order_id, held)


def _raises(held: Hold, asked: Hold) -> bool:
    """Whether the new terms bind more than the old ones, in quantity or in value."""
    if asked.remaining > held.remaining:
        return True
    return multiply(asked.remaining, asked.price) > multiply(held.remaining, held.price)


def about(order: Order) -> dict[str, str]:
    """The fields by which an event names its order."""
    intent = order.intent
    return {"exchange": intent.exchange, "symbol": intent.symbol, "order_id": order.order_id}


def accepted(
    order: Order, asked: AmendAsked, passed: Passed, venue_id: str, send_before_us: int, seen: int
) -> AmendAccepted:
    """The event of an amend that passed; `venue_id` is empty where the exchange amends in place."""
    return AmendAccepted(
        asked=asked,
        reserve_price=passed.price,
        venue_id=venue_id,
        mark=passed.mark,
        send_before_us=send_before_us,
        references=passed.references,
        seen=seen,
        **about(order),
    )


def denied(order: Order, asked: AmendAsked, breach: Breach) -> AmendDenied:
    """The event of an amend that a rule denied."""
    return AmendDenied(
        asked=asked,
        code=breach.code,
        detail=breach.detail,
        limit=breach.limit,
        value=breach.value,
        headroom=breach.headroom,
        **about(order),
    )
