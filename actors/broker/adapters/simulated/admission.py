"""What the simulated exchange takes and what it refuses: the instrument's rules, and enough money. Pure."""

from decimal import Decimal

import msgspec

from actors.broker.adapters.simulated.engine import Quote
from actors.broker.adapters.simulated.ledger import OrderRow
from actors.model.instrument import FilterBreach, Instrument
from actors.model.money import EXACT, text

__all__ = ["Refusal", "Request", "amend_objection", "funds_objection", "objection", "remaining_of"]


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """An order as a client sends it."""

    client_id: str
    symbol: str
    side: str
    type: str
    quantity: Decimal
    limit_price: Decimal | None = None
    time_in_force: str = "GTC"
    post_only: bool = False
    stop_price: Decimal | None = None


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """The exchange's no. `gone`: the order to cancel is not open any more."""

    code: str
    reason: str
    gone: bool = False


def objection(
    request: Request, instrument: Instrument, outside: Quote, last: Decimal | None, free: Decimal
) -> Refusal | None:
    """Why the order can't be taken. `outside` and `last` are the market's best prices and its newest trade;
    `free` is what the account may spend, in quote currency.
    """
    reference = outside.ask if request.side == "buy" else outside.bid
    price = _stated(request, reference)
    if price is None:
        return Refusal(code="NO_PRICE", reason=f"{request.symbol} has no price yet")
    if request.quantity <= 0 or price <= 0:
        return Refusal(code="INVALID_ORDER", reason="quantity and price must be above zero")
    breach = instrument.quantity_breach(request.quantity) or instrument.notional_breach(
        request.quantity, price
    )
    if breach is None and request.type != "market":
        breach = instrument.price_breach(price)
    if breach is None and request.stop_price is not None:
        breach = instrument.price_breach(request.stop_price)
    if breach is not None:
        return _broken(breach)
    if request.stop_price is not None and not _is_ahead(request.stop_price, request.side, last or reference):
        reason = f"the stop price {text(request.stop_price)} is reached already"
        return Refusal(code="STOP_WOULD_TRIGGER", reason=reason)
    return funds_objection(instrument, request.side, request.quantity, price, free)


def amend_objection(
    order: OrderRow, quantity: Decimal, limit_price: Decimal, instrument: Instrument, free: Decimal
) -> Refusal | None:
    """Why a resting order can't have this quantity (in all) and price. What it has set aside comes on top of
    `free`.
    """
    if order.stop_price is not None:
        return Refusal(code="INVALID_ORDER", reason="a stop order can't be amended; cancel and place it")
    if order.limit_price is None or quantity <= order.executed or limit_price <= 0:
        reason = f"{text(order.executed)} of {text(quantity)} has executed"
        return Refusal(code="INVALID_ORDER", reason=reason)
    breach = (
        instrument.quantity_breach(quantity)
        or instrument.price_breach(limit_price)
        or instrument.notional_breach(quantity, limit_price)
    )
    if breach is not None:
        return _broken(breach)
    set_aside = EXACT.multiply(remaining_of(order), order.limit_price)
    wanted = EXACT.subtract(quantity, order.executed)
    return funds_objection(instrument, order.side, wanted, limit_price, EXACT.add(free, set_aside))


def funds_objection(
    instrument: Instrument, side: str, quantity: Decimal, price: Decimal, free: Decimal
) -> Refusal | None:
    """Whether a buy at this price costs more than is free; what is sold may be owed."""
    if side != "buy":
        return None
    needed = EXACT.multiply(quantity, price)
    if needed <= free:
        return None
    reason = f"{text(needed)} {instrument.quote} are needed, {text(free)} are free"
    return Refusal(code="INSUFFICIENT_FUNDS", reason=reason)


def remaining_of(order: OrderRow) -> Decimal:
    """What of an order has not executed."""
    return EXACT.subtract(order.quantity, order.executed)


def _broken(breach: FilterBreach) -> Refusal:
    return Refusal(code=breach.code, reason=f"{text(breach.value)} breaks {text(breach.limit)}")


def _is_ahead(stop_price: Decimal, side: str, last: Decimal | None) -> bool:
    if last is None:
        return False
    return stop_price > last if side == "buy" else stop_price < last


def _stated(request: Request, reference: Decimal | None) -> Decimal | None:
    """The price that an order is for, as far as it says."""
    if request.type in ("limit", "stop_limit"):
        return request.limit_price
    return request.stop_price if request.type == "stop" else reference
