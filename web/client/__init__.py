"""The Python client: typed, for asyncio and trio, retrying only what is safe, resuming feeds where they
broke off.

async with Client("http://127.0.0.1:8085", token) as client:
    order = await client.place(symbol="BTC/USDT", side="buy", type="market", qty="0.01")
    async with client.feed("orders") as frames:
        async for frame in frames:
            ...
"""

from web.client.client import Client, Waiting
from web.client.errors import ApiError, Unreachable
from web.client.feed import FeedFrame, FeedRefused, Frames

__all__ = ["ApiError", "Client", "FeedFrame", "FeedRefused", "Frames", "Unreachable", "Waiting"]
