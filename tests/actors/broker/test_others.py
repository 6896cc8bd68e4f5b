"""Another program, or a person, trades on the same account, and more often than we do."""

from decimal import Decimal

import msgspec
import pytest
import trio

from actors.broker.port import Unavailable
from tests.actors.broker.little_exchange import LittleExchange
from tests.actors.broker.world import TestClock, open_world

BTC = "BTC/USDT"
KEPT = 20


class Asked(LittleExchange):
    """Remembers from when on trades were asked for."""

    def __init__(self):
        super().__init__(TestClock())
        self.since = []

    async def fills_since(self, symbol, since_us):
        self.since.append(since_us)
        return await super().fills_since(symbol, since_us)


async def another_trades(port, count):
    """One trade a second, buys and sells in turn."""
    for number in range(count):
        port.take("", BTC, "sell" if number % 2 else "buy", "market", Decimal(1), None)
        await trio.sleep(1)


@pytest.fixture
def small_memory(monkeypatch):
    """As after thousands of trades."""
    monkeypatch.setattr("actors.model.folding.ADJUSTMENTS_KEPT", KEPT)
    monkeypatch.setattr("actors.broker.intake.REMEMBERED", KEPT)


@pytest.mark.parametrize("streams", [False, True], ids=["polled", "streamed"])
async def test_trades_of_another_after_our_last_fill_count_once(autojump_clock, small_memory, streams):
    """Our own fill leaves the watermark where it is, so what is listed since grows from poll to poll."""
    port = Asked()
    async with open_world(port=port) as world:
        port.stream_fills = streams
        await world.until(world.accept(quantity="1"), "filled")
        await another_trades(port, 5 * KEPT + 1)
        await trio.sleep(120)
        assert world.types().count("PositionAdjusted") == 5 * KEPT + 1
        assert world.held() == port.position(BTC) == 2
        assert world.clock.now_us() - port.since[-1] < (120 + 2 * KEPT) * 1_000_000
        assert world.state == "trading"


async def test_trades_of_another_while_the_broker_is_away_all_count(autojump_clock, small_memory):
    """However many they are: what is forgotten of the time before is no measure of the time after."""
    async with open_world() as world:
        await world.until(world.accept(quantity="1"), "filled")
        await another_trades(world.port, 2 * KEPT)
        await trio.sleep(20)
        await world._kill(world.broker)
        await another_trades(world.port, 3 * KEPT + 1)
        await world.start_broker()
        await trio.sleep(30)
        assert world.types().count("PositionAdjusted") == 5 * KEPT + 1
        assert world.held() == world.port.position(BTC) == 2


async def test_a_late_fill_of_ours_is_found_among_trades_that_are_forgotten(autojump_clock, small_memory):
    """Where a poll begins is where those of others are forgotten; ours are never dropped for their time."""
    async with open_world() as world:
        await world.until(world.accept(quantity="1"), "filled")
        resting = world.accept(quantity="1", price="90")
        await world.until(resting, "open")
        venue_id = world.order(resting).intent.venue_id
        world.port.hide.add(venue_id)
        world.port.execute(venue_id, Decimal("0.5"))
        await another_trades(world.port, 2 * KEPT)
        world.port.hide.clear()
        await trio.sleep(30)
        assert world.order(resting).executed == Decimal("0.5")
        assert world.held() == world.port.position(BTC)


class Forgetful(LittleExchange):
    """Tells no positions; while it is `unreadable` no trades either, and its streams lose those of others."""

    def __init__(self):
        super().__init__(TestClock())
        self.capabilities = msgspec.structs.replace(self.capabilities, reports_positions=False)
        self.unreadable = False

    async def fills_since(self, symbol, since_us):
        if self.unreadable:
            raise Unavailable("exchange", "an answer that nobody can read")
        return await super().fills_since(symbol, since_us)


async def test_a_trade_of_another_is_found_though_ours_went_on_while_none_could_be_read(autojump_clock):
    """Our own fills came by the stream, and a poll began where they ended."""
    port = Forgetful()
    async with open_world(port=port) as world:
        await world.until(world.accept(quantity="1"), "filled")
        await another_trades(port, 1)
        await trio.sleep(20)
        port.unreadable, port.stream_fills = True, False
        await another_trades(port, 1)
        await trio.sleep(20)
        await world.until(world.accept(quantity="1"), "filled")
        port.unreadable, port.stream_fills = False, True
        await trio.sleep(60)
        assert world.held() == port.position(BTC) == 4
