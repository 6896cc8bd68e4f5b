"""The exchange's streams: hints that save waiting, never the only road.

What a stream brings goes the same way as what a poll brings. A stream that ends or fails is the sign of a
lost connection: the owner reconnects and reconciles, because nobody knows what was missed.
"""

from collections.abc import Callable

import trio

from actors.broker.outcome import ENDED
from actors.broker.port import OrderReport, StreamItem, Unavailable
from actors.broker.shell.amends import Amends
from actors.broker.shell.desk import Desk
from actors.broker.shell.inquiries import Inquiries
from actors.broker.shell.submits import Submits
from actors.model.fill import Fill
from actors.model.messages import Tick
from actors.model.order import Order, Submission

FILLS_FOLLOW = 0.25
"""How long the fills that explain a report get to arrive by themselves, in seconds."""


class Streams:
    """`revive` is told of orders that live though the journal has them over; `tick` of market data."""

    def __init__(
        self,
        desk: Desk,
        submits: Submits,
        inquiries: Inquiries,
        amends: Amends,
        revive: Callable[[Order, OrderReport], None],
        tick: Callable[[Tick], None],
    ) -> None:
        self._desk = desk
        self._submits = submits
        self._inquiries = inquiries
        self._amends = amends
        self._revive = revive
        self._tick = tick
        self._doubted: dict[str, None] = {}

    async def follow_orders(self) -> None:
        """Until cancelled; raise Unavailable when the stream is lost."""
        await self._desk.port.follow_orders(self.take)
        raise Unavailable("network", "the order stream ended")

    async def follow_market(self) -> None:
        """Until cancelled; raise Unavailable when the stream is lost."""
        await self._desk.port.follow_market(self._desk.symbols, self._tick)

    def take(self, item: StreamItem) -> None:
        """One item of the order stream."""
        if isinstance(item, Fill):
            self._desk.take_fills((item,))
        elif item.venue_id:
            self._report(item)

    def _report(self, report: OrderReport) -> None:
        order = self._desk.order_of(report.venue_id)
        if order is None:
            return
        if self._submits.is_sending(order.order_id):
            # The answer of a submit that is on its way tells the same, or its inquiry will.
            self._submits.hear(order.order_id, report.status)
            return
        if order.amend is not None:
            if report.venue_id != order.intent.venue_id:
                # Another has replaced it; if it lives all the same, the listing of open orders shows it.
                return
            self._amends.nudge(order)
        if not order.is_open:
            if report.status == "open" and order.submission is not Submission.WORKING:
                self._look_twice(order)
        elif self._inquiries.is_open(order.order_id):
            self._inquiries.nudge(order.order_id)
        elif report.status != "open":
            self._over(order, report)

    def _look_twice(self, order: Order) -> None:
        """A stream may be late: an order that is over here only lives if the exchange says so when asked."""
        if order.order_id not in self._doubted:
            self._doubted[order.order_id] = None
            self._desk.start_task(self._ask_again, order)

    async def _ask_again(self, order: Order) -> None:
        intent = order.intent
        report: OrderReport | None = None
        try:
            await trio.sleep(FILLS_FOLLOW)
            report = await self._desk.ask(
                "order", lambda: self._desk.port.order(intent.symbol, intent.venue_id)
            )
        except Unavailable:
            # The next listing of open orders asks the same.
            return
        finally:
            self._doubted.pop(order.order_id, None)
        current = self._desk.current(order)
        if report is not None and report.status == "open" and not current.is_open:
            self._revive(current, report)

    def _over(self, order: Order, report: OrderReport) -> None:
        complete = report.executed == self._desk.executed(order)
        if report.status in ENDED and complete:
            reason = report.reason or f"{report.status} at the exchange"
            self._desk.outbox.add(report.symbol, report.status, venue_id=report.venue_id, reason=reason)
        elif not complete or report.status == "rejected":
            self._inquiries.begin(order, f"said to be {report.status}", delay=FILLS_FOLLOW)
