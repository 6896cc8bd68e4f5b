"""A WebSocket under trio."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import SplitResult, urlsplit

import trio
import trio_websocket as tw

from web.client.errors import ClientError
from web.client.sockets import MAX_FRAME_BYTES, Closed, Rejected, Socket, Untrusted


class TrioSocket:
    """An open connection of trio-websocket."""

    def __init__(self, connection: tw.WebSocketConnection) -> None:
        self._connection = connection

    async def send(self, text: str) -> None:
        """Send a frame; raise Closed."""
        try:
            await self._connection.send_message(text)
        except tw.ConnectionClosed as error:
            raise _closed(error) from None

    async def receive(self) -> str | bytes:
        """The next frame; raise Closed. Cancelling loses none."""
        try:
            message: str | bytes = await self._connection.get_message()
        except tw.ConnectionClosed as error:
            raise _closed(error) from None
        return message


@asynccontextmanager
async def open_socket(url: str, token: str, trust: ssl.SSLContext | None = None) -> AsyncIterator[Socket]:
    """A connection for the length of the block. Raises Rejected, Untrusted or Closed."""
    parts = urlsplit(url)
    headers = [(b"Authorization", b"Bearer " + token.encode())]
    failure: ClientError | None = None
    async with await _open_stream(parts, trust) as stream:
        try:
            async with trio.open_nursery() as nursery:
                connection = await tw.wrap_client_stream(
                    nursery,
                    stream,
                    parts.netloc,
                    parts.path,
                    extra_headers=headers,
                    max_message_size=MAX_FRAME_BYTES,
                )
                yield TrioSocket(connection)
                nursery.cancel_scope.cancel()
        except* tw.ConnectionRejected as group:
            failure = _rejected(group)
        except* (tw.HandshakeError, trio.BrokenResourceError, OSError) as group:
            failure = Closed(None, str(_first(group)))
        except* ClientError as group:
            failure = _client_error(group)
    if failure is not None:
        raise failure


async def _open_stream(
    parts: SplitResult, trust: ssl.SSLContext | None
) -> "trio.SocketStream | trio.SSLStream[trio.SocketStream]":
    secure = parts.scheme == "wss"
    host = parts.hostname or ""
    try:
        stream = await trio.open_tcp_stream(host, parts.port or (443 if secure else 80))
    except OSError as error:
        raise Closed(None, f"can't be reached: {error}") from None
    if not secure:
        return stream
    context = trust or ssl.create_default_context()
    encrypted = trio.SSLStream(stream, context, server_hostname=host, https_compatible=True)
    try:
        await encrypted.do_handshake()
    except trio.BrokenResourceError as error:
        await trio.aclose_forcefully(encrypted)
        if isinstance(error.__cause__, ssl.SSLCertVerificationError):
            raise Untrusted(error.__cause__.verify_message) from None
        raise Closed(None, f"no TLS: {error.__cause__ or error}") from None
    return encrypted


def _closed(error: tw.ConnectionClosed) -> Closed:
    reason = error.reason
    return Closed(None, "") if reason is None else Closed(reason.code, reason.reason or "")


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _rejected(group: BaseExceptionGroup[BaseException]) -> Rejected:
    error = _first(group)
    body = getattr(error, "body", None) or b""
    return Rejected(getattr(error, "status_code", 0), body.decode("utf-8", "replace")[:300])


def _client_error(group: BaseExceptionGroup[BaseException]) -> ClientError:
    error = _first(group)
    return error if isinstance(error, ClientError) else Closed(None, str(error))
