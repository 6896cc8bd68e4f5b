"""Between the model and the tables: what a batch writes, as JSON, and what a row of a SELECT means.

The JSON names are the columns that `journal_append` expects. Statuses and averages are written for people who
look into the tables; reading takes the state itself, so that an order comes back exactly as it was.
"""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from actors.journal.port import Batch
from actors.model.amend import Amend
from actors.model.events import OrderAccepted, OrderDenied, decode, order_id_of
from actors.model.fill import Fill
from actors.model.journal import Record
from actors.model.order import Order, OrderIntent, Submission, Terminal
from actors.model.position import Position

_encode = msgspec.json.Encoder().encode


class _EventRow(msgspec.Struct, frozen=True, gc=False):
    seq: int
    at: int
    stream: str
    type: str
    version: int
    payload: msgspec.Raw
    correlation: str
    causation: str
    hash: bytes
    order_id: str | None


class _OrderState(msgspec.Struct, frozen=True, gc=False):
    id: str
    status: str
    submission: str
    cancel_requested: bool
    terminal: str | None
    filled_qty: Decimal
    filled_cost: Decimal
    fees: Decimal
    fee_currency: str | None
    exchange_order_id: str | None
    code: str | None
    reason: str | None
    updated: int


class _NewOrder(_OrderState, frozen=True, gc=False):
    client_order_id: str
    exchange: str
    symbol: str
    side: str
    type: str
    qty: Decimal
    limit_price: Decimal | None
    time_in_force: str
    post_only: bool
    reduce_only: bool
    venue_id: str | None
    user_id: str
    token_id: str
    idempotency_key: str | None
    fingerprint: str
    reserve_price: Decimal
    accepted_seq: int
    created: int


class _AmendedOrder(msgspec.Struct, frozen=True, gc=False):
    id: str
    qty: Decimal
    limit_price: Decimal | None
    reserve_price: Decimal
    venue_id: str
    former_venue_id: str | None
    amends: str | None
    stop_price: Decimal | None


class Amends(msgspec.Struct, frozen=True, gc=False):
    """What the state of an order that was ever amended has beyond its columns."""

    version: int
    carried: Decimal
    former: tuple[str, ...]
    amend: Amend
    widest_price: Decimal | None


class _FillRow(msgspec.Struct, frozen=True, gc=False):
    id: str
    order_id: str
    exchange: str
    market_type: str
    symbol: str
    exchange_order_id: str
    trade_id: str
    side: str
    qty: Decimal
    price: Decimal
    fee: Decimal
    fee_currency: str
    liquidity: str
    at: int


class _PositionRow(msgspec.Struct, frozen=True, gc=False):
    exchange: str
    symbol: str
    qty: Decimal
    cost: Decimal
    avg_price: Decimal | None
    realized_pnl: Decimal
    fees: str
    updated: int


_read_amends = msgspec.json.Decoder(Amends).decode
_make_new_order: Callable[..., _NewOrder] = _NewOrder


def batch_arguments(batch: Batch) -> tuple[bytes | None, ...]:
    """The five JSON arguments of `journal_append`, as bytes; None where there is nothing to write."""
    accepted = {
        record.event.intent.order_id
        for record in batch.records
        if type(record.event) is OrderAccepted or type(record.event) is OrderDenied
    }
    new: list[_NewOrder] = []
    changed: list[_OrderState] = []
    for order in batch.orders:
        if order.intent.order_id in accepted:
            new.append(_new_order(order))
        else:
            changed.append(_OrderState(*_state(order)))
    return (
        _json([_event(record) for record in batch.records]),
        _json(new),
        _json(changed),
        _json([_fill(fill) for fill in batch.fills]),
        _json([_position(position) for position in batch.positions]),
    )


def amended_argument(batch: Batch) -> bytes | None:
    """The JSON argument of `journal_amend`, as bytes: the orders of which there is more to say.

    Those that were ever amended, and stop orders; None where the batch has none.
    """
    return _json(
        [
            _amended(order)
            for order in batch.orders
            if order.amend is not None or order.intent.stop_price is not None
        ]
    )


def _amended(order: Order) -> _AmendedOrder:
    intent, amends = order.intent, None
    if order.amend is not None:
        amends = Amends(order.version, order.carried, order.former, order.amend, order.widest_price)
    return _AmendedOrder(
        intent.order_id,
        intent.quantity,
        intent.limit_price,
        order.reserve_price,
        intent.venue_id,
        order.former[-1] if order.former else None,
        None if amends is None else _encode(amends).decode(),
        intent.stop_price,
    )


def _json(rows: Sequence[msgspec.Struct]) -> bytes | None:
    return _encode(rows) if rows else None


def _event(record: Record) -> _EventRow:
    return _EventRow(
        record.seq,
        record.at_us,
        record.stream,
        record.type,
        record.version,
        msgspec.Raw(record.payload),
        record.correlation_id,
        record.causation_id,
        record.hash,
        order_id_of(record.event),
    )


def _state(order: Order) -> tuple[Any, ...]:
    return (
        order.intent.order_id,
        order.status,
        order.submission,
        order.cancel_requested,
        order.terminal,
        order.executed,
        order.executed_cost,
        order.fees,
        order.fee_currency,
        order.exchange_order_id,
        order.code,
        order.reason,
        order.updated_us,
    )


def _new_order(order: Order) -> _NewOrder:
    intent = order.intent
    return _make_new_order(
        *_state(order),
        intent.client_order_id,
        intent.exchange,
        intent.symbol,
        intent.side,
        intent.type,
        intent.quantity,
        intent.limit_price,
        intent.time_in_force,
        intent.post_only,
        intent.reduce_only,
        intent.venue_id or None,
        intent.user,
        intent.token_id,
        intent.idempotency_key,
        intent.fingerprint,
        order.reserve_price,
        order.accepted_seq,
        order.created_us,
    )


def _fill(fill: Fill) -> _FillRow:
    return _FillRow(
        fill.fill_id,
        fill.order_id,
        fill.exchange,
        fill.market_type,
        fill.symbol,
        fill.exchange_order_id,
        fill.trade_id,
        fill.side,
        fill.quantity,
        fill.price,
        fill.fee,
        fill.fee_currency,
        fill.liquidity,
        fill.at_us,
    )


def _position(position: Position) -> _PositionRow:
    return _PositionRow(
        position.exchange,
        position.symbol,
        position.quantity,
        position.cost,
        position.average_price,
        position.realized_pnl,
        _encode(position.fees).decode(),
        position.updated_us,
    )


EVENT_COLUMNS = "seq, to_us(at) AS at_us, stream, type, version, payload, correlation_id, causation_id, hash"
ORDER_COLUMNS = (
    "id::text AS order_id, client_order_id, exchange, symbol, side, type, qty, limit_price, stop_price, "
    "time_in_force, post_only, reduce_only, venue_id, user_id, token_id, idempotency_key, fingerprint, "
    "submission, cancel_requested, terminal, filled_qty, filled_cost, fees, fee_currency, "
    "exchange_order_id, code, reason, reserve_price, accepted_seq, amends, to_us(created_at) AS created_us, "
    "to_us(updated_at) AS updated_us"
)
FILL_COLUMNS = (
    "exchange, market_type, symbol, exchange_order_id, trade_id, order_id::text AS order_id, side, qty, "
    "price, fee, fee_currency, liquidity, to_us(timestamp) AS at_us"
)

Row = Mapping[str, Any]


def record_of(row: Row, previous_hash: bytes) -> Record:
    """A record; its payload is decoded, which raises msgspec.ValidationError for one that is no event."""
    payload = bytes(row["payload"])
    return Record(
        seq=row["seq"],
        stream=row["stream"],
        type=row["type"],
        version=row["version"],
        at_us=row["at_us"],
        payload=payload,
        correlation_id=row["correlation_id"],
        causation_id=row["causation_id"],
        previous_hash=previous_hash,
        hash=bytes(row["hash"]),
        event=decode(payload),
    )


def order_of(row: Row) -> Order:
    """An order, exactly as the book had it."""
    terminal, amends = row["terminal"], row["amends"]
    order = Order(
        intent=OrderIntent(
            order_id=row["order_id"],
            client_order_id=row["client_order_id"],
            exchange=row["exchange"],
            symbol=row["symbol"],
            side=row["side"],
            type=row["type"],
            quantity=row["qty"],
            limit_price=row["limit_price"],
            stop_price=row["stop_price"],
            time_in_force=row["time_in_force"],
            post_only=row["post_only"],
            reduce_only=row["reduce_only"],
            venue_id=row["venue_id"] or "",
            user=row["user_id"],
            token_id=row["token_id"],
            idempotency_key=row["idempotency_key"],
            fingerprint=row["fingerprint"],
        ),
        submission=Submission(row["submission"]),
        cancel_requested=row["cancel_requested"],
        executed=row["filled_qty"],
        executed_cost=row["filled_cost"],
        fees=row["fees"],
        fee_currency=row["fee_currency"],
        terminal=None if terminal is None else Terminal(terminal),
        exchange_order_id=row["exchange_order_id"],
        code=row["code"],
        reason=row["reason"],
        reserve_price=row["reserve_price"],
        created_us=row["created_us"],
        updated_us=row["updated_us"],
        accepted_seq=row["accepted_seq"],
    )
    return order if amends is None else _with_amends(order, _read_amends(amends))


def _with_amends(order: Order, amends: Amends) -> Order:
    return msgspec.structs.replace(
        order,
        version=amends.version,
        carried=amends.carried,
        former=amends.former,
        amend=amends.amend,
        widest_price=amends.widest_price,
    )


def fill_of(row: Row) -> Fill:
    """A fill, exactly as it was applied."""
    return Fill(
        exchange=row["exchange"],
        market_type=row["market_type"],
        symbol=row["symbol"],
        exchange_order_id=row["exchange_order_id"],
        trade_id=row["trade_id"],
        order_id=row["order_id"],
        side=row["side"],
        quantity=row["qty"],
        price=row["price"],
        fee=row["fee"],
        fee_currency=row["fee_currency"],
        liquidity=row["liquidity"],
        at_us=row["at_us"],
    )
