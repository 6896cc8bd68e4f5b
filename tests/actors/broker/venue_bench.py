"""The broker suite's bench on the wire: ccxt to the local venue, over TLS and in real time."""

import time
from contextlib import asynccontextmanager
from decimal import Decimal

import trio
import trio_asyncio

from actors.broker.adapters.ccxt.build import build
from actors.broker.adapters.ccxt.session import Redirect
from ops.venue.running import Plan, open_venue
from ops.venue.service import Limits
from tests.actors.broker.benches import Entry

KEY, SECRET = "suite-api-key-0001", "suite-secret-0001"
ANSWER_SECONDS = 1.0

WIRES = {
    "binance-spot": ("binance", "spot", "/api/v3/order"),
    "binance-usdm": ("binance", "swap", "/fapi/v1/order"),
    "bybit-spot": ("bybit", "spot", "/v5/order/"),
    "bybit-linear": ("bybit", "swap", "/v5/order/"),
}

# The suite's words for what goes wrong, in the venue's.
FAULTS = {
    "lost": {"kind": "timeout_after", "seconds": ANSWER_SECONDS + 0.5},
    "broken": {"kind": "drop_after"},
    "never": {"kind": "drop_before"},
    "throttled": {"kind": "throttle", "seconds": 1.0},
}


class WallClock:
    """The machine's clock: requests are signed with it."""

    def now_us(self):
        return time.time_ns() // 1000

    def monotonic(self):
        return trio.current_time()


class VenueBench:
    """One exchange of a venue of its own."""

    symbol = "BTC/USDT"
    far_below = Decimal(36000)

    def __init__(self, name, running):
        self.name = name
        self.clock = WallClock()
        self.exchange = running.venue.exchanges[name]
        self.venue = running.venue
        self._binance = name.startswith("binance")
        kind, account_type, self._orders = WIRES[name]
        self.opening = {"USDT": Decimal(1_000_000), "BTC": Decimal(10)}
        running.venue.open_account(name, KEY, SECRET, self.opening)
        self.port = build(
            "sim",
            kind,
            api_key=KEY,
            api_secret=SECRET,
            account_type=account_type,
            clock=self.clock,
            redirect=Redirect(host=running.host, port=running.port, ca_file=str(running.ca_file)),
            timeout_seconds=ANSWER_SECONDS,
        )

    def can(self, operation, kind):
        return kind in FAULTS

    def fault(self, operation, kind):
        method = {"cancel": "DELETE", "amend": "PUT"}.get(operation, "POST") if self._binance else "POST"
        verb = operation if operation in ("cancel", "amend") else "create"
        path = self._orders if self._binance else self._orders + verb
        self.venue.faults.add({"where": f"{method} {path}$", "count": 1, **FAULTS[kind]})

    def break_stream(self):
        for hub in self.venue.hubs(self.name):
            hub.disconnect_all()

    async def books(self):
        return {
            order.spec.client_id: Entry("open" if order.is_open else order.status, order.executed)
            for order in self.exchange.orders.values()
        }

    async def position(self):
        total = Decimal(0)
        for trade in self.exchange.trades:
            total += trade.quantity if trade.order.spec.side == "buy" else -trade.quantity
        return total


@asynccontextmanager
async def open_venue_bench(name):
    """A venue on free ports of the loopback, and the adapter for one of its exchanges."""
    async with trio_asyncio.open_loop(), open_venue(Plan(limits=Limits.none())) as running:
        bench = VenueBench(name, running)
        try:
            yield bench
        finally:
            await bench.port.close()
