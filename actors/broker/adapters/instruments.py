"""The steps in which the exchanges of our own trade: every symbol alike."""

from collections.abc import Sequence
from decimal import Decimal

from actors.model.instrument import Instrument

TICK = Decimal("0.01")
LOT = Decimal("0.000001")
MIN_NOTIONAL = Decimal(5)


def own_instruments(exchange: str, symbols: Sequence[str]) -> tuple[Instrument, ...]:
    """Instruments for the symbols (`BASE/QUOTE`), each once, in their order; raise ValueError for others."""
    return tuple(_instrument(exchange, symbol) for symbol in dict.fromkeys(symbols))


def _instrument(exchange: str, symbol: str) -> Instrument:
    base, slash, quote = symbol.partition("/")
    if not (base and slash and quote):
        raise ValueError(f"{symbol!r} is not a symbol like BTC/USDT")
    return Instrument(
        exchange=exchange,
        symbol=symbol,
        base=base,
        quote=quote,
        tick=TICK,
        lot=LOT,
        min_notional=MIN_NOTIONAL,
    )
