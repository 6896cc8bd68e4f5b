"""The simulated exchange behind the port of the broker.

Nothing runs between calls: markets and delayed requests are brought up to date whenever somebody asks or
follows, up to the clock's present. Whoever follows a stream also drives it, so while one is followed
resting orders execute in time, and while nobody is connected they do as soon as somebody comes back.
"""

import random
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from decimal import Decimal
from heapq import heappop, heappush
from math import inf
from typing import TypeVar

import trio

from actors.broker.adapters.simulated.admission import Refusal, Request
from actors.broker.adapters.simulated.answers import outcome, report, unavailable
from actors.broker.adapters.simulated.faults import Faults, NoFaults
from actors.broker.adapters.simulated.ledger import LedgerUnavailable, OrderRow, SimLedger
from actors.broker.adapters.simulated.line import RECEIVE_WINDOW_SECONDS, CallFailed, Line
from actors.broker.adapters.simulated.market import MarketEvent, MarketSource
from actors.broker.adapters.simulated.playback import Playback
from actors.broker.adapters.simulated.scribe import Scribe
from actors.broker.adapters.simulated.venue import CLOSED_KEPT, Fees, Venue
from actors.broker.port import (
    Capabilities,
    Confirmed,
    NotSent,
    OrderReport,
    Outcome,
    PositionReport,
    Rejected,
    StreamItem,
    Unavailable,
)
from actors.model.clock import Clock
from actors.model.fill import Fill
from actors.model.instrument import Instrument
from actors.model.messages import Balance, Tick
from actors.model.order import OrderIntent

T = TypeVar("T")

OPENING: Mapping[str, Decimal] = {"USDT": Decimal(1_000_000)}
ACCOUNT = "main"
TIMEOUT_SECONDS = 10.0
LEDGER_PAUSE_SECONDS = 0.25
REPEAT_SECONDS = 1.0


class _Follower:
    """Who follows a stream: what waits for him, what wakes him, and when a symbol's price was last told."""

    def __init__(self) -> None:
        self.items: deque[StreamItem] = deque()
        self.ticks: dict[str, Tick] = {}
        self.told: dict[str, float] = {}
        self.wake = trio.Event()


class SimulatedExchange:
    """Implements `actors.broker.port.ExchangePort` for one account.

    `market_sources` prices every instrument. `speed` 1 is real time, 0 as fast as the runtime can follow.
    What the `ledger` holds outlives this object. With `rng` the latency varies by half of it. `faults`
    decides what gets lost on the way. Without `amends_in_place` it says that it can't amend orders. Before
    `connect` nothing is taken.
    """

    def __init__(
        self,
        name: str,
        *,
        clock: Clock,
        rng: random.Random | None = None,
        ledger: SimLedger,
        market_sources: Mapping[str, MarketSource],
        instruments: Sequence[Instrument],
        latency_seconds: float = 0.0,
        speed: float = 1.0,
        faults: Faults | None = None,
        fees: Fees | None = None,
        opening: Mapping[str, Decimal] = OPENING,
        account: str = ACCOUNT,
        timeout_seconds: float = TIMEOUT_SECONDS,
        amends_in_place: bool = True,
    ) -> None:
        self.name = name
        self._clock = clock
        self._ledger = ledger
        self._account = account
        self._amends_in_place = amends_in_place
        self._instruments = tuple(instruments)
        self._faults = faults or NoFaults()
        self._playback = Playback(market_sources, speed, None)
        self._venue = Venue(
            name,
            instruments,
            fees=fees or Fees(),
            opening=opening,
            quotes=self._playback.first_quotes(),
        )
        self._scribe = Scribe(self._venue, ledger, self._tell)
        self._line = Line(
            clock=clock,
            faults=self._faults,
            latency_seconds=latency_seconds,
            rng=rng,
            timeout_seconds=timeout_seconds,
            arrived=self._catch_up,
            settle=self._scribe.settle,
        )
        self._loaded = False
        self._order_followers: list[_Follower] = []
        self._market_followers: list[_Follower] = []
        self._delayed: list[tuple[float, int, StreamItem]] = []
        self._told = 0

    @property
    def capabilities(self) -> Capabilities:
        """Everything, and a receive window that proves absence."""
        return Capabilities(
            absence_window_seconds=RECEIVE_WINDOW_SECONDS,
            fills_with_answer=True,
            amends_in_place=self._amends_in_place,
            takes_stops=True,
        )

    async def connect(self) -> None:
        """Open the books, the first time, and learn the exchange's time; raise Unavailable."""
        if not self._loaded:
            try:
                opening = await self._ledger.load(CLOSED_KEPT)
            except LedgerUnavailable as error:
                raise Unavailable("exchange", str(error)) from error
            if not self._loaded:
                self._venue.restore(opening, self._line.exchange_us())
                self._loaded = True
        self._catch_up()
        try:
            await self._line.synchronise()
        except CallFailed as failure:
            raise unavailable(failure) from failure

    async def close(self) -> None:
        """The exchange goes on without us."""
        await trio.lowlevel.checkpoint()

    async def instruments(self) -> Sequence[Instrument]:
        """What is traded here."""
        return await self._ask("instruments", "", lambda _now_us: self._instruments)

    async def submit(self, intent: OrderIntent) -> Outcome:
        """Place an order under our own id; cancelled meanwhile, nobody knows whether it was taken."""
        request = Request(
            client_id=intent.venue_id,
            symbol=intent.symbol,
            side=intent.side,
            type=intent.type,
            quantity=intent.quantity,
            limit_price=intent.limit_price,
            time_in_force=intent.time_in_force,
            post_only=intent.post_only,
            stop_price=intent.stop_price,
        )
        if not self._loaded:
            return NotSent(reason="not connected yet")
        signed_us = self._line.signed_us()
        try:
            answer = await self._line.call(
                "submit",
                intent.venue_id,
                signed_us,
                lambda now_us: self._venue.place(self._account, request, now_us),
            )
        except CallFailed as failure:
            return outcome(failure, signed_us)
        if isinstance(answer, Refusal):
            return Rejected(code=answer.code, reason=answer.reason)
        order = answer.order
        return Confirmed(exchange_order_id=str(order.number), status=order.status, fills=answer.fills)

    async def amend(self, intent: OrderIntent, exchange_order_id: str | None) -> Outcome:
        """Change a resting order; cancelled meanwhile, nobody knows whether that was done."""
        price = intent.limit_price
        if not self._loaded or price is None:
            return NotSent(
                reason="not connected yet" if price is not None else "the order has no limit price"
            )
        signed_us = self._line.signed_us()
        try:
            answer = await self._line.call(
                "amend",
                intent.venue_id,
                signed_us,
                lambda now_us: self._venue.amend(
                    self._account, intent.symbol, intent.venue_id, intent.quantity, price, now_us
                ),
            )
        except CallFailed as failure:
            return outcome(failure, signed_us)
        if isinstance(answer, Refusal):
            return Rejected(code=answer.code, reason=answer.reason, gone=answer.gone)
        order = answer.order
        return Confirmed(exchange_order_id=str(order.number), status=order.status, fills=answer.fills)

    async def cancel(self, symbol: str, venue_id: str, exchange_order_id: str | None) -> Outcome:
        """Take an order out of the book; cancelled meanwhile, nobody knows whether that was done."""
        if not self._loaded:
            return NotSent(reason="not connected yet")
        signed_us = self._line.signed_us()
        try:
            answer = await self._line.call(
                "cancel",
                venue_id,
                signed_us,
                lambda now_us: self._venue.cancel(self._account, symbol, venue_id, now_us),
            )
        except CallFailed as failure:
            return outcome(failure, signed_us)
        if isinstance(answer, Refusal):
            return Rejected(code=answer.code, reason=answer.reason, gone=answer.gone)
        return Confirmed(exchange_order_id=str(answer.number), status=answer.status)

    async def order(self, symbol: str, venue_id: str) -> OrderReport | None:
        """Also one from before this process."""
        found = await self._ask("order", venue_id, lambda _now: self._venue.order(self._account, venue_id))
        if found is None:
            found = await self._recall(self._ledger.order(self._account, venue_id))
        return None if found is None or found.symbol != symbol else report(found)

    async def open_orders(self, symbol: str | None = None) -> Sequence[OrderReport]:
        """In the order of their arrival."""
        found = await self._ask(
            "open_orders", symbol or "", lambda _now: self._venue.open_orders(self._account, symbol)
        )
        return tuple(report(order) for order in found)

    async def fills_since(self, symbol: str, since_us: int) -> Sequence[Fill]:
        """Also those from before this process."""
        found = await self._ask(
            "fills_since", symbol, lambda _now: self._venue.fills_since(self._account, symbol, since_us)
        )
        if found is None:
            rows = await self._recall(self._ledger.fills(self._account, symbol, since_us))
            found = tuple(row.fill for row in rows)
        return found

    async def balances(self) -> Sequence[Balance]:
        """Negative for what is owed."""
        found = await self._ask("balances", "", lambda _now: self._venue.balances(self._account))
        return tuple(
            Balance(exchange=self.name, asset=asset, total=total, free=free) for asset, total, free in found
        )

    async def positions(self) -> Sequence[PositionReport]:
        """Of each instrument that is held: the balance of its base currency, negative when sold short."""
        found = await self._ask("positions", "", lambda _now: self._venue.balances(self._account))
        totals = {asset: total for asset, total, _free in found}
        return tuple(
            PositionReport(symbol=each.symbol, quantity=totals[each.base], average_price=None)
            for each in self._instruments
            if totals.get(each.base)
        )

    async def server_time_us(self) -> int:
        """The exchange's clock."""
        try:
            return await self._line.ask_time()
        except CallFailed as failure:
            raise unavailable(failure) from failure

    async def follow_orders(self, deliver: Callable[[StreamItem], None]) -> None:
        """What happens to the account's orders from now on; raise Unavailable when the stream breaks."""
        follower = _Follower()
        self._order_followers.append(follower)
        try:
            while True:
                await self._wait_for_items(follower)
                while follower.items:
                    deliver(follower.items.popleft())
                if self._faults.cuts("orders"):
                    raise Unavailable("network", "the order stream broke")
        finally:
            self._order_followers.remove(follower)

    async def follow_market(self, symbols: Sequence[str], deliver: Callable[[Tick], None]) -> None:
        """The quotes of the symbols, at once, when they change, and at least once a second.

        Raises Unavailable when the stream breaks.
        """
        follower = _Follower()
        wanted = [symbol for symbol in dict.fromkeys(symbols) if symbol in self._venue.instruments]
        self._market_followers.append(follower)
        try:
            self._catch_up()
            while True:
                self._tell_prices(follower, wanted, deliver)
                await self._wait_for_prices(follower)
                if self._faults.cuts("market"):
                    raise Unavailable("network", "the market stream broke")
        finally:
            self._market_followers.remove(follower)
            for other in self._order_followers:
                other.wake.set()

    # Inside.

    async def _ask(self, operation: str, subject: str, act: Callable[[int], T]) -> T:
        if not self._loaded:
            raise Unavailable("network", "not connected yet")
        try:
            return await self._line.call(operation, subject, self._line.signed_us(), act)
        except CallFailed as failure:
            raise unavailable(failure) from failure

    async def _recall(self, question: Awaitable[T]) -> T:
        """Ask the ledger for what the exchange no longer has in memory."""
        try:
            return await question
        except LedgerUnavailable as error:
            raise Unavailable("exchange", str(error)) from error

    def _catch_up(self, *, driven: bool = False) -> None:
        """Bring delayed requests and markets up to the present."""
        self._line.deliver_late()
        now_us = self._line.exchange_us()
        moved: dict[str, MarketEvent] = {}
        for symbol, event in self._playback.due(self._clock.monotonic(), driven=driven):
            self._venue.market(symbol, event, now_us)
            moved[symbol] = event
        if not moved or not self._market_followers:
            return
        ticks = {symbol: self._tick(symbol, event) for symbol, event in moved.items()}
        for follower in self._market_followers:
            follower.ticks.update(ticks)
            follower.wake.set()

    def _tick(self, symbol: str, event: MarketEvent | None) -> Tick:
        quote = self._venue.quote(symbol)
        return Tick(
            exchange=self.name,
            symbol=symbol,
            bid=quote.bid,
            ask=quote.ask,
            last=None if event is None else event.price,
            last_quantity=None if event is None or event.price is None else event.quantity,
            at_us=self._clock.now_us(),
        )

    def _tell(self, account: str, item: OrderRow | Fill) -> None:
        """Hand a durable item to the followers, as late and as often as the faults say."""
        if account != self._account or not self._order_followers:
            return
        said = report(item) if isinstance(item, OrderRow) else item
        for seconds in self._faults.stream(said):
            if seconds > 0:
                self._told += 1
                heappush(self._delayed, (self._clock.monotonic() + seconds, self._told, said))
            else:
                for follower in self._order_followers:
                    follower.items.append(said)
        for follower in self._order_followers:
            follower.wake.set()

    def _tell_prices(
        self, follower: _Follower, wanted: Sequence[str], deliver: Callable[[Tick], None]
    ) -> None:
        """Deliver what has changed, and again what has not for a while: a still price is not an old one."""
        ticks, follower.ticks = follower.ticks, {}
        now = self._clock.monotonic()
        for symbol in wanted:
            tick = ticks.get(symbol)
            if tick is None and now - follower.told.get(symbol, -inf) >= REPEAT_SECONDS:
                tick = self._tick(symbol, None)
            if tick is not None:
                follower.told[symbol] = now
                deliver(tick)

    async def _wait_for_prices(self, follower: _Follower) -> None:
        """Sleep until the next event of a market or the next delayed request, and let it happen."""
        now = self._clock.monotonic()
        pause = min(REPEAT_SECONDS, self._playback.seconds_to_next(now), self._line.next_late(now))
        with trio.move_on_after(pause):
            await follower.wake.wait()
        self._catch_up(driven=True)
        # Writing may take long; whoever follows the orders does it, so that prices never wait for it.
        if self._venue.changed:
            for other in self._order_followers:
                other.wake.set()
        follower.wake = trio.Event()

    async def _wait_for_items(self, follower: _Follower) -> None:
        """Wait for something to tell; without a follower of the market this is what drives the markets."""
        now = self._clock.monotonic()
        pause = max(0.0, self._delayed[0][0] - now) if self._delayed else inf
        if not self._market_followers:
            pause = min(pause, self._playback.seconds_to_next(now), self._line.next_late(now))
        with trio.move_on_after(pause):
            await follower.wake.wait()
        self._catch_up(driven=not self._market_followers)
        try:
            await self._scribe.settle()
        except LedgerUnavailable:
            # What happened stays unwritten and untold until the ledger is back: our own wake stays set.
            await trio.sleep(LEDGER_PAUSE_SECONDS)
            follower.wake.set()
            return
        self._release_delayed()
        # From here to the delivery nothing waits, so whatever woke us until now is delivered.
        follower.wake = trio.Event()

    def _release_delayed(self) -> None:
        now = self._clock.monotonic()
        while self._delayed and self._delayed[0][0] <= now:
            item = heappop(self._delayed)[2]
            for other in self._order_followers:
                other.items.append(item)
                other.wake.set()
