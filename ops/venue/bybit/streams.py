"""Bybit's WebSocket sides: public topics of each category, private topics after `auth`."""

from collections.abc import Mapping
from functools import partial

from ops.venue.binance.common import sign
from ops.venue.bybit import frames
from ops.venue.bybit.rest import Bybit
from ops.venue.hub import Hub, Socket
from ops.venue.markets import OrderEvent, Print, Quote, Refused
from ops.venue.switch import Disconnections

_PRIVATE = ("order", "execution", "wallet", "position")


class BybitStreams:
    """Publishes both exchanges' events; one hub for private sockets, one for each category's public ones."""

    def __init__(self, dialect: Bybit) -> None:
        self._dialect = dialect
        self.private = Hub()
        self.public = {category: Hub() for category in dialect.exchanges}
        self.disconnections = Disconnections(dialect.exchanges)
        self._frames = 0
        self._connections = 0
        for category, exchange in dialect.exchanges.items():
            exchange.user_listeners.append(partial(self._on_order, category))
            exchange.market_listeners.append(partial(self._on_market, category))

    def _on_order(self, category: str, owner: str, event: OrderEvent) -> None:
        if not any(socket.owner == owner for socket in self.private.sockets()):
            return
        market = self._dialect.exchanges[category].markets[event.order.spec.market_id]
        buys_spot = category == "spot" and event.order.spec.side == "buy"
        fee_asset = market.base if buys_spot else market.quote
        if event.trade is not None:
            self._tell(owner, "execution", frames.execution_frame(event.trade, category), event.at_ms)
        self._tell(owner, "order", frames.order_frame(event.order, category, fee_asset), event.at_ms)

    def _tell(self, owner: str, topic: str, row: dict[str, object], at_ms: int) -> None:
        self._frames += 1
        self.private.to_owner(owner, topic, frames.private_frame(topic, [row], self._frames, at_ms))

    def _on_market(self, category: str, market_id: str, quote: Quote, done: Print | None) -> None:
        hub, now_ms = self.public[category], self._dialect.clock.now_ms()
        if done is None:
            hub.to_stream(
                f"orderbook.1.{market_id}", lambda: frames.orderbook_frame(market_id, quote, now_ms)
            )
        else:
            hub.to_stream(f"publicTrade.{market_id}", lambda: frames.trade_frame(done))
        hub.to_stream(f"tickers.{market_id}", lambda: frames.ticker_frame(market_id, quote, category, now_ms))

    def on_public(self, category: str, socket: Socket, said: Mapping[str, object]) -> None:
        """A message on a public socket."""
        if self._common(socket, said):
            return
        topics = self._topics(said)
        socket.streams.update(dict.fromkeys(topics, True))
        self._acknowledge(socket, said)
        exchange, now_ms = self._dialect.exchanges[category], self._dialect.clock.now_ms()
        for topic in topics:
            kind, _, market_id = topic.rpartition(".")
            if kind == "orderbook.1" and market_id in exchange.quotes:
                socket.push(topic, frames.orderbook_frame(market_id, exchange.quotes[market_id], now_ms))
            elif kind == "tickers" and market_id in exchange.quotes:
                quote = exchange.quotes[market_id]
                socket.push(topic, frames.ticker_frame(market_id, quote, category, now_ms))

    def on_private(self, socket: Socket, said: Mapping[str, object]) -> None:
        """A message on a private socket: `auth` first, then topics."""
        if said.get("op") == "auth":
            self._authenticate(socket, said)
        elif not self._common(socket, said):
            if not socket.owner:
                socket.reply(
                    {
                        "success": False,
                        "ret_msg": "Request not authorized",
                        "conn_id": "",
                        "req_id": said.get("req_id"),
                        "op": "subscribe",
                    }
                )
                return
            wanted = [
                name for name in self._topics(said) if name in _PRIVATE or name in Disconnections.TOPICS
            ]
            socket.streams.update(dict.fromkeys(wanted, True))
            for topic in wanted:
                if topic in Disconnections.TOPICS:
                    self.disconnections.hold(socket.owner, topic)
            self._acknowledge(socket, said)

    def _authenticate(self, socket: Socket, said: Mapping[str, object]) -> None:
        found = said.get("args")
        arguments = [str(item) for item in found] if isinstance(found, list) else []
        try:
            api_key, expires, signature = arguments
            account = self._dialect.account_of(api_key, "spot")
            if sign(account.secret, f"GET/realtime{expires}") != signature:
                raise Refused("signature")
            if not expires.isdecimal() or int(expires) < self._dialect.clock.now_ms():
                raise Refused("timestamp")
        except (ValueError, Refused):
            socket.reply(
                {
                    "op": "auth",
                    "success": False,
                    "retCode": 10003,
                    "retMsg": "Invalid apikey",
                    "connId": self._connection(),
                }
            )
            return
        socket.owner = account.api_key
        socket.reply(
            {"op": "auth", "success": True, "retCode": 0, "retMsg": "", "connId": self._connection()}
        )

    def _common(self, socket: Socket, said: Mapping[str, object]) -> bool:
        """ping and unsubscribe; whether it was one of them."""
        if said.get("op") == "ping":
            now = str(self._dialect.clock.now_ms())
            socket.reply(
                {"req_id": said.get("req_id"), "op": "pong", "args": [now], "conn_id": self._connection()}
            )
            return True
        if said.get("op") == "unsubscribe":
            for topic in self._topics(said):
                socket.streams.pop(topic, None)
                if socket.owner and not self.holds(socket.owner, topic):
                    self.disconnections.give_up(socket.owner, topic)
            self._acknowledge(socket, said)
            return True
        return False

    def holds(self, owner: str, topic: str) -> bool:
        """Whether a connection of the account holds the private topic now."""
        return any(socket.owner == owner and topic in socket.streams for socket in self.private.sockets())

    def _topics(self, said: Mapping[str, object]) -> list[str]:
        found = said.get("args")
        return [topic for topic in found if isinstance(topic, str)] if isinstance(found, list) else []

    def _acknowledge(self, socket: Socket, said: Mapping[str, object]) -> None:
        socket.reply(
            {
                "success": True,
                "ret_msg": "",
                "conn_id": self._connection(),
                "req_id": said.get("req_id"),
                "op": said.get("op"),
            }
        )

    def _connection(self) -> str:
        self._connections += 1
        return f"venue-{self._connections}"
