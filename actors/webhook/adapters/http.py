"""Sends over HTTP, and only to addresses that were checked.

httpx makes the request; below it, where a connection is opened, the name is resolved once, every address is
judged, and the connection goes to that very address while TLS still proves the name. So a name that
resolves differently later, a redirect or a proxy of the environment can't lead anywhere else. Everything
together has one deadline. The status decides; what is said after it is read up to a bound, in bytes and in
time, and need not come to its end.
"""

import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from typing import TypeAlias

import httpcore
import httpx
import trio

from actors.webhook.port import Answer
from actors.webhook.ssrf import (
    Address,
    Allowed,
    Forbidden,
    Target,
    check_addresses,
    check_url,
    literal_of,
)

SEND_SECONDS = 15.0
BODY_SECONDS = 2.0
"""For so long what is said after the status is read: the status has decided already."""

CONNECT_SECONDS = 5.0
MOST_ANSWER_BYTES = 65_536
"""So much of an answer is read, headers and all."""

MOST_SAID_BYTES = 4096
"""So much of what it says is kept."""

MOST_ADDRESSES = 4
RESOLVERS_A_LINE = 2
KEEP_ALIVE_SECONDS = 20.0

FAILURES = (
    httpx.HTTPError,
    httpx.InvalidURL,
    httpcore.NetworkError,
    httpcore.TimeoutException,
    httpcore.ProtocolError,
    httpcore.UnsupportedProtocol,
    OSError,
    UnicodeError,
)
"""What a receiver, its name or the way to it can raise; a name that is no name by IDNA is a UnicodeError."""

Resolve: TypeAlias = Callable[[str, int], Awaitable[Sequence[Address]]]
SocketOption: TypeAlias = (
    tuple[int, int, int] | tuple[int, int, bytes | bytearray] | tuple[int, int, None, int]
)


class BoundedStream(httpcore.AsyncNetworkStream):
    """A connection on which an answer may not be too long: reading on raises httpcore.ReadError.

    So whoever reads comes to an end by an error and never has to stop in the middle, which generators within
    generators don't survive well.
    """

    def __init__(self, stream: httpcore.AsyncNetworkStream) -> None:
        self._stream = stream
        self._answered = 0

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Bytes of the answer to what was written last."""
        if self._answered >= MOST_ANSWER_BYTES:
            raise httpcore.ReadError(f"the answer has more than {MOST_ANSWER_BYTES} bytes")
        part = await self._stream.read(min(max_bytes, MOST_ANSWER_BYTES - self._answered), timeout)
        self._answered += len(part)
        return part

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Bytes of a request: the next answer begins anew."""
        self._answered = 0
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        """Close the connection."""
        await self._stream.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """The same over TLS."""
        return BoundedStream(await self._stream.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> object:
        """What the connection knows of itself."""
        return self._stream.get_extra_info(info)


class CheckedBackend(httpcore.AsyncNetworkBackend):
    """Opens connections for httpcore, each to an address that `allowed` permits. Raises Forbidden."""

    def __init__(
        self, allowed: Allowed, scheme: str, resolve: Resolve, connector: httpcore.AsyncNetworkBackend
    ) -> None:
        self._allowed = allowed
        self._scheme = scheme
        self._resolve = resolve
        self._connector = connector

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[SocketOption] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Resolve, judge, and connect to one of what was judged."""
        target = Target(self._scheme, host, port)
        literal = literal_of(host)
        found = (literal,) if literal is not None else await self._resolve(host, port)
        error: Exception = httpcore.ConnectError("no address")
        for address in check_addresses(target, found, self._allowed)[:MOST_ADDRESSES]:
            try:
                stream = await self._connector.connect_tcp(
                    str(address), port, timeout=timeout, socket_options=socket_options
                )
                return BoundedStream(stream)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as failed:
                error = failed
        raise error

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,
        socket_options: Iterable[SocketOption] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Refuse: a socket of this machine is no webhook."""
        raise Forbidden(path, "a socket of this machine is no webhook")

    async def sleep(self, seconds: float) -> None:
        """Wait between attempts of httpcore's own, which are switched off."""
        await trio.sleep(seconds)


class _Body(httpx.AsyncByteStream):
    def __init__(self, stream: AsyncIterator[bytes], close: Callable[[], Awaitable[None]]) -> None:
        self._stream = stream
        self._close = close

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._stream:
            yield part

    async def aclose(self) -> None:
        await self._close()


class CheckedTransport(httpx.AsyncBaseTransport):
    """What httpx sends through: a pool of httpcore's for each scheme on checked connections."""

    def __init__(
        self,
        allowed: Allowed,
        resolve: Resolve,
        connector: httpcore.AsyncNetworkBackend,
        tls: ssl.SSLContext,
    ) -> None:
        self._pools = {
            scheme: httpcore.AsyncConnectionPool(
                ssl_context=tls,
                max_connections=None,
                keepalive_expiry=KEEP_ALIVE_SECONDS,
                network_backend=CheckedBackend(allowed, scheme, resolve, connector),
            )
            for scheme in ("https", "http")
        }

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request; raises what httpcore raises, and Forbidden."""
        url = request.url
        response = await self._pools[url.scheme].handle_async_request(
            httpcore.Request(
                method=request.method,
                url=httpcore.URL(
                    scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
                ),
                headers=request.headers.raw,
                content=request.stream,
                extensions=request.extensions,
            )
        )
        return httpx.Response(
            status_code=response.status,
            headers=response.headers,
            stream=_Body(response.aiter_stream(), response.aclose),
            extensions=response.extensions,
        )

    async def aclose(self) -> None:
        """Close every connection."""
        for pool in self._pools.values():
            await pool.aclose()


class HttpLine:
    """Implements `actors.webhook.port.Line`."""

    def __init__(
        self,
        allowed: Allowed,
        resolve: Resolve,
        connector: httpcore.AsyncNetworkBackend,
        tls: ssl.SSLContext,
    ) -> None:
        self._allowed = allowed
        self._client = httpx.AsyncClient(
            transport=CheckedTransport(allowed, resolve, connector, tls),
            timeout=httpx.Timeout(SEND_SECONDS, connect=CONNECT_SECONDS),
            follow_redirects=False,
            trust_env=False,
        )

    async def send(self, url: str, headers: Sequence[tuple[str, str]], body: bytes) -> Answer:
        """POST once; whatever goes wrong is data. Cancelling drops the connection."""
        with trio.move_on_after(SEND_SECONDS):
            try:
                check_url(url, self._allowed)
                return await self._post(url, headers, body)
            except Forbidden as error:
                return Answer(status=None, error=f"refused: {error}")
            except FAILURES as error:
                return Answer(status=None, error=f"{type(error).__name__}: {error}")
        return Answer(status=None, error=f"no answer within {SEND_SECONDS:g} s")

    async def _post(self, url: str, headers: Sequence[tuple[str, str]], body: bytes) -> Answer:
        async with self._client.stream("POST", url, content=body, headers=list(headers)) as response:
            said, error = await _beginning(response)
            return Answer(
                status=response.status_code,
                error=error,
                retry_after=response.headers.get("retry-after"),
                body=said,
            )

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()


async def _beginning(response: httpx.Response) -> tuple[bytes, str]:
    """The first of what an answer says, and what kept more from coming, if anything did."""
    said = b""
    with trio.move_on_after(BODY_SECONDS):
        try:
            async for part in response.aiter_raw():
                said += part[: MOST_SAID_BYTES - len(said)]
        except FAILURES as error:
            return said, f"{type(error).__name__}: {error}"
    return said, ""


class HttpCarrier:
    """Implements `actors.webhook.port.Carrier`; `resolve`, `connector` and `tls` are for tests. `oldest` is
    the oldest TLS that is spoken.
    """

    def __init__(
        self,
        allowed: Allowed,
        *,
        resolve: Resolve | None = None,
        connector: httpcore.AsyncNetworkBackend | None = None,
        tls: ssl.SSLContext | None = None,
        oldest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
    ) -> None:
        self._allowed = allowed
        self._tls = tls
        self._oldest = oldest
        self._resolve = resolve
        self._connector = connector

    def line(self) -> HttpLine:
        """A line with connections and resolvers of its own."""
        if self._tls is None:
            self._tls = default_tls(self._oldest)
        connector = self._connector or httpcore.TrioBackend()
        return HttpLine(self._allowed, self._resolve or resolver(), connector, self._tls)


def resolver(threads: int = RESOLVERS_A_LINE) -> Resolve:
    """The system's resolver in a few threads: names that hang use up only those."""
    limiter = trio.CapacityLimiter(threads)

    async def resolve(host: str, port: int) -> Sequence[Address]:
        found = await trio.to_thread.run_sync(
            lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM),
            abandon_on_cancel=True,
            limiter=limiter,
        )
        return tuple(dict.fromkeys(ipaddress.ip_address(each[4][0]) for each in found))

    return resolve


def default_tls(oldest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> ssl.SSLContext:
    """The certificates that this system trusts, and TLS 1.3 or what is asked; reading them takes a while."""
    context = ssl.create_default_context()
    context.minimum_version = oldest
    return context
