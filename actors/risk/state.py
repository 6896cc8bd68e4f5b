"""Everything that RiskActor knows, kept up event by event: the fold that decisions are made on. Pure.

What must survive comes from the journal's book; marks, exchange states and windows of time come from messages
and start empty. `rebuild` gives the same state that following the journal gives.
"""

from collections.abc import Container, Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal

import msgspec

from actors.model.book import Book
from actors.model.events import (
    EARNINGS,
    AccountOpened,
    AmendAccepted,
    AmendAsked,
    BalanceAdjusted,
    CancelRequested,
    DayOpened,
    Event,
    LimitChanged,
    OrderAccepted,
    OrderFilled,
    PositionAdjusted,
    order_id_of,
)
from actors.model.instrument import Instrument
from actors.model.journal import Record
from actors.model.messages import BrokerState, Mark
from actors.model.money import EXACT, ZERO
from actors.model.order import Order, OrderIntent, Submission
from actors.model.position import Position
from actors.risk.counters import KeyedCount, SlidingCount
from actors.risk.ledger import Account, Hold, Ledger, Place, assets_of
from actors.risk.limits import RiskLimits, from_texts
from actors.risk.valuation import Valuation

DAY_US = 86_400_000_000
SECOND_US = 1_000_000

IDS_KEPT = 10_000
"""How many orders are remembered by id where only those of the last seconds matter."""


class Day(msgspec.Struct, frozen=True, kw_only=True):
    """The trading day (UTC) that results are counted from: equity, result and fees at its opening.

    `net` is the result after fees since the journal began, `peak` the highest it has been.
    """

    name: str = ""
    equity: Decimal = ZERO
    result: Decimal = ZERO
    fees: dict[str, Decimal] = {}
    net: Decimal = ZERO
    peak: Decimal = ZERO


def day_of(now_us: int) -> str:
    """The UTC day of a time, as 2026-11-22."""
    return datetime.fromtimestamp(now_us // DAY_US * 86_400, UTC).date().isoformat()


class RiskState:
    """The mutable core. It holds no reference to an actor, a clock or the journal."""

    def __init__(self, limits: RiskLimits) -> None:
        self.limits = limits
        self.whitelist = frozenset(limits.symbol_whitelist)
        self.ledger = Ledger()
        self.valuation = Valuation(self.ledger)
        self.brokers: dict[str, BrokerState] = {}
        self.skews: dict[str, int] = {}
        self.opened: dict[str, None] = {}
        """The exchanges whose account is in the journal, or on its way there."""
        self.day = Day()
        self.day_ends_us = 0
        self.peak = ZERO
        self.messages = SlidingCount()
        self.executions = KeyedCount()
        self.placed = KeyedCount()
        self.pending: dict[str, None] = {}
        self.amending: dict[str, tuple[AmendAsked, Decimal]] = {}
        """Amends on their way to the journal, by order, with the price that they reserve at."""
        self.accepted: dict[str, None] = {}
        self._executed: dict[str, None] = {}
        self._unvalued: dict[Place, Account] | None = None

    # The journal.

    @classmethod
    def rebuild(cls, book: Book, limits: RiskLimits) -> "RiskState":
        """The state that the journal tells, on top of the limits of the settings."""
        state = cls(from_texts(limits, book.limits))
        for order in (*book.closed.values(), *book.orders.values()):
            if order.submission is not Submission.DENIED:
                state.accepted[order.order_id] = None
            if order.amend is not None:
                state.accepted[order.amend.amend_id] = None
        for order in book.orders.values():
            state.hold(order.order_id, Hold.of(order))
        for position in book.positions.values():
            state.set_position(position)
        for (exchange, asset), amount in book.cash.items():
            state.valuation.set_cash(exchange, asset, amount)
        for asset, amount in book.earnings.items():
            state.valuation.earn(asset, amount)
        state.opened.update(dict.fromkeys(book.opened))
        state.read_day(book)
        return state

    def follow_all(self, book: Book, records: Sequence[Record], ahead: Container[str] = ()) -> None:
        """Committed events, oldest first. Each place is valued once, however many of them are about it.

        `ahead` names the limits whose newest change is in force and still on its way to the journal.
        """
        unvalued: dict[Place, Account] = {}
        self._unvalued = unvalued
        try:
            for record in records:
                self.follow(book, record.event, record.at_us, ahead)
        finally:
            self._unvalued = None
            for account in unvalued.values():
                self.valuation.touch(account)

    def _touch(self, account: Account) -> None:
        """Value a place anew: now, or when all events of a batch are in."""
        if self._unvalued is None:
            self.valuation.touch(account)
        else:
            self._unvalued[account.place] = account

    def follow(self, book: Book, event: Event, at_us: int, ahead: Container[str] = ()) -> None:
        """One committed event; `book` is folded at least up to it, and its newer state is as good.

        A limit that is `ahead` stays: what the journal says of it is that change, or an older one.
        """
        order_id = order_id_of(event)
        if order_id is not None:
            self.pending.pop(order_id, None)
            order = book.orders.get(order_id)
            hold = Hold.of(order) if order is not None else None
            self.hold(order_id, self._with_pending(order, hold, event) if self.amending else hold)
        if isinstance(event, OrderAccepted | AmendAccepted):
            accepted = event.intent.order_id if isinstance(event, OrderAccepted) else event.asked.amend_id
            _remember(self.accepted, accepted)
        elif isinstance(event, OrderFilled):
            self._filled(book, event, at_us)
        elif isinstance(event, PositionAdjusted):
            self.set_position(book.position(event.exchange, event.symbol))
        elif isinstance(event, CancelRequested):
            self._count_message(at_us)
        elif isinstance(event, LimitChanged) and event.name not in ahead:
            self.set_limits(from_texts(self.limits, {event.name: event.new}))
        elif isinstance(event, DayOpened):
            self.read_day(book)
        elif isinstance(event, AccountOpened):
            self.opened[event.exchange] = None
            for asset, _ in event.balances:
                self.valuation.set_cash(event.exchange, asset, book.cash[event.exchange, asset])
        elif isinstance(event, BalanceAdjusted):
            self.valuation.set_cash(event.exchange, event.asset, book.cash[event.exchange, event.asset])
            if event.cause in EARNINGS:
                self.valuation.earn(event.asset, event.amount)

    def _with_pending(self, order: Order | None, hold: Hold | None, event: Event) -> Hold | None:
        """What an order may do of which an amend may be on its way to the journal."""
        if isinstance(event, AmendAccepted):
            self.amending.pop(event.order_id, None)
        if order is None or hold is None or order.order_id not in self.amending:
            return hold
        asked, price = self.amending[order.order_id]
        remaining = EXACT.subtract(asked.quantity, order.executed)
        return hold.with_terms(remaining, asked.limit_price, price)

    def _filled(self, book: Book, event: OrderFilled, at_us: int) -> None:
        fill = event.fill
        self.set_position(book.position(fill.exchange, fill.symbol))
        for asset in dict.fromkeys((*assets_of(fill.symbol), fill.fee_currency)):
            amount = book.cash.get((fill.exchange, asset))
            if amount is not None:
                self.valuation.set_cash(fill.exchange, asset, amount)
        if fill.order_id not in self._executed:
            _remember(self._executed, fill.order_id)
            if self.limits.max_repeated_executions is not None:
                window_us = int(self.limits.repeated_window_seconds * SECOND_US)
                self.executions.add((fill.exchange, fill.symbol, fill.side), at_us, window_us)

    def hold(self, order_id: str, hold: Hold | None) -> None:
        """Set or release what an order reserves."""
        account = self.ledger.hold(order_id, hold)
        if account is not None:
            self._touch(account)

    def set_position(self, position: Position) -> None:
        """Set what is held at a place."""
        before = self.ledger.account(position.exchange, position.symbol).position
        account = self.ledger.set_position(position)
        self.valuation.add_fees(before.fees, position.fees)
        self._touch(account)

    def set_limits(self, limits: RiskLimits) -> None:
        """Put limits into force for the next order."""
        self.limits = limits
        self.whitelist = frozenset(limits.symbol_whitelist)

    # The day.

    def read_day(self, book: Book) -> None:
        """Take the day's opening from the book."""
        if book.day:
            self.open_day(
                Day(
                    name=book.day,
                    equity=book.day_equity,
                    result=book.day_result,
                    fees=dict(book.day_fees),
                    net=book.day_net,
                    peak=book.day_peak,
                )
            )

    def open_day(self, day: Day) -> None:
        """Count results from this opening on."""
        self.day = day
        self.day_ends_us = (
            int(datetime.fromisoformat(day.name).replace(tzinfo=UTC).timestamp()) * SECOND_US + DAY_US
        )
        self.peak = max(self.peak, day.peak)

    def day_due(self, now_us: int) -> bool:
        """Whether a new day has begun that is not opened yet."""
        return now_us >= self.day_ends_us

    def next_day(self, now_us: int) -> Day | None:
        """The opening of the day that `now` is in; None while something held has no price."""
        if self.valuation.unpriced:
            return None
        so_far = self.day_result()
        if so_far is None:
            return None
        net = EXACT.add(self.day.net, so_far) if self.day.name else ZERO
        return Day(
            name=day_of(now_us),
            equity=self.valuation.equity(),
            result=self.valuation.total.result,
            fees=dict(self.valuation.fees),
            net=net,
            peak=max(self.peak, net),
        )

    def day_result(self) -> Decimal | None:
        """Realised + unrealised - fees in USD since the day's opening; None while something held has no
        price.
        """
        if self.valuation.unpriced:
            return None
        fees = self.valuation.fees_since(self.day.fees)
        if fees is None:
            return None
        return EXACT.subtract(EXACT.subtract(self.valuation.total.result, self.day.result), fees)

    def drawdown(self) -> Decimal | None:
        """How far the result since the journal began is below its highest, in USD; None when it can't be
        known.
        """
        so_far = self.day_result()
        if so_far is None:
            return None
        net = EXACT.add(self.day.net, so_far)
        self.peak = max(self.peak, net)
        return EXACT.subtract(self.peak, net)

    # The outside.

    def set_broker(self, broker: BrokerState) -> None:
        """An exchange's state, and its instruments when it tells them."""
        self.brokers[broker.exchange] = broker
        self.set_instruments(broker.instruments)

    def set_instruments(self, instruments: Iterable[Instrument]) -> None:
        """New or changed instruments."""
        for instrument in instruments:
            self.valuation.set_instrument(instrument)

    def set_mark(self, mark: Mark) -> None:
        """A new price."""
        self.valuation.set_mark(mark)

    # Admission.

    def admit(self, intent: OrderIntent, price: Decimal, now_us: int) -> None:
        """Reserve for an order that passed and is on its way to the journal."""
        self.pending[intent.order_id] = None
        self.hold(intent.order_id, Hold.of_intent(intent, price))
        self._count_message(now_us)
        if self.limits.duplicate_seconds is not None:
            self.placed.add(likeness(intent), now_us, int(self.limits.duplicate_seconds * SECOND_US))

    def _count_message(self, at_us: int) -> None:
        """An order or a cancel goes out; only a limit that is on needs to know."""
        if self.limits.max_messages is not None:
            self.messages.add(at_us, int(self.limits.message_window_seconds * SECOND_US))

    def admit_amend(self, order: Order, asked: AmendAsked, price: Decimal, now_us: int) -> None:
        """Reserve for both terms of an order whose amend passed and is on its way to the journal."""
        self.amending[order.order_id] = (asked, price)
        held = self.ledger.holds.get(order.order_id)
        if held is not None:
            remaining = EXACT.subtract(asked.quantity, order.executed)
            self.hold(order.order_id, held.with_terms(remaining, asked.limit_price, price))
        self._count_message(now_us)

    def release_amend(self, order_id: str, amend_id: str, order: Order | None) -> bool:
        """Take back an amend that is definitely not in the journal; False when it is not pending."""
        pending = self.amending.get(order_id)
        if pending is None or pending[0].amend_id != amend_id:
            return False
        del self.amending[order_id]
        self.hold(order_id, None if order is None else Hold.of(order))
        return True

    def release(self, order_id: str) -> bool:
        """Take back an admission that is definitely not in the journal; False when it is not pending."""
        if order_id not in self.pending:
            return False
        del self.pending[order_id]
        self.hold(order_id, None)
        return True


def _remember(ids: dict[str, None], order_id: str) -> None:
    ids[order_id] = None
    if len(ids) > IDS_KEPT:
        del ids[next(iter(ids))]


def likeness(intent: OrderIntent) -> tuple[object, ...]:
    """What makes two orders the same order twice."""
    return (
        intent.user,
        intent.exchange,
        intent.symbol,
        intent.side,
        intent.type,
        intent.quantity,
        intent.limit_price,
        intent.stop_price,
    )
