"""The whole venue: four exchanges on one clock, their dialects, one set of faults, one web application."""

import random
from collections.abc import Callable, Mapping
from decimal import Decimal

from quart import Response
from quart_trio import QuartTrio

from ops.venue.accounts import Account
from ops.venue.binance import spot_shapes
from ops.venue.binance.spot import BinanceSpot
from ops.venue.binance.streams import BinanceStreams
from ops.venue.clock import VenueClock
from ops.venue.exchange import Rules, VenueExchange
from ops.venue.faults import Faults
from ops.venue.listing import SPOT_MARKETS
from ops.venue.markets import OrderEvent, Print, Quote
from ops.venue.pipeline import Dialect, respond
from ops.venue.sockets import converse

_METHODS = ["GET", "POST", "PUT", "DELETE"]


class Limits:
    """What each dialect allows; large numbers switch a limit off in effect."""

    def __init__(self, *, binance_weight: int = 6000, binance_orders: int = 100) -> None:
        self.binance_weight = binance_weight
        self.binance_orders = binance_orders


class Venue:
    """See the module. `app` is the ASGI application."""

    def __init__(self, *, seed: int = 0, limits: Limits | None = None) -> None:
        allowed = limits or Limits()
        self.clock = VenueClock()
        self.rng = random.Random(seed)
        self.faults = Faults(random.Random(seed + 1))
        spot_rules = Rules(
            derivative=False,
            maker_fee=Decimal("0.001"),
            taker_fee=Decimal("0.001"),
            ids_unique_forever=False,
            post_only_refuses=True,
        )
        self.exchanges: dict[str, VenueExchange] = {
            "binance-spot": VenueExchange("binance-spot", SPOT_MARKETS, spot_rules, self.clock, 1000),
        }
        spot = BinanceSpot(self.exchanges["binance-spot"], allowed.binance_weight, allowed.binance_orders)
        self.spot_streams = BinanceStreams(spot, _spot_user_frames, _spot_market_frames)
        self.dialects: Mapping[str, Dialect] = {"/api": spot, "/sapi": spot, "/dapi": spot}
        self.app = self._application()

    def open_account(
        self, exchange: str, api_key: str, secret: str, balances: Mapping[str, Decimal]
    ) -> Account:
        """Let an API key trade on one of the exchanges."""
        account = Account(
            api_key, secret, dict(balances), derivative=self.exchanges[exchange].rules.derivative
        )
        self.exchanges[exchange].open_account(account)
        return account

    def _application(self) -> QuartTrio:
        app = QuartTrio("venue")

        for prefix, dialect in self.dialects.items():

            async def answer(rest: str, dialect: Dialect = dialect) -> Response:
                return await respond(dialect, self.faults)

            app.add_url_rule(f"{prefix}/<path:rest>", f"rest {prefix}", answer, methods=_METHODS)

        @app.websocket("/ws-api/v3")
        async def spot_api() -> None:
            streams = self.spot_streams
            await converse(streams.hub, self.faults, streams.on_api_message, wrap=streams.wrap_user)

        @app.websocket("/ws")
        @app.websocket("/ws/<path:rest>")
        async def spot_market(rest: str = "") -> None:
            streams = self.spot_streams
            await converse(streams.hub, self.faults, streams.on_market_message)

        return app


def _spot_user_frames(event: OrderEvent) -> list[tuple[str, object]]:
    return [("executionReport", spot_shapes.execution_report(event))]


def _spot_market_frames(
    market_id: str, quote: Quote, done: Print | None
) -> list[tuple[str, Callable[[], object]]]:
    name = market_id.lower()
    if done is None:
        return [(f"{name}@bookTicker", lambda: spot_shapes.book_ticker_frame(market_id, quote))]
    return [(f"{name}@trade", lambda: spot_shapes.trade_frame(done, done.at_ms))]
