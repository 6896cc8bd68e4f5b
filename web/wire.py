"""What goes out over the wire: frozen structs in camelCase, and the translation from the model.

The structs repeat the contract; a test proves that they are equal to it. Decimals travel as canonical text
and times as RFC 3339 in UTC. Translation only: nothing here decides.
"""

from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache

import msgspec

from actors.model.amend import Amend
from actors.model.fill import Fill
from actors.model.journal import Record
from actors.model.messages import Balance, Mark, Proposed, RiskView
from actors.model.money import text
from actors.model.order import Order
from actors.model.results import PositionView


class Wire(msgspec.Struct, frozen=True, kw_only=True, rename="camel", gc=False):
    """The base of all bodies that go out."""


class AmendBody(Wire, frozen=True, kw_only=True):
    """The newest amend of an order."""

    amend_id: str
    state: str
    qty: str
    limit_price: str
    code: str | None
    reason: str | None


class OrderBody(Wire, frozen=True, kw_only=True):
    """An order as it is now."""

    order_id: str
    client_order_id: str
    exchange: str
    symbol: str
    side: str
    type: str
    qty: str
    limit_price: str | None
    stop_price: str | None
    time_in_force: str
    post_only: bool
    reduce_only: bool
    status: str
    filled_qty: str
    avg_price: str | None
    fee: str
    fee_currency: str | None
    code: str | None
    reason: str | None
    created_at: str
    updated_at: str
    version: int
    amend: AmendBody | None


class Fee(Wire, frozen=True, kw_only=True):
    """The fees paid in one asset."""

    asset: str
    amount: str


class PositionBody(Wire, frozen=True, kw_only=True):
    """What is held of one symbol at one exchange."""

    exchange: str
    symbol: str
    qty: str
    avg_price: str | None
    realized_pnl: str
    unrealized_pnl: str | None
    mark_price: str | None
    fees: tuple[Fee, ...]
    updated_at: str


class FillBody(Wire, frozen=True, kw_only=True):
    """One execution of an order."""

    fill_id: str
    order_id: str
    exchange: str
    symbol: str
    side: str
    qty: str
    price: str
    fee: str
    fee_currency: str
    liquidity: str
    trade_id: str
    timestamp: str


class BalanceBody(Wire, frozen=True, kw_only=True):
    """What an account holds of one asset."""

    exchange: str
    asset: str
    total: str
    free: str


class LimitBody(Wire, frozen=True, kw_only=True):
    """One limit and its use."""

    code: str
    symbol: str | None
    limit: str
    used: str
    headroom: str
    exchange: str | None = None


class ReservationBody(Wire, frozen=True, kw_only=True):
    """What an open order may still do."""

    order_id: str
    exchange: str
    symbol: str
    side: str
    qty: str
    value_usd: str | None


class RiskBody(Wire, frozen=True, kw_only=True):
    """The limits in force."""

    trading_state: str
    limits: tuple[LimitBody, ...]
    equity: str
    day: str
    day_pnl: str
    reservations: tuple[ReservationBody, ...] = ()


class ProposalBody(Wire, frozen=True, kw_only=True):
    """What one person has asked for and another has to ask for too."""

    what: str
    by: str
    reason: str
    until: str


class EventBody(Wire, frozen=True, kw_only=True):
    """One record of the journal."""

    seq: int
    stream: str
    type: str
    version: int
    at: str
    payload: msgspec.Raw
    hash: str
    correlation_id: str


class MarkBody(Wire, frozen=True, kw_only=True):
    """The newest prices of one instrument."""

    exchange: str
    symbol: str
    bid: str | None
    ask: str | None
    last: str | None
    mark: str
    timestamp: str


@lru_cache(maxsize=64)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def time_text(at_us: int) -> str:
    """Microseconds since 1970 UTC as RFC 3339."""
    seconds, micros = divmod(at_us, 1_000_000)
    return f"{_second(seconds)}.{micros:06d}Z"


def decimal_or_none(value: Decimal | None) -> str | None:
    """The canonical text of a decimal that may be missing."""
    return None if value is None else text(value)


def order_body(order: Order) -> OrderBody:
    """An order for the wire."""
    intent = order.intent
    return OrderBody(
        order_id=intent.order_id,
        client_order_id=intent.client_order_id,
        exchange=intent.exchange,
        symbol=intent.symbol,
        side=intent.side,
        type=intent.type,
        qty=text(intent.quantity),
        limit_price=decimal_or_none(intent.limit_price),
        stop_price=decimal_or_none(intent.stop_price),
        time_in_force=intent.time_in_force,
        post_only=intent.post_only,
        reduce_only=intent.reduce_only,
        status=order.status,
        filled_qty=text(order.executed),
        avg_price=decimal_or_none(order.average_price),
        fee=text(order.fees),
        fee_currency=order.fee_currency,
        code=order.code,
        reason=order.reason,
        created_at=time_text(order.created_us),
        updated_at=time_text(order.updated_us),
        version=order.version,
        amend=None if order.amend is None else _amend_body(order.amend),
    )


def _amend_body(amend: Amend) -> AmendBody:
    return AmendBody(
        amend_id=amend.amend_id,
        state=amend.state.value,
        qty=text(amend.quantity),
        limit_price=text(amend.limit_price),
        code=amend.code,
        reason=amend.reason,
    )


def position_body(view: PositionView) -> PositionBody:
    """A position for the wire."""
    position, mark = view.position, view.mark
    return PositionBody(
        exchange=position.exchange,
        symbol=position.symbol,
        qty=text(position.quantity),
        avg_price=decimal_or_none(position.average_price),
        realized_pnl=text(position.realized_pnl),
        unrealized_pnl=None if mark is None else text(position.unrealized_pnl(mark)),
        mark_price=decimal_or_none(mark),
        fees=tuple(Fee(asset=asset, amount=text(amount)) for asset, amount in position.fees),
        updated_at=time_text(position.updated_us),
    )


def fill_body(fill: Fill) -> FillBody:
    """A fill for the wire."""
    return FillBody(
        fill_id=fill.fill_id,
        order_id=fill.order_id,
        exchange=fill.exchange,
        symbol=fill.symbol,
        side=fill.side,
        qty=text(fill.quantity),
        price=text(fill.price),
        fee=text(fill.fee),
        fee_currency=fill.fee_currency,
        liquidity=fill.liquidity,
        trade_id=fill.trade_id,
        timestamp=time_text(fill.at_us),
    )


def balance_body(balance: Balance) -> BalanceBody:
    """A balance for the wire."""
    return BalanceBody(
        exchange=balance.exchange, asset=balance.asset, total=text(balance.total), free=text(balance.free)
    )


def risk_body(view: RiskView) -> RiskBody:
    """The limits for the wire."""
    return RiskBody(
        trading_state=view.trading_state,
        limits=tuple(
            LimitBody(
                code=each.code,
                symbol=each.symbol,
                limit=text(each.limit),
                used=text(each.used),
                headroom=text(each.headroom),
                exchange=each.exchange,
            )
            for each in view.limits
        ),
        equity=text(view.equity),
        day=view.day,
        day_pnl=text(view.day_pnl),
        reservations=tuple(
            ReservationBody(
                order_id=each.order_id,
                exchange=each.exchange,
                symbol=each.symbol,
                side=each.side,
                qty=text(each.quantity),
                value_usd=decimal_or_none(each.value_usd),
            )
            for each in view.reservations
        ),
    )


def proposal_body(proposed: Proposed | None) -> ProposalBody | None:
    """What waits for a second person, for the wire."""
    if proposed is None:
        return None
    return ProposalBody(
        what=proposed.what, by=proposed.by, reason=proposed.reason, until=time_text(proposed.until_us)
    )


def event_body(record: Record) -> EventBody:
    """A journal record for the wire; its payload goes out as the very bytes that were hashed."""
    return EventBody(
        seq=record.seq,
        stream=record.stream,
        type=record.type,
        version=record.version,
        at=time_text(record.at_us),
        payload=msgspec.Raw(record.payload),
        hash=record.hash.hex(),
        correlation_id=record.correlation_id,
    )


def mark_body(mark: Mark) -> MarkBody:
    """The newest prices for the wire."""
    return MarkBody(
        exchange=mark.exchange,
        symbol=mark.symbol,
        bid=decimal_or_none(mark.bid),
        ask=decimal_or_none(mark.ask),
        last=decimal_or_none(mark.last),
        mark=text(mark.mark),
        timestamp=time_text(mark.at_us),
    )
