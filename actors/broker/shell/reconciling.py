"""Reconciliation: before the first order and all the time after, the journal is held against the exchange.

Streams are hints, polling is the truth. Fills are read from each symbol's durable watermark with overlap;
orders that don't add up are asked for one by one; what then still differs in a position is explained from
older trades, or it halts the exchange with the difference as the reason. Nothing leaves before the first
run has ended.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import TypeVar

import trio

from actors.broker.limiter import Priority
from actors.broker.port import OrderReport, Unavailable
from actors.broker.reconcile import (
    BalanceDifference,
    OrderFindings,
    PositionDifference,
    compare_balances,
    compare_orders,
    compare_positions,
    has_history,
    was_judged_absent,
)
from actors.broker.shell.desk import Desk
from actors.broker.shell.inquiries import Inquiries
from actors.broker.shell.submits import Submits
from actors.model.messages import Balance
from actors.model.order import Order, Submission

T = TypeVar("T")
MICROSECONDS = 1_000_000
DRAIN_PAUSE = 0.02
DIFFERENT_LOOKS = 3
"""How many comparisons in a row have to see the same difference before it is believed."""


class Reconciling:
    """`revive` is told of orders that live though the journal has them over; `balances` of the account's
    balances.
    """

    def __init__(
        self,
        desk: Desk,
        submits: Submits,
        inquiries: Inquiries,
        revive: Callable[[Order | None, OrderReport], None],
        balances: Callable[[Sequence[Balance]], None],
    ) -> None:
        self._desk = desk
        self._submits = submits
        self._inquiries = inquiries
        self._revive = revive
        self._balances = balances
        self._strangers: dict[str, None] = {}
        self._position_looks: dict[str, tuple[Decimal, int]] = {}

    async def complete(self) -> None:
        """One whole reconciliation: returns when book and exchange agree or the rest is being asked for.

        Raise Unavailable when the exchange can't be asked.
        """
        await self.orders()
        for symbol in self._desk.symbols:
            await self.fills(symbol)
        await self._until_asked()
        await self._drain()
        await self.accounts(at_start=True)
        await self._drain()

    async def again(self, symbol: str) -> None:
        """Bring a symbol's evidence again, as its restarted position actor asks."""
        await self._tolerant(self.orders)
        await self._tolerant(partial(self.fills, symbol))

    async def measure_skew(self) -> None:
        """Compare the exchange's clock with ours; beyond the limit nothing that opens is sent."""
        desk = self._desk
        before_us = desk.clock.now_us()
        server_us = await self._ask("server_time_us", desk.port.server_time_us)
        after_us = desk.clock.now_us()
        # The answer was made at some moment of the round trip; only what lies outside of it is skew.
        skew_us = max(before_us - server_us, server_us - after_us, 0)
        desk.skewed = skew_us > round(desk.timings.max_clock_skew * MICROSECONDS)

    async def keep_orders(self) -> None:
        """Hold open orders and fills against the exchange again and again; runs as long as the broker
        trades.
        """
        while True:
            await trio.sleep(self._desk.timings.open_orders_every)
            await self._tolerant(self.orders)
            for symbol in self._desk.symbols:
                await self._tolerant(partial(self.fills, symbol))

    async def keep_accounts(self) -> None:
        """Hold positions and balances against the exchange again and again."""
        while True:
            await trio.sleep(self._desk.timings.accounts_every)
            await self._tolerant(self.accounts)

    async def keep_inflight(self) -> None:
        """Open an inquiry for every order that has no answer and that nobody is asking for."""
        while True:
            await trio.sleep(self._desk.timings.inflight_every)
            self.inflight()

    def inflight(self) -> None:
        """Nothing that was accepted is ever forgotten: an order without an answer is being sent, or asked
        for.
        """
        desk = self._desk
        before_us = desk.clock.now_us() - round(desk.timings.inflight_threshold * MICROSECONDS)
        for order in desk.log.book.orders.values():
            if order.intent.exchange != desk.exchange or order.submission is Submission.WORKING:
                continue
            if order.updated_us < before_us and not self._attended(order):
                self._ask_for(order, "has had no answer for long")

    async def orders(self) -> None:
        """Compare the exchange's open orders with the book; raise Unavailable."""
        desk = self._desk
        asked_us = desk.clock.now_us()
        listed = await self._ask("open_orders", desk.port.open_orders)
        settled_us = asked_us if not desk.trading else self._threshold_us(asked_us)
        findings = compare_orders(desk.log.book, desk.exchange, listed, self._executed(), settled_us)
        self._act(findings)

    async def fills(self, symbol: str, lookback: float | None = None) -> int:
        """Read the symbol's trades from its watermark, or from `lookback` seconds ago; how many were news."""
        desk = self._desk
        now_us = desk.clock.now_us()
        since_us = now_us - round((lookback or desk.timings.lookback) * MICROSECONDS)
        watermark_us = desk.log.book.watermarks.get((desk.exchange, symbol))
        if watermark_us is not None and lookback is None:
            since_us = watermark_us - round(desk.timings.overlap * MICROSECONDS)
        fills = await self._ask("fills_since", lambda: desk.port.fills_since(symbol, since_us))
        return desk.take_fills(fills)

    async def accounts(self, *, at_start: bool = False) -> None:
        """Compare positions and balances; raise Unavailable. A question that fails proves nothing."""
        desk = self._desk
        if desk.port.capabilities.reports_balances:
            balances = await self._ask("balances", desk.port.balances)
            self._balances(balances)
        if not desk.port.capabilities.reports_positions:
            return
        for _look in range(DIFFERENT_LOOKS if at_start else 1):
            reported = await self._ask("positions", desk.port.positions)
            differences = compare_positions(desk.log.book, desk.exchange, desk.symbols, reported)
            self._forget_agreed(differences)
            if not differences:
                return
            for difference in differences:
                await self._explain(difference)
            await self._drain()

    async def _explain(self, difference: PositionDifference) -> None:
        """Mend a difference by trades; an account that was never seen opens with it; else it halts the
        exchange.
        """
        desk = self._desk
        symbol = difference.symbol
        if not has_history(desk.log.book, desk.exchange, symbol) and not desk.outbox.waiting(symbol):
            price = difference.average_price or desk.prices.get(symbol)
            if price is not None:
                desk.outbox.add(symbol, "opening", quantity=difference.missing, price=price)
                return
        if self._is_moving(symbol) or await self.fills(symbol, desk.timings.lookback):
            return
        missing, looks = self._position_looks.get(symbol, (difference.missing, 0))
        looks = looks + 1 if missing == difference.missing else 1
        self._position_looks[symbol] = (difference.missing, looks)
        if looks == DIFFERENT_LOOKS:
            desk.halt(
                f"{symbol}: the exchange holds {difference.at_exchange}, the journal {difference.in_book}; "
                f"no trade of the last {desk.timings.lookback:g} s explains the difference"
            )

    def _is_moving(self, symbol: str) -> bool:
        """Whether fills may be on their way, so that a difference means nothing yet."""
        return bool(self._desk.outbox.waiting(symbol) or self._submits.orders_in(symbol))

    def _forget_agreed(self, differences: Sequence[PositionDifference]) -> None:
        differing = [difference.symbol for difference in differences]
        for symbol in [symbol for symbol in self._position_looks if symbol not in differing]:
            del self._position_looks[symbol]

    def balance_differences(self, reported: Mapping[str, Decimal]) -> tuple[BalanceDifference, ...]:
        """Where the account's balances and the journal's cash differ."""
        return compare_balances(self._desk.log.book, self._desk.exchange, reported)

    def _act(self, findings: OrderFindings) -> None:
        for question in findings.questions:
            if not self._attended(question.order):
                self._ask_for(question.order, question.why)
        for order, report in findings.revived:
            if was_judged_absent(order) or not self._inquiries.is_open(order.order_id):
                self._revive(order, report)
        for report in findings.strangers:
            if report.venue_id not in self._strangers:
                self._strangers[report.venue_id] = None
                self._revive(None, report)

    def _ask_for(self, order: Order, why: str) -> None:
        answered = order.submission is Submission.WORKING
        if not answered:
            intent = order.intent
            self._desk.outbox.add(intent.symbol, "unresolved", venue_id=intent.venue_id, reason=why)
        self._inquiries.begin(order, why, unresolved=not answered)

    def _attended(self, order: Order) -> bool:
        return self._submits.is_sending(order.order_id) or self._inquiries.is_open(order.order_id)

    def _executed(self) -> dict[str, Decimal]:
        """Executed quantities with what waits in the outbox, for symbols that have something there."""
        desk = self._desk
        waiting = desk.outbox.symbols()
        if not waiting:
            return {}
        return {
            order_id: desk.executed(order)
            for order_id, order in desk.log.book.orders.items()
            if order.intent.exchange == desk.exchange and order.intent.symbol in waiting
        }

    def _threshold_us(self, now_us: int) -> int:
        return now_us - round(self._desk.timings.inflight_threshold * MICROSECONDS)

    async def _until_asked(self) -> None:
        """Wait until every acknowledged order that was in doubt is settled; unanswered ones go on being
        asked for.
        """
        for inquiry in self._inquiries.answered():
            await inquiry.settled.wait()

    async def _drain(self) -> None:
        """Wait until all evidence so far is committed."""
        desk = self._desk
        while symbols := desk.outbox.symbols():
            for symbol in symbols:
                desk.outbox.remind(symbol)
            await trio.sleep(DRAIN_PAUSE)

    async def _tolerant(self, work: Callable[[], Awaitable[object]]) -> None:
        """One round of a periodic check; an exchange that can't be asked now is asked in the next round."""
        try:
            await work()
        except Unavailable:
            return

    async def _ask(self, name: str, call: Callable[[], Awaitable[T]]) -> T:
        return await self._desk.line.ask(name, Priority.RECONCILE, self._desk.timings.query, call)
