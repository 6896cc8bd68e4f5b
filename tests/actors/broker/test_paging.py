"""Listings that take many requests: each page is counted, paced and timed as the request that it is."""

import pytest
import trio

from actors.broker.breaker import Breaker, BreakerSettings, Circuit
from actors.broker.limiter import Budget, BudgetSpec, Limiter
from actors.broker.paging import next_page
from actors.broker.timings import BrokerTimings
from tests.actors.broker.little_exchange import LittleExchange
from tests.actors.broker.world import TestClock, eventually, open_world

TIMINGS = BrokerTimings(submit=1.0, query=1.0, open_orders_every=5.0)


class Booklet(LittleExchange):
    """Lists trades and open orders page after page; `stuck` is the page that is never answered."""

    def __init__(self, pages=20, page_seconds=0.4):
        super().__init__(TestClock())
        self.pages, self.page_seconds, self.stuck = pages, page_seconds, None
        self.listings = 0

    async def _read(self):
        self.listings += 1
        for page in range(self.pages):
            if page:
                await next_page()
            await trio.sleep(60 if page == self.stuck else self.page_seconds)

    async def fills_since(self, symbol, since_us):
        await self._read()
        return await super().fills_since(symbol, since_us)

    async def open_orders(self, symbol=None):
        await self._read()
        return await super().open_orders(symbol)


async def test_a_listing_may_take_longer_than_an_answer(autojump_clock):
    """Eight seconds a listing, one second an answer, and nothing of it is slow."""
    async with open_world(port=Booklet(), timings=TIMINGS) as world:
        await trio.sleep(60)
        assert world.state == "trading"
        assert world.breaker.circuit(world.clock.monotonic()) is Circuit.CLOSED
        assert all(told.circuit == "closed" for told in world.said)


async def test_a_page_that_is_not_answered_ends_the_listing_within_the_time_of_one_answer(autojump_clock):
    async with open_world(port=Booklet(), timings=TIMINGS, wait=False) as world:
        world.port.stuck = 3
        await eventually(lambda: world.state == "reconnecting", 4)
        assert "no answer in 1 s" in world.said[-1].detail
        world.port.stuck = None
        await world.trading()


async def test_orders_that_wait_for_one_listing_are_no_calls_that_hang(autojump_clock):
    """Thirty unknown orders look for their trades at once: one reading, and the circuit stays closed.

    A lost submit counts as a failure, so that the circuit would open before the thirtieth had its turn: here
    it takes more than that.
    """
    breaker = Breaker(BreakerSettings(bad_ratio=0.9, run=100))
    async with open_world(port=Booklet(pages=10), timings=TIMINGS, breaker=breaker) as world:
        world.port.next_submits.extend(["drop"] * 30)
        ids = [world.accept(quantity="1", price="90") for _ in range(30)]
        for order_id in ids:
            await world.until(order_id, "unknown")
        before = world.port.listings
        for order_id in ids:
            await world.until(order_id, "denied", seconds=40)
        assert world.port.listings - before < 40
        assert all(told.circuit == "closed" for told in world.said)


@pytest.mark.parametrize("pages", [1, 12])
async def test_each_page_is_paid_for(autojump_clock, pages):
    """Ten requests in ten seconds: a long listing waits for its turn, page by page."""
    budget = Budget(BudgetSpec(name="requests", limit=10, window_seconds=10.0))
    port = Booklet(pages=pages, page_seconds=0.01)
    async with open_world(port=port, timings=TIMINGS, limiter=Limiter([budget]), wait=False) as world:
        await world.trading(90)
        took = world.clock.monotonic()
        assert (took > 15) == (pages == 12)
