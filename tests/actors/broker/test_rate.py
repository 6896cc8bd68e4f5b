"""Half an hour with more orders than the exchange allows: no ban, little waste, and cancels that don't
queue.
"""

import trio

from actors.broker.limiter import Budget, BudgetSpec, Limiter
from actors.broker.port import Rejected, Unavailable, Usage
from actors.broker.timings import BrokerTimings
from actors.model import messages as say
from tests.actors.broker.little_exchange import LittleExchange
from tests.actors.broker.world import TestClock, open_world

LIMIT = 300
MINUTES = 30
COSTS = {"submit": 4, "cancel": 1, "order": 1, "open_orders": 3, "open_orders_symbol": 1, "fills_since": 2}


class CountingExchange(LittleExchange):
    """Counts weight in fixed minutes as the big exchanges do, and bans who goes on after a 429."""

    def __init__(self, clock):
        super().__init__(clock)
        self.minute = -1
        self.used = 0
        self.per_minute = []
        self.too_many = 0
        self.others = 0
        self.latency = 0.02

    def cost(self, call):
        return {"weight": COSTS.get(call, 1)}

    def on_usage(self, report):
        self.report = report

    def _count(self, call):
        """Whether the call is within the limit."""
        minute = int(self.clock.now_us() // 60_000_000)
        if minute != self.minute:
            self.per_minute.append(self.used)
            self.minute, self.used = minute, self.others
        self.used += COSTS.get(call, 1)
        self.report(Usage(budget="weight", used=self.used))
        if self.used > LIMIT:
            self.too_many += 1
        return self.used <= LIMIT

    async def _travel(self, name):
        names = {"fills": "fills_since"}
        if name not in ("submit", "cancel") and not self._count(names.get(name, name)):
            raise Unavailable("throttled", "429", 5.0)
        await super()._travel(name)
        self.calls.clear()

    async def submit(self, intent):
        if not self._count("submit"):
            return Rejected(code="RATE_LIMITED", reason="429", throttled=True, retry_after_seconds=5.0)
        return await super().submit(intent)

    async def cancel(self, symbol, venue_id, exchange_order_id):
        if not self._count("cancel"):
            return Rejected(code="RATE_LIMITED", reason="429", throttled=True, retry_after_seconds=5.0)
        return await super().cancel(symbol, venue_id, exchange_order_id)


async def test_half_an_hour_at_a_hundred_and_twenty_percent(autojump_clock):
    """At most one 429, at least nine tenths of the allowed weight used, a cancel within a second at p99."""
    port = CountingExchange(TestClock())
    limiter = Limiter([Budget(BudgetSpec(name="weight", limit=LIMIT, window_seconds=60.0))])
    async with open_world(port=port, limiter=limiter, timings=BrokerTimings(balance_drift="ignore")) as world:
        waits = []
        begun_with = len(port.per_minute)

        async def entries():
            pause = 60 / (1.2 * LIMIT / COSTS["submit"])
            while True:
                world.accept(quantity="0.001")
                await trio.sleep(pause)

        async def cancels():
            while True:
                order_id = world.accept(quantity="0.001", price="90", age=30.0)
                await world.until(order_id, "open", "denied", every=0.5)
                began = trio.current_time()
                wish = say.CancelOrder(order_id=order_id, by="me", correlation_id="c")
                if isinstance(await world.position().ask(wish, timeout=5), say.CancelTaken):
                    await world.until(order_id, "canceled", "filled", every=0.05)
                    waits.append(trio.current_time() - began)
                await trio.sleep(7)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(entries)
            nursery.start_soon(cancels)
            await trio.sleep(MINUTES * 60)
            nursery.cancel_scope.cancel()

    assert port.too_many <= 1
    full = port.per_minute[begun_with + 1 :]
    assert len(full) >= MINUTES - 2
    assert max(full) <= LIMIT
    assert sum(full) / len(full) >= 0.9 * LIMIT
    assert len(waits) > 100
    assert sorted(waits)[int(0.99 * len(waits))] < 1.0
