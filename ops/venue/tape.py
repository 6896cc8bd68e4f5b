"""What the outside market does while the venue runs: a synthetic walk, or a recorded market, on each listed
market.
"""

from pathlib import Path

import trio

from actors.broker.adapters.simulated.market import MarketSource, synthetic
from actors.broker.adapters.simulated.playback import Playback
from actors.broker.adapters.simulated.recorded import read_market
from ops.venue.exchange import VenueExchange

_LONGEST_NAP = 0.25


def sources_for(
    exchange: VenueExchange, seed: int, market_file: Path | None, priced: str
) -> dict[str, MarketSource]:
    """A market for each listing; the file prices the market `priced`. Raise MarketFileError. Blocks to
    read.
    """
    found: dict[str, MarketSource] = {}
    for market_id, market in exchange.markets.items():
        if market_file is not None and market_id == priced:
            found[market_id] = read_market(market_file, lot=market.lot)
        else:
            symbol = f"{market.base}/{market.quote}"
            found[market_id] = synthetic(symbol, tick=market.tick, lot=market.lot, seed=seed)
    return found


async def play(exchange: VenueExchange, sources: dict[str, MarketSource], speed: float) -> None:
    """Drive the exchange's markets until cancelled."""
    playback = Playback(sources, speed, trio.current_time())
    while True:
        for market_id, event in playback.due(trio.current_time(), driven=True):
            exchange.happen(market_id, event)
        await trio.sleep(min(_LONGEST_NAP, playback.seconds_to_next(trio.current_time())))
