"""The rows that a batch changes: the newest state of each order and position, and every fill.

The tables are nothing but these rows; they can be rebuilt from the journal at any time. Pure.
"""

from actors.model.book import Change
from actors.model.fill import Fill
from actors.model.order import Order
from actors.model.position import Position


class Projection:
    """Collects the changes of one batch. An order that changed several times is written once."""

    __slots__ = ("fills", "orders", "positions")

    def __init__(self) -> None:
        self.orders: dict[str, Order] = {}
        self.fills: list[Fill] = []
        self.positions: dict[tuple[str, str], Position] = {}

    def add(self, change: Change) -> None:
        """Take in what one event changed."""
        if (order := change.order) is not None:
            self.orders[order.intent.order_id] = order
        if (fill := change.fill) is not None:
            self.fills.append(fill)
        if (position := change.position) is not None:
            self.positions[position.exchange, position.symbol] = position
