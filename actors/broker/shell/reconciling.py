"""Reconciliation: before the first order and all the time after, the journal is held against the exchange.

Streams are hints, polling is the truth. Fills are read from each symbol's durable watermark with overlap;
orders that don't add up are asked for one by one; what then still differs in a position is explained from
older trades, or it halts the exchange with the difference as the reason. Nothing leaves before the first
run has ended.
"""

from collections.abc import Awaitable, Callable, Sequence
from decimal import Decimal
from functools import partial

import trio

from actors.broker.port import OrderReport, Unavailable
from actors.broker.reconcile import OrderFindings, compare_orders, doubtful_orders, was_judged_absent
from actors.broker.shell.accounts import Accounts
from actors.broker.shell.desk import Desk
from actors.broker.shell.inquiries import Inquiries
from actors.broker.shell.submits import Submits
from actors.model.messages import Balance, BookBalances
from actors.model.money import EXACT
from actors.model.order import Order, Submission

MICROSECONDS = 1_000_000
NAMED = 5
"""How many orders that the journal does not know are named when they halt the exchange."""


class Reconciling:
    """`revive` is told of orders that live though the journal has them over; `balances` of the account's
    balances, `book` of what its statement says.
    """

    def __init__(
        self,
        desk: Desk,
        submits: Submits,
        inquiries: Inquiries,
        revive: Callable[[Order, OrderReport], None],
        balances: Callable[[Sequence[Balance]], None],
        book: Callable[[BookBalances], None],
    ) -> None:
        self._desk = desk
        self._submits = submits
        self._inquiries = inquiries
        self._revive = revive
        self._read_us: dict[str, int] = {}
        self._accounts = Accounts(desk, submits, self.fills, balances, book)

    async def complete(self) -> None:
        """One whole reconciliation: returns when book and exchange agree or the rest is being asked for.

        Raise Unavailable when the exchange can't be asked.
        """
        for symbol in self._desk.symbols:
            await self.fills(symbol)
        await self.orders()
        await self._until_asked()
        await self._accounts.compare_until_sure()

    async def again(self, symbol: str) -> None:
        """Bring a symbol's evidence again, as its restarted position actor asks."""
        await self._tolerant(partial(self.fills, symbol))
        await self._tolerant(self.orders)

    async def measure_skew(self) -> None:
        """Compare the exchange's clock with ours; beyond the limit nothing that opens is sent."""
        desk = self._desk
        before_us = desk.clock.now_us()
        server_us = await desk.server_us(since=desk.clock.monotonic())
        after_us = desk.clock.now_us()
        # The answer was made at some moment of the round trip; only what lies outside of it is skew.
        ahead_us = max(server_us - after_us, 0) or min(server_us - before_us, 0)
        desk.skewed = abs(ahead_us) > round(desk.timings.max_clock_skew * MICROSECONDS)
        desk.tell_skew(ahead_us)

    async def keep_orders(self) -> None:
        """Hold open orders and fills against the exchange again and again; runs as long as the broker
        trades.
        """
        while True:
            await trio.sleep(self._desk.timings.open_orders_every)
            for symbol in self._desk.symbols:
                await self._tolerant(partial(self.fills, symbol))
            await self._tolerant(self.orders)

    async def keep_accounts(self) -> None:
        """Hold positions and balances against the exchange again and again."""
        while True:
            await trio.sleep(self._desk.timings.accounts_every)
            await self._tolerant(self._accounts.compare)

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
        said = desk.outbox.venue_ids()
        for order in desk.log.book.orders.values():
            if order.intent.exchange != desk.exchange or order.submission is Submission.WORKING:
                continue
            if order.updated_us < before_us and not self._attended(order, said):
                self._ask_for(order, "has had no answer for long")

    async def orders(self) -> None:
        """Compare the exchange's open orders with the book; raise Unavailable."""
        desk = self._desk
        asked_us = desk.clock.now_us()
        listed = await desk.open_orders()
        settled_us = asked_us if not desk.trading else self._threshold_us(asked_us)
        findings = compare_orders(desk.log.book, desk.exchange, listed, self._executed(), settled_us)
        self._act(findings)

    async def fills(self, symbol: str, lookback: float | None = None) -> int:
        """Read the symbol's trades from its watermark, or from `lookback` seconds ago; how many were news.

        Streams move the watermark on while nothing can be read, and may miss what others trade meanwhile: so
        it is read from no later than where the last reading ended.
        """
        desk = self._desk
        now_us = desk.clock.now_us()
        since_us = now_us - round((lookback or desk.timings.lookback) * MICROSECONDS)
        known_us = self._known_us(symbol)
        if known_us is not None and lookback is None:
            read_us = self._read_us.get(symbol, known_us)
            first_us = min(known_us, read_us, self._doubtful_us(symbol, now_us))
            since_us = first_us - round(desk.timings.overlap * MICROSECONDS)
        fills = await desk.fills_since(symbol, since_us)
        if lookback is None:
            self._read_us[symbol] = now_us
        return desk.take_fills(fills)

    def _known_us(self, symbol: str) -> int | None:
        """Up to when the journal has the symbol's trades: our own up to the watermark, and those of others up
        to where they are forgotten, however long ours are past.
        """
        book, place = self._desk.log.book, (self._desk.exchange, symbol)
        times = [each[place] for each in (book.watermarks, book.forgotten) if place in each]
        return max(times, default=None)

    def _doubtful_us(self, symbol: str, now_us: int) -> int:
        """When the oldest order of a recent verdict was made: an exchange whose listings lag may have taken
        it all the same, and show its trades long after newer ones.
        """
        recent_us = now_us - round(self._desk.timings.doubt * MICROSECONDS)
        doubtful = doubtful_orders(self._desk.log.book, self._desk.exchange, symbol, recent_us)
        return min((order.created_us for order in doubtful), default=now_us)

    def _act(self, findings: OrderFindings) -> None:
        said = self._desk.outbox.venue_ids()
        for question in findings.questions:
            if not self._attended(question.order, said):
                self._ask_for(question.order, question.why)
        for order, report in findings.revived:
            former = report.venue_id in order.former
            if former or was_judged_absent(order) or not self._inquiries.is_open(order.order_id):
                self._revive(order, report)
        self._take_strangers(findings.strangers)

    def _take_strangers(self, strangers: Sequence[OrderReport]) -> None:
        """What bears our name and is in no journal of ours is a contradiction: a person has to look, and a
        kill cancels it.
        """
        desk = self._desk
        news = [each for each in strangers if each.venue_id not in desk.ghosts]
        if not news:
            return
        desk.ghosts.update(dict.fromkeys(each.venue_id for each in news))
        named = ", ".join(f"{each.venue_id} ({each.symbol})" for each in news[:NAMED])
        desk.halt(
            f"{len(news)} open at the exchange with our name that the journal does not know: {named}; "
            "cancel there, or kill with level cancel, then resume"
        )

    def _ask_for(self, order: Order, why: str) -> None:
        answered = order.submission is Submission.WORKING
        if not answered:
            intent = order.intent
            self._desk.outbox.add(intent.symbol, "unresolved", venue_id=intent.venue_id, reason=why)
        self._inquiries.begin(order, why, unresolved=not answered)

    def _attended(self, order: Order, said: dict[str, None]) -> bool:
        """Whether the order is being sent or asked for, or what was found out waits for its commit."""
        order_id = order.order_id
        if self._submits.is_sending(order_id) or self._inquiries.is_open(order_id):
            return True
        return order.submission is not Submission.WORKING and order.intent.venue_id in said

    def _executed(self) -> dict[str, Decimal]:
        """By order id, the executed quantities of orders with fills on their way to the journal."""
        book = self._desk.log.book
        totals: dict[str, Decimal] = {}
        for venue_id, underway in self._desk.outbox.all_executed(book).items():
            order_id = book.venue_ids.get(venue_id)
            order = None if order_id is None else book.order(order_id)
            if order is not None and order.intent.venue_id == venue_id:
                totals[order.order_id] = EXACT.add(order.placed_executed, underway)
        return totals

    def _threshold_us(self, now_us: int) -> int:
        return now_us - round(self._desk.timings.inflight_threshold * MICROSECONDS)

    async def _until_asked(self) -> None:
        """Wait until every acknowledged order that was in doubt is settled; unanswered ones go on being
        asked for.
        """
        for inquiry in self._inquiries.answered():
            await inquiry.settled.wait()

    async def _tolerant(self, work: Callable[[], Awaitable[object]]) -> None:
        """One round of a periodic check; an exchange that can't be asked now is asked in the next round."""
        try:
            await work()
        except Unavailable:
            return
