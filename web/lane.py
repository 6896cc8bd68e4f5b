"""The way in and out of ASGI: bodies that are bounded in size and time, and a lane for order entry.

The framework spends more on a request (two tasks, contexts, signals, response objects) than an order needs.
Routes that are marked fast take their body straight from the server, run the same checks and the same
handler as all others, and answer in two messages.
"""

from collections.abc import Mapping
from typing import Any, Protocol, cast

import trio
from hypercorn.typing import ASGIReceiveCallable, ASGISendCallable
from quart_trio.asgi import TrioASGIHTTPConnection

from web.call import (
    BODY_SECONDS,
    MAX_BODY_BYTES,
    Call,
    Disconnected,
    Route,
    response_headers,
    too_large,
    too_slow,
)
from web.edge import Edge

Lane = Mapping[tuple[str, str], Route]
"""The fast routes by method and path."""


class LaneApp(Protocol):
    """What the lane needs of the application."""

    @property
    def edge(self) -> Edge: ...
    @property
    def lane(self) -> Lane: ...


class BodyReader:
    """Reads one body from the server, at most `MAX_BODY_BYTES` within `BODY_SECONDS`."""

    __slots__ = ("_receive",)

    def __init__(self, receive: ASGIReceiveCallable) -> None:
        self._receive = receive

    async def read(self) -> bytes:
        """The whole body; raise ProblemError when it is too large or too slow, Disconnected when it never
        came.
        """
        with trio.move_on_after(BODY_SECONDS):
            return await self._read()
        raise too_slow()

    async def _read(self) -> bytes:
        receive = self._receive
        message: Any = await receive()
        body: bytes = message.get("body", b"")
        if not message.get("more_body", False) and message["type"] == "http.request":
            return body
        parts, size = [body], len(body)
        while True:
            if message["type"] == "http.disconnect":
                raise Disconnected
            if size > MAX_BODY_BYTES:
                raise too_large()
            if not message.get("more_body", False):
                return b"".join(parts)
            message = await receive()
            part: bytes = message.get("body", b"")
            parts.append(part)
            size += len(part)


class EdgeConnection(TrioASGIHTTPConnection):
    """One request: a fast route is answered here, any other by the framework."""

    async def __call__(self, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        scope = self.scope
        app = cast("LaneApp", self.app)
        route = app.lane.get((scope["method"], scope["path"]))
        if route is None:
            await super().__call__(receive, send)
            return
        edge = app.edge
        client = scope.get("client")
        call = Call(
            scope["method"],
            scope["path"],
            scope["query_string"],
            client[0] if client else "",
            scope["headers"],
            BodyReader(receive).read,
            {},
        )
        try:
            answer = await edge.serve(route, call)
        except Disconnected:
            return
        headers = response_headers(answer, call.correlation_id)
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body, "more_body": False})
