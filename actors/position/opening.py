"""Which working orders could open exposure: those that entering REDUCING or HALTED cancels."""

from collections.abc import Sequence

from actors.model.money import EXACT
from actors.model.order import Order
from actors.model.position import Position


def opening_orders(working: Sequence[Order], position: Position) -> list[Order]:
    """The orders to cancel so that what still works can only shrink the position.

    Orders may stay, reduce-only ones first and then the oldest first, as long as all that stay together fit
    into the position they close. Being marked reduce-only is not enough: where the exchange doesn't enforce
    it, one that outlived its position opens another. `working` is in the order of acceptance.
    """
    closing_side = "sell" if position.quantity > 0 else "buy"
    room = abs(position.quantity)
    opening: list[Order] = []
    for order in sorted(working, key=lambda each: not each.intent.reduce_only):
        if order.intent.side == closing_side and order.remaining <= room:
            room = EXACT.subtract(room, order.remaining)
        else:
            opening.append(order)
    return opening
