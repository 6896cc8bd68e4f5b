"""An exchange that fits on a screen: its own ledger, no market. Limit orders rest, market orders fill at 100.

Faults are plain fields: a test sets what the next submits do, or takes the whole exchange away.
"""

from collections import deque
from collections.abc import Callable
from decimal import Decimal

import msgspec
import trio

from actors.broker.port import (
    EXTERNAL,
    Capabilities,
    Confirmed,
    OrderReport,
    PositionReport,
    Rejected,
    Unavailable,
    Unresolved,
)
from actors.model.fill import Fill
from actors.model.instrument import Instrument
from actors.model.messages import Balance

PRICE = Decimal(100)


class LittleExchange:
    """`next_submits`: "lose" (took it, no answer), "drop" (never took it, no answer), "reject", or None."""

    def __init__(self, clock, exchange="sim", symbols=("BTC/USDT",), fills_with_answer=True):
        self.clock = clock
        self.exchange = exchange
        self.symbols = symbols
        self.capabilities = Capabilities(absence_window_seconds=5.0, fills_with_answer=fills_with_answer)
        self.orders = {}
        self.fills = []
        self.fills_of = {}
        self.submits = deque()
        self.calls = []
        self.next_submits = deque()
        self.next_cancels = deque()
        self.reachable = True
        self.latency = 0.0
        self.hide = set()
        self.listeners = []
        self.clock_offset_us = 0
        self.positions_offset = {}
        self.drift = {}
        self.stream_fills = False
        self.lost_stream = trio.Event()

    async def _travel(self, name):
        self.calls.append((name, self.clock.monotonic()))
        if self.latency:
            await trio.sleep(self.latency)
        else:
            await trio.lowlevel.checkpoint()
        if not self.reachable:
            raise Unavailable("network", f"{name}: unreachable")

    async def connect(self):
        await self._travel("connect")

    async def close(self):
        pass

    async def instruments(self):
        await self._travel("instruments")
        step = Decimal("0.000001")
        return [
            Instrument(
                exchange=self.exchange,
                symbol=symbol,
                base=symbol.split("/")[0],
                quote="USDT",
                tick=Decimal("0.01"),
                lot=step,
                min_notional=Decimal(5),
            )
            for symbol in self.symbols
        ]

    async def submit(self, intent):
        self.submits.append(intent.venue_id)
        fault = self.next_submits.popleft() if self.next_submits else None
        try:
            await self._travel("submit")
        except Unavailable as error:
            return Unresolved(reason=str(error), signed_at_us=self.clock.now_us())
        if callable(fault):
            return await fault(intent)
        if fault == "reject":
            return Rejected(code="INSUFFICIENT", reason="no money")
        if fault == "drop":
            return Unresolved(reason="time-out", signed_at_us=self.clock.now_us())
        report = self.take(
            intent.venue_id, intent.symbol, intent.side, intent.type, intent.quantity, intent.limit_price
        )
        if fault == "lose":
            return Unresolved(reason="time-out", signed_at_us=self.clock.now_us())
        fills = self.fills_of.get(report.exchange_order_id, [])
        return Confirmed(
            exchange_order_id=report.exchange_order_id,
            status=report.status,
            fills=tuple(fills) if self.capabilities.fills_with_answer else (),
        )

    def take(self, venue_id, symbol, side, kind, quantity, price):
        """Put an order into the book as if it had been submitted; market orders fill."""
        assert venue_id not in self.orders, "a venue id was used twice"
        number = str(len(self.orders) + 1)
        report = OrderReport(
            symbol=symbol,
            venue_id=venue_id,
            exchange_order_id=number,
            side=side,
            type=kind,
            quantity=quantity,
            limit_price=price,
            executed=Decimal(0),
            status="open",
            at_us=self.clock.now_us(),
        )
        self.orders[venue_id or f"foreign-{number}"] = report
        if kind == "market":
            self.execute(venue_id or f"foreign-{number}", quantity, PRICE)
            report = self.orders[venue_id or f"foreign-{number}"]
        return report

    def execute(self, key, quantity, price=PRICE, stream=None):
        """A trade of an order."""
        report = self.orders[key]
        executed = report.executed + quantity
        status = "filled" if executed == report.quantity else "open"
        self._put(key, executed=executed, status=status)
        fill = Fill(
            exchange=self.exchange,
            market_type="spot",
            symbol=report.symbol,
            exchange_order_id=report.exchange_order_id,
            trade_id=f"t{len(self.fills) + 1}",
            order_id=report.venue_id or EXTERNAL,
            side=report.side,
            quantity=quantity,
            price=price,
            fee=Decimal(0),
            fee_currency="USDT",
            at_us=self.clock.now_us(),
        )
        self.fills.append(fill)
        self.fills_of.setdefault(fill.exchange_order_id, []).append(fill)
        if self.stream_fills if stream is None else stream:
            self.publish(fill)
        return fill

    def _put(self, key, **changes):
        self.orders[key] = msgspec.structs.replace(self.orders[key], **changes)

    def publish(self, item):
        for listener in self.listeners:
            listener(item)

    async def cancel(self, symbol, venue_id, exchange_order_id):
        fault = self.next_cancels.popleft() if self.next_cancels else None
        try:
            await self._travel("cancel")
        except Unavailable as error:
            return Unresolved(reason=str(error), signed_at_us=self.clock.now_us())
        if callable(fault):
            return await fault(venue_id)
        report = self.orders.get(venue_id)
        if report is None or report.status != "open":
            return Rejected(code="UNKNOWN_ORDER", reason="no such open order", gone=True)
        if fault == "lose-before":
            return Unresolved(reason="time-out", signed_at_us=self.clock.now_us())
        self._put(venue_id, status="canceled")
        if fault == "lose":
            return Unresolved(reason="time-out", signed_at_us=self.clock.now_us())
        return Confirmed(exchange_order_id=report.exchange_order_id, status="canceled")

    async def order(self, symbol, venue_id):
        await self._travel("order")
        return None if venue_id in self.hide else self.orders.get(venue_id)

    async def open_orders(self, symbol=None):
        await self._travel("open_orders")
        return [
            order
            for order in self.orders.values()
            if order.status == "open" and symbol in (None, order.symbol) and order.venue_id not in self.hide
        ]

    async def fills_since(self, symbol, since_us):
        await self._travel("fills")
        return [
            fill
            for fill in self.fills
            if fill.symbol == symbol and fill.at_us >= since_us and fill.order_id not in self.hide
        ]

    async def balances(self):
        await self._travel("balances")
        totals = {"USDT": Decimal(1_000_000)}
        for fill in self.fills:
            base, quote = fill.symbol.split("/")
            sign = 1 if fill.side == "buy" else -1
            totals[base] = totals.get(base, Decimal(0)) + sign * fill.quantity
            totals[quote] -= sign * fill.quantity * fill.price + fill.fee
        for asset, drift in self.drift.items():
            totals[asset] = totals.get(asset, Decimal(0)) + drift
        return [
            Balance(exchange=self.exchange, asset=asset, total=total, free=total)
            for asset, total in totals.items()
        ]

    def position(self, symbol):
        total = Decimal(0)
        for fill in self.fills:
            if fill.symbol == symbol:
                total += fill.quantity if fill.side == "buy" else -fill.quantity
        return total + self.positions_offset.get(symbol, 0)

    async def positions(self):
        await self._travel("positions")
        return [
            PositionReport(symbol=symbol, quantity=self.position(symbol), average_price=PRICE)
            for symbol in self.symbols
        ]

    async def server_time_us(self):
        await self._travel("server_time")
        return self.clock.now_us() + self.clock_offset_us

    async def follow_orders(self, deliver: Callable):
        if not self.reachable:
            raise Unavailable("network", "stream: unreachable")
        self.listeners.append(deliver)
        lost = self.lost_stream
        try:
            await lost.wait()
            raise Unavailable("network", "the stream was cut")
        finally:
            self.listeners.remove(deliver)

    async def follow_market(self, symbols, deliver):
        await trio.sleep_forever()

    def cut(self):
        """The network goes away: streams end, calls fail."""
        self.reachable = False
        lost, self.lost_stream = self.lost_stream, trio.Event()
        lost.set()
