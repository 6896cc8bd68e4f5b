"""One simulated exchange from plain values; the entrance for the composition root."""

import random
from collections.abc import Sequence
from pathlib import Path

from actors.broker.adapters.instruments import LOT, TICK, own_instruments
from actors.broker.adapters.simulated.adapter import SimulatedExchange
from actors.broker.adapters.simulated.faults import Faults
from actors.broker.adapters.simulated.ledger import SimLedger
from actors.broker.adapters.simulated.market import MarketSource, synthetic
from actors.broker.adapters.simulated.recorded import read_market
from actors.broker.adapters.simulated.venue import Fees
from actors.model.clock import Clock


def build(
    name: str,
    *,
    clock: Clock,
    ledger: SimLedger,
    symbols: Sequence[str],
    market_file: Path | None = None,
    market_symbol: str = "BTC/USDT",
    speed: float = 1.0,
    latency_seconds: float = 0.0,
    seed: int = 0,
    faults: Faults | None = None,
    fees: Fees | None = None,
    amends_in_place: bool = True,
) -> SimulatedExchange:
    """An exchange that trades `symbols` and what the file prices; it is not connected yet.

    `market_file` prices `market_symbol`; every other symbol has a synthetic market drawn from `seed`.
    Reads the file: raises MarketFileError, and blocks for its length.
    """
    traded = dict.fromkeys([*symbols, market_symbol] if market_file is not None else symbols)
    sources: dict[str, MarketSource] = {
        symbol: synthetic(symbol, tick=TICK, lot=LOT, seed=seed) for symbol in traded
    }
    if market_file is not None:
        sources[market_symbol] = read_market(market_file, lot=LOT)
    return SimulatedExchange(
        name,
        clock=clock,
        rng=random.Random(f"{seed}/{name}"),
        ledger=ledger,
        market_sources=sources,
        instruments=own_instruments(name, tuple(traded)),
        latency_seconds=latency_seconds,
        speed=speed,
        faults=faults,
        fees=fees,
        amends_in_place=amends_in_place,
    )
