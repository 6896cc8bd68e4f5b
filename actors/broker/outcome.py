"""What an outcome means for an order: pure questions that the submit and cancel tasks ask.

An outcome is confirmed, refused, not sent or unresolved; nothing here ever turns "no answer" into a refusal.
"""

from decimal import Decimal

from actors.broker.port import Confirmed
from actors.model.fill import Fill
from actors.model.money import EXACT, ZERO
from actors.model.order import OrderIntent
from actors.model.position import Position

ENDED = ("canceled", "expired")
"""What an exchange says of an order of which nothing rests any more, though it may not be filled."""


def reduces(intent: OrderIntent, position: Position) -> bool:
    """Whether the order can only shrink the position as it is now."""
    if not intent.reduce_only or not position.quantity:
        return False
    return (position.quantity > 0) == (intent.side == "sell") and intent.quantity <= abs(position.quantity)


def total(fills: tuple[Fill, ...]) -> Decimal:
    """The quantity of some fills, in base units."""
    quantity = ZERO
    for fill in fills:
        quantity = EXACT.add(quantity, fill.quantity)
    return quantity


def is_whole(answer: Confirmed, intent: OrderIntent, fills_with_answer: bool) -> bool:
    """Whether the answer alone tells everything that has happened to the order so far.

    An order said to be filled has to come with fills for all of it. One that ended without filling tells
    its fills only where the exchange is known to send them along. One that rests needs no more: fills will
    follow.
    """
    if answer.status == "filled":
        return total(answer.fills) == intent.quantity
    if answer.status in ENDED:
        return fills_with_answer
    return True


def not_in_time(now_us: int, send_before_us: int) -> str | None:
    """Why an accepted order is too old to leave, or None."""
    if now_us <= send_before_us:
        return None
    return f"accepted, but not sent in time: {(now_us - send_before_us) / 1_000_000:.3f} s too late"
