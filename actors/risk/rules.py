"""Every control between an order and the exchange, as one table that is evaluated from top to bottom.

A row is one control: the code that a denial carries, what it guards, the limits that set it, what it needs to
know, and the function that judges an order. The first row that objects decides. Where a limit is None its row
is skipped. At the limit an order passes, beyond it is denied. What can't be known is denied: a missing price
is never a zero.

The trading state stands in the table twice. A person's kill speaks before everything else. A state that came
about by itself speaks last, so that an order beyond a limit is told of the limit and not only of what the
breach led to.

An order that can only shrink a position (`Case.shrinks`) passes the rules about losses, margin and old
prices, and by its direction those about exposure: no control may lock a person into a position.
"""

from collections.abc import Callable
from decimal import Decimal

import msgspec

from actors.model.money import EXACT, ZERO, text
from actors.risk.case import ONE, Case
from actors.risk.limits import RiskLimits
from actors.risk.state import SECOND_US, likeness

add, subtract, multiply = EXACT.add, EXACT.subtract, EXACT.multiply

MICRO = Decimal("1e-6")


class Breach(msgspec.Struct, frozen=True):
    """Why an order is denied. `limit` and `value` are canonical texts; `halts` asks to halt the order's
    symbol.
    """

    code: str
    detail: str
    limit: str | None = None
    value: str | None = None
    halts: bool = False


Check = Callable[[Case], Breach | None]


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """One row. `limits` are names of `RiskLimits`; `switch` is the one that turns the row on, None: always
    on.
    """

    name: str
    code: str
    scope: str
    check: Check
    limits: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    switch: str | None = None

    def is_on(self, limits: RiskLimits) -> bool:
        """Whether the row is evaluated under these limits."""
        return self.switch is None or getattr(limits, self.switch) not in (None, False)


def _over(code: str, what: str, limit: Decimal, value: Decimal) -> Breach:
    limit_text, value_text = text(limit), text(value)
    left = text(max(ZERO, subtract(limit, value)))
    return Breach(
        code,
        f"{what} would be {value_text}, the limit is {limit_text}, {left} is left",
        limit_text,
        value_text,
    )


# Whether the order makes sense at all.


def _sane(case: Case) -> Breach | None:
    if case.sane:
        return None
    quantity, price = case.quantity, case.intent.limit_price
    if not quantity.is_finite() or quantity <= 0:
        return Breach("INVALID_LOT", "the quantity is not a positive number", None, str(quantity))
    return Breach("INVALID_TICK", "the price is not a positive number", None, str(price))


def _whitelist(case: Case) -> Breach | None:
    symbol = case.intent.symbol
    if symbol in case.state.whitelist:
        return None
    return Breach("SYMBOL_NOT_ALLOWED", f"{symbol} is not on the whitelist", None, symbol)


def _killed(case: Case) -> Breach | None:
    if not case.killed or case.is_exit:
        return None
    return Breach(
        "TRADING_HALTED", "the kill switch is pulled; only reduce-only orders that shrink a position pass"
    )


def _exchange(case: Case) -> Breach | None:
    broker = case.state.brokers.get(case.intent.exchange)
    state = broker.state if broker is not None else "connecting"
    if state == "trading" or (state == "halted" and case.is_exit):
        return None
    detail = broker.detail if broker is not None and broker.detail else "it has not reported yet"
    return Breach("EXCHANGE_RECONCILING", f"{case.intent.exchange} is {state}: {detail}", None, state)


def _circuit(case: Case) -> Breach | None:
    broker = case.state.brokers[case.intent.exchange]
    if broker.circuit != "open" or case.is_exit:
        return None
    return Breach(
        "CIRCUIT_OPEN", f"{case.intent.exchange} fails too often right now: {broker.detail}", None, "open"
    )


def _listed(case: Case) -> Breach | None:
    if case.instrument_or_none is not None:
        return None
    where = f"{case.intent.symbol} is not traded at {case.intent.exchange}"
    return Breach("SYMBOL_NOT_ALLOWED", where, None, case.intent.symbol)


def _filters(case: Case) -> Breach | None:
    instrument, price = case.instrument, case.intent.limit_price
    breach = instrument.quantity_breach(case.quantity)
    if breach is None and price is not None:
        breach = instrument.price_breach(price)
    if breach is None:
        return None
    step = "lots" if breach.code == "INVALID_LOT" else "ticks"
    found, limit = text(breach.value), text(breach.limit)
    return Breach(breach.code, f"{found} is not a whole number of {step} of {limit}", limit, found)


# Prices.


def _fresh(case: Case) -> Breach | None:
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


def _skew(case: Case) -> Breach | None:
    limit, skew_us = case.limits.max_clock_skew_seconds, case.state.skews.get(case.intent.exchange, 0)
    skew = multiply(Decimal(abs(skew_us)), MICRO)
    if limit is None or skew <= limit or case.is_exit:
        return None
    return _over("CLOCK_SKEW", f"the clock's distance to {case.intent.exchange} in seconds", limit, skew)


def _collar(case: Case) -> Breach | None:
    price, share, mark = case.intent.limit_price, case.limits.price_collar, case.mark
    if price is None or share is None:
        return None
    high, low = multiply(mark, add(ONE, share)), multiply(mark, subtract(ONE, share))
    if low <= price <= high:
        return None
    bound = text(high if price > high else low)
    detail = (
        f"{text(price)} is more than {text(multiply(share, Decimal(100)))} % away from the mark {text(mark)}"
    )
    return Breach("PRICE_COLLAR", detail, bound, text(price))


def _post_only(case: Case) -> Breach | None:
    price, mark = case.intent.limit_price, case.mark_or_none
    if not case.intent.post_only or price is None or mark is None:
        return None
    other = mark.ask if case.buy else mark.bid
    if other is None or (price < other if case.buy else price > other):
        return None
    return Breach("POST_ONLY", f"at {text(price)} it would trade at once", text(other), text(price))


# Size.


def _min_notional(case: Case) -> Breach | None:
    price = case.intent.limit_price if case.intent.limit_price is not None else case.mark
    if not price:
        return None
    breach = case.instrument.notional_breach(case.quantity, price)
    if breach is None:
        return None
    found, limit = text(breach.value), text(breach.limit)
    return Breach("MIN_NOTIONAL", f"the order is worth {found}, the least is {limit}", limit, found)


def _order_value(case: Case) -> Breach | None:
    limit, value = case.limits.max_order_usd, case.value_usd
    if limit is None or value <= limit or case.is_exit:
        return None
    return _over("ORDER_SIZE", "the order's value in USD", limit, value)


def _order_quantity(case: Case) -> Breach | None:
    limit = case.limits.max_order_quantity
    if limit is None or case.quantity <= limit or case.is_exit:
        return None
    return _over("ORDER_SIZE", "the order's quantity", limit, case.quantity)


# How many, how often.


def _messages(case: Case) -> Breach | None:
    limit, window = case.limits.max_messages, case.limits.message_window_seconds
    if limit is None or case.is_exit:
        return None
    sent = case.state.messages.within(case.now_us, int(window * SECOND_US)) + 1
    if sent <= limit:
        return None
    return _over("MESSAGE_RATE", f"orders and cancels within {text(window)} s", Decimal(limit), Decimal(sent))


def _repeated(case: Case) -> Breach | None:
    limit, window = case.limits.max_repeated_executions, int(case.limits.repeated_window_seconds * SECOND_US)
    if limit is None or case.shrinks:
        return None
    key = (*case.place, case.intent.side)
    count = case.state.executions.within(key, case.now_us, window) + 1
    if count <= limit:
        return None
    what = f"executed {case.intent.side} orders in {case.intent.symbol} within {window // SECOND_US} s"
    over = _over("REPEATED_EXECUTION", what, Decimal(limit), Decimal(count))
    return msgspec.structs.replace(over, halts=True)


def _duplicate(case: Case) -> Breach | None:
    seconds = case.limits.duplicate_seconds
    if seconds is None:
        return None
    if not case.state.placed.within(likeness(case.intent), case.now_us, int(seconds * SECOND_US)):
        return None
    return Breach(
        "DUPLICATE_ORDER", f"the same order was placed less than {text(seconds)} s ago", text(seconds)
    )


def _self_match(case: Case) -> Breach | None:
    price = case.intent.limit_price
    others = case.account.sell_prices if case.buy else case.account.buy_prices
    if not others:
        return None
    best = others[0] if case.buy else others[-1]
    if price is not None and (price < best if case.buy else price > best):
        return None
    found = text(price) if price is not None else "the market"
    return Breach("SELF_MATCH", f"it could trade with our own order at {text(best)}", text(best), found)


def _open_orders(case: Case) -> Breach | None:
    limit, count = case.limits.max_open_orders, len(case.state.ledger.holds) + 1
    if limit is None or count <= limit or case.is_exit:
        return None
    return _over("OPEN_ORDERS", "open orders", Decimal(limit), Decimal(count))


def _open_orders_of_symbol(case: Case) -> Breach | None:
    limit = case.limits.max_open_orders_per_symbol
    count = sum(account.open_orders for account in case.state.ledger.of_symbol(case.intent.symbol)) + 1
    if limit is None or count <= limit or case.is_exit:
        return None
    return _over("OPEN_ORDERS", f"open orders in {case.intent.symbol}", Decimal(limit), Decimal(count))


# Exposure.


def _reduce_only(case: Case) -> Breach | None:
    if not case.intent.reduce_only:
        return None
    room = max(ZERO, case.account.room_to_reduce(case.buy))
    if case.quantity <= room:
        return None
    held = text(case.account.position.quantity)
    detail = f"reduce-only: the position is {held} and other reduce-only orders leave {text(room)} of it"
    return Breach("REDUCE_ONLY", detail, text(room), text(case.quantity))


def symbol_exposure(case: Case) -> Decimal:
    """USD that the symbol's worst case on the order's side reaches with the order, over all exchanges."""
    total = max(ZERO, case.projected)
    for account in case.state.ledger.of_symbol(case.intent.symbol):
        if account is not case.account:
            worst = account.long_worst if case.buy else account.short_worst.copy_negate()
            total = add(total, max(ZERO, worst))
    return multiply(multiply(total, case.mark), case.rate)


def _position_limit(limit: Decimal | None, case: Case, code: str) -> Breach | None:
    if limit is None or case.projected <= 0:
        return None
    value = symbol_exposure(case)
    if value <= limit:
        return None
    side = "long" if case.buy else "short"
    return _over(code, f"the worst-case {side} position in {case.intent.symbol} in USD", limit, value)


def _max_position(case: Case) -> Breach | None:
    return _position_limit(case.limits.max_pos_usd, case, "MAX_POSITION")


def _max_long(case: Case) -> Breach | None:
    return _position_limit(case.limits.max_long_usd, case, "MAX_LONG") if case.buy else None


def _max_short(case: Case) -> Breach | None:
    return _position_limit(case.limits.max_short_usd, case, "MAX_SHORT") if not case.buy else None


def _gross_with(case: Case) -> Decimal | None:
    """USD that the place's larger side reaches with the order; None when the order does not raise it."""
    account, extra = case.account, case.quantity
    long_worst = add(account.long_worst, extra) if case.buy else account.long_worst
    short_worst = subtract(account.short_worst, extra) if not case.buy else account.short_worst
    gross = multiply(multiply(max(ZERO, long_worst, short_worst.copy_negate()), case.mark), case.rate)
    return gross if gross > case.state.valuation.worth(case.place).gross else None


def _max_exchange(case: Case) -> Breach | None:
    limit, gross = case.limits.max_exchange_usd, _gross_with(case)
    if limit is None or gross is None:
        return None
    valuation, exchange = case.state.valuation, case.intent.exchange
    value = add(subtract(valuation.of_exchange(exchange).gross, valuation.worth(case.place).gross), gross)
    if value <= limit:
        return None
    return _over("MAX_EXCHANGE_EXPOSURE", f"the gross exposure at {exchange} in USD", limit, value)


def _max_gross(case: Case) -> Breach | None:
    limit, gross = case.limits.max_gross_usd, _gross_with(case)
    if limit is None or gross is None:
        return None
    valuation = case.state.valuation
    value = add(subtract(valuation.total.gross, valuation.worth(case.place).gross), gross)
    return _over("MAX_GROSS_EXPOSURE", "the gross exposure in USD", limit, value) if value > limit else None


def _max_net(case: Case) -> Breach | None:
    limit = case.limits.max_net_usd
    if limit is None:
        return None
    added = multiply(multiply(case.quantity, case.mark), case.rate)
    total = case.state.valuation.total
    value = add(total.long, added) if case.buy else add(total.short.copy_negate(), added)
    return _over("MAX_NET_EXPOSURE", "the net exposure in USD", limit, value) if value > limit else None


# Losses and cover.


def _daily_loss(case: Case) -> Breach | None:
    limit = case.limits.max_daily_loss_usd
    if limit is None or case.shrinks:
        return None
    result = case.state.day_result()
    if result is None:
        return Breach("STALE_PRICE", f"the day's result is not known: {_unpriced(case)}")
    loss = result.copy_negate()
    if loss <= limit:
        return None
    return Breach(
        "MAX_DAILY_LOSS",
        f"today's loss is {text(loss)} USD, the limit {text(limit)}",
        text(limit),
        text(loss),
    )


def _drawdown(case: Case) -> Breach | None:
    limit = case.limits.max_drawdown_usd
    if limit is None or case.shrinks:
        return None
    fallen = case.state.drawdown()
    if fallen is None:
        return Breach("STALE_PRICE", f"the drawdown is not known: {_unpriced(case)}")
    return (
        _over("MAX_DRAWDOWN", "the fall from the highest result in USD", limit, fallen)
        if fallen > limit
        else None
    )


def _unpriced(case: Case) -> str:
    missing = ", ".join("/".join(place) for place in case.state.valuation.unpriced)
    return f"no price for {missing or 'an asset that fees were paid in'}"


def _margin(case: Case) -> Breach | None:
    if case.shrinks:
        return None
    valuation, exchange = case.state.valuation, case.intent.exchange
    equity = valuation.equity_of(exchange)
    if equity is None:
        return Breach("STALE_PRICE", f"an asset that is owed at {exchange} has no price")
    quote = case.account.margin_value(case.mark, case.buy, case.quantity, case.price)
    needed = multiply(multiply(quote, case.instrument.initial_margin), case.rate)
    now = valuation.worth(case.place).margin
    required = add(subtract(valuation.of_exchange(exchange).margin, now), needed)
    if required <= equity or needed <= now:
        return None
    limit, value = text(equity), text(required)
    detail = (
        f"working orders and positions at {exchange} would need {value} USD of margin, the equity is {limit}"
    )
    return Breach("INSUFFICIENT_MARGIN", detail, limit, value)


def _restricted(case: Case) -> Breach | None:
    if case.trading_state == "active" or case.is_exit or (case.trading_state == "reducing" and case.shrinks):
        return None
    if case.trading_state == "reducing":
        detail = "only orders that shrink the position, working orders included, pass"
        return Breach(
            "TRADING_REDUCING",
            detail,
            text(max(ZERO, case.account.room_to_shrink(case.buy))),
            text(case.quantity),
        )
    return Breach("TRADING_HALTED", "trading is halted; only reduce-only orders that shrink a position pass")


RULES: tuple[Rule, ...] = (
    Rule(name="numbers", code="INVALID_LOT", scope="order", check=_sane),
    Rule(
        name="whitelist",
        code="SYMBOL_NOT_ALLOWED",
        scope="symbol",
        check=_whitelist,
        limits=("symbol_whitelist",),
    ),
    Rule(name="kill switch", code="TRADING_HALTED", scope="account", check=_killed, needs=("gate",)),
    Rule(
        name="exchange state",
        code="EXCHANGE_RECONCILING",
        scope="exchange",
        check=_exchange,
        needs=("broker",),
    ),
    Rule(name="circuit", code="CIRCUIT_OPEN", scope="exchange", check=_circuit, needs=("broker",)),
    Rule(name="listing", code="SYMBOL_NOT_ALLOWED", scope="symbol", check=_listed, needs=("instrument",)),
    Rule(name="tick and lot", code="INVALID_TICK", scope="order", check=_filters, needs=("instrument",)),
    Rule(
        name="fresh price",
        code="STALE_PRICE",
        scope="symbol",
        check=_fresh,
        limits=("max_price_age_seconds",),
        needs=("mark",),
    ),
    Rule(
        name="clock skew",
        code="CLOCK_SKEW",
        scope="exchange",
        check=_skew,
        limits=("max_clock_skew_seconds",),
        needs=("exchange clock",),
        switch="max_clock_skew_seconds",
    ),
    Rule(
        name="price collar",
        code="PRICE_COLLAR",
        scope="order",
        check=_collar,
        limits=("price_collar",),
        needs=("mark",),
        switch="price_collar",
    ),
    Rule(
        name="post-only",
        code="POST_ONLY",
        scope="order",
        check=_post_only,
        limits=("post_only_check",),
        needs=("quote",),
        switch="post_only_check",
    ),
    Rule(
        name="least value",
        code="MIN_NOTIONAL",
        scope="order",
        check=_min_notional,
        needs=("instrument", "mark"),
    ),
    Rule(
        name="order value",
        code="ORDER_SIZE",
        scope="order",
        check=_order_value,
        limits=("max_order_usd",),
        needs=("mark",),
        switch="max_order_usd",
    ),
    Rule(
        name="order quantity",
        code="ORDER_SIZE",
        scope="order",
        check=_order_quantity,
        limits=("max_order_quantity",),
        switch="max_order_quantity",
    ),
    Rule(
        name="message rate",
        code="MESSAGE_RATE",
        scope="account",
        check=_messages,
        limits=("max_messages", "message_window_seconds"),
        needs=("counters",),
        switch="max_messages",
    ),
    Rule(
        name="repeated execution",
        code="REPEATED_EXECUTION",
        scope="symbol",
        check=_repeated,
        limits=("max_repeated_executions", "repeated_window_seconds"),
        needs=("counters",),
        switch="max_repeated_executions",
    ),
    Rule(
        name="duplicate order",
        code="DUPLICATE_ORDER",
        scope="account",
        check=_duplicate,
        limits=("duplicate_seconds",),
        needs=("counters",),
        switch="duplicate_seconds",
    ),
    Rule(
        name="self-match",
        code="SELF_MATCH",
        scope="symbol",
        check=_self_match,
        limits=("self_match_prevention",),
        needs=("working orders",),
        switch="self_match_prevention",
    ),
    Rule(
        name="open orders",
        code="OPEN_ORDERS",
        scope="account",
        check=_open_orders,
        limits=("max_open_orders",),
        needs=("working orders",),
        switch="max_open_orders",
    ),
    Rule(
        name="open orders of a symbol",
        code="OPEN_ORDERS",
        scope="symbol",
        check=_open_orders_of_symbol,
        limits=("max_open_orders_per_symbol",),
        needs=("working orders",),
        switch="max_open_orders_per_symbol",
    ),
    Rule(name="reduce-only", code="REDUCE_ONLY", scope="symbol", check=_reduce_only, needs=("position",)),
    Rule(
        name="position",
        code="MAX_POSITION",
        scope="symbol",
        check=_max_position,
        limits=("max_pos_usd",),
        needs=("position", "working orders", "mark"),
        switch="max_pos_usd",
    ),
    Rule(
        name="long position",
        code="MAX_LONG",
        scope="symbol",
        check=_max_long,
        limits=("max_long_usd",),
        needs=("position", "working orders", "mark"),
        switch="max_long_usd",
    ),
    Rule(
        name="short position",
        code="MAX_SHORT",
        scope="symbol",
        check=_max_short,
        limits=("max_short_usd",),
        needs=("position", "working orders", "mark"),
        switch="max_short_usd",
    ),
    Rule(
        name="exchange exposure",
        code="MAX_EXCHANGE_EXPOSURE",
        scope="exchange",
        check=_max_exchange,
        limits=("max_exchange_usd",),
        needs=("position", "working orders", "mark"),
        switch="max_exchange_usd",
    ),
    Rule(
        name="gross exposure",
        code="MAX_GROSS_EXPOSURE",
        scope="account",
        check=_max_gross,
        limits=("max_gross_usd",),
        needs=("position", "working orders", "mark"),
        switch="max_gross_usd",
    ),
    Rule(
        name="net exposure",
        code="MAX_NET_EXPOSURE",
        scope="account",
        check=_max_net,
        limits=("max_net_usd",),
        needs=("position", "working orders", "mark"),
        switch="max_net_usd",
    ),
    Rule(
        name="daily loss",
        code="MAX_DAILY_LOSS",
        scope="account",
        check=_daily_loss,
        limits=("max_daily_loss_usd", "flatten_on_daily_loss"),
        needs=("position", "mark", "day"),
        switch="max_daily_loss_usd",
    ),
    Rule(
        name="drawdown",
        code="MAX_DRAWDOWN",
        scope="account",
        check=_drawdown,
        limits=("max_drawdown_usd",),
        needs=("position", "mark", "day"),
        switch="max_drawdown_usd",
    ),
    Rule(
        name="margin",
        code="INSUFFICIENT_MARGIN",
        scope="exchange",
        check=_margin,
        limits=("margin",),
        needs=("balance", "position", "working orders", "mark"),
        switch="margin",
    ),
    Rule(
        name="trading state",
        code="TRADING_REDUCING",
        scope="symbol",
        check=_restricted,
        limits=("resume_within_limits",),
        needs=("gate",),
    ),
)


def active(limits: RiskLimits) -> tuple[Check, ...]:
    """The checks that these limits turn on, in order."""
    return tuple(rule.check for rule in RULES if rule.is_on(limits))
