"""An exchange without rows of its own, through ccxt's unified interface."""

from contextlib import asynccontextmanager
from decimal import Decimal

import pytest
import trio

from actors.broker.adapters.ccxt import profiles
from actors.broker.adapters.ccxt.unified import UnifiedExchange
from actors.broker.port import Confirmed, NotSent, Rejected, Unavailable, Unresolved
from tests.actors.broker.adapters.ccxt.conftest import open_place, until


@asynccontextmanager
async def open_stranger(monkeypatch, name, **plan):
    """One of the venue's exchanges as if nothing were known about it."""
    kind, market_type = ("binance", "spot") if name == "binance-spot" else ("bybit", "linear")
    known = profiles.PROFILES[kind, market_type]
    with monkeypatch.context() as patch:
        patch.delitem(profiles.PROFILES, (kind, market_type))
        async with open_place(name, **plan) as place:
            assert isinstance(place.adapter, UnifiedExchange)
            assert place.adapter._profile.ccxt_id == known.ccxt_id
            yield place


@pytest.mark.parametrize("name", ["binance-spot", "bybit-linear"])
async def test_it_trades_and_says_that_it_is_untested(monkeypatch, caplog, name):
    async with open_stranger(monkeypatch, name) as place:
        assert "untested" in caplog.text
        assert place.adapter.capabilities.absence_window_seconds is None
        began = place.venue.clock.now_us() - 1_000_000
        intent = place.intent()
        answer = await place.adapter.submit(intent)
        assert isinstance(answer, Confirmed)
        (report,) = await place.adapter.open_orders("BTC/USDT")
        assert (report.venue_id, report.limit_price, report.quantity) == (
            intent.venue_id,
            Decimal(39000),
            Decimal("0.01"),
        )
        assert isinstance(
            await place.adapter.cancel("BTC/USDT", intent.venue_id, answer.exchange_order_id), Confirmed
        )
        nameless = await place.adapter.cancel("BTC/USDT", intent.venue_id, None)
        assert isinstance(nameless, NotSent)
        assert nameless.local
        await place.adapter.submit(place.market())
        (fill,) = await place.adapter.fills_since("BTC/USDT", began)
        assert (fill.quantity, fill.order_id) == (Decimal("0.01"), "")
        assert fill.fee == place.exchange.trades[0].fee
        held = {balance.asset: balance.total for balance in await place.adapter.balances()}
        assert held["USDT"] == place.account.free["USDT"] + place.account.locked.get("USDT", 0)
        expected = [] if name.endswith("spot") else [Decimal("0.01")]
        assert [position.quantity for position in await place.adapter.positions()] == expected
        assert await place.adapter.server_time_us() > 0


async def test_doubt_is_unresolved_and_only_a_4xx_refuses(monkeypatch):
    async with open_stranger(monkeypatch, "binance-spot") as place:
        for kind in ("drop_after", "html", "empty", "truncate", "error_after", "unknown"):
            place.fault(kind, count=1)
            assert isinstance(await place.adapter.submit(place.intent()), Unresolved), kind
        place.fault("throttle", count=1, seconds=3)
        assert isinstance(await place.adapter.submit(place.intent()), Rejected)
        assert isinstance(await place.adapter.submit(place.intent(quantity=Decimal(8000))), Rejected)
        off_the_grid = await place.adapter.submit(place.intent(limit_price=Decimal("1.001")))
        assert isinstance(off_the_grid, NotSent)
        assert off_the_grid.local
        place.fault("error_before", where="GET")
        for question in (place.adapter.open_orders, place.adapter.balances, place.adapter.server_time_us):
            with pytest.raises(Unavailable):
                await question()


@pytest.mark.parametrize("name", ["binance-spot", "bybit-linear"])
async def test_its_streams_tell_orders_fills_and_prices(monkeypatch, name):
    async with open_stranger(monkeypatch, name, speed=20.0) as place, trio.open_nursery() as nursery:
        items, ticks = [], []
        nursery.start_soon(place.adapter.follow_market, ["BTC/USDT"], ticks.append)
        nursery.start_soon(place.adapter.follow_orders, items.append)
        hubs = place.venue.hubs(name)
        await until(lambda: any(socket.owner and socket.streams for hub in hubs for socket in hub.sockets()))
        await trio.sleep(0.2)
        await place.adapter.submit(place.market())
        await until(lambda: ticks and len({type(item) for item in items}) == 2)
        nursery.cancel_scope.cancel()
