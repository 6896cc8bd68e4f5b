"""How much of a position can be closed, by an order or by a stop that waits. Pure."""

from collections.abc import Iterable, Mapping
from decimal import ROUND_DOWN, Context, Decimal

from actors.model.book import Book
from actors.model.instrument import Instrument
from actors.model.messages import BrokerState
from actors.model.money import EXACT, ZERO, normal
from actors.model.position import Position

_DOWN = Context(prec=76, rounding=ROUND_DOWN)


Apart = Mapping[str, Mapping[str, Decimal]]
"""By exchange and asset, how much more an account held than the journal said when the exchange was asked."""

UNTOLD: Apart = {}
"""No exchange has answered."""


def apart_at(brokers: Iterable[BrokerState]) -> Apart:
    """What these have found; an exchange that has not told its balances is left out."""
    return {broker.exchange: dict(broker.apart) for broker in brokers if broker.apart}


def closable(position: Position, instrument: Instrument, book: Book, apart: Apart = UNTOLD) -> Decimal:
    """How much of a position can be closed: whole lots, and of a spot asset no more than the account has.

    A fee that was taken in the bought asset leaves less of it there than the position says. Where the journal
    alone doesn't know what the account holds, such as after trades of others, it is what our own fills have
    moved since the exchange was asked; where that has not answered, the position is taken at its word.
    """
    quantity = position.quantity.copy_abs()
    if instrument.market_type == "spot" and position.quantity > 0:
        held = _held(position.exchange, instrument.base, book, apart)
        if held is not None:
            quantity = min(quantity, max(ZERO, held))
    return whole_lots(quantity, instrument.lot)


def _held(exchange: str, asset: str, book: Book, apart: Apart) -> Decimal | None:
    """How much of an asset the account has, or None when nobody knows."""
    in_book = book.cash.get((exchange, asset))
    if exchange in book.opened and exchange not in book.disturbed:
        return in_book
    if exchange not in apart:
        return None
    return EXACT.add(in_book or ZERO, apart[exchange].get(asset, ZERO))


def whole_lots(quantity: Decimal, lot: Decimal) -> Decimal:
    """The quantity rounded down to whole lots."""
    return normal(_DOWN.multiply(_DOWN.divide_int(quantity, lot), lot))
