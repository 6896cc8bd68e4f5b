"""How much of a position can be closed, by an order or by a stop that waits. Pure."""

from decimal import ROUND_DOWN, Context, Decimal

from actors.model.book import Book
from actors.model.instrument import Instrument
from actors.model.money import ZERO, normal
from actors.model.position import Position

_DOWN = Context(prec=76, rounding=ROUND_DOWN)


def closable(position: Position, instrument: Instrument, book: Book) -> Decimal:
    """How much of a position can be closed: whole lots, and of a spot asset no more than the account has.

    A fee that was taken in the bought asset leaves less of it there than the position says. Where the journal
    doesn't know what the account holds, the position is taken at its word.
    """
    quantity, exchange = position.quantity.copy_abs(), position.exchange
    if instrument.market_type == "spot" and position.quantity > 0:
        known = exchange in book.opened and exchange not in book.disturbed
        held = book.cash.get((exchange, instrument.base)) if known else None
        if held is not None:
            quantity = min(quantity, max(ZERO, held))
    return whole_lots(quantity, instrument.lot)


def whole_lots(quantity: Decimal, lot: Decimal) -> Decimal:
    """The quantity rounded down to whole lots."""
    return normal(_DOWN.multiply(_DOWN.divide_int(quantity, lot), lot))
