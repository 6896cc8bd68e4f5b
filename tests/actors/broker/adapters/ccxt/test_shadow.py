"""Shadow mode: the real market, and orders that never leave."""

from decimal import Decimal

import pytest
import trio

from actors.broker.adapters.ccxt.shadow import FollowedMarket, ShadowExchange
from actors.broker.adapters.simulated.engine import Quote
from actors.broker.port import Confirmed, Unavailable
from actors.model.messages import Tick
from tests.actors.broker.adapters.ccxt.conftest import RealClock, open_place, until


async def test_orders_are_answered_here_and_never_reach_the_exchange():
    async with open_place("binance-spot", speed=20.0) as place, trio.open_nursery() as nursery:
        shadow = ShadowExchange("shadow", place.adapter, RealClock(), ["BTC/USDT"])
        with pytest.raises(Unavailable):
            await shadow.open_orders()
        await shadow.connect()
        items, ticks = [], []
        nursery.start_soon(shadow.follow_orders, items.append)
        nursery.start_soon(shadow.follow_market, ["BTC/USDT"], ticks.append)
        bought = await shadow.submit(place.market())
        rests = place.intent()
        assert isinstance(bought, Confirmed)
        assert abs(bought.fills[0].price - 40000) < 1000
        assert isinstance(await shadow.submit(rests), Confirmed)
        assert [report.venue_id for report in await shadow.open_orders()] == [rests.venue_id]
        assert isinstance(await shadow.cancel("BTC/USDT", rests.venue_id, None), Confirmed)
        assert {balance.asset for balance in await shadow.balances()} == {"BTC", "USDT"}
        await until(lambda: items and ticks)
        assert place.exchange.orders == {}
        nursery.cancel_scope.cancel()


async def test_a_symbol_that_is_not_listed_is_told():
    async with open_place("binance-spot") as place:
        shadow = ShadowExchange("shadow", place.adapter, RealClock(), ["DOGE/USDT"])
        with pytest.raises(Unavailable, match="DOGE/USDT"):
            await shadow.connect()


def test_a_followed_market_samples_the_newest_quote_and_each_trade_once():
    market = FollowedMarket(Quote(Decimal(1), Decimal(2)))
    market.saw(Tick(exchange="x", symbol="s", bid=Decimal(3), ask=Decimal(4), at_us=0))
    market.saw(Tick(exchange="x", symbol="s", last=Decimal("3.5"), last_quantity=Decimal(7), at_us=0))
    first, second = market.next(), market.next()
    assert (first.quote, first.price, first.quantity) == (
        Quote(Decimal(3), Decimal(4)),
        Decimal("3.5"),
        Decimal(7),
    )
    assert (second.quote, second.price) == (Quote(Decimal(3), Decimal(4)), None)
    assert second.at_us > first.at_us
