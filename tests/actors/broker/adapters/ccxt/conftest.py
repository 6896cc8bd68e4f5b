"""The local venue, and an adapter connected to one of its exchanges."""

import time
from contextlib import asynccontextmanager
from decimal import Decimal

import pytest
import trio
import trio_asyncio

from actors.broker.adapters.ccxt.build import build
from actors.broker.adapters.ccxt.session import Redirect
from actors.model.order import OrderIntent
from ops.venue.markets import OrderSpec
from ops.venue.running import Plan, open_venue
from ops.venue.service import Limits

KEY, SECRET = "test-api-key-0001", "test-secret-0001"
KINDS = {
    "binance-spot": ("binance", "spot", "POST /api/v3/order$"),
    "binance-usdm": ("binance", "swap", "POST /fapi/v1/order$"),
    "bybit-spot": ("bybit", "spot", "POST /v5/order/create"),
    "bybit-linear": ("bybit", "swap", "POST /v5/order/create"),
}
SECONDS = 120


async def until(condition, seconds=60.0):
    """Wait for something that has no event of its own."""
    with trio.fail_after(seconds):
        while not condition():  # noqa: ASYNC110
            await trio.sleep(0.01)


class RealClock:
    """The machine's clock."""

    def now_us(self):
        return time.time_ns() // 1000

    def monotonic(self):
        return trio.current_time()


class Place:
    """One exchange of a running venue, the adapter for it, and shortcuts."""

    def __init__(self, name, running):
        self.name = name
        self.running = running
        self.venue = running.venue
        self.exchange = running.venue.exchanges[name]
        self.kind, self.account_type, self.submits = KINDS[name]
        funds = {"USDT": Decimal(1_000_000), "BTC": Decimal(10)}
        self.account = self.venue.open_account(name, KEY, SECRET, funds)
        self.adapter = None
        self.count = 0

    def build(self, **more):
        settings = {
            "api_key": KEY,
            "api_secret": SECRET,
            "account_type": self.account_type,
            "clock": RealClock(),
            "redirect": Redirect(
                host=self.running.host, port=self.running.port, ca_file=str(self.running.ca_file)
            ),
            "timeout_seconds": 10.0,
        }
        return build("here", self.kind, **{**settings, **more})

    def intent(self, **fields):
        """A small limit order that rests; each has an id of its own."""
        self.count += 1
        values = {
            "order_id": f"order-{self.count}",
            "client_order_id": f"client-{self.count}",
            "exchange": "here",
            "symbol": "BTC/USDT",
            "side": "buy",
            "type": "limit",
            "quantity": Decimal("0.01"),
            "limit_price": Decimal(39000),
            "venue_id": f"test1-{self.count}",
        }
        return OrderIntent(**{**values, **fields})

    def market(self, **fields):
        return self.intent(type="market", limit_price=None, **fields)

    def fault(self, kind, where=None, **more):
        return self.venue.faults.add({"kind": kind, "where": where or self.submits, **more})

    def be_impatient(self, seconds):
        """Let the adapter give up on a request sooner from now on."""
        self.adapter._client._exchange.timeout = int(seconds * 1000)

    def by_hand(self):
        """The owner of the account buys on the exchange's own site."""
        spec = OrderSpec(
            market_id="BTCUSDT",
            side="buy",
            quantity=Decimal("0.01"),
            limit_price=None,
            time_in_force="GTC",
            client_id="web_stranger",
            raw_type="MARKET",
        )
        return self.exchange.place(self.account, spec)

    def placed(self, venue_id):
        """The venue's orders with this client id."""
        return [order for order in self.exchange.orders.values() if order.spec.client_id == venue_id]


@asynccontextmanager
async def open_place(name, **plan):
    """A venue with a connected adapter, within a time limit."""
    settings = {"limits": Limits.none(), **plan}
    with trio.fail_after(SECONDS):
        async with trio_asyncio.open_loop(), open_venue(Plan(**settings)) as running:
            place = Place(name, running)
            place.adapter = place.build()
            try:
                await place.adapter.connect()
                yield place
            finally:
                await place.adapter.close()


@pytest.fixture(params=list(KINDS))
def where(request):
    """Each exchange in turn."""
    return request.param
