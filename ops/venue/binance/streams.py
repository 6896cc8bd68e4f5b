"""Binance's WebSocket sides: market streams, the spot WebSocket API's user data, the futures' listen keys.

A market stream is subscribed by name (`btcusdt@bookTicker`); user data arrives wrapped with its subscription
number on the WebSocket API, bare on a listen key's connection.
"""

from collections.abc import Callable, Mapping

from ops.venue.binance.common import BinanceDialect
from ops.venue.hub import Hub, Socket
from ops.venue.markets import OrderEvent, Print, Quote, Refused
from ops.venue.pipeline import Ask, Endpoint

USER = "user"
Frames = Callable[[OrderEvent], list[tuple[str, object]]]
MarketFrames = Callable[[str, Quote, Print | None], list[tuple[str, Callable[[], object]]]]


class BinanceStreams:
    """Publishes an exchange's events to the sockets that asked for them."""

    def __init__(self, dialect: BinanceDialect, user_frames: Frames, market_frames: MarketFrames) -> None:
        self.hub = Hub()
        self._dialect = dialect
        self._user_frames = user_frames
        self._market_frames = market_frames
        dialect.exchange.user_listeners.append(self._on_order)
        dialect.exchange.market_listeners.append(self._on_market)

    def _on_order(self, owner: str, event: OrderEvent) -> None:
        if any(socket.owner == owner for socket in self.hub.sockets()):
            for name, frame in self._user_frames(event):
                self.hub.to_owner(owner, USER, frame, name)

    def _on_market(self, market_id: str, quote: Quote, done: Print | None) -> None:
        for stream, make in self._market_frames(market_id, quote, done):
            self.hub.to_stream(stream, make)

    def on_market_message(self, socket: Socket, said: Mapping[str, object]) -> None:
        """SUBSCRIBE and UNSUBSCRIBE of market streams."""
        names = said.get("params")
        listed = [name for name in names if isinstance(name, str)] if isinstance(names, list) else []
        if said.get("method") == "SUBSCRIBE":
            socket.streams.update(dict.fromkeys(listed, True))
        elif said.get("method") == "UNSUBSCRIBE":
            for name in listed:
                socket.streams.pop(name, None)
        else:
            socket.reply(
                {"error": {"code": 2, "msg": "Invalid request: unknown method"}, "id": said.get("id")}
            )
            return
        socket.reply({"result": None, "id": said.get("id")})

    def on_api_message(self, socket: Socket, said: Mapping[str, object]) -> None:
        """The spot WebSocket API: user data by a signed subscription."""
        number, method = said.get("id"), said.get("method")
        if method == "ping":
            socket.reply({"id": number, "status": 200, "result": {}})
            return
        if method != "userDataStream.subscribe.signature":
            socket.reply(_refusal(number, 400, -1000, f"Unknown method '{method}'."))
            return
        found = said.get("params")
        params = {name: str(value) for name, value in found.items()} if isinstance(found, dict) else {}
        signed = "&".join(f"{name}={params[name]}" for name in sorted(params) if name != "signature")
        ask = Ask(
            method="GET",
            path="",
            query=f"{signed}&signature={params.get('signature', '')}",
            body="",
            params=params,
            headers={"x-mbx-apikey": params.get("apiKey", "")},
            address="",
        )
        try:
            account = self._dialect.authenticate(ask, Endpoint(handler=lambda asked, owner: None))
        except Refused as refused:
            socket.reply(_refusal(number, *self._dialect.error_of(refused)))
            return
        socket.owner = account.api_key
        socket.streams[USER] = True
        socket.reply({"id": number, "status": 200, "result": {"subscriptionId": 0}})

    def wrap_user(self, stream: str, frame: object) -> object:
        """User data on the WebSocket API carries its subscription's number."""
        return {"subscriptionId": 0, "event": frame} if stream == USER else frame


def _refusal(number: object, status: int, code: int, text: str) -> dict[str, object]:
    return {"id": number, "status": status, "error": {"code": code, "msg": text}}
