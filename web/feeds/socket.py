"""The way in for WebSockets: who may open one, and the connection as a session sees it.

Like order entry, sockets are taken straight from the server: a framework layer would add a queue and
several calls to every frame. A token comes with the handshake or in the first frame; one that is revoked
closes its sockets.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol, cast

import msgspec
import structlog
import trio
from hypercorn.typing import ASGIReceiveCallable, ASGISendCallable
from quart_trio.asgi import TrioASGIWebsocketConnection

from actors.journal.port import StoreUnavailable
from web.auth.keyring import Holder
from web.call import answer_problem, response_headers
from web.edge import Edge
from web.feeds.hub import Hub
from web.feeds.protocol import NOT_UNDERSTOOD, Authenticate, Encoded, ErrorFrame, encode
from web.feeds.session import GOING_AWAY, POLICY, TRY_LATER, Gone, Hangup, Session
from web.feeds.trade import TradeSession
from web.problems import ProblemError, problem

PATHS: Mapping[str, str | None] = {
    "/ws/orders": "orders",
    "/ws/positions": "positions",
    "/ws/fills": "fills",
    "/ws/markets": "markets",
    "/ws/risk": "risk",
    "/ws/system": "system",
    "/ws/trade": None,
}
"""Where sockets are opened, and the channel that an action there means when it names none."""

AUTH_SECONDS = 5.0
SEND_SECONDS = 10.0
"""How long one frame may take to leave: a client that does not read is told to come back later."""

MAX_SOCKETS = 1000

_log = structlog.get_logger(room="web")
_decode_auth = msgspec.json.Decoder(Authenticate).decode


class SocketApp(Protocol):
    """What a socket needs of the application."""

    @property
    def edge(self) -> Edge: ...
    @property
    def hub(self) -> Hub | None: ...
    @property
    def sockets(self) -> dict["EdgeSocket", None]: ...


class AsgiPeer:
    """The client behind ASGI's two callables.

    Our own server puts a way around each of them into the connection's state: bytes that are framed already
    go straight out, and frames that came in together are taken together.
    """

    def __init__(
        self, scope: Mapping[str, Any], receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        self._receive = receive
        self._send = send
        state = scope.get("state", {})
        self._write: Callable[[bytes], Awaitable[None]] | None = state.get("write")
        self._take: Callable[[], Awaitable[Sequence[Any]]] | None = (
            state["inbox"].take if "inbox" in state else None
        )
        self._waiting: list[str | bytes] = []
        self._gone = False

    async def receive(self) -> Sequence[str | bytes]:
        """The next frames, at least one; raise Gone when there are none any more."""
        if not self._waiting and not self._gone:
            messages = await self._take() if self._take is not None else (await self._receive(),)
            self._waiting = [_content(each) for each in messages if each["type"] == "websocket.receive"]
            self._gone = len(self._waiting) < len(messages)
        if not self._waiting:
            raise Gone
        found, self._waiting = self._waiting, []
        return found

    async def receive_one(self) -> str | bytes:
        """The next frame alone; those that came with it are received next."""
        first, *self._waiting = await self.receive()
        return first

    async def send(self, frames: Sequence[Encoded]) -> None:
        """Send frames, in order; raise Hangup when the client does not take them in time."""
        if self._write is not None:
            await self._write(b"".join([frame.wire for frame in frames]))
            return
        with trio.move_on_after(SEND_SECONDS) as scope:
            for frame in frames:
                await self._send({"type": "websocket.send", "text": frame.text, "bytes": None})
        if scope.cancelled_caught:
            raise Hangup(TRY_LATER, "frames are not being read")


def _content(message: Mapping[str, Any]) -> str | bytes:
    text: str | None = message.get("text")
    return text if text is not None else cast(bytes, message["bytes"])


class EdgeSocket(TrioASGIWebsocketConnection):
    """One WebSocket, from its handshake to its end."""

    token_id = ""
    _said: Hangup | None = None

    async def __call__(self, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        app = cast(SocketApp, self.app)
        await receive()
        self.cancel_scope = trio.CancelScope()
        self._peer = AsgiPeer(cast(Mapping[str, Any], self.scope), receive, send)
        self._headers = dict(self.scope["headers"])
        given = self._headers.get(b"x-correlation-id", b"").decode("latin-1")
        self._correlation_id = app.edge.correlations.of(given)
        try:
            holder, hub = await self._handshake(app)
        except ProblemError as error:
            await self._refuse(send, error)
            return
        # Known before it is open: a token that is revoked meanwhile must not leave a connection behind.
        self.token_id = "" if holder is None else holder.record.token_id
        app.sockets[self] = None
        await send({"type": "websocket.accept", "subprotocol": None, "headers": []})
        app.edge.services.metrics.sockets.inc()
        closing = Hangup(GOING_AWAY, "the service is going away")
        try:
            with self.cancel_scope:
                closing = await self._serve(app, hub, holder)
            closing = self._said or closing
        except Gone:
            return
        finally:
            app.sockets.pop(self, None)
            app.edge.services.metrics.sockets.dec()
        await send({"type": "websocket.close", "code": closing.code, "reason": closing.reason})

    def hang_up(self, reason: Hangup) -> None:
        """End this connection from outside."""
        self._said = self._said or reason
        self.cancel_scope.cancel()

    async def _handshake(self, app: SocketApp) -> tuple[Holder | None, Hub]:
        path = self.scope["path"]
        if path not in PATHS:
            raise ProblemError(problem("NOT_FOUND", f"there is no WebSocket at {path[:200]}"))
        if self.scope["query_string"]:
            raise ProblemError(
                problem("VALIDATION", "a WebSocket takes no query; a token belongs into a header")
            )
        origin = self._headers.get(b"origin")
        if origin is not None and not self._same_origin(origin):
            raise ProblemError(problem("FORBIDDEN", "a page of another origin may not open a socket here"))
        if app.hub is None or len(app.sockets) >= MAX_SOCKETS:
            detail = f"{len(app.sockets)} sockets are open"
            raise ProblemError(problem("OVERLOADED", detail, retry_after_seconds=5.0))
        authorization = self._headers.get(b"authorization")
        if authorization is None:
            return None, app.hub
        return await self._holder(app, authorization), app.hub

    def _same_origin(self, origin: bytes) -> bool:
        _, _, authority = origin.partition(b"://")
        return authority.lower() == self._headers.get(b"host", b"").lower()

    async def _holder(self, app: SocketApp, authorization: bytes) -> Holder:
        keyring = app.edge.services.keyring
        try:
            holder = await keyring.find(authorization)
        except StoreUnavailable as error:
            detail = f"tokens can't be looked up now ({error})"
            raise ProblemError(problem("JOURNAL_UNAVAILABLE", detail, retry_after_seconds=1.0)) from None
        if holder is None:
            client = self.scope.get("client")
            raise await app.edge.services.guesses.refusal(authorization, client[0] if client else "")
        if self.scope["path"] != "/ws/trade" and "read" not in holder.principal.scopes:
            raise ProblemError(problem("FORBIDDEN", "this needs the scope read"))
        return holder

    async def _serve(self, app: SocketApp, hub: Hub, holder: Holder | None) -> Hangup:
        client = self.scope.get("client")
        correlation_id = self._correlation_id
        try:
            if holder is None:
                holder = await self._first_frame(app)
            self.token_id = holder.record.token_id
            _log.info(
                "socket_opened",
                correlation_id=correlation_id,
                user_id=holder.principal.user,
                path=self.scope["path"],
                client=client[0] if client else "",
            )
            await self._session(app, hub, holder, correlation_id).run()
        except Hangup as hangup:
            return hangup
        except ExceptionGroup as group:
            hangups, others = group.split((Hangup, Gone))
            if others is not None:
                raise others from None
            found = [each for each in (hangups.exceptions if hangups else ()) if isinstance(each, Hangup)]
            if not found:
                raise Gone from None
            return found[0]
        finally:
            _log.info("socket_closed", correlation_id=correlation_id, path=self.scope["path"])
        return Hangup(GOING_AWAY, "the session ended")

    def _session(self, app: SocketApp, hub: Hub, holder: Holder, correlation_id: str) -> Session:
        path, services = self.scope["path"], app.edge.services
        if path == "/ws/trade":
            client = self.scope.get("client")
            return TradeSession(
                self._peer, app.edge, hub, holder, correlation_id, client[0] if client else ""
            )
        return Session(self._peer, services.port, hub, services.metrics, PATHS[path])

    async def _first_frame(self, app: SocketApp) -> Holder:
        with trio.move_on_after(AUTH_SECONDS):
            frame = await self._peer.receive_one()
            try:
                token = _decode_auth(frame).token
                return await self._holder(app, b"Bearer " + token.encode())
            except NOT_UNDERSTOOD:
                detail = 'the first frame must be {"action":"auth","token":"…"}'
                await self._peer.send([encode(ErrorFrame(code="UNAUTHENTICATED", detail=detail))])
                raise Hangup(POLICY, "UNAUTHENTICATED") from None
            except ProblemError as error:
                found = error.problem
                await self._peer.send([encode(ErrorFrame(code=found.code, detail=found.detail))])
                raise Hangup(POLICY, found.code) from None
        raise Hangup(POLICY, "UNAUTHENTICATED: no token came in time")

    async def _refuse(self, send: ASGISendCallable, error: ProblemError) -> None:
        answer = answer_problem(error.problem, self._correlation_id, error.headers)
        headers = response_headers(answer, self._correlation_id)
        await send({"type": "websocket.http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "websocket.http.response.body", "body": answer.body, "more_body": False})
