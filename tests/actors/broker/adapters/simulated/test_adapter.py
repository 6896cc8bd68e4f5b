"""The simulated exchange through its port: markets, streams, latency, restarts."""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from actors.broker.adapters.simulated import MemoryLedger, NoFaults, SimulatedExchange, build
from actors.broker.adapters.simulated.ledger import Entry, LedgerUnavailable, Opening, SimLedger
from actors.broker.port import Confirmed, NotSent, OrderReport, Rejected, StreamItem, Unavailable, Unresolved
from actors.model.fill import Fill
from actors.model.messages import Tick
from actors.model.order import OrderIntent

D = Decimal
EPOCH_US = 1_700_000_000_000_000
TRADES = """timestamp,trade_id,price,quantity,side
2021-01-08T00:00:00.000Z,1,100.00,1,sell
2021-01-08T00:00:01.000Z,2,101.00,1,buy
2021-01-08T00:00:02.000Z,3,99.00,0.25,sell
2021-01-08T00:00:03.000Z,4,98.00,0.5,sell
2021-01-08T00:00:04.000Z,5,102.00,1,buy
"""


class WallClock:
    """Both clocks follow the test's."""

    def now_us(self) -> int:
        return EPOCH_US + round(trio.current_time() * 1_000_000)

    def monotonic(self) -> float:
        return trio.current_time()


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., SimulatedExchange]:
    """Exchanges whose market is the little recording above."""
    path = tmp_path / "market.csv"
    path.write_text(TRADES)

    def made(ledger: SimLedger | None = None, **values: object) -> SimulatedExchange:
        settings: dict[str, object] = {"symbols": ("BTC/USDT", "ETH/USDT"), "market_file": path, **values}
        return build("sim", clock=WallClock(), ledger=ledger or MemoryLedger(), **settings)

    return made


Make = Callable[..., SimulatedExchange]


def intent(number: int = 1, price: str | None = None, **fields: object) -> OrderIntent:
    """A market order for one, or a limit order when a price is given."""
    values: dict[str, object] = {
        "order_id": f"order-{number}",
        "client_order_id": f"mine-{number}",
        "exchange": "sim",
        "symbol": "BTC/USDT",
        "side": "buy",
        "type": "market" if price is None else "limit",
        "limit_price": None if price is None else D(price),
        "quantity": D(1),
        "venue_id": f"venue-{number}",
    }
    return OrderIntent(**{**values, **fields})


async def test_the_first_prices_are_known_before_anything_has_happened(
    autojump_clock: MockClock, make: Make
) -> None:
    """The first trade is a sell; what the first buyer pays is the ask from the start."""
    exchange = make()
    await exchange.connect()
    answers = [await exchange.submit(intent(1)), await exchange.submit(intent(2, side="sell"))]
    prices = [answer.fills[0].price for answer in answers if isinstance(answer, Confirmed)]
    assert prices == [101, 100]


async def test_a_market_order_fills_at_the_last_recorded_opposite_price(
    autojump_clock: MockClock, make: Make
) -> None:
    """Also while nobody follows the market."""
    exchange = make()
    await exchange.connect()
    await trio.sleep(2.5)
    bought, sold = await exchange.submit(intent(1)), await exchange.submit(intent(2, side="sell"))
    assert isinstance(bought, Confirmed)
    assert isinstance(sold, Confirmed)
    assert (bought.fills[0].price, sold.fills[0].price) == (101, 99)
    await trio.sleep(2)
    later = await exchange.submit(intent(3))
    assert isinstance(later, Confirmed)
    assert later.fills[0].price == 102


async def test_a_resting_order_fills_in_time_and_the_stream_tells(
    autojump_clock: MockClock, make: Make
) -> None:
    """At its own price, by the sizes that are printed through it."""
    exchange = make()
    await exchange.connect()
    items: list[tuple[float, StreamItem]] = []
    start = trio.current_time()
    with trio.move_on_after(3.5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(
                exchange.follow_orders, lambda item: items.append((trio.current_time() - start, item))
            )
            await trio.testing.wait_all_tasks_blocked()
            answer = await exchange.submit(intent(1, "99.5"))
            assert isinstance(answer, Confirmed)
            assert (answer.status, answer.fills) == ("open", ())
    told = [(round(at, 3), item) for at, item in items]
    assert [(at, type(item).__name__) for at, item in told] == [
        (0.0, "OrderReport"),
        (2.0, "Fill"),
        (2.0, "OrderReport"),
        (3.0, "Fill"),
        (3.0, "OrderReport"),
    ]
    fills = [item for _at, item in told if isinstance(item, Fill)]
    assert [(fill.price, fill.quantity, fill.liquidity) for fill in fills] == [
        (D("99.5"), D("0.25"), "maker"),
        (D("99.5"), D("0.5"), "maker"),
    ]
    report = told[-1][1]
    assert isinstance(report, OrderReport)
    assert (report.venue_id, report.executed, report.status) == ("venue-1", D("0.75"), "open")


async def test_ticks_follow_the_market_and_are_conflated_in_a_burst(
    autojump_clock: MockClock, make: Make
) -> None:
    """In real time each change is told; what was missed at once is told by its newest."""
    exchange = make()
    await exchange.connect()
    ticks: list[Tick] = []
    with trio.move_on_after(2.5):
        await exchange.follow_market(["BTC/USDT"], ticks.append)
    assert [(tick.bid, tick.ask, tick.last) for tick in ticks] == [
        (100, 101, None),
        (100, 101, 101),
        (99, 101, 99),
    ]
    await trio.sleep(60)
    ticks.clear()
    with trio.move_on_after(0):
        await exchange.follow_market(["BTC/USDT"], ticks.append)
    assert len(ticks) == 1


async def test_a_symbol_that_the_file_does_not_price_has_a_synthetic_market(
    autojump_clock: MockClock, make: Make
) -> None:
    """Beside the recorded one."""
    exchange = make()
    await exchange.connect()
    answer = await exchange.submit(intent(symbol="ETH/USDT"))
    assert isinstance(answer, Confirmed)
    assert 2400 < answer.fills[0].price < 2600


async def test_the_symbol_of_the_file_is_traded_even_if_it_is_not_among_the_symbols(
    autojump_clock: MockClock, make: Make
) -> None:
    """Whether risk lets it pass is another question."""
    exchange = make(symbols=("ETH/USDT",), market_symbol="XRP/ETH")
    await exchange.connect()
    assert [each.symbol for each in await exchange.instruments()] == ["ETH/USDT", "XRP/ETH"]


async def test_a_round_trip_takes_the_latency(autojump_clock: MockClock, make: Make) -> None:
    """On average: each way varies by half."""
    exchange = make(latency_seconds=0.2)
    await exchange.connect()
    began = trio.current_time()
    for number in range(50):
        await exchange.submit(intent(number, "90"))
    assert 8 < trio.current_time() - began < 12


async def test_at_speed_zero_the_market_runs_as_fast_as_it_is_followed(
    autojump_clock: MockClock, make: Make
) -> None:
    """And leaves time to everybody else."""
    exchange = make(speed=0.0)
    await exchange.connect()
    ticks: list[Tick] = []
    others = 0
    with trio.move_on_after(0.1):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(exchange.follow_market, ["BTC/USDT"], ticks.append)
            while True:
                await trio.sleep(0.01)
                others += 1
    assert len(ticks) > 50
    assert others >= 9


async def test_before_it_is_connected_it_takes_nothing(autojump_clock: MockClock, make: Make) -> None:
    """It does not know yet what rests in its books."""
    exchange = make()
    assert isinstance(await exchange.submit(intent()), NotSent)
    assert isinstance(await exchange.cancel("BTC/USDT", "venue-1", None), NotSent)
    with pytest.raises(Unavailable):
        await exchange.open_orders()


async def test_the_exchange_outlives_the_runtime(autojump_clock: MockClock, make: Make) -> None:
    """Another process finds orders, fills, balances and positions as they were."""
    ledger = MemoryLedger()
    first = make(ledger)
    await first.connect()
    await first.submit(intent(1))
    await first.submit(intent(2, "90"))
    fills, balances = await first.fills_since("BTC/USDT", 0), await first.balances()
    await trio.sleep(1)
    second = make(ledger)
    await second.connect()
    assert await second.fills_since("BTC/USDT", 0) == fills
    assert await second.balances() == balances
    assert [report.venue_id for report in await second.open_orders()] == ["venue-2"]
    report = await second.order("BTC/USDT", "venue-1")
    assert report is not None
    assert report.status == "filled"
    again = await second.submit(intent(1))
    assert isinstance(again, Rejected)
    assert [(each.symbol, each.quantity) for each in await second.positions()] == [("BTC/USDT", 1)]
    third = await second.submit(intent(3))
    assert isinstance(third, Confirmed)
    assert third.exchange_order_id == "3"


async def test_an_order_that_left_memory_is_found_in_the_books(
    autojump_clock: MockClock, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So are its fills."""
    monkeypatch.setattr("actors.broker.adapters.simulated.venue.CLOSED_KEPT", 2)
    monkeypatch.setattr("actors.broker.adapters.simulated.venue.FILLS_KEPT", 2)
    exchange = make()
    await exchange.connect()
    for number in range(6):
        await exchange.submit(intent(number, quantity=D("0.1")))
    report = await exchange.order("BTC/USDT", "venue-0")
    assert report is not None
    assert report.executed == D("0.1")
    assert len(await exchange.fills_since("BTC/USDT", 0)) == 6
    assert await exchange.order("ETH/USDT", "venue-0") is None


class Ledger(MemoryLedger):
    """Can be taken away."""

    away = False

    async def load(self, closed: int) -> Opening:
        self.check()
        return await super().load(closed)

    async def write(self, entry: Entry) -> None:
        self.check()
        await super().write(entry)

    def check(self) -> None:
        if self.away:
            raise LedgerUnavailable("gone")


async def test_without_its_books_the_exchange_confirms_nothing(autojump_clock: MockClock, make: Make) -> None:
    """An order in that time is unresolved; it is found later, because the exchange did take it."""
    ledger = Ledger()
    ledger.away = True
    exchange = make(ledger)
    with pytest.raises(Unavailable):
        await exchange.connect()
    ledger.away = False
    await exchange.connect()
    ledger.away = True
    items: list[StreamItem] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(exchange.follow_orders, items.append)
        answer = await exchange.submit(intent())
        assert isinstance(answer, Unresolved)
        assert answer.signed_at_us == WallClock().now_us()
        with pytest.raises(Unavailable):
            await exchange.order("BTC/USDT", "venue-1")
        await trio.sleep(1)
        assert items == []
        ledger.away = False
        await trio.sleep(1)
        assert [type(item) for item in items] == [Fill, OrderReport]
        report = await exchange.order("BTC/USDT", "venue-1")
        assert report is not None
        assert report.status == "filled"
        nursery.cancel_scope.cancel()


async def test_a_signed_time_outside_of_the_receive_window_is_refused(
    autojump_clock: MockClock, make: Make
) -> None:
    """That is what proves absence later; after asking for the time again all is well."""

    class Skewed(NoFaults):
        us = 0

        def clock_skew_us(self) -> int:
            return self.us

    faults = Skewed()
    exchange = make(faults=faults)
    await exchange.connect()
    assert isinstance(await exchange.submit(intent(1, "90")), Confirmed)
    for skew in (5_100_000, -1_100_000):
        faults.us = skew
        refused = await exchange.submit(intent(2, "90"))
        assert isinstance(refused, Rejected)
        assert refused.code == "TIMESTAMP"
        with pytest.raises(Unavailable, match="receive window"):
            await exchange.open_orders()
        assert await exchange.server_time_us() == WallClock().now_us() + skew
    await exchange.connect()
    taken = await exchange.submit(intent(2, "90"))
    assert isinstance(taken, Confirmed)
    assert len(await exchange.open_orders()) == 2


async def test_prices_do_not_wait_for_the_books(autojump_clock: MockClock, make: Make) -> None:
    """While the ledger hangs orders stay unanswered, but what things cost is told in time."""

    class Frozen(MemoryLedger):
        async def write(self, entry: Entry) -> None:
            await trio.sleep(6)
            raise LedgerUnavailable("no answer within 6 s")

    exchange = make(Frozen())
    await exchange.connect()
    ticks: list[Tick] = []
    with trio.move_on_after(5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(exchange.follow_market, ["BTC/USDT"], ticks.append)
            nursery.start_soon(exchange.follow_orders, lambda _item: None)
            nursery.start_soon(exchange.submit, intent(1))
            nursery.start_soon(exchange.submit, intent(2, "99.5"))
            await trio.sleep_forever()
    assert len(ticks) >= 5


async def test_a_price_that_stands_still_is_told_again(autojump_clock: MockClock, tmp_path: Path) -> None:
    """So that it is not taken for an old one: bars come four a minute."""
    path = tmp_path / "quiet.csv"
    path.write_text("timestamp,open,high,low,close,volume\n2021-12-31 23:01:00,100,100,100,100,8\n")
    exchange = build("sim", clock=WallClock(), ledger=MemoryLedger(), symbols=("BTC/USDT",), market_file=path)
    await exchange.connect()
    ticks: list[Tick] = []
    with trio.move_on_after(14.5):
        await exchange.follow_market(["BTC/USDT"], ticks.append)
    assert len(ticks) >= 14
    assert {tick.bid for tick in ticks} == {100}


@pytest.mark.recorded
async def test_in_a_real_market_orders_fill_as_it_was_recorded(
    autojump_clock: MockClock, recorded_data: Path
) -> None:
    """At every moment a buyer pays what the last buyer paid; a resting order gets its own price."""
    path = recorded_data / "binance-btcusdt-trades-2021-01-08.csv"
    rows = [line.split(",") for line in path.read_text().splitlines()[1:]]
    began = datetime.fromisoformat(rows[0][0])
    trades = [
        ((datetime.fromisoformat(at) - began).total_seconds(), D(price), side)
        for at, _id, price, _quantity, side in rows
    ]
    exchange = build("sim", clock=WallClock(), ledger=MemoryLedger(), symbols=("BTC/USDT",), market_file=path)
    await exchange.connect()
    start = trio.current_time()
    resting = await exchange.submit(intent(1000, "39500", side="sell", quantity=D("0.001")))
    assert isinstance(resting, Confirmed)
    assert resting.status == "open"
    for number, seconds in enumerate([0.5, 3.3, 10.05, 21.7, 40.004, 45.9]):
        await trio.sleep(start + seconds - trio.current_time())
        for side in ("buy", "sell"):
            answer = await exchange.submit(intent(2 * number + (side == "buy"), side=side))
            assert isinstance(answer, Confirmed)
            last = [price for at, price, aggressor in trades if at <= seconds and aggressor == side][-1]
            assert [fill.price for fill in answer.fills] == [last]
    fills = [fill for fill in await exchange.fills_since("BTC/USDT", 0) if fill.order_id == "venue-1000"]
    assert {fill.price for fill in fills} == {D(39500)}
    assert sum(fill.quantity for fill in fills) == D("0.001")
