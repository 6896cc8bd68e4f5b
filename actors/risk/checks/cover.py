"""Whether what is lost or bound already leaves room for the order: daily loss, drawdown, margin. Pure."""

from actors.model.money import EXACT, ZERO, text
from actors.risk.case import Case
from actors.risk.checks.breach import Breach, over
from actors.risk.checks.exposure import unpriced

add, subtract, multiply = EXACT.add, EXACT.subtract, EXACT.multiply


def daily_loss(case: Case) -> Breach | None:
    """What was lost since the day began, prices and fees included."""
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
        text(ZERO),
    )


def drawdown(case: Case) -> Breach | None:
    """How far the result is below its highest."""
    limit = case.limits.max_drawdown_usd
    if limit is None or case.shrinks:
        return None
    fallen = case.state.drawdown()
    if fallen is None:
        return Breach("STALE_PRICE", f"the drawdown is not known: {_unpriced(case)}")
    return (
        over("MAX_DRAWDOWN", "the fall from the highest result in USD", limit, fallen, fallen)
        if fallen > limit
        else None
    )


def _unpriced(case: Case) -> str:
    missing = ", ".join("/".join(place) for place in case.state.valuation.unpriced)
    return f"no price for {missing or 'an asset that fees were paid in'}"


def margin(case: Case) -> Breach | None:
    """What positions and working orders at an exchange need is covered by the equity there."""
    if case.shrinks:
        return None
    valuation, exchange = case.state.valuation, case.intent.exchange
    equity = valuation.equity_of(exchange)
    if equity is None:
        return Breach("STALE_PRICE", f"an asset that is owed at {exchange} has no price")
    if missing := unpriced(case, exchange):
        return missing
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
    left = max(ZERO, subtract(equity, valuation.of_exchange(exchange).margin))
    return Breach("INSUFFICIENT_MARGIN", detail, limit, value, text(left))
