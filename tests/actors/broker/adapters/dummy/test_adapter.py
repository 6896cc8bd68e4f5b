"""The dummy exchange: what it does beyond the promises of the port."""

from decimal import Decimal

import pytest
import trio
from trio.testing import MockClock

from actors.broker.adapters.dummy import DummyExchange, build
from actors.broker.adapters.dummy.adapter import REMEMBERED
from actors.broker.port import Confirmed
from actors.model.messages import Tick
from actors.model.order import OrderIntent


class StillClock:
    """A clock that stands."""

    def now_us(self) -> int:
        return 7

    def monotonic(self) -> float:
        return 0.0


def exchange(*symbols: str) -> DummyExchange:
    """A dummy exchange that trades these."""
    return build("dummy", clock=StillClock(), symbols=symbols or ("BTC/USDT",))


def intent(number: int = 1, price: str | None = None, symbol: str = "BTC/USDT") -> OrderIntent:
    """A market order, or a limit order when a price is given."""
    return OrderIntent(
        order_id=f"order-{number}",
        client_order_id=f"mine-{number}",
        exchange="dummy",
        symbol=symbol,
        side="buy",
        type="market" if price is None else "limit",
        limit_price=None if price is None else Decimal(price),
        quantity=Decimal("0.01"),
        venue_id=f"venue-{number}",
    )


@pytest.mark.parametrize(
    ("symbol", "price", "expected"),
    [
        ("BTC/USDT", None, 40_000),
        ("ETH/USDT", None, 2_500),
        ("DOGE/USDT", None, 100),
        ("BTC/USDT", "39000.5", Decimal("39000.5")),
    ],
)
async def test_an_order_fills_at_its_limit_or_at_the_mark(
    symbol: str, price: str | None, expected: Decimal
) -> None:
    """Without a fee."""
    answer = await exchange("BTC/USDT", "ETH/USDT", "DOGE/USDT").submit(intent(1, price, symbol))
    assert isinstance(answer, Confirmed)
    (fill,) = answer.fills
    assert (fill.price, fill.fee, fill.at_us) == (expected, 0, 7)


async def test_only_the_newest_orders_are_remembered() -> None:
    """A benchmark sends millions."""
    here = exchange()
    for number in range(REMEMBERED + 10):
        await here.submit(intent(number))
    assert await here.order("BTC/USDT", "venue-9") is None
    assert await here.order("BTC/USDT", "venue-10") is not None
    assert len(await here.fills_since("BTC/USDT", 0)) == REMEMBERED


async def test_ids_differ_between_two_lives() -> None:
    """They are made of ours, so a fill of this life is never taken for one of the last."""
    first, second = await exchange().submit(intent(1)), await exchange().submit(intent(2))
    assert isinstance(first, Confirmed)
    assert isinstance(second, Confirmed)
    assert first.fills[0].fill_id != second.fills[0].fill_id


async def test_its_prices_are_told_once_a_second(autojump_clock: MockClock) -> None:
    """So that they never look stale."""
    ticks: list[Tick] = []
    with trio.move_on_after(3.5):
        await exchange("BTC/USDT", "ETH/USDT").follow_market(["BTC/USDT", "ETH/USDT"], ticks.append)
    assert len(ticks) == 8
    assert {tick.bid == tick.ask == tick.last for tick in ticks} == {True}


async def test_its_account_stands_still() -> None:
    """It opens with a balance and keeps no positions, and says so: an empty answer would mean flat."""
    here = exchange()
    before = await here.balances()
    assert [(each.asset, each.total) for each in before] == [("USDT", 1_000_000)]
    await here.submit(intent())
    assert await here.balances() == before
    assert not here.capabilities.reports_positions
    assert await here.positions() == ()


def test_a_symbol_has_a_base_and_a_quote() -> None:
    """Anything else stops the start."""
    with pytest.raises(ValueError, match="BTCUSDT"):
        exchange("BTCUSDT")
