"""Kills in the middle of a stream of orders at the command port, and what leaves after each.

What left is noted where it leaves: at the gate's last word before a submit, and at the exchange's cancel.
The stream is open: orders come at their rate whether or not the ones before were answered. It runs on the
runtime's own loop, so it takes its share of what the kill has to wait behind.
"""

from collections.abc import Sequence
from decimal import Decimal
from random import Random
from time import thread_time

import msgspec
import trio

from actors.broker.port import ExchangePort, Outcome
from actors.model.order import OrderIntent
from actors.model.results import Refused
from supervisors.tree import Runtime

BUNCH_SECONDS = 0.005
"""The stream comes in bunches, this far apart."""

QUANTITY = Decimal("0.001")
TRIES = 100
"""How many bunches may be needed until enough orders rest; on a busy machine some are not taken."""

AWAY = Decimal("0.95")
"""Where orders rest, as a share of the mark."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """How much of everything. `hold_seconds`: how long the stream goes on after the acknowledgement.

    `places`: how many orders may be on their way at once; the rest is turned away, as the web edge does. 0:
    no bound.
    """

    per_second: int = 2_000
    places: int = 0
    resting: int = 500
    rounds: int = 50
    hold_seconds: float = 2.0
    warm_seconds: tuple[float, float] = (0.3, 1.0)
    settle_seconds: float = 60.0


class Round(msgspec.Struct, frozen=True, kw_only=True):
    """What one kill came to. Times from the moment at which it was asked for.

    `busy_seconds`: how long the loop's thread was on a processor until the acknowledgement; on a machine that
    others use it is less than what the clock shows.
    `dispatched_seconds`: when the cancel of the last of the `resting` orders had been handed to its exchange;
    None when one was not within the time. `left_after`: orders that open whose submit began after the
    acknowledgement.
    """

    acknowledged_seconds: float
    busy_seconds: float
    durable: bool
    resting: int
    dispatched_seconds: float | None
    left_after: tuple[str, ...]
    offered: int
    sent: int


class Unsettled(Exception):
    """The scene did not come to rest between two rounds."""


class Scene:
    """A running `runtime` with everything that leaves it noted."""

    def __init__(self, runtime: Runtime, symbols: Sequence[str], plan: Plan, rng: Random) -> None:
        self._runtime = runtime
        self._symbols = tuple(symbols)
        self._plan = plan
        self._rng = rng
        self._began: list[tuple[float, str]] = []
        self._cancelled: dict[str, float] = {}
        self._offered = 0
        self._on_their_way = 0
        self._note_submits()
        for port in runtime.outside.exchanges.values():
            self._note_cancels(port)

    def _note_submits(self) -> None:
        gate = self._runtime.gate
        begin_send = gate.begin_send

        def noted(order_id: str, amend_id: str = "") -> None:
            self._began.append((trio.current_time(), order_id))
            begin_send(order_id, amend_id)

        setattr(gate, "begin_send", noted)  # noqa: B010 - the type checker takes it for a method

    def _note_cancels(self, port: ExchangePort) -> None:
        cancel = port.cancel

        async def noted(symbol: str, venue_id: str, exchange_order_id: str | None) -> Outcome:
            self._cancelled.setdefault(venue_id, trio.current_time())
            return await cancel(symbol, venue_id, exchange_order_id)

        setattr(port, "cancel", noted)  # noqa: B010 - the type checker takes it for a method

    async def one(self) -> Round:
        """One kill in the middle of the stream."""
        resting = await self._rest()
        self._began.clear()
        self._cancelled.clear()
        self._offered = 0
        async with trio.open_nursery() as stream:
            stream.start_soon(self._offer, stream)
            await trio.sleep(self._rng.uniform(*self._plan.warm_seconds))
            asked, busy = trio.current_time(), thread_time()
            result = await self._runtime.port.kill(
                level="cancel", exchange=None, symbol=None, reason="proof", by="proof", correlation_id="proof"
            )
            acknowledged, busy = trio.current_time(), thread_time() - busy
            await trio.sleep(self._plan.hold_seconds)
            stream.cancel_scope.cancel()
        dispatched = [self._cancelled.get(venue_id) for venue_id in resting]
        late = any(at is None for at in dispatched)
        if isinstance(result, Refused):
            raise TypeError(f"a kill of everything was refused: {result.detail}")
        found = Round(
            acknowledged_seconds=acknowledged - asked,
            busy_seconds=busy,
            durable=result.durable,
            resting=len(resting),
            dispatched_seconds=None if late else max(at - asked for at in dispatched if at is not None),
            left_after=tuple(each for at, each in self._began if at > acknowledged and not self._exits(each)),
            offered=self._offered,
            sent=len(self._began),
        )
        await self._settle()
        return found

    def _exits(self, order_id: str) -> bool:
        order = self._runtime.log.book.order(order_id)
        return order is not None and order.intent.reduce_only

    # The orders.

    async def _offer(self, stream: trio.Nursery) -> None:
        """The stream: small market orders that come and go on both sides."""
        began, count = trio.current_time(), 0
        while True:
            due = int((trio.current_time() - began) * self._plan.per_second) - count
            for number in range(count, count + due):
                if not self._plan.places or self._on_their_way < self._plan.places:
                    self._on_their_way += 1
                    stream.start_soon(self._come_and_go, number)
            count += due
            self._offered += due
            await trio.sleep(BUNCH_SECONDS)

    async def _come_and_go(self, number: int) -> None:
        try:
            await self._place(self._intent("buy" if number % 2 else "sell", number), 1.0)
        finally:
            self._on_their_way -= 1

    async def _rest(self) -> list[str]:
        """Have as many orders resting as the plan says; their ids at the exchanges."""
        prices = {(mark.exchange, mark.symbol): mark.mark for mark in self._runtime.prices.marks()}
        book = self._runtime.log.book
        for _ in range(TRIES):
            missing = self._plan.resting - len(book.orders)
            if missing <= 0:
                return [order.intent.venue_id for order in book.orders.values()]
            async with trio.open_nursery() as nursery:
                for number in range(min(missing, 50)):
                    intent = self._intent("buy", number)
                    price = (prices[intent.exchange, intent.symbol] * AWAY).quantize(Decimal("0.01"))
                    resting = msgspec.structs.replace(intent, type="limit", limit_price=price)
                    nursery.start_soon(self._place, resting, 10.0)
        raise Unsettled(f"{len(book.orders)} orders rest, not {self._plan.resting}")

    def _intent(self, side: str, number: int) -> OrderIntent:
        exchanges = tuple(self._runtime.outside.exchanges)
        return OrderIntent(
            order_id="",
            client_order_id="",
            exchange=exchanges[number % len(exchanges)],
            symbol=self._symbols[number // len(exchanges) % len(self._symbols)],
            side=side,
            type="market",
            quantity=QUANTITY,
            user="proof",
        )

    async def _place(self, intent: OrderIntent, wait_seconds: float) -> None:
        await self._runtime.port.place(intent, wait_seconds=wait_seconds, correlation_id="proof")

    async def _settle(self) -> None:
        """Wait until the kill has done its work, then resume."""
        with trio.move_on_after(self._plan.settle_seconds) as patience:
            while self._runtime.log.book.orders or not await self._is_swept():  # noqa: ASYNC110
                await trio.sleep(0.05)
            await self._runtime.port.resume(reason="next", by="proof", correlation_id="proof")
            while self._runtime.readiness() or not self._is_active():  # noqa: ASYNC110
                await trio.sleep(0.05)
        if patience.cancelled_caught:
            view = await self._runtime.port.halt()
            raise Unsettled(f"{len(self._runtime.log.book.orders)} orders are open; {view}")

    def _is_active(self) -> bool:
        return self._runtime.gate.state_for(None, None) == "active"

    async def _is_swept(self) -> bool:
        view = await self._runtime.port.halt()
        return len(view.sweeps) == len(self._runtime.outside.exchanges) and all(
            sweep.done for sweep in view.sweeps
        )
