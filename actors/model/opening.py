"""Which working orders could open exposure: those that a kill, REDUCING or HALTED cancels. Pure."""

from collections.abc import Iterable
from decimal import Decimal

from actors.model.money import EXACT
from actors.model.order import Order


def opening(working: Iterable[Order], held: Decimal) -> list[Order]:
    """Of the orders at one place, in the order of acceptance, those that have to go so that what still works
    can only shrink the position.

    Orders may stay, reduce-only ones first and then the oldest first, as long as together they fit into the
    position they close. Being marked reduce-only is not enough: where the exchange doesn't enforce it, one
    that outlived its position opens another.
    """
    closing_side, room = ("sell" if held > 0 else "buy"), held.copy_abs()
    found: list[Order] = []
    for order in sorted(working, key=lambda each: not each.intent.reduce_only):
        if order.intent.side == closing_side and order.remaining <= room:
            room = EXACT.subtract(room, order.remaining)
        else:
            found.append(order)
    return found
