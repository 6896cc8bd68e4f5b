"""Whether the order itself is one that a person meant: its numbers, steps and size. Pure."""

from actors.model.money import ZERO, text
from actors.risk.case import Case
from actors.risk.checks.breach import Breach, over


def sane(case: Case) -> Breach | None:
    """Quantity and price are positive finite numbers."""
    if case.sane:
        return None
    quantity, price, stop = case.quantity, case.intent.limit_price, case.intent.stop_price
    if not quantity.is_finite() or quantity <= 0:
        return Breach("INVALID_LOT", "the quantity is not a positive number", None, str(quantity))
    if price is None or (price.is_finite() and price > 0):
        return Breach("INVALID_TICK", "the stop price is not a positive number", None, str(stop))
    return Breach("INVALID_TICK", "the price is not a positive number", None, str(price))


def filters(case: Case) -> Breach | None:
    """Whole ticks and whole lots."""
    instrument, price = case.instrument, case.intent.limit_price
    breach = instrument.quantity_breach(case.quantity)
    if breach is None and price is not None:
        breach = instrument.price_breach(price)
    if breach is None and case.intent.stop_price is not None:
        breach = instrument.price_breach(case.intent.stop_price)
    if breach is None:
        return None
    step = "lots" if breach.code == "INVALID_LOT" else "ticks"
    found, limit = text(breach.value), text(breach.limit)
    return Breach(breach.code, f"{found} is not a whole number of {step} of {limit}", limit, found)


def min_notional(case: Case) -> Breach | None:
    """The least value that the exchange takes."""
    price = case.intent.limit_price or case.intent.stop_price or case.mark
    if not price:
        return None
    breach = case.instrument.notional_breach(case.quantity, price)
    if breach is None:
        return None
    found, limit = text(breach.value), text(breach.limit)
    return Breach("MIN_NOTIONAL", f"the order is worth {found}, the least is {limit}", limit, found)


def order_value(case: Case) -> Breach | None:
    """The most that one order may be worth, in USD."""
    limit, value = case.limits.max_order_usd, case.value_usd
    if limit is None or value <= limit or case.is_exit:
        return None
    return over("ORDER_SIZE", "the order's value in USD", limit, value, ZERO)


def order_quantity(case: Case) -> Breach | None:
    """The most that one order may be for, in base units."""
    limit = case.limits.max_order_quantity
    if limit is None or case.quantity <= limit or case.is_exit:
        return None
    return over("ORDER_SIZE", "the order's quantity", limit, case.quantity, ZERO)
