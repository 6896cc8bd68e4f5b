"""An exchange that costs nothing: every order fills at once, whole, without a fee.

A limit order fills at its limit, a market order at the mark of its symbol, and both come back with the
answer, so no stream has to be followed. Marks stand still and are told once a second, so that they never
look stale. It remembers only its newest orders and forgets all of them with the process: nothing here is
worth an audit, and what is measured through it is the runtime alone. Ids are made of ours, which are never
used twice.
"""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

import trio

from actors.broker.adapters.instruments import own_instruments
from actors.broker.port import (
    Capabilities,
    Confirmed,
    OrderReport,
    Outcome,
    PositionReport,
    Rejected,
    StreamItem,
)
from actors.model.clock import Clock
from actors.model.fill import Fill
from actors.model.instrument import Instrument
from actors.model.messages import Balance, Tick
from actors.model.money import ZERO
from actors.model.order import OrderIntent

MARKS: Mapping[str, Decimal] = {"BTC/USDT": Decimal(40_000), "ETH/USDT": Decimal(2_500)}
OTHER_MARK = Decimal(100)
OPENING_USDT = Decimal(1_000_000)
REMEMBERED = 1024
TICK_SECONDS = 1.0
_CAPABILITIES = Capabilities(
    absence_window_seconds=0.0,
    reports_positions=False,
    fills_with_answer=True,
    opening_balances=True,
)


class DummyExchange:
    """Implements `actors.broker.port.ExchangePort`. No call waits except the streams, none can fail."""

    def __init__(
        self,
        name: str,
        *,
        clock: Clock,
        instruments: Sequence[Instrument],
        marks: Mapping[str, Decimal] = MARKS,
    ) -> None:
        self.name = name
        self._clock = clock
        self._instruments = {instrument.symbol: instrument for instrument in instruments}
        self._marks = {symbol: marks.get(symbol, OTHER_MARK) for symbol in self._instruments}
        self._fills: dict[str, Fill] = {}
        self._limits: dict[str, Decimal | None] = {}

    @property
    def capabilities(self) -> Capabilities:
        """Neither positions nor balances: it keeps no account."""
        return _CAPABILITIES

    async def connect(self) -> None:
        """Nothing to do."""

    async def close(self) -> None:
        """Nothing to do."""

    async def instruments(self) -> Sequence[Instrument]:
        """Those it was made with."""
        return tuple(self._instruments.values())

    async def submit(self, intent: OrderIntent) -> Outcome:
        """Fill the order; Rejected for a symbol that it does not have and for an id that it has seen."""
        instrument = self._instruments.get(intent.symbol)
        venue_id = intent.venue_id
        if instrument is None:
            return Rejected(code="UNKNOWN_SYMBOL", reason=f"{self.name} does not trade {intent.symbol}")
        if intent.stop_price is not None:
            return Rejected(
                code="ORDER_TYPE_UNSUPPORTED", reason=f"{self.name} takes no {intent.type} orders"
            )
        if venue_id in self._fills:
            return Rejected(code="DUPLICATE_ORDER_ID", reason=f"order id {venue_id} was used before")
        price = intent.limit_price
        fill = Fill(
            exchange=self.name,
            market_type=instrument.market_type,
            symbol=intent.symbol,
            exchange_order_id=venue_id,
            trade_id=venue_id,
            order_id=venue_id,
            side=intent.side,
            quantity=intent.quantity,
            price=price if price is not None else self._marks[intent.symbol],
            fee=ZERO,
            fee_currency=instrument.quote,
            at_us=self._clock.now_us(),
        )
        self._remember(venue_id, fill, price)
        return Confirmed(exchange_order_id=venue_id, status="filled", fills=(fill,))

    def _remember(self, venue_id: str, fill: Fill, limit_price: Decimal | None) -> None:
        self._fills[venue_id] = fill
        self._limits[venue_id] = limit_price
        if len(self._fills) > REMEMBERED:
            oldest = next(iter(self._fills))
            del self._fills[oldest], self._limits[oldest]

    async def cancel(self, symbol: str, venue_id: str, exchange_order_id: str | None) -> Outcome:
        """Always too late."""
        return Rejected(code="ORDER_NOT_OPEN", reason=f"order {venue_id} is not open", gone=True)

    async def order(self, symbol: str, venue_id: str) -> OrderReport | None:
        """One of the newest orders."""
        fill = self._fills.get(venue_id)
        if fill is None:
            return None
        limit_price = self._limits[venue_id]
        return OrderReport(
            symbol=fill.symbol,
            venue_id=venue_id,
            exchange_order_id=venue_id,
            side=fill.side,
            type="market" if limit_price is None else "limit",
            quantity=fill.quantity,
            limit_price=limit_price,
            executed=fill.quantity,
            status="filled",
            at_us=fill.at_us,
        )

    async def open_orders(self, symbol: str | None = None) -> Sequence[OrderReport]:
        """None ever rests."""
        return ()

    async def fills_since(self, symbol: str, since_us: int) -> Sequence[Fill]:
        """Among the newest orders."""
        return tuple(
            fill for fill in self._fills.values() if fill.symbol == symbol and fill.at_us >= since_us
        )

    async def balances(self) -> Sequence[Balance]:
        """What the account was opened with; no account is kept beyond that."""
        return (Balance(exchange=self.name, asset="USDT", total=OPENING_USDT, free=OPENING_USDT),)

    async def positions(self) -> Sequence[PositionReport]:
        """No account is kept."""
        return ()

    async def server_time_us(self) -> int:
        """Our own clock."""
        return self._clock.now_us()

    async def follow_orders(self, deliver: Callable[[StreamItem], None]) -> None:
        """Nothing ever comes: the answers said it all."""
        await trio.sleep_forever()

    async def follow_market(self, symbols: Sequence[str], deliver: Callable[[Tick], None]) -> None:
        """The same prices once a second."""
        while True:
            for symbol in symbols:
                mark = self._marks.get(symbol)
                if mark is not None:
                    now_us = self._clock.now_us()
                    deliver(
                        Tick(exchange=self.name, symbol=symbol, bid=mark, ask=mark, last=mark, at_us=now_us)
                    )
            await trio.sleep(TICK_SECONDS)


def build(name: str, *, clock: Clock, symbols: Sequence[str]) -> DummyExchange:
    """A dummy exchange that trades these symbols (`BASE/QUOTE`) in the steps of the simulated one."""
    return DummyExchange(name, clock=clock, instruments=own_instruments(name, symbols))
