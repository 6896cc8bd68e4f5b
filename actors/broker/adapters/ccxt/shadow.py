"""Shadow mode: the real market, and orders that go no further than a simulated exchange in this process.

The strategy, the limits and the journal work as on the day of going live; nothing that opens or cancels
reaches the account. Even its balances are the simulated ones: the real ones would contradict the fills.
"""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

import trio

from actors.broker.adapters.simulated import MemoryLedger, SimLedger, SimulatedExchange
from actors.broker.adapters.simulated.engine import Quote
from actors.broker.adapters.simulated.market import MarketEvent
from actors.broker.port import (
    Capabilities,
    ExchangePort,
    OrderReport,
    Outcome,
    PositionReport,
    StreamItem,
    Unavailable,
)
from actors.model.clock import Clock
from actors.model.fill import Fill
from actors.model.instrument import Instrument
from actors.model.messages import Balance, Tick
from actors.model.money import ZERO
from actors.model.order import OrderIntent

SAMPLE_US = 100_000
"""How often the simulated exchange looks at the real market."""

FIRST_PRICES_SECONDS = 15.0


class FollowedMarket:
    """A market source that samples the newest real quote and the last trade since the sample before."""

    def __init__(self, first: Quote) -> None:
        self.first = first
        self._quote = first
        self._trade: tuple[Decimal, Decimal] | None = None
        self._at_us = 0

    def saw(self, tick: Tick) -> None:
        """Take in what the real market did."""
        self._quote = Quote(tick.bid or self._quote.bid, tick.ask or self._quote.ask)
        if tick.last is not None:
            self._trade = (tick.last, tick.last_quantity or ZERO)

    def next(self) -> MarketEvent:
        """The market as it is now, one sample later."""
        self._at_us += SAMPLE_US
        trade, self._trade = self._trade, None
        price, quantity = trade or (None, ZERO)
        return MarketEvent(at_us=self._at_us, quote=self._quote, price=price, quantity=quantity)


class ShadowExchange:
    """`real` prices `symbols`; everything else is answered by a simulated exchange over `ledger`."""

    def __init__(
        self,
        name: str,
        real: ExchangePort,
        clock: Clock,
        symbols: Sequence[str],
        ledger: SimLedger | None = None,
    ) -> None:
        self._name = name
        self._real = real
        self._clock = clock
        self._symbols = tuple(symbols)
        self._ledger = ledger or MemoryLedger()
        self._sources: Mapping[str, FollowedMarket] = {}
        self._simulated: SimulatedExchange | None = None

    @property
    def capabilities(self) -> Capabilities:
        """Those of the simulated exchange."""
        return Capabilities(absence_window_seconds=5.0, fills_with_answer=True)

    async def connect(self) -> None:
        """Connect to the real market and wait for a first price of every symbol; raise Unavailable."""
        await self._real.connect()
        if self._simulated is None:
            listed = {instrument.symbol: instrument for instrument in await self._real.instruments()}
            missing = [symbol for symbol in self._symbols if symbol not in listed]
            if missing:
                raise Unavailable("exchange", f"not listed: {', '.join(missing)}")
            first = await self._first_quotes()
            self._sources = {symbol: FollowedMarket(quote) for symbol, quote in first.items()}
            self._simulated = SimulatedExchange(
                self._name,
                clock=self._clock,
                ledger=self._ledger,
                market_sources=self._sources,
                instruments=[listed[symbol] for symbol in self._symbols],
            )
        await self._simulated.connect()

    async def _first_quotes(self) -> dict[str, Quote]:
        seen: dict[str, Quote] = {}
        complete = trio.Event()

        def take(tick: Tick) -> None:
            old = seen.get(tick.symbol, Quote())
            seen[tick.symbol] = Quote(tick.bid or old.bid, tick.ask or old.ask)
            whole = [quote for quote in seen.values() if quote.bid is not None and quote.ask is not None]
            if len(whole) == len(self._symbols):
                complete.set()

        with trio.move_on_after(FIRST_PRICES_SECONDS):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._real.follow_market, self._symbols, take)
                await complete.wait()
                nursery.cancel_scope.cancel()
        if not complete.is_set():
            raise Unavailable("exchange", "the real market told no price in time")
        return {symbol: seen[symbol] for symbol in self._symbols}

    async def close(self) -> None:
        await self._real.close()

    async def instruments(self) -> Sequence[Instrument]:
        return await self._shadow().instruments()

    async def submit(self, intent: OrderIntent) -> Outcome:
        """Answered by the simulated exchange; nothing leaves this process."""
        return await self._shadow().submit(intent)

    async def cancel(self, symbol: str, venue_id: str, exchange_order_id: str | None) -> Outcome:
        return await self._shadow().cancel(symbol, venue_id, exchange_order_id)

    async def order(self, symbol: str, venue_id: str) -> OrderReport | None:
        return await self._shadow().order(symbol, venue_id)

    async def open_orders(self, symbol: str | None = None) -> Sequence[OrderReport]:
        return await self._shadow().open_orders(symbol)

    async def fills_since(self, symbol: str, since_us: int) -> Sequence[Fill]:
        return await self._shadow().fills_since(symbol, since_us)

    async def balances(self) -> Sequence[Balance]:
        return await self._shadow().balances()

    async def positions(self) -> Sequence[PositionReport]:
        return await self._shadow().positions()

    async def server_time_us(self) -> int:
        return await self._shadow().server_time_us()

    async def follow_orders(self, deliver: Callable[[StreamItem], None]) -> None:
        await self._shadow().follow_orders(deliver)

    async def follow_market(self, symbols: Sequence[str], deliver: Callable[[Tick], None]) -> None:
        """The real market; the simulated exchange sees it too."""

        def both(tick: Tick) -> None:
            source = self._sources.get(tick.symbol)
            if source is not None:
                source.saw(tick)
            deliver(tick)

        await self._real.follow_market(symbols, both)

    def _shadow(self) -> SimulatedExchange:
        if self._simulated is None:
            raise Unavailable("network", "not connected yet")
        return self._simulated
