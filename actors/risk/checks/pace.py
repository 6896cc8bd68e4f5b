"""Whether it is too much at once: messages, repetitions, duplicates, own orders on the other side. Pure."""

from decimal import Decimal

import msgspec

from actors.model.money import text
from actors.risk.case import Case
from actors.risk.checks.breach import Breach, over
from actors.risk.state import SECOND_US, likeness


def messages(case: Case) -> Breach | None:
    """So many orders and cancels within a window; exits are never held up."""
    limit, window = case.limits.max_messages, case.limits.message_window_seconds
    if limit is None or case.is_exit:
        return None
    sent = case.state.messages.within(case.now_us, int(window * SECOND_US)) + 1
    if sent <= limit:
        return None
    return over(
        "MESSAGE_RATE",
        f"orders and cancels within {text(window)} s",
        Decimal(limit),
        Decimal(sent),
        Decimal(sent - 1),
    )


def repeated(case: Case) -> Breach | None:
    """So many executed orders of one side within a window; one more halts the symbol."""
    limit, window = case.limits.max_repeated_executions, int(case.limits.repeated_window_seconds * SECOND_US)
    if limit is None or case.shrinks:
        return None
    key = (*case.place, case.intent.side)
    count = case.state.executions.within(key, case.now_us, window) + 1
    if count <= limit:
        return None
    what = f"executed {case.intent.side} orders in {case.intent.symbol} within {window // SECOND_US} s"
    breach = over("REPEATED_EXECUTION", what, Decimal(limit), Decimal(count), Decimal(count - 1))
    return msgspec.structs.replace(breach, halts=True)


def duplicate(case: Case) -> Breach | None:
    """The same order does not come twice within a window."""
    seconds = case.limits.duplicate_seconds
    if seconds is None:
        return None
    if not case.state.placed.within(likeness(case.intent), case.now_us, int(seconds * SECOND_US)):
        return None
    return Breach(
        "DUPLICATE_ORDER", f"the same order was placed less than {text(seconds)} s ago", text(seconds)
    )


def self_match(case: Case) -> Breach | None:
    """The order can't trade with one of our own."""
    price = case.intent.limit_price
    others = case.account.sell_prices if case.buy else case.account.buy_prices
    if not others:
        return None
    best = others[0] if case.buy else others[-1]
    if price is not None and (price < best if case.buy else price > best):
        return None
    found = text(price) if price is not None else "the market"
    return Breach("SELF_MATCH", f"it could trade with our own order at {text(best)}", text(best), found)


def open_orders(case: Case) -> Breach | None:
    """So many open orders in all."""
    limit, count = case.limits.max_open_orders, len(case.state.ledger.holds) + 1
    if limit is None or count <= limit or case.is_exit:
        return None
    return over("OPEN_ORDERS", "open orders", Decimal(limit), Decimal(count), Decimal(count - 1))


def open_orders_of_symbol(case: Case) -> Breach | None:
    """So many open orders in a symbol, over all exchanges."""
    limit = case.limits.max_open_orders_per_symbol
    count = sum(account.open_orders for account in case.state.ledger.of_symbol(case.intent.symbol)) + 1
    if limit is None or count <= limit or case.is_exit:
        return None
    what = f"open orders in {case.intent.symbol}"
    return over("OPEN_ORDERS", what, Decimal(limit), Decimal(count), Decimal(count - 1))
