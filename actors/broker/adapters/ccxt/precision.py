"""Refuse locally what would be changed on the way or refused for certain at the other end.

An exchange library that rounds or truncates an order to its grid sends another order than the one that passed
the risk check. Nothing here rounds: a value off the grid is a breach, and a breach means that nothing is
sent.
"""

from decimal import Decimal

import msgspec

from actors.model.instrument import FilterBreach, Instrument
from actors.model.money import text
from actors.model.order import OrderIntent


class Filters(msgspec.Struct, frozen=True, kw_only=True):
    """The exchange's bounds for one market beside the instrument's grid; None where it has none."""

    min_quantity: Decimal | None = None
    max_quantity: Decimal | None = None
    max_market_quantity: Decimal | None = None
    min_price: Decimal | None = None
    max_price: Decimal | None = None


def breach(instrument: Instrument, filters: Filters, intent: OrderIntent) -> FilterBreach | None:
    """The first filter that the order does not pass, or None."""
    found = instrument.quantity_breach(intent.quantity) or _quantity_bounds(filters, intent)
    if found is not None or intent.limit_price is None:
        return found
    return (
        instrument.price_breach(intent.limit_price)
        or _price_bounds(filters, intent.limit_price)
        or (None if intent.reduce_only else instrument.notional_breach(intent.quantity, intent.limit_price))
    )


def describe(found: FilterBreach) -> str:
    """The reason of the outcome: code, limit and value."""
    return f"{found.code}: {text(found.value)} against {text(found.limit)}"


def _quantity_bounds(filters: Filters, intent: OrderIntent) -> FilterBreach | None:
    highest = filters.max_quantity
    if intent.type == "market" and filters.max_market_quantity is not None:
        highest = filters.max_market_quantity
    return _outside("INVALID_LOT", intent.quantity, filters.min_quantity, highest)


def _price_bounds(filters: Filters, price: Decimal) -> FilterBreach | None:
    return _outside("INVALID_TICK", price, filters.min_price, filters.max_price)


def _outside(
    code: str, value: Decimal, lowest: Decimal | None, highest: Decimal | None
) -> FilterBreach | None:
    if lowest is not None and value < lowest:
        return FilterBreach(code, lowest, value)
    if highest is not None and value > highest:
        return FilterBreach(code, highest, value)
    return None
