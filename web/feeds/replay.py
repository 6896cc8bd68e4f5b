"""Resuming from a sequence that has left the ring: the journal is read again and folded order by order.

An update tells the order as it was right after its event. So for each order that is met, its earlier events
are read and folded first; what it costs is bounded by the orders that changed since.
"""

from collections.abc import AsyncIterator

from actors.model.book import Book, Change
from actors.model.events import OrderAccepted, OrderDenied, OrderFilled, order_id_of
from actors.model.journal import Record
from web.feeds.hub import Hub, Item
from web.port import CommandPort

PAGE = 500
MAX_ORDER_EVENTS = 10_000
REPLAYED = frozenset({"orders", "fills", "risk", "system"})
"""Channels that can be told again from any sequence.

A position is a fold of everything; it gets a snapshot.
"""


async def replay(port: CommandPort, hub: Hub, after: int) -> AsyncIterator[Item]:
    """Everything later than `after` up to where the ring begins, oldest first. Raises StoreUnavailable."""
    folder = OrderFolder(port)
    at = after
    while at < hub.tail:
        records = await port.events(after=at, limit=PAGE)
        if not records:
            return
        for record in records:
            yield Item(record, await folder.change(record))
            at = record.seq
            if at >= hub.tail:
                return


class OrderFolder:
    """Folds records in journal order, each order on its own."""

    def __init__(self, port: CommandPort) -> None:
        self._port = port
        self._books: dict[str, Book] = {}

    async def change(self, record: Record) -> Change:
        """What the record did to its order; nothing for a record that is about none."""
        order_id = order_id_of(record.event)
        if order_id is None:
            return Change()
        book = self._books.get(order_id)
        if book is None:
            book = await self._book_before(order_id, record)
        done = book.apply(record.event, record.seq, record.at_us)
        if done.order is not None and done.order.is_open:
            self._books[order_id] = book
        else:
            self._books.pop(order_id, None)
        return Change(order=done.order, fill=done.fill)

    async def _book_before(self, order_id: str, record: Record) -> Book:
        book = Book()
        if isinstance(record.event, OrderAccepted | OrderDenied):
            return book
        if isinstance(record.event, OrderFilled) and record.event.recalled is not None:
            return book
        for earlier in await self._port.events(after=0, limit=MAX_ORDER_EVENTS, order_id=order_id):
            if earlier.seq >= record.seq:
                break
            book.apply(earlier.event, earlier.seq, earlier.at_us)
        return book
