"""The market actor turns ticks into marks for risk, for questions and for the feed."""

from decimal import Decimal
from typing import ClassVar

import trio
import trio.testing

from actors.kernel import System, TrioActor
from actors.market.actor import MarketDataActor, conflation_key
from actors.market.feed import MarketFeed
from actors.model.messages import BrokerState, Mark, Marks, ReadMarks, Tick


class StillClock:
    """Wall time that a test moves by hand."""

    def __init__(self) -> None:
        self.us = 1_000_000

    def now_us(self) -> int:
        return self.us

    def monotonic(self) -> float:
        return trio.current_time()


class Risk(TrioActor):
    """Keeps what it is told."""

    rank: ClassVar[int | None] = 40

    def __init__(self) -> None:
        super().__init__()
        self.told: list[Mark] = []

    def on_receive(self, message: object) -> object:
        assert isinstance(message, Mark)
        self.told.append(message)
        return None


def tick(price: int, symbol: str = "BTC/USDT") -> Tick:
    """A trade at a price."""
    return Tick(exchange="sim", symbol=symbol, last=Decimal(price), at_us=1)


async def test_a_tick_reaches_risk_the_feed_and_the_questions() -> None:
    """One road in, three out."""
    system, feed, risk, clock = System(), MarketFeed(), Risk(), StillClock()
    heard: list[Mark] = []
    feed.subscribe(heard.append)
    async with system.running():
        await system.start(risk, "risk")
        market = await system.start(MarketDataActor(clock=clock, feed=feed), "market")
        market.tell(tick(100))
        market.tell(tick(5, "ETH/USDT"))
        marks = await market.ask(ReadMarks(), timeout=1.0)
        await trio.testing.wait_all_tasks_blocked()
    assert isinstance(marks, Marks)
    assert [(mark.symbol, mark.mark, mark.at_us) for mark in marks.marks] == [
        ("BTC/USDT", 100, 1_000_000),
        ("ETH/USDT", 5, 1_000_000),
    ]
    assert risk.told == heard == list(marks.marks)


async def test_ticks_of_one_instrument_are_conflated_while_the_actor_is_busy() -> None:
    """A burst costs one message for each instrument, and the newest wins."""
    system, feed = System(), MarketFeed()
    heard: list[Mark] = []
    feed.subscribe(heard.append)
    async with system.running():
        market = await system.start(MarketDataActor(clock=StillClock(), feed=feed), "market")
        for price in range(1, 10_000):
            market.tell(tick(price), key=conflation_key("sim", "BTC/USDT"))
        await market.ask(ReadMarks(), timeout=1.0)
    assert [mark.mark for mark in heard] == [9_999]


async def test_a_new_life_begins_with_the_prices_that_were_known() -> None:
    """And risk hears of them, with the ages that they have."""
    system, feed, clock, risk = System(), MarketFeed(), StillClock(), Risk()
    async with system.running():
        first = await system.start(MarketDataActor(clock=clock, feed=feed), "market")
        first.tell(tick(100))
        await first.ask(ReadMarks(), timeout=1.0)
        await first.stop()
        clock.us += 5_000_000
        await system.start(risk, "risk")
        second = await system.start(MarketDataActor(clock=clock, feed=feed), "market")
        marks = await second.ask(ReadMarks(), timeout=1.0)
        await trio.testing.wait_all_tasks_blocked()
    assert isinstance(marks, Marks)
    assert [(mark.mark, mark.at_us) for mark in marks.marks] == [(100, 1_000_000)]
    assert risk.told == list(marks.marks)


async def test_without_risk_prices_are_not_dead_letters() -> None:
    """While risk restarts, ticks go on; it is told of the next one."""
    system = System()
    async with system.running():
        market = await system.start(MarketDataActor(clock=StillClock(), feed=MarketFeed()), "market")
        market.tell(tick(100))
        state = BrokerState(exchange="sim", state="trading", circuit="closed", detail="")
        market.tell(state)
        await market.ask(ReadMarks(), timeout=1.0)
        assert system.statistics().dead_letters == 0
