"""Fills come in by three roads (answer, stream, polling) and become evidence once.

The key of a fill is its exchange, market type, symbol, order id at the exchange and trade id; exchange and
market type are the broker's own, so three parts are kept. What is remembered is bounded: a fill that is
forgotten here and comes once more costs a look into the book or the store, because the journal's own record
of trades has the last word.
"""

from collections import OrderedDict

from actors.broker.outbox import Outbox
from actors.broker.port import EXTERNAL
from actors.model.book import Book
from actors.model.fill import Fill
from actors.model.order import is_among

REMEMBERED = 4096
"""How many fills are remembered: more than overlapping polls usually bring again."""


class Intake:
    """The one place where a fill turns into evidence."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._seen: OrderedDict[tuple[str, str, str], None] = OrderedDict()

    def take(self, fill: Fill, book: Book) -> bool:
        """Make evidence of the fill unless it is known already; True when it was news."""
        key = (fill.symbol, fill.exchange_order_id, fill.trade_id)
        if key in self._seen:
            return False
        order_id = book.venue_ids.get(fill.order_id)
        if order_id is not None and is_among(fill, book.trades.get(order_id, ())):
            return False
        if fill.order_id == EXTERNAL and book.is_adjusted(fill):
            return False
        self._seen[key] = None
        if len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)
        if fill.order_id == EXTERNAL:
            self._outbox.add(fill.symbol, "foreign_fill", fill=fill)
        else:
            self._outbox.add(
                fill.symbol,
                "filled",
                venue_id=fill.order_id,
                exchange_order_id=fill.exchange_order_id,
                fill=fill,
            )
        return True

    def forget_symbol(self, symbol: str) -> None:
        """Let every fill of the symbol in again, as after a restart of its position actor."""
        for key in [key for key in self._seen if key[0] == symbol]:
            del self._seen[key]
