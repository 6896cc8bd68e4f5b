"""Which positions no live stop would close. Pure.

A stop counts that the exchange has and that nobody wants cancelled, on the side that closes the position. A
stop-limit does not: once triggered it can be left behind unfilled. What can't be closed (less than a lot,
worth less than an order has to be, or what a fee took of a bought asset) can't be protected either.
"""

from collections.abc import Container, Mapping
from decimal import Decimal

from actors.model.book import Book
from actors.model.closing import Apart, closable
from actors.model.instrument import Instrument
from actors.model.messages import Mark
from actors.model.money import EXACT, ZERO
from actors.model.order import Submission
from actors.model.position import Position

Place = tuple[str, str]


def unprotected(
    book: Book,
    instruments: Mapping[Place, Instrument],
    marks: Mapping[Place, Mark],
    apart: Apart,
) -> tuple[Place, ...]:
    """The places whose position is larger than their live stops, in the order of the book."""
    missing = {
        place: _closable(position, instruments.get(place), marks.get(place), book, apart)
        for place, position in book.positions.items()
        if position.quantity
    }
    if not missing:
        return ()
    for order in book.orders.values():
        intent = order.intent
        place = (intent.exchange, intent.symbol)
        if intent.type != "stop" or place not in missing:
            continue
        closes = (intent.side == "sell") == (book.positions[place].quantity > 0)
        if closes and order.submission is Submission.WORKING and not order.cancel_requested:
            missing[place] = EXACT.subtract(missing[place], order.remaining)
    return tuple(place for place, left in missing.items() if left > 0)


def _closable(
    position: Position, instrument: Instrument | None, mark: Mark | None, book: Book, apart: Apart
) -> Decimal:
    """How much of the position a stop could close; without an instrument or a price, as much as it says."""
    if instrument is None:
        return position.quantity.copy_abs()
    quantity = closable(position, instrument, book, apart)
    too_little = mark is not None and instrument.notional_breach(quantity, mark.mark) is not None
    return ZERO if too_little else quantity


class Protection:
    """For how long places have been without a stop of their size."""

    def __init__(self) -> None:
        self._since_us: dict[tuple[Place, bool], int] = {}
        self.seconds: Mapping[Place, Decimal] = {}

    def forget(self) -> None:
        """Nobody asks for stops now."""
        self._since_us, self.seconds = {}, {}

    def grant_anew(self, but: Container[tuple[str | None, str | None]]) -> None:
        """Begin every grace anew, but not at these places."""
        self._since_us = {side: since_us for side, since_us in self._since_us.items() if side[0] in but}
        self.seconds = {place: seconds for place, seconds in self.seconds.items() if place in but}

    def begin_again(self, place: Place) -> None:
        """A place has its grace from now on."""
        self._since_us = {side: since_us for side, since_us in self._since_us.items() if side[0] != place}

    def look(
        self,
        book: Book,
        instruments: Mapping[Place, Instrument],
        marks: Mapping[Place, Mark],
        apart: Apart,
        now_us: int,
    ) -> None:
        """Take in how things stand."""
        bare = [
            (place, book.positions[place].quantity > 0)
            for place in unprotected(book, instruments, marks, apart)
        ]
        self._since_us = {side: self._since_us.get(side, now_us) for side in bare}
        self.seconds = {
            place: max(ZERO, EXACT.multiply(Decimal(now_us - since_us), Decimal("1e-6")))
            for (place, _is_long), since_us in self._since_us.items()
        }
