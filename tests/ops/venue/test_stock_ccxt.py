"""A bot with ccxt as it comes: nothing changed but where names lead."""

import aiohttp
import pytest
import trio
import trio_asyncio

from actors.broker.adapters.ccxt.loading import load
from actors.broker.adapters.ccxt.session import OneAddress, Redirect, ssl_context
from ops.venue.main import API_KEY, API_SECRET, BALANCES
from ops.venue.running import Plan, open_venue
from ops.venue.service import EXCHANGES

BOTS = {
    "binance-spot": ("binance", {}, "BTC/USDT"),
    "binance-usdm": ("binanceusdm", {}, "BTC/USDT:USDT"),
    "bybit-spot": ("bybit", {"options": {"defaultType": "spot"}}, "BTC/USDT"),
    "bybit-linear": ("bybit", {"options": {"defaultType": "swap"}}, "BTC/USDT:USDT"),
}


async def trade(running, ccxt_id, config, symbol):
    """On the asyncio side: an ordinary bot's calls."""
    redirect = Redirect(host=running.host, port=running.port, ca_file=str(running.ca_file))
    connector = aiohttp.TCPConnector(resolver=OneAddress(redirect), ssl=ssl_context(redirect, ()))
    session = aiohttp.ClientSession(connector=connector)
    bot = load(ccxt_id)(
        {"apiKey": API_KEY, "secret": API_SECRET, "session": session, "enableRateLimit": False, **config}
    )
    bot.timeout_on_exit = 0
    try:
        await bot.load_markets()
        assert symbol in bot.markets
        ticker = await bot.fetch_ticker(symbol)
        assert ticker["last"] > 0
        book = await bot.fetch_order_book(symbol)
        assert book["bids"]
        balance = await bot.fetch_balance()
        assert balance["USDT"]["free"] > 100_000
        resting = await bot.create_order(symbol, "limit", "buy", 0.01, 39000, {"clientOrderId": "bot-1"})
        assert [order["id"] for order in await bot.fetch_open_orders(symbol)] == [resting["id"]]
        await bot.cancel_order(resting["id"], symbol)
        assert await bot.fetch_open_orders(symbol) == []
        await bot.create_order(symbol, "market", "sell", 0.01)
        (mine,) = await bot.fetch_my_trades(symbol)
        assert (mine["amount"], mine["side"]) == (0.01, "sell")
        if ":" in symbol:
            (position,) = await bot.fetch_positions([symbol])
            assert (position["side"], position["contracts"]) == ("short", 0.01)
        watching = bot.watch_orders(symbol)
        assert await watched(bot, watching, symbol)
        assert await bot.watch_trades(symbol)
        assert (await bot.watch_bids_asks([symbol]))[symbol]["bid"]
    finally:
        await bot.close()
        await session.close()


async def watched(bot, watching, symbol):
    """The first update of the order stream, after an order that is placed once the stream is open."""
    import asyncio

    first = asyncio.ensure_future(watching)
    for _ in range(20):
        await asyncio.sleep(0.1)
        if first.done():
            break
        await bot.create_order(symbol, "limit", "buy", 0.01, 39000)
    return await first


@pytest.mark.parametrize("name", list(BOTS))
async def test_unmodified_ccxt_trades_against_the_venue(name):
    """With its own defaults: every market type is loaded, currencies too."""
    with trio.fail_after(120):
        async with trio_asyncio.open_loop(), open_venue(Plan(speed=20.0)) as running:
            for exchange in EXCHANGES:
                running.venue.open_account(exchange, API_KEY, API_SECRET, BALANCES)
            await trio_asyncio.aio_as_trio(trade)(running, *BOTS[name])
