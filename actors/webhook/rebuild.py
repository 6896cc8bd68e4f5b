"""What the records of the past changed, for an outbox that comes after them. Pure but for its reads.

A running outbox is handed each record with what it changed. One that starts behind the journal has to work
that out: positions go on from those that were kept with the cursor, and an order is folded from its own
events, however old.
"""

from collections.abc import Iterable, Sequence
from typing import Protocol

import msgspec

from actors.model import events as ev
from actors.model.book import Book, Change
from actors.model.journal import Record
from actors.model.position import Position

PAGE = 500
EVENTS_OF_ONE_ORDER = 10_000


class History(Protocol):
    """Reads of the journal's table."""

    async def events(self, after: int, limit: int, order_id: str | None = None) -> Sequence[Record]: ...


class Positions:
    """The positions at one place of the journal."""

    def __init__(self, positions: Iterable[Position] = ()) -> None:
        self._held = {(each.exchange, each.symbol): each for each in positions}

    def take(self, change: Change) -> None:
        """Go on by a record whose change is known."""
        if change.position is not None:
            self._held[change.position.exchange, change.position.symbol] = change.position

    def fold(self, record: Record) -> Position | None:
        """Go on by a record; the position that it changed."""
        event = record.event
        if isinstance(event, ev.OrderFilled):
            fill = event.fill
            after = self._at(fill.exchange, fill.symbol).apply(fill, record.at_us)
        elif isinstance(event, ev.PositionAdjusted):
            traded = self._at(event.exchange, event.symbol).trade(event.quantity, event.price)
            after = msgspec.structs.replace(traded, updated_us=record.at_us)
        else:
            return None
        self._held[after.exchange, after.symbol] = after
        return after

    def all(self) -> tuple[Position, ...]:
        """All, ordered by exchange and symbol."""
        return tuple(self._held[place] for place in sorted(self._held))

    def _at(self, exchange: str, symbol: str) -> Position:
        return self._held.get((exchange, symbol)) or Position(exchange=exchange, symbol=symbol)


class Rebuilder:
    """Says what records changed, one after the other. Orders that it has met stay folded in it."""

    def __init__(self, history: History, positions: Positions) -> None:
        self._history = history
        self._positions = positions
        self._books: dict[str, Book] = {}

    async def change(self, record: Record) -> Change:
        """What the record changed. Reads the history of an order when it is met first."""
        position = self._positions.fold(record)
        order_id = ev.order_id_of(record.event)
        if order_id is None:
            return Change(position=position)
        book = self._books.get(order_id)
        if book is None:
            book = self._books[order_id] = await self._fold(order_id, record.seq)
        change = book.apply(record.event, record.seq, record.at_us)
        return msgspec.structs.replace(change, position=position)

    async def _fold(self, order_id: str, before: int) -> Book:
        """A book that holds this one order as it was before a record."""
        book = Book()
        for record in await self._history.events(0, EVENTS_OF_ONE_ORDER, order_id):
            if record.seq < before:
                book.apply(record.event, record.seq, record.at_us)
        return book
