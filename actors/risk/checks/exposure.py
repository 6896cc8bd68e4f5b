"""How much could be held, were the order and all that works to execute. Pure."""

from decimal import Decimal

from actors.model.money import EXACT, ZERO, text
from actors.risk.case import Case
from actors.risk.checks.breach import Breach, over

add, subtract, multiply = EXACT.add, EXACT.subtract, EXACT.multiply


def reduce_only(case: Case) -> Breach | None:
    """Working reduce-only orders together never exceed the position."""
    if not case.intent.reduce_only:
        return None
    room = max(ZERO, case.account.room_to_reduce(case.buy))
    if case.quantity <= room:
        return None
    held = text(case.account.position.quantity)
    detail = f"reduce-only: the position is {held} and other reduce-only orders leave {text(room)} of it"
    return Breach("REDUCE_ONLY", detail, text(room), text(case.quantity), text(room))


def symbol_exposure(case: Case, projected: Decimal) -> Decimal:
    """USD that the symbol's worst case on the order's side reaches over all exchanges; at the order's it is
    `projected`.
    """
    total = max(ZERO, projected)
    for account in case.state.ledger.of_symbol(case.intent.symbol):
        if account is not case.account:
            worst = account.long_worst if case.buy else account.short_worst.copy_negate()
            total = add(total, max(ZERO, worst))
    return multiply(multiply(total, case.mark), case.rate)


def _position_limit(limit: Decimal | None, case: Case, code: str) -> Breach | None:
    if limit is None or case.projected <= 0:
        return None
    value = symbol_exposure(case, case.projected)
    if value <= limit:
        return None
    side = "long" if case.buy else "short"
    used = symbol_exposure(case, subtract(case.projected, case.quantity))
    return over(code, f"the worst-case {side} position in {case.intent.symbol} in USD", limit, value, used)


def max_position(case: Case) -> Breach | None:
    """The worst case of the order's side in its symbol, over all exchanges."""
    return _position_limit(case.limits.max_pos_usd, case, "MAX_POSITION")


def max_long(case: Case) -> Breach | None:
    """The same for buying, with a limit of its own."""
    return _position_limit(case.limits.max_long_usd, case, "MAX_LONG") if case.buy else None


def max_short(case: Case) -> Breach | None:
    """The same for selling, with a limit of its own."""
    return _position_limit(case.limits.max_short_usd, case, "MAX_SHORT") if not case.buy else None


def unpriced(case: Case, exchange: str | None = None) -> Breach | None:
    """Something held or working, at one exchange or all, whose share of a sum nobody knows."""
    places = (place for place in case.state.valuation.unpriced if exchange in (None, place[0]))
    missing = ", ".join("/".join(place) for place in places)
    return Breach("STALE_PRICE", f"there is no price for {missing}") if missing else None


def _gross_with(case: Case) -> Decimal | None:
    """USD that the place's larger side reaches with the order; None when the order does not raise it."""
    account, extra = case.account, case.quantity
    long_worst = add(account.long_worst, extra) if case.buy else account.long_worst
    short_worst = subtract(account.short_worst, extra) if not case.buy else account.short_worst
    gross = multiply(multiply(max(ZERO, long_worst, short_worst.copy_negate()), case.mark), case.rate)
    return gross if gross > case.state.valuation.worth(case.place).gross else None


def max_exchange(case: Case) -> Breach | None:
    """The gross worst case at an exchange."""
    limit, gross = case.limits.max_exchange_usd, _gross_with(case)
    if limit is None or gross is None:
        return None
    valuation, exchange = case.state.valuation, case.intent.exchange
    if missing := unpriced(case, exchange):
        return missing
    used = valuation.of_exchange(exchange).gross
    value = add(subtract(used, valuation.worth(case.place).gross), gross)
    if value <= limit:
        return None
    return over("MAX_EXCHANGE_EXPOSURE", f"the gross exposure at {exchange} in USD", limit, value, used)


def max_gross(case: Case) -> Breach | None:
    """The gross worst case of everything."""
    limit, gross = case.limits.max_gross_usd, _gross_with(case)
    if limit is None or gross is None:
        return None
    if missing := unpriced(case):
        return missing
    valuation = case.state.valuation
    used = valuation.total.gross
    value = add(subtract(used, valuation.worth(case.place).gross), gross)
    if value <= limit:
        return None
    return over("MAX_GROSS_EXPOSURE", "the gross exposure in USD", limit, value, used)


def max_net(case: Case) -> Breach | None:
    """The worst case of all longs less shorts, or the reverse.

    Closing a short beside longs raises it: an exit passes all the same, or a flatten would stand still. Where
    something held has no price, what opens is denied, and what shrinks passes.
    """
    limit = case.limits.max_net_usd
    if limit is None or case.is_exit:
        return None
    if missing := unpriced(case):
        return None if case.shrinks else missing
    added = multiply(multiply(case.quantity, case.mark), case.rate)
    total = case.state.valuation.total
    used = total.long if case.buy else total.short.copy_negate()
    value = add(used, added)
    return over("MAX_NET_EXPOSURE", "the net exposure in USD", limit, value, used) if value > limit else None
