"""What each exchange of the venue lists. Grids are those of the real markets in round figures."""

from decimal import Decimal

from ops.venue.markets import VenueMarket


def _market(base: str, price: str, tick: str, lot: str, least: str) -> VenueMarket:
    return VenueMarket(
        market_id=f"{base}USDT",
        base=base,
        quote="USDT",
        tick=Decimal(tick),
        lot=Decimal(lot),
        min_quantity=Decimal(lot),
        max_quantity=Decimal(9000),
        min_notional=Decimal(least),
        start_price=Decimal(price),
    )


SPOT_MARKETS = [
    _market("BTC", "40000", "0.01", "0.00001", "5"),
    _market("ETH", "2000", "0.01", "0.0001", "5"),
]
"""Binance spot."""

FUTURES_MARKETS = [_market("BTC", "40000", "0.1", "0.001", "5"), _market("ETH", "2000", "0.01", "0.001", "5")]
"""Binance USD-M."""

BYBIT_SPOT_MARKETS = [
    _market("BTC", "40000", "0.01", "0.000001", "5"),
    _market("ETH", "2000", "0.01", "0.00001", "5"),
]
"""Bybit spot."""

BYBIT_LINEAR_MARKETS = [
    _market("BTC", "40000", "0.1", "0.001", "5"),
    _market("ETH", "2000", "0.01", "0.01", "5"),
]
"""Bybit linear perpetuals."""
