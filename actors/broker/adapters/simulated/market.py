"""Where the simulated exchange's prices come from: the shape of a market, and the one that needs no file.

A market is an endless series of events, each with the time since the market began. It keeps no clock: the
exchange says how fast that time passes.
"""

import random
from decimal import Decimal
from typing import Protocol

import msgspec

from actors.broker.adapters.simulated.engine import Quote
from actors.model.money import EXACT, ZERO

MICROSECONDS = 1_000_000


class MarketEvent(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What happened `at_us` microseconds after the market began.

    A trade has a `price` and the aggressor's `side` (None when it is not known); a new quote alone has no
    price. `quantity` is what may execute against resting orders, in base units. `quote` is how the market
    stands then.
    """

    at_us: int
    quote: Quote
    price: Decimal | None = None
    quantity: Decimal = ZERO
    side: str | None = None


class MarketSource(Protocol):
    """One symbol's market. `first` is its quote before anything has happened; both sides are known."""

    @property
    def first(self) -> Quote: ...

    def next(self) -> MarketEvent:
        """The next event, for ever; `at_us` never goes back."""
        ...


START_PRICES = {"BTC": Decimal(40_000), "ETH": Decimal(2_500)}
OTHER_START_PRICE = Decimal(100)
EVENTS_PER_SECOND = 4
_FINE = 10_000
"""The walk's own unit is a ten-thousandth of a tick, so that the smallest pull is no whole tick."""
_PULL = 2_000
_HALF_SPREAD = 10_000
_STEP = 8_000


class SyntheticMarket:
    """A random walk that is drawn back to where it began; the same seed gives the same market everywhere.

    Whole numbers only, because floating point functions differ between machines. A step is at most
    1/8,000 of the start price and a 2,000th of the distance is taken back at each, which keeps prices within
    about one percent of the start. The spread is two basis points; trades are worth 10 to 25,000 in quote
    currency.
    """

    def __init__(self, start: Decimal, *, tick: Decimal, lot: Decimal, rng: random.Random) -> None:
        ticks = max(2, int(EXACT.divide_int(start, tick)))
        self._rng = rng
        self._tick = tick
        self._lot = lot
        self._start = self._mid = ticks * _FINE
        self._step = max(1, self._start // _STEP)
        self._half_spread = max(1, ticks // _HALF_SPREAD)
        self._at_us = 0
        self.first = self._quote()

    def next(self) -> MarketEvent:
        """One trade at the bid or the ask, after one step of the walk."""
        rng = self._rng
        self._mid += rng.randint(-self._step, self._step) + (self._start - self._mid) // _PULL
        self._at_us += rng.randint(1, 2 * MICROSECONDS // EVENTS_PER_SECOND)
        quote = self._quote()
        side = "buy" if rng.random() < 0.5 else "sell"
        price = quote.ask if side == "buy" else quote.bid
        return MarketEvent(at_us=self._at_us, quote=quote, price=price, quantity=self._quantity(), side=side)

    def _quote(self) -> Quote:
        ticks = max(self._half_spread + 1, self._mid // _FINE)
        return Quote(
            bid=EXACT.multiply(self._tick, Decimal(ticks - self._half_spread)),
            ask=EXACT.multiply(self._tick, Decimal(ticks + self._half_spread)),
        )

    def _quantity(self) -> Decimal:
        """Small trades are frequent, large ones are rare."""
        worth = Decimal(self._rng.randint(3, 158) ** 2)
        price = EXACT.multiply(self._tick, Decimal(max(1, self._mid // _FINE)))
        lots = EXACT.divide_int(worth, EXACT.multiply(price, self._lot))
        return EXACT.multiply(self._lot, max(Decimal(1), lots))


def synthetic(symbol: str, *, tick: Decimal, lot: Decimal, seed: int) -> SyntheticMarket:
    """The market of a symbol that no file prices; each symbol has random numbers of its own."""
    base = symbol.partition("/")[0]
    start = START_PRICES.get(base, OTHER_START_PRICE)
    return SyntheticMarket(start, tick=tick, lot=lot, rng=random.Random(f"{seed}/{symbol}"))
