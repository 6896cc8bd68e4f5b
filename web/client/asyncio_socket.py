"""A WebSocket under asyncio."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from web.client.sockets import MAX_FRAME_BYTES, Closed, Rejected, Socket, Untrusted


class AsyncioSocket:
    """An open connection of websockets."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    async def send(self, text: str) -> None:
        """Send a frame; raise Closed."""
        try:
            await self._connection.send(text)
        except ConnectionClosed as error:
            raise _closed(error) from None

    async def receive(self) -> str | bytes:
        """The next frame; raise Closed. Cancelling loses none."""
        try:
            return await self._connection.recv()
        except ConnectionClosed as error:
            raise _closed(error) from None


@asynccontextmanager
async def open_socket(url: str, token: str, trust: ssl.SSLContext | None = None) -> AsyncIterator[Socket]:
    """A connection for the length of the block. Raises Rejected, Untrusted or Closed."""
    headers = {"Authorization": f"Bearer {token}"}
    secure = (trust or ssl.create_default_context()) if url.startswith("wss:") else None
    try:
        connection = await connect(url, additional_headers=headers, max_size=MAX_FRAME_BYTES, ssl=secure)
    except ssl.SSLCertVerificationError as error:
        raise Untrusted(error.verify_message) from None
    except InvalidStatus as error:
        detail = (error.response.body or b"").decode("utf-8", "replace")[:300]
        raise Rejected(error.response.status_code, detail) from None
    except (InvalidHandshake, OSError, TimeoutError) as error:
        raise Closed(None, f"can't be reached: {error}") from None
    try:
        yield AsyncioSocket(connection)
    finally:
        await connection.close()


def _closed(error: ConnectionClosed) -> Closed:
    return Closed(None, "") if error.rcvd is None else Closed(error.rcvd.code, error.rcvd.reason)
