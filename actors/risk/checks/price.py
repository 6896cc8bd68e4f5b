"""Whether the order's price stands in a sane relation to a price that can be trusted. Pure."""

from decimal import Decimal

from actors.model.money import EXACT, text
from actors.risk.case import ONE, Case
from actors.risk.checks.breach import Breach, over

add, subtract, multiply = EXACT.add, EXACT.subtract, EXACT.multiply

MICRO = Decimal("1e-6")


def fresh(case: Case) -> Breach | None:
    """There is a price, it is recent, and so are those of everything that is held."""
    if case.shrinks and (case.intent.limit_price is None or case.mark_or_none is not None):
        return None
    mark, oldest = case.mark_or_none, case.limits.max_price_age_seconds
    if mark is None:
        return Breach("STALE_PRICE", f"there is no price for {case.intent.symbol} at {case.intent.exchange}")
    if case.state.valuation.rate(case.instrument.quote) is None:
        return Breach("STALE_PRICE", f"there is no price for {case.instrument.quote} in USD")
    if oldest is None:
        return None
    others = case.state.valuation.oldest_mark_us()
    at_us = mark.at_us if others is None else min(mark.at_us, others)
    age = multiply(Decimal(case.now_us - at_us), MICRO)
    if age <= oldest:
        return None
    which = "its price" if at_us == mark.at_us else "the price of something held"
    return Breach("STALE_PRICE", f"{which} is {text(age)} s old", text(oldest), text(age))


def skew(case: Case) -> Breach | None:
    """Our clock and the exchange's are close enough."""
    limit, skew_us = case.limits.max_clock_skew_seconds, case.state.skews.get(case.intent.exchange, 0)
    skew = multiply(Decimal(abs(skew_us)), MICRO)
    if limit is None or skew <= limit or case.is_exit:
        return None
    return over("CLOCK_SKEW", f"the clock's distance to {case.intent.exchange} in seconds", limit, skew, skew)


def collar(case: Case) -> Breach | None:
    """A limit price is not far from the mark, that of a stop-limit order not far from its stop price."""
    price, share, mark = case.intent.limit_price, case.limits.price_collar, case.mark
    if price is None or share is None:
        return None
    what = "the mark"
    if case.intent.stop_price is not None:
        what, mark = "the stop price", case.intent.stop_price
    high, low = multiply(mark, add(ONE, share)), multiply(mark, subtract(ONE, share))
    if low <= price <= high:
        return None
    bound = text(high if price > high else low)
    detail = (
        f"{text(price)} is more than {text(multiply(share, Decimal(100)))} % away from {what} {text(mark)}"
    )
    return Breach("PRICE_COLLAR", detail, bound, text(price))


def stop_side(case: Case) -> Breach | None:
    """A stop order waits: its trigger lies beyond the last trade, above it to buy and below it to sell.

    An exit in a market without a price passes: the exchange itself refuses a stop that it would trigger.
    """
    stop, mark = case.intent.stop_price, case.mark_or_none
    if stop is None or mark is None:
        return None
    last = mark.last or mark.mark
    if stop > last if case.buy else stop < last:
        return None
    wanted = "above" if case.buy else "below"
    detail = f"a stop order to {case.intent.side} triggers {wanted} the last price {text(last)}"
    return Breach("STOP_WOULD_TRIGGER", detail, text(last), text(stop))


def post_only(case: Case) -> Breach | None:
    """A post-only order would rest."""
    price, mark = case.intent.limit_price, case.mark_or_none
    if not case.intent.post_only or price is None or mark is None:
        return None
    other = mark.ask if case.buy else mark.bid
    if other is None or (price < other if case.buy else price > other):
        return None
    return Breach("POST_ONLY", f"at {text(price)} it would trade at once", text(other), text(price))
