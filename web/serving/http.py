"""HTTP/1.1 on a connection: order entry on the spot, everything else through hypercorn's streams.

A request for a fast route is answered by the task that reads the connection, which has nothing else to do
until then; its answer leaves in one write. HTTP/2 is not spoken: it would be a second way in for everything
that is bounded here.
"""

import time
from collections.abc import Mapping
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import h11
from hypercorn.config import Config
from hypercorn.protocol.events import Body, Data, EndBody, Request, Response, StreamClosed
from hypercorn.protocol.events import Event as StreamEvent
from hypercorn.protocol.h11 import STREAM_ID, H11Protocol, H11WSConnection
from hypercorn.protocol.http_stream import HTTPStream
from hypercorn.protocol.ws_stream import WSStream
from hypercorn.trio.task_group import TaskGroup
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import AppWrapper, ConnectionState, WebsocketAcceptEvent

from web.call import (
    MAX_BODY_BYTES,
    Answer,
    Call,
    Route,
    answer_problem,
    response_headers,
    too_large,
    too_slow,
)
from web.edge import Edge
from web.problems import ProblemError, problem
from web.serving.whole import read_whole

if TYPE_CHECKING:
    from web.serving.connection import Connection


MAX_HEADER_BYTES = 16 * 1024


class FastLane(NamedTuple):
    """The routes that are answered on the spot, by method and path, and who answers them."""

    edge: Edge
    routes: Mapping[tuple[bytes, bytes], Route]


@lru_cache(maxsize=2)
def _date(second: int) -> bytes:
    return formatdate(second, usegmt=True).encode()


@lru_cache(maxsize=64)
def _status_line(status: int) -> bytes:
    return f"HTTP/1.1 {status} {HTTPStatus(status).phrase}".encode()


def _encoded(answer: Answer, correlation_id: str, *, closing: bool) -> bytes:
    """A whole answer as it goes over the wire."""
    headers = response_headers(answer, correlation_id)
    headers.append(date_header())
    if closing:
        headers.append((b"connection", b"close"))
    lines = [name + b": " + value for name, value in headers]
    return b"\r\n".join([_status_line(answer.status), *lines, b"", answer.body])


def date_header() -> tuple[bytes, bytes]:
    """The date of an answer; its text is written once a second."""
    return b"date", _date(int(time.time()))


class EdgeProtocol(H11Protocol):
    """Hypercorn's HTTP/1.1 with bounded bodies and the lane for fast routes."""

    def __init__(
        self,
        app: AppWrapper,
        config: Config,
        context: WorkerContext,
        tasks: TaskGroup,
        state: ConnectionState,
        secure: bool,
        client: tuple[str, int] | None,
        server: tuple[str, int] | None,
        connection: "Connection",
        lane: FastLane,
    ) -> None:
        super().__init__(app, config, context, tasks, state, secure, client, server, connection.send)
        self.tcp = connection
        self.lane = lane
        self._head = b""
        self._fast: FastStream | None = None
        self._answering = False

    @property
    def busy(self) -> bool:
        """Whether a request is being received or answered."""
        return self._answering or self.stream is not None

    @property
    def _is_last(self) -> bool:
        """Whether the connection ends with this answer: its request was not read to the end or asked for it,
        or the service stops. A client must hear of it, or it sends the next request into nothing.
        """
        connection = cast(h11.Connection, self.connection)
        unread = connection.their_state is h11.SEND_BODY
        return unread or connection.our_state is h11.MUST_CLOSE or self.context.terminated.is_set()

    async def expire(self) -> None:
        """The time for this request is up: say so if there is still somebody to say it to."""
        if self._fast is not None and not self._fast.complete:
            await self._fast.refuse(too_slow())

    async def take_whole(self, data: bytes) -> bool:
        """Answer what was received if it is one whole request for a fast route; False: it is for the parser.

        The parser never hears of such a request. It stands between two requests before and after.
        """
        connection = self.connection
        if self.stream is not None or not isinstance(connection, h11.Connection):
            return False
        if connection.our_state is not h11.IDLE or connection.trailing_data[0]:
            return False
        request = read_whole(data)
        if request is None or len(data) - len(request.body) > MAX_HEADER_BYTES:
            return False
        target, _, query = request.target.partition(b"?")
        route = self.lane.routes.get((request.method, target))
        if route is None or len(request.body) > MAX_BODY_BYTES:
            return False

        async def body() -> bytes:
            return request.body

        self._answering = True
        self.tcp.expect_nothing()
        client = self.client[0] if self.client else ""
        call = Call(route.method, route.path, query, client, request.headers, body, {}, self.tcp.reading)
        answer = await self.lane.edge.serve(route, call)
        closing = self.context.terminated.is_set()
        await self.tcp.write(_encoded(answer, call.correlation_id, closing=closing))
        self._answering = False
        if closing:
            await self.tcp.close()
        else:
            self.tcp.expect_request()
        return True

    async def answer(self, answer: Answer, correlation_id: str) -> None:
        """Send a whole answer in one write, and be ready for the next request.

        The parser is only told what it needs to keep track; the bytes are written here, since every header
        of ours is known to be well formed and checking them again costs more than all else.
        """
        connection = cast(h11.Connection, self.connection)
        length = (b"content-length", b"%d" % len(answer.body))
        try:
            connection.send(h11.Response(status_code=answer.status, headers=[length]))
            connection.send(h11.Data(data=answer.body))
            connection.send(h11.EndOfMessage())
        except h11.LocalProtocolError:
            await self.tcp.close()
            return
        closing = self._is_last
        await self.tcp.write(_encoded(answer, correlation_id, closing=closing))
        await self._maybe_recycle()

    async def stream_send(self, event: StreamEvent) -> None:
        """Send a part of an answer; its head waits for the first part of its body."""
        if isinstance(event, Response) and event.status_code >= 200:
            headers = [*event.headers, date_header()]
            if self._is_last:
                headers.append((b"connection", b"close"))
            self._head = self._encode(h11.Response(headers=headers, status_code=event.status_code))
        elif isinstance(event, Body):
            head, self._head = self._head, b""
            await self.tcp.write(head + self._encode(h11.Data(data=event.data)))
        elif isinstance(event, EndBody):
            head, self._head = self._head, b""
            rest = head + self._encode(h11.EndOfMessage())
            if rest:
                await self.tcp.write(rest)
        elif isinstance(event, Data):
            await self.tcp.write(event.data)
        else:
            await super().stream_send(event)

    def _encode(self, event: Any) -> bytes:
        connection = cast(h11.Connection, self.connection)
        try:
            return connection.send(event) or b""
        except h11.LocalProtocolError:
            if connection.their_state is h11.ERROR:
                return b""
            raise

    async def _check_protocol(self, event: h11.Request) -> None:
        """No other protocol is spoken; an offer to upgrade to one is ignored."""

    async def _create_stream(self, request: h11.Request) -> None:
        self.keep_alive_requests += 1
        if sum(len(name) + len(value) for name, value in request.headers) > MAX_HEADER_BYTES:
            await self._send_error_response(431)
            await self.tcp.close()
            return
        if {b"content-length", b"transfer-encoding"} <= {name for name, _ in request.headers}:
            # Whoever stands between may see another end of this request than we do (RFC 9112, 6.1).
            await self._send_error_response(400)
            await self.tcp.close()
            return
        target, _, query = request.target.partition(b"?")
        route = self.lane.routes.get((request.method, target))
        if route is not None:
            self._fast = FastStream(self, route, query, request)
            self.stream = cast(HTTPStream, self._fast)
            await self._fast.begin()
            return
        self._fast = None
        kind = EdgeWebSocket if wants_websocket(request) else EdgeStream
        stream = kind(
            self.app,
            self.config,
            self.context,
            self.task_group,
            self.ssl,
            self.client,
            self.server,
            self.stream_send,
            STREAM_ID,
        )
        stream.tcp = self.tcp
        self.stream = stream
        if isinstance(stream, EdgeWebSocket):
            self.connection = H11WSConnection(cast(h11.Connection, self.connection))
        await stream.handle(
            Request(
                stream_id=STREAM_ID,
                headers=list(request.headers),
                http_version=request.http_version.decode(),
                method=request.method.decode("ascii").upper(),
                raw_path=request.target,
                state=self.connection_state,
            )
        )

    async def _send_error_response(self, status_code: int) -> None:
        """What is no HTTP is refused in the one form of errors."""
        found = problem(
            "VALIDATION", "this is no HTTP/1.1 request that the service takes", status=status_code
        )
        answer = answer_problem(found, "", ((b"connection", b"close"),))
        headers = [*response_headers(answer, ""), date_header()]
        head = self._encode(h11.Response(status_code=status_code, headers=headers))
        await self.tcp.write(
            head + self._encode(h11.Data(data=answer.body)) + self._encode(h11.EndOfMessage())
        )


class FastStream:
    """A request for a fast route: its body is gathered, its answer made by the task that reads."""

    idle = False

    def __init__(self, protocol: EdgeProtocol, route: Route, query: bytes, request: h11.Request) -> None:
        self.complete = False
        self._protocol = protocol
        self._route = route
        self._parts: list[bytes] = []
        self._size = 0
        self._declared = 0
        client = protocol.client
        self._call = Call(
            route.method,
            route.path,
            query,
            client[0] if client else "",
            request.headers,
            self._body,
            {},
            protocol.tcp.reading,
        )
        for name, value in request.headers:
            if name == b"content-length":
                self._declared = int(value)

    async def begin(self) -> None:
        """Refuse a body that says that it is too large before any of it is read."""
        if self._declared > MAX_BODY_BYTES:
            await self.refuse(too_large())

    async def handle(self, event: StreamEvent) -> None:
        """Take a part of the request; the last one makes the answer."""
        if self.complete:
            return
        if isinstance(event, Body):
            self._parts.append(bytes(event.data))
            self._size += len(event.data)
            if self._size > MAX_BODY_BYTES:
                await self.refuse(too_large())
        elif isinstance(event, EndBody):
            self.complete = True
            self._protocol.tcp.expect_nothing()
            answer = await self._protocol.lane.edge.serve(self._route, self._call)
            await self._protocol.answer(answer, self._call.correlation_id)
        elif isinstance(event, StreamClosed):
            self.complete = True

    async def refuse(self, error: ProblemError) -> None:
        """Answer with a problem; what is still to come of the request is not looked at."""
        self.complete = True
        edge = self._protocol.lane.edge
        correlation_id = edge.correlations.of(self._call.correlation_id)
        await self._protocol.answer(answer_problem(error.problem, correlation_id), correlation_id)

    async def _body(self) -> bytes:
        return self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)


class EdgeStream(HTTPStream):
    """A request that goes through the framework."""

    tcp: "Connection"

    async def handle(self, event: StreamEvent) -> None:
        """Pass it on; with the last part of the request it is the application's turn."""
        if isinstance(event, EndBody):
            self.tcp.expect_nothing()
        await super().handle(event)


class EdgeWebSocket(WSStream):
    """A WebSocket without compression, which would cost every frame of every subscriber.

    Its session takes what came from the connection's inbox, not from the queue that it was opened with.
    """

    tcp: "Connection"

    async def handle(self, event: StreamEvent) -> None:
        """Pass it on; whatever follows the request goes into the inbox."""
        await super().handle(event)
        if isinstance(event, Request) and self.app_put is not None:
            self.app_put = self.tcp.inbox.put

    async def _accept(self, message: WebsocketAcceptEvent) -> None:
        self.handshake.extensions = None
        self.tcp.expect_frames()
        await super()._accept(message)


def wants_websocket(request: h11.Request) -> bool:
    """Whether the request asks to become a WebSocket."""
    upgrade = connection = b""
    for name, value in request.headers:
        if name == b"upgrade":
            upgrade = value
        elif name == b"connection":
            connection = value
    tokens = [token.strip() for token in connection.lower().split(b",")]
    return request.method == b"GET" and b"upgrade" in tokens and upgrade.strip().lower() == b"websocket"
