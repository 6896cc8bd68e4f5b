"""What a person sees of the limits: used and left of each, and what each open order reserves. Pure."""

from collections.abc import Iterator
from decimal import Decimal

from actors.model.messages import LimitState, LimitsView, LimitUse, Proposed, Reservation, RiskView
from actors.model.money import EXACT, ZERO
from actors.risk.limits import KINDS, RiskLimits, texts
from actors.risk.state import RiskState

add, subtract, multiply = EXACT.add, EXACT.subtract, EXACT.multiply


def limits_view(limits: RiskLimits, settings: RiskLimits, proposed: tuple[Proposed, ...]) -> LimitsView:
    """The limits in force beside what the settings say."""
    now, then = texts(limits), texts(settings)
    return LimitsView(
        limits=tuple(
            LimitState(name=name, value=now[name], settings=then[name], allowed=kind.allowed)
            for name, kind in KINDS.items()
        ),
        proposed=proposed,
    )


def view(state: RiskState, trading_state: str, *, reservations: bool) -> RiskView:
    """The picture for people. `reservations` costs time for each open order, and orders wait meanwhile."""
    return RiskView(
        trading_state=trading_state,
        limits=tuple(_uses(state)),
        reservations=tuple(_reservations(state)) if reservations else (),
        equity=state.valuation.equity(),
        day=state.day.name,
        day_pnl=state.day_result() or ZERO,
    )


def _reservations(state: RiskState) -> Iterator[Reservation]:
    valuation = state.valuation
    for order_id, hold in state.ledger.holds.items():
        instrument = valuation.instruments.get((hold.exchange, hold.symbol))
        rate = valuation.rate(instrument.quote) if instrument is not None else None
        yield Reservation(
            order_id=order_id,
            exchange=hold.exchange,
            symbol=hold.symbol,
            side="buy" if hold.buy else "sell",
            quantity=hold.remaining,
            value_usd=None if rate is None else multiply(multiply(hold.remaining, hold.price), rate),
        )


def _use(
    code: str,
    symbol: str | None,
    limit: Decimal | int | None,
    used: Decimal | int,
    exchange: str | None = None,
) -> Iterator[LimitUse]:
    if limit is not None:
        most, taken = Decimal(limit), Decimal(used)
        headroom = max(ZERO, subtract(most, taken))
        yield LimitUse(code=code, symbol=symbol, limit=most, used=taken, headroom=headroom, exchange=exchange)


def exposure(state: RiskState, symbol: str) -> tuple[Decimal, Decimal]:
    """Worst-case long and short exposure of a symbol in USD over all exchanges, as far as it is priced."""
    long_usd = short_usd = ZERO
    for account in state.ledger.of_symbol(symbol):
        worth = state.valuation.worth((account.exchange, account.symbol))
        long_usd = add(long_usd, max(ZERO, worth.long))
        short_usd = add(short_usd, max(ZERO, worth.short.copy_negate()))
    return long_usd, short_usd


def _uses(state: RiskState) -> Iterator[LimitUse]:
    limits, valuation = state.limits, state.valuation
    symbols = dict.fromkeys(
        (*limits.symbol_whitelist, *(account.symbol for account in state.ledger.accounts.values()))
    )
    for symbol in symbols:
        long_usd, short_usd = exposure(state, symbol)
        yield from _use("MAX_POSITION", symbol, limits.max_pos_usd, max(long_usd, short_usd))
        yield from _use("MAX_LONG", symbol, limits.max_long_usd, long_usd)
        yield from _use("MAX_SHORT", symbol, limits.max_short_usd, short_usd)
        working = sum(account.open_orders for account in state.ledger.of_symbol(symbol))
        yield from _use("OPEN_ORDERS", symbol, limits.max_open_orders_per_symbol, working)
    for exchange in state.brokers:
        worth = valuation.of_exchange(exchange)
        yield from _use("MAX_EXCHANGE_EXPOSURE", None, limits.max_exchange_usd, worth.gross, exchange)
        if limits.margin:
            equity = valuation.equity_of(exchange)
            yield from _use("INSUFFICIENT_MARGIN", None, equity, worth.margin, exchange)
    total = valuation.total
    yield from _use("MAX_GROSS_EXPOSURE", None, limits.max_gross_usd, total.gross)
    yield from _use(
        "MAX_NET_EXPOSURE", None, limits.max_net_usd, max(ZERO, total.long, total.short.copy_negate())
    )
    yield from _use("OPEN_ORDERS", None, limits.max_open_orders, len(state.ledger.holds))
    result = state.day_result()
    if result is not None:
        yield from _use("MAX_DAILY_LOSS", None, limits.max_daily_loss_usd, max(ZERO, result.copy_negate()))
    fallen = state.drawdown()
    if fallen is not None:
        yield from _use("MAX_DRAWDOWN", None, limits.max_drawdown_usd, fallen)
