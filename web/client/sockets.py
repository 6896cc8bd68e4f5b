"""One seam over two WebSocket libraries: trio-websocket under trio, websockets under asyncio."""

import ssl
from contextlib import AbstractAsyncContextManager
from typing import Protocol

import sniffio

from web.client.errors import ClientError

MAX_FRAME_BYTES = 4 * 1024 * 1024


class Closed(ClientError):
    """The connection ended; `code` is None when it broke."""

    def __init__(self, code: int | None, reason: str) -> None:
        super().__init__(f"the connection ended: {code} {reason}")
        self.code = code
        self.reason = reason


class Rejected(ClientError):
    """The service refused the handshake."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(f"the connection was refused: {status} {detail}")
        self.status = status
        self.detail = detail


class Untrusted(ClientError):
    """The service's certificate is not trusted; see the client's `trust`."""

    def __init__(self, why: str) -> None:
        super().__init__(f"the service's certificate is not trusted: {why}")


class Socket(Protocol):
    """An open connection. Both calls raise Closed once it has ended."""

    async def send(self, text: str) -> None: ...

    async def receive(self) -> str | bytes: ...


def connect(url: str, token: str, trust: ssl.SSLContext | None = None) -> AbstractAsyncContextManager[Socket]:
    """Open a connection with the token in its handshake. Raises Rejected or Untrusted, or Closed when nobody
    answers.
    """
    if sniffio.current_async_library() == "trio":
        from web.client.trio_socket import open_socket as open_on_trio

        return open_on_trio(url, token, trust)
    from web.client.asyncio_socket import open_socket as open_on_asyncio

    return open_on_asyncio(url, token, trust)
