"""The synthetic market: seeded, endless, near where it began, on the instrument's steps."""

from decimal import Decimal
from itertools import pairwise

import pytest

from actors.broker.adapters.simulated.market import MarketEvent, synthetic
from actors.model.money import is_multiple

TICK, LOT = Decimal("0.01"), Decimal("0.000001")


def events(symbol: str = "BTC/USDT", seed: int = 0, count: int = 2_000) -> list[MarketEvent]:
    """The first events of a market."""
    market = synthetic(symbol, tick=TICK, lot=LOT, seed=seed)
    return [market.next() for _ in range(count)]


def test_the_same_seed_gives_the_same_market() -> None:
    """And another seed, or another symbol, another one."""
    assert events() == events()
    assert events() != events(seed=1)
    assert [event.at_us for event in events("AAA/USDT")] != [event.at_us for event in events("BBB/USDT")]


@pytest.mark.parametrize(("symbol", "start"), [("BTC/USDT", 40_000), ("ETH/USDT", 2_500), ("DOGE/USDT", 100)])
def test_prices_stay_near_where_they_began(symbol: str, start: int) -> None:
    """So that a walk through the documentation works at any time of the day."""
    market = synthetic(symbol, tick=TICK, lot=LOT, seed=7)
    assert market.first.bid is not None
    assert market.first.ask is not None
    assert market.first.bid < start < market.first.ask
    for event in events(symbol, seed=7, count=20_000):
        assert event.price is not None
        assert abs(event.price - start) < Decimal(start) * Decimal("0.02")


def test_every_event_is_a_trade_on_the_steps_at_the_quote() -> None:
    """Bought at the ask, sold at the bid; time goes on."""
    found = events()
    for before, event in pairwise(found):
        assert event.at_us > before.at_us
        assert event.quote.bid is not None
        assert event.quote.ask is not None
        assert event.quote.bid < event.quote.ask
        assert event.price == (event.quote.ask if event.side == "buy" else event.quote.bid)
        assert is_multiple(event.price, TICK)
        assert event.quantity > 0
        assert is_multiple(event.quantity, LOT)
    assert {event.side for event in found} == {"buy", "sell"}


def test_there_are_some_events_a_second() -> None:
    """Enough for a demonstration, few enough for a small machine."""
    last = events(count=4_000)[-1]
    assert 900 < last.at_us / 1_000_000 < 1_100
