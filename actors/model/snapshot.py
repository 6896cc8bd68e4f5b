"""The book as bytes, and back.

The bytes are canonical: a book that was folded from the same journal gives the same bytes, in every
process, and decoding gives back exactly the book (the order within its dictionaries too, because that
decides what is forgotten first). Dictionaries become lists of pairs, since JSON has neither tuple keys nor
a promise of order; decimals are texts, with every digit. A field is found by its name, so a missing or
unknown one is an error and never a guess.
"""

from decimal import Decimal
from typing import TypeVar

import msgspec

from actors.model.book import Book, Kill
from actors.model.order import Order
from actors.model.position import Position

K = TypeVar("K")
V = TypeVar("V")

Pairs = tuple[tuple[K, V], ...]
Place = tuple[str, str]


class _Image(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a book looks like on disk."""

    seq: int
    orders: tuple[Order, ...]
    closed: tuple[Order, ...]
    venue_ids: Pairs[str, str]
    trades: Pairs[str, Pairs[str, int]]
    positions: tuple[Position, ...]
    cash: Pairs[Place, Decimal]
    watermarks: Pairs[Place, int]
    adjustments: Pairs[Place, Pairs[str, int]]
    forgotten: Pairs[Place, int]
    opened: Pairs[str, int]
    disturbed: Pairs[str, int]
    statement: Pairs[Place, int]
    statement_until: Pairs[str, int]
    earnings: Pairs[str, Decimal]
    limits: Pairs[str, str]
    settings: Pairs[str, str]
    kills: tuple[Kill, ...]
    trading_states: Pairs[str, str]
    trading_causes: Pairs[str, str]
    losses: Pairs[str, str]
    resumed_losses: Pairs[str, str]
    day: str
    day_equity: Decimal
    day_result: Decimal
    day_fees: Pairs[str, Decimal]
    day_net: Decimal
    day_peak: Decimal
    epoch: int
    incarnation: str


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(_Image)


def encode_book(book: Book) -> bytes:
    """The canonical bytes of a book. Synchronous; about 1 ms for a thousand orders."""
    return _encoder.encode(
        _Image(
            seq=book.seq,
            orders=tuple(book.orders.values()),
            closed=tuple(book.closed.values()),
            venue_ids=_pairs(book.venue_ids),
            trades=tuple((order_id, _pairs(ids)) for order_id, ids in book.trades.items()),
            positions=tuple(book.positions.values()),
            cash=_pairs(book.cash),
            watermarks=_pairs(book.watermarks),
            adjustments=tuple((place, _pairs(known)) for place, known in book.adjustments.items()),
            forgotten=_pairs(book.forgotten),
            opened=_pairs(book.opened),
            disturbed=_pairs(book.disturbed),
            statement=_pairs(book.statement),
            statement_until=_pairs(book.statement_until),
            earnings=_pairs(book.earnings),
            limits=_pairs(book.limits),
            settings=_pairs(book.settings),
            kills=tuple(book.kills.values()),
            trading_states=_pairs(book.trading_states),
            trading_causes=_pairs(book.trading_causes),
            losses=_pairs(book.losses),
            resumed_losses=_pairs(book.resumed_losses),
            day=book.day,
            day_equity=book.day_equity,
            day_result=book.day_result,
            day_fees=book.day_fees,
            day_net=book.day_net,
            day_peak=book.day_peak,
            epoch=book.epoch,
            incarnation=book.incarnation,
        )
    )


def decode_book(data: bytes) -> Book:
    """The book that these bytes were made of; raise msgspec.ValidationError or DecodeError for others."""
    try:
        image = _decoder.decode(data)
    except UnicodeDecodeError as error:
        raise msgspec.DecodeError(str(error)) from error
    return Book(
        seq=image.seq,
        orders={order.order_id: order for order in image.orders},
        closed={order.order_id: order for order in image.closed},
        venue_ids=dict(image.venue_ids),
        trades={order_id: dict(ids) for order_id, ids in image.trades},
        positions={(position.exchange, position.symbol): position for position in image.positions},
        cash=dict(image.cash),
        watermarks=dict(image.watermarks),
        adjustments={place: dict(known) for place, known in image.adjustments},
        forgotten=dict(image.forgotten),
        opened=dict(image.opened),
        disturbed=dict(image.disturbed),
        statement=dict(image.statement),
        statement_until=dict(image.statement_until),
        earnings=dict(image.earnings),
        limits=dict(image.limits),
        settings=dict(image.settings),
        kills={kill.kill_id: kill for kill in image.kills},
        trading_states=dict(image.trading_states),
        trading_causes=dict(image.trading_causes),
        losses=dict(image.losses),
        resumed_losses=dict(image.resumed_losses),
        day=image.day,
        day_equity=image.day_equity,
        day_result=image.day_result,
        day_fees=image.day_fees,
        day_net=image.day_net,
        day_peak=image.day_peak,
        epoch=image.epoch,
        incarnation=image.incarnation,
    )


def _pairs(mapping: dict[K, V]) -> Pairs[K, V]:
    return tuple(mapping.items())
