"""What every exchange behind the port promises, whatever it is."""

from collections.abc import Callable
from decimal import Decimal

import pytest
import trio
from trio.testing import MockClock

from actors.broker.adapters import dummy, simulated
from actors.broker.port import Confirmed, ExchangePort, Rejected, StreamItem
from actors.model.fill import Fill
from actors.model.messages import Tick
from actors.model.order import OrderIntent

SYMBOLS = ("BTC/USDT", "ETH/USDT")
EPOCH_US = 1_700_000_000_000_000


class TestClock:
    """Wall time and monotonic time that both follow the test's clock."""

    __test__ = False

    def now_us(self) -> int:
        return EPOCH_US + int(trio.current_time() * 1_000_000)

    def monotonic(self) -> float:
        return trio.current_time()


def _dummy() -> ExchangePort:
    return dummy.build("here", clock=TestClock(), symbols=SYMBOLS)


def _simulated() -> ExchangePort:
    return simulated.build("here", clock=TestClock(), ledger=simulated.MemoryLedger(), symbols=SYMBOLS)


@pytest.fixture(params=[_dummy, _simulated], ids=["dummy", "simulated"])
async def exchange(request: pytest.FixtureRequest, autojump_clock: MockClock) -> ExchangePort:
    """A connected exchange of each kind."""
    make: Callable[[], ExchangePort] = request.param
    made = make()
    await made.connect()
    return made


def intent(number: int = 1, **fields: object) -> OrderIntent:
    """A market order for a hundredth of a bitcoin."""
    values: dict[str, object] = {
        "order_id": f"order-{number}",
        "client_order_id": f"mine-{number}",
        "exchange": "here",
        "symbol": "BTC/USDT",
        "side": "buy",
        "type": "market",
        "quantity": Decimal("0.01"),
        "venue_id": f"venue-{number}",
    }
    return OrderIntent(**{**values, **fields})


async def filled(exchange: ExchangePort, number: int = 1, **fields: object) -> tuple[Confirmed, Fill]:
    """The answer to an order that fills at once, and its only fill."""
    answer = await exchange.submit(intent(number, **fields))
    assert isinstance(answer, Confirmed)
    (fill,) = answer.fills
    return answer, fill


async def test_the_instruments_are_those_that_were_asked_for(
    autojump_clock: MockClock, exchange: ExchangePort
) -> None:
    """With the exchange's name and the steps that they trade in."""
    found = {each.symbol: each for each in await exchange.instruments()}
    assert list(found) == list(SYMBOLS)
    bitcoin = found["BTC/USDT"]
    assert (bitcoin.exchange, bitcoin.base, bitcoin.quote) == ("here", "BTC", "USDT")
    assert (bitcoin.tick, bitcoin.lot, bitcoin.min_notional) == (
        Decimal("0.01"),
        Decimal("0.000001"),
        Decimal(5),
    )


@pytest.mark.parametrize("side", ["buy", "sell"])
async def test_a_market_order_fills_whole_with_the_answer(
    autojump_clock: MockClock, exchange: ExchangePort, side: str
) -> None:
    """The fill says all that the journal wants to know."""
    answer, fill = await filled(exchange, side=side)
    assert answer.status == "filled"
    assert exchange.capabilities.fills_with_answer
    assert (fill.exchange, fill.symbol, fill.side, fill.order_id) == ("here", "BTC/USDT", side, "venue-1")
    assert (fill.quantity, fill.market_type, fill.fee_currency) == (Decimal("0.01"), "spot", "USDT")
    assert fill.exchange_order_id == answer.exchange_order_id
    assert fill.price > 0
    assert fill.fee >= 0
    assert fill.at_us >= EPOCH_US


async def test_a_limit_order_that_crosses_fills_no_worse_than_its_limit(
    autojump_clock: MockClock, exchange: ExchangePort
) -> None:
    """For a buyer at or below it."""
    answer, fill = await filled(exchange, type="limit", limit_price=Decimal(45_000))
    assert answer.status == "filled"
    assert fill.price <= 45_000


async def test_every_fill_has_ids_of_its_own(autojump_clock: MockClock, exchange: ExchangePort) -> None:
    """They key the fill for ever."""
    fills = [(await filled(exchange, number))[1] for number in range(20)]
    assert len({fill.fill_id for fill in fills}) == 20


async def test_an_order_is_known_by_our_id(autojump_clock: MockClock, exchange: ExchangePort) -> None:
    """And one that the exchange never had is not."""
    answer, fill = await filled(exchange)
    report = await exchange.order("BTC/USDT", "venue-1")
    assert report is not None
    assert (report.venue_id, report.status, report.executed) == ("venue-1", "filled", fill.quantity)
    assert (report.exchange_order_id, report.type, report.side) == (answer.exchange_order_id, "market", "buy")
    assert await exchange.order("BTC/USDT", "venue-2") is None


async def test_an_id_is_taken_only_once(autojump_clock: MockClock, exchange: ExchangePort) -> None:
    """The second order is refused, and nothing of it executes."""
    await filled(exchange)
    again = await exchange.submit(intent())
    assert isinstance(again, Rejected)
    assert again.code == "DUPLICATE_ORDER_ID"
    assert len(await exchange.fills_since("BTC/USDT", 0)) == 1


async def test_a_symbol_that_is_not_traded_is_refused(
    autojump_clock: MockClock, exchange: ExchangePort
) -> None:
    """With what was asked for in the reason."""
    answer = await exchange.submit(intent(symbol="DOGE/USDT"))
    assert isinstance(answer, Rejected)
    assert answer.code == "UNKNOWN_SYMBOL"
    assert "DOGE/USDT" in answer.reason


@pytest.mark.parametrize("venue_id", ["venue-1", "venue-never"])
async def test_a_cancel_of_what_is_not_open_says_that_it_is_gone(
    exchange: ExchangePort, venue_id: str
) -> None:
    """Filled or never there: in both cases there is nothing to wait for."""
    await filled(exchange)
    answer = await exchange.cancel("BTC/USDT", venue_id, None)
    assert isinstance(answer, Rejected)
    assert answer.gone


async def test_fills_are_told_again_by_symbol_and_time(
    autojump_clock: MockClock, exchange: ExchangePort
) -> None:
    """The same fills as with the answers, oldest first, the moment asked for included."""
    first = (await filled(exchange, 1))[1]
    await trio.sleep(1)
    second = (await filled(exchange, 2))[1]
    other = (await filled(exchange, 3, symbol="ETH/USDT"))[1]
    assert list(await exchange.fills_since("BTC/USDT", first.at_us)) == [first, second]
    assert list(await exchange.fills_since("BTC/USDT", first.at_us + 1)) == [second]
    assert list(await exchange.fills_since("ETH/USDT", 0)) == [other]


async def test_nothing_rests_after_orders_that_filled(
    autojump_clock: MockClock, exchange: ExchangePort
) -> None:
    """Open orders are only what may still execute."""
    await filled(exchange)
    assert list(await exchange.open_orders()) == []
    assert list(await exchange.open_orders("BTC/USDT")) == []


async def test_prices_are_told_at_once_for_the_symbols_asked_for(
    autojump_clock: MockClock, exchange: ExchangePort
) -> None:
    """Both sides, so that a mark is known before anything happens."""
    ticks: list[Tick] = []
    with trio.move_on_after(0.01):
        await exchange.follow_market(["ETH/USDT", "NOT/HERE"], ticks.append)
    assert ticks
    assert {tick.symbol for tick in ticks} == {"ETH/USDT"}
    assert ticks[0].exchange == "here"
    assert ticks[0].bid is not None
    assert ticks[0].ask is not None


async def test_prices_go_on(autojump_clock: MockClock, exchange: ExchangePort) -> None:
    """Also where nothing moves they are told again, so that they do not look old."""
    ticks: list[Tick] = []
    with trio.move_on_after(10):
        await exchange.follow_market(SYMBOLS, ticks.append)
    assert ticks[-1].at_us > EPOCH_US + 8_000_000


async def test_the_order_stream_lasts_until_it_is_cancelled(
    autojump_clock: MockClock, exchange: ExchangePort
) -> None:
    """It ends by nothing else."""
    items: list[StreamItem] = []
    with trio.move_on_after(5) as scope:
        await exchange.follow_orders(items.append)
    assert scope.cancelled_caught


async def test_the_exchanges_clock_can_be_asked(autojump_clock: MockClock, exchange: ExchangePort) -> None:
    """The proof of absence rests on it."""
    assert exchange.capabilities.absence_window_seconds is not None
    assert await exchange.server_time_us() == TestClock().now_us()


async def test_it_can_be_connected_and_closed_again(
    autojump_clock: MockClock, exchange: ExchangePort
) -> None:
    """As after a broken connection; what it knows stays."""
    await filled(exchange)
    await exchange.close()
    await exchange.connect()
    assert await exchange.order("BTC/USDT", "venue-1") is not None
