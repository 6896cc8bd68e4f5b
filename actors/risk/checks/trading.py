"""Whether trading may go on at the order's place: whitelist, kill switch, exchange, trading state. Pure."""

from actors.model.money import ZERO, text
from actors.risk.case import CLOSING, Case
from actors.risk.checks.breach import Breach


def whitelist(case: Case) -> Breach | None:
    """Only symbols that the person listed."""
    symbol = case.intent.symbol
    if symbol in case.state.whitelist:
        return None
    return Breach("SYMBOL_NOT_ALLOWED", f"{symbol} is not on the whitelist", None, symbol)


def killed(case: Case) -> Breach | None:
    """A person's kill: only reduce-only exits pass. Where a kill closes the position, not even they."""
    if case.trading_state == CLOSING:
        detail = (
            "a kill of level flatten is closing the position; only its own orders pass until it is lifted"
        )
        return Breach("TRADING_HALTED", detail)
    if not case.killed or case.is_exit:
        return None
    detail = f"the kill switch is pulled; only reduce-only orders that shrink a position pass{_why(case)}"
    return Breach("TRADING_HALTED", detail)


def exchange(case: Case) -> Breach | None:
    """An exchange that is not known to be in step with the journal takes nothing that opens."""
    broker = case.state.brokers.get(case.intent.exchange)
    state = broker.state if broker is not None else "connecting"
    if state == "trading" or (state == "halted" and case.is_exit):
        return None
    detail = broker.detail if broker is not None and broker.detail else "it has not reported yet"
    return Breach("EXCHANGE_RECONCILING", f"{case.intent.exchange} is {state}: {detail}", None, state)


def circuit(case: Case) -> Breach | None:
    """An exchange that fails again and again takes nothing that opens."""
    broker = case.state.brokers[case.intent.exchange]
    if broker.circuit != "open" or case.is_exit:
        return None
    return Breach(
        "CIRCUIT_OPEN", f"{case.intent.exchange} fails too often right now: {broker.detail}", None, "open"
    )


def order_type(case: Case) -> Breach | None:
    """A stop order needs an exchange that holds it: we don't watch prices in its place."""
    if case.intent.stop_price is None or case.state.brokers[case.intent.exchange].takes_stops:
        return None
    detail = f"{case.intent.exchange} takes no {case.intent.type} orders through tradewarden"
    return Breach("ORDER_TYPE_UNSUPPORTED", detail, None, case.intent.type)


def listed(case: Case) -> Breach | None:
    """The exchange must have the symbol."""
    if case.instrument_or_none is not None:
        return None
    where = f"{case.intent.symbol} is not traded at {case.intent.exchange}"
    return Breach("SYMBOL_NOT_ALLOWED", where, None, case.intent.symbol)


def restricted(case: Case) -> Breach | None:
    """Reducing takes what shrinks; halted takes reduce-only exits."""
    if case.trading_state == "active" or case.is_exit or (case.trading_state == "reducing" and case.shrinks):
        return None
    if case.trading_state == "reducing":
        detail = f"only orders that shrink the position, working orders included, pass{_why(case)}"
        return Breach(
            "TRADING_REDUCING",
            detail,
            text(max(ZERO, case.account.room_to_shrink(case.buy))),
            text(case.quantity),
        )
    detail = f"trading is halted; only reduce-only orders that shrink a position pass{_why(case)}"
    return Breach("TRADING_HALTED", detail)


def _why(case: Case) -> str:
    """What stands in the way of an order that would only reduce what is held, and what to do."""
    held = case.account.position.quantity
    closes = held < 0 if case.buy else held > 0
    if case.shrinks or not closes or case.quantity > held.copy_abs():
        return ""
    return f"; other {case.intent.side} orders work for that position: cancel them first"
