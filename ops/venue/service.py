"""The whole venue: four exchanges on one clock, their dialects, one set of faults, one web application."""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import partial

import trio
from quart import Response
from quart_trio import QuartTrio

from ops.venue import listing
from ops.venue.accounts import Account
from ops.venue.binance.frames import spot_market, spot_user, usdm_market, usdm_user
from ops.venue.binance.spot import BinanceSpot
from ops.venue.binance.streams import USER, BinanceStreams
from ops.venue.binance.usdm import BinanceUsdm
from ops.venue.bybit.rest import Bybit
from ops.venue.bybit.shapes import identifier
from ops.venue.bybit.streams import BybitStreams
from ops.venue.clock import VenueClock
from ops.venue.exchange import Rules, VenueExchange
from ops.venue.faults import Faults
from ops.venue.hub import Hub, Socket
from ops.venue.markets import VenueMarket
from ops.venue.pipeline import Dialect, respond
from ops.venue.serving import cut
from ops.venue.sockets import converse

EXCHANGES = ("binance-spot", "binance-usdm", "bybit-spot", "bybit-linear")
_METHODS = ["GET", "POST", "PUT", "DELETE"]


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What the dialects allow, as the real exchanges do by default."""

    spot_weight: int = 6000
    spot_orders: int = 100
    usdm_weight: int = 2400
    usdm_orders: int = 300
    bybit_address: int = 600
    bybit_orders: int = 20

    @classmethod
    def none(cls) -> "Limits":
        """Limits that nobody reaches."""
        return cls(**dict.fromkeys(cls.__dataclass_fields__, 10**9))


class Venue:
    """See the module. `app` is the ASGI application, `run` what happens besides requests."""

    def __init__(self, *, seed: int = 0, limits: Limits | None = None) -> None:
        allowed = limits or Limits()
        self.clock = VenueClock()
        self.faults = Faults(random.Random(seed))
        self.exchanges = {
            "binance-spot": self._exchange("binance-spot", listing.SPOT_MARKETS, _BINANCE_SPOT, 1_000),
            "binance-usdm": self._exchange("binance-usdm", listing.FUTURES_MARKETS, _BINANCE_USDM, 2_000_000),
            "bybit-spot": self._exchange("bybit-spot", listing.BYBIT_SPOT_MARKETS, _BYBIT_SPOT, 3_000_000),
            "bybit-linear": self._exchange(
                "bybit-linear", listing.BYBIT_LINEAR_MARKETS, _BYBIT_LINEAR, 4_000_000
            ),
        }
        self.spot = BinanceSpot(self.exchanges["binance-spot"], allowed.spot_weight, allowed.spot_orders)
        self.usdm = BinanceUsdm(self.exchanges["binance-usdm"], allowed.usdm_weight, allowed.usdm_orders)
        self.bybit = Bybit(
            self.exchanges["bybit-spot"],
            self.exchanges["bybit-linear"],
            address_limit=allowed.bybit_address,
            order_limit=allowed.bybit_orders,
        )
        self.spot_streams = BinanceStreams(self.spot, partial(spot_user, self.spot.exchange), spot_market)
        self.usdm_streams = BinanceStreams(self.usdm, partial(usdm_user, self.usdm.exchange), usdm_market)
        self.bybit_streams = BybitStreams(self.bybit)
        self.app = QuartTrio("venue")
        self._add_rest()
        self._add_binance_sockets()
        self._add_bybit_sockets()

    def _exchange(self, name: str, markets: list[VenueMarket], rules: Rules, first: int) -> VenueExchange:
        return VenueExchange(name, markets, rules, self.clock, first)

    def open_account(
        self, exchange: str, api_key: str, secret: str, balances: Mapping[str, Decimal]
    ) -> Account:
        """Let an API key trade on one of the exchanges."""
        derivative = self.exchanges[exchange].rules.derivative
        account = Account(api_key, secret, dict(balances), derivative=derivative)
        self.exchanges[exchange].open_account(account)
        return account

    def hubs(self, exchange: str) -> list[Hub]:
        """Where the exchange's sockets are."""
        if exchange == "binance-spot":
            return [self.spot_streams.hub]
        if exchange == "binance-usdm":
            return [self.usdm_streams.hub]
        return [self.bybit_streams.private, self.bybit_streams.public[exchange.partition("-")[2]]]

    async def run(self) -> None:
        """What time does by itself: dead-man's switches run out."""
        while True:
            await trio.sleep(0.1)
            self.usdm.switches.expire()
            self.bybit_streams.disconnections.expire(self.bybit_streams.holds)

    def _add_rest(self) -> None:
        prefixes: Mapping[str, Dialect] = {
            "/api": self.spot,
            "/sapi": self.spot,
            "/dapi": self.spot,
            "/fapi": self.usdm,
            "/v5": self.bybit,
        }
        for prefix, dialect in prefixes.items():

            async def answer(rest: str, dialect: Dialect = dialect) -> Response:
                return await respond(dialect, self.faults)

            self.app.add_url_rule(f"{prefix}/<path:rest>", f"rest {prefix}", answer, methods=_METHODS)

    def _add_binance_sockets(self) -> None:
        spot, usdm = self.spot_streams, self.usdm_streams

        @self.app.websocket("/ws-api/v3")
        async def spot_api() -> None:
            await converse(spot.hub, self.faults, spot.on_api_message, wrap=spot.wrap_user)

        @self.app.websocket("/ws")
        @self.app.websocket("/ws/<path:rest>")
        async def spot_stream(rest: str = "") -> None:
            await converse(spot.hub, self.faults, spot.on_market_message)

        @self.app.websocket("/public/ws")
        @self.app.websocket("/public/ws/<path:rest>")
        @self.app.websocket("/market/ws")
        @self.app.websocket("/market/ws/<path:rest>")
        async def futures_stream(rest: str = "") -> None:
            await converse(usdm.hub, self.faults, usdm.on_market_message)

        @self.app.websocket("/private/ws")
        async def futures_user() -> None:
            await self._futures_user()

    async def _futures_user(self) -> None:
        from quart import websocket

        owner = self.usdm.listen_keys.get(websocket.args.get("listenKey", ""))
        if owner is None:
            await cut()

        def begin(socket: Socket) -> None:
            socket.owner = owner or ""
            socket.streams[USER] = True

        streams = self.usdm_streams
        await converse(streams.hub, self.faults, streams.on_market_message, on_open=begin)

    def _add_bybit_sockets(self) -> None:
        streams = self.bybit_streams

        @self.app.websocket("/v5/private")
        async def private() -> None:
            await converse(streams.private, self.faults, streams.on_private)

        @self.app.websocket("/v5/public/<category>")
        async def public(category: str) -> None:
            hub = streams.public.get(category)
            if hub is None:
                await cut()
            else:
                await converse(hub, self.faults, partial(streams.on_public, category))


_BINANCE_SPOT = Rules(
    derivative=False,
    maker_fee=Decimal("0.001"),
    taker_fee=Decimal("0.001"),
    ids_unique_forever=False,
    post_only_refuses=True,
)
_BINANCE_USDM = Rules(
    derivative=True,
    maker_fee=Decimal("0.0002"),
    taker_fee=Decimal("0.0005"),
    ids_unique_forever=False,
    post_only_refuses=True,
)
_BYBIT_SPOT = Rules(
    derivative=False,
    maker_fee=Decimal("0.001"),
    taker_fee=Decimal("0.001"),
    ids_unique_forever=True,
    post_only_refuses=False,
    order_id=identifier,
)
_BYBIT_LINEAR = Rules(
    derivative=True,
    maker_fee=Decimal("0.0002"),
    taker_fee=Decimal("0.00055"),
    ids_unique_forever=True,
    post_only_refuses=False,
    order_id=identifier,
)
