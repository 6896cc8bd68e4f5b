"""What a WebSocket has received and its session has not taken: what came together is taken together.

The server's own queue hands on one message at a time, each for the price of two turns of the loop. A client
with many requests in flight sends them in one segment; its session should see them as one.
"""

from collections.abc import Sequence

import trio
from hypercorn.typing import ASGIReceiveEvent

WAITING = 256
"""Messages that wait before the connection is read no further."""


class Inbox:
    """The messages of one connection, oldest first; put by the task that reads it, taken by its session."""

    def __init__(self) -> None:
        self._messages: list[ASGIReceiveEvent] = []
        self._news = trio.Event()
        self._room = trio.Event()

    async def put(self, message: ASGIReceiveEvent) -> None:
        """Add a message; when too many wait, wait until they are taken. The end always finds room."""
        if len(self._messages) >= WAITING and message["type"] == "websocket.receive":
            self._room = trio.Event()
            await self._room.wait()
        self._messages.append(message)
        self._news.set()

    async def take(self) -> Sequence[ASGIReceiveEvent]:
        """All messages that wait, at least one."""
        if self._messages:
            await trio.lowlevel.checkpoint()
        while not self._messages:
            self._news = trio.Event()
            await self._news.wait()
        found, self._messages = self._messages, []
        self._room.set()
        return found
