"""Which events of the journal are told to others, and in which words. Pure.

A body is a function of the journal alone: the same record gives the same bytes, whoever makes them and when.
Decimals are texts, times RFC 3339 in UTC, names camelCase, as everywhere at the edge. What belongs to one
order has that order as its subject; positions and trading states have subjects of their own.
"""

from collections.abc import Callable, Collection, Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from actors.model import events as ev
from actors.model.book import Change, scope_key
from actors.model.journal import Record
from actors.model.money import text
from actors.model.order import Order, Terminal
from actors.model.position import Position
from actors.webhook.port import INDEXES, Delivery, Endpoint

ORDER_EVENTS = (
    "order_accepted",
    "order_amended",
    "order_filled",
    "order_partially_filled",
    "order_canceled",
    "order_rejected",
    "order_denied",
    "order_unknown",
)
OPERATOR_EVENTS = (
    "trading_state_changed",
    "breaker_changed",
    "redis_changed",
    "reconciliation_difference",
    "supervisor_gave_up",
)
EVENTS = (*ORDER_EVENTS, "position_changed", *OPERATOR_EVENTS)
TEST_EVENT = "webhook_test"

SUPERVISOR = "supervisor"
"""Who a kill is by that the top of the tree pulled when it gave up."""

OPENING = "opening"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_encode = msgspec.json.Encoder().encode

Body = dict[str, object]


class Told(NamedTuple):
    """One message: its event, the subject that orders it, and the bytes that are sent."""

    event: str
    subject: str
    body: bytes


def told(record: Record, change: Change) -> tuple[Told, ...]:
    """What others are told of a record; `change` is what it did to the book."""
    teller = _TELLERS.get(type(record.event))
    return () if teller is None else tuple(teller(record, change))


def deliveries(
    endpoints: Collection[Endpoint],
    record: Record,
    messages: Iterable[Told],
    now_us: int,
    first_pause_us: int,
) -> list[Delivery]:
    """The deliveries of a record's messages; their ids follow from the record and the endpoint alone."""
    return [
        Delivery(
            delivery_id=f"msg_{record.seq}_{index}_{endpoint.endpoint_id}",
            endpoint_id=endpoint.endpoint_id,
            number=record.seq * INDEXES + index,
            event=message.event,
            subject=message.subject,
            body=message.body,
            created_us=now_us,
            due_us=now_us + first_pause_us,
        )
        for index, message in enumerate(messages)
        for endpoint in endpoints
        if endpoint.wants(message.event, record.seq)
    ]


def notice(event: str, at_us: int, **fields: object) -> bytes:
    """The body of something that the journal does not have."""
    return _encode({"event": event, **fields, "timestamp": time_text(at_us)})


def time_text(at_us: int) -> str:
    """Microseconds since 1970 as RFC 3339 in UTC."""
    return (_EPOCH + timedelta(microseconds=at_us)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _maybe(value: Decimal | None) -> str | None:
    return None if value is None else text(value)


def _order_message(event: str, record: Record, order: Order, **more: object) -> Told:
    intent = order.intent
    body: Body = {
        "event": event,
        "orderId": order.order_id,
        "symbol": intent.symbol,
        "filledQty": text(order.executed),
        "avgPrice": _maybe(order.average_price),
        "timestamp": time_text(record.at_us),
        "seq": record.seq,
        "clientOrderId": intent.client_order_id,
        "exchange": intent.exchange,
        "side": intent.side,
        "type": intent.type,
        "qty": text(intent.quantity),
        "limitPrice": _maybe(intent.limit_price),
        "stopPrice": _maybe(intent.stop_price),
        "status": order.status,
        "code": order.code,
        "reason": order.reason,
        **more,
    }
    return Told(event, f"order/{order.order_id}", _encode(body))


def _about_order(event: str) -> "Teller":
    def tell(record: Record, change: Change) -> Iterable[Told]:
        if change.order is not None:
            yield _order_message(event, record, change.order)

    return tell


def _amended(record: Record, change: Change) -> Iterable[Told]:
    event = record.event
    if change.order is not None and isinstance(event, ev.OrderAmended | ev.OrderReplaced):
        yield _order_message("order_amended", record, change.order, amendId=event.amend_id)


def _filled(record: Record, change: Change) -> Iterable[Told]:
    if change.order is not None and change.fill is not None:
        complete = change.order.terminal is Terminal.FILLED
        fill = change.fill
        yield _order_message(
            "order_filled" if complete else "order_partially_filled",
            record,
            change.order,
            fill={
                "fillId": fill.fill_id,
                "qty": text(fill.quantity),
                "price": text(fill.price),
                "fee": text(fill.fee),
                "feeCurrency": fill.fee_currency,
                "timestamp": time_text(fill.at_us),
            },
        )
    if change.position is not None:
        yield _position_message(record, change.position, "fill")


def _position_message(record: Record, position: Position, cause: str) -> Told:
    body: Body = {
        "event": "position_changed",
        "exchange": position.exchange,
        "symbol": position.symbol,
        "qty": text(position.quantity),
        "avgPrice": _maybe(position.average_price),
        "realizedPnl": text(position.realized_pnl),
        "cause": cause,
        "timestamp": time_text(record.at_us),
        "seq": record.seq,
    }
    return Told("position_changed", f"position/{position.exchange}/{position.symbol}", _encode(body))


def _adjusted(record: Record, change: Change) -> Iterable[Told]:
    event = record.event
    if not isinstance(event, ev.PositionAdjusted):
        return
    if change.position is not None:
        yield _position_message(record, change.position, event.cause)
    if event.cause != OPENING:
        yield _operator_message(
            "reconciliation_difference",
            record,
            exchange=event.exchange,
            symbol=event.symbol,
            qty=text(event.quantity),
            price=text(event.price),
            cause=event.cause,
            evidence=event.evidence,
        )


def _operator_message(event: str, record: Record, **fields: object) -> Told:
    body: Body = {"event": event, **fields, "timestamp": time_text(record.at_us), "seq": record.seq}
    return Told(event, "operator", _encode(body))


def _killed(record: Record, _change: Change) -> Iterable[Told]:
    event = record.event
    if not isinstance(event, ev.KillEngaged):
        return
    fields: Body = {
        "exchange": event.exchange,
        "symbol": event.symbol,
        "cause": event.reason,
        "by": event.by,
        "killId": event.kill_id,
        "level": event.level,
    }
    yield _operator_message("trading_state_changed", record, tradingState="halted", **fields)
    if event.by == SUPERVISOR:
        yield _operator_message("supervisor_gave_up", record, **fields)


def _resumed(record: Record, _change: Change) -> Iterable[Told]:
    event = record.event
    if isinstance(event, ev.TradingResumed):
        yield _operator_message(
            "trading_state_changed",
            record,
            tradingState="active",
            cause=event.reason,
            by=event.by,
            killIds=event.kill_ids,
        )


def _state_changed(record: Record, _change: Change) -> Iterable[Told]:
    event = record.event
    if not isinstance(event, ev.TradingStateChanged):
        return
    fields: Body = {"exchange": event.exchange, "symbol": event.symbol, "cause": event.cause}
    yield _operator_message(
        "trading_state_changed",
        record,
        tradingState=event.new,
        previousState=event.old,
        scope=scope_key(event.exchange, event.symbol),
        **fields,
    )
    if event.new == "halted" and event.exchange is not None:
        # An exchange is halted by itself only where it and the journal contradict each other.
        yield _operator_message("reconciliation_difference", record, **fields)


Teller = Callable[[Record, Change], Iterable[Told]]

_TELLERS: dict[type[Any], Teller] = {
    ev.OrderAccepted: _about_order("order_accepted"),
    ev.OrderDenied: _about_order("order_denied"),
    ev.OrderNotSent: _about_order("order_denied"),
    ev.OrderAbsent: _about_order("order_denied"),
    ev.OrderRejected: _about_order("order_rejected"),
    ev.OrderUnresolved: _about_order("order_unknown"),
    ev.OrderCanceled: _about_order("order_canceled"),
    ev.OrderExpired: _about_order("order_canceled"),
    ev.OrderAmended: _amended,
    ev.OrderReplaced: _amended,
    ev.OrderFilled: _filled,
    ev.PositionAdjusted: _adjusted,
    ev.KillEngaged: _killed,
    ev.TradingResumed: _resumed,
    ev.TradingStateChanged: _state_changed,
}
