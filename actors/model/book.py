"""The state of trading as the fold of the journal.

Everything that must survive is here and only here; actors derive what they need from it, snapshots store
it, replay rebuilds it. Of closed orders only the latest stay; a fill for an older one carries that order
with it (`recalled`). Leaves are frozen, so a shallow copy of the dictionaries is a consistent snapshot.

Every fold computes first and stores last: an event that is refused leaves the book as it was. Dictionaries
keep the order in which the journal filled them, and that order is part of the state (what is forgotten
first).
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec

from actors.model import amending
from actors.model import events as ev
from actors.model.amend import Amend, AmendState
from actors.model.fill import Fill
from actors.model.money import EXACT, ZERO
from actors.model.order import Order, OrderIntent, Step, Submission, Terminal, is_among, trade_key
from actors.model.position import Position

FOLD_VERSION = 5
"""Raised whenever the fold or its encoding changes meaning; snapshots of another version are not used."""

CLOSED_KEPT = 1024
"""How many closed orders the book remembers, for late fills and answers that are just being given."""

ADJUSTMENTS_KEPT = 4096
"""How many adjustments the book remembers: far more than are told twice. Openings all stay."""

STATEMENT_KEPT = 4096
"""How many balance adjustments the book remembers: months of funding and transfers."""

OPENING = "opening:"
"""How the evidence of an adjustment begins that takes a position without history into the journal."""


class Kill(msgspec.Struct, frozen=True, kw_only=True):
    """A kill in force."""

    kill_id: str
    level: str
    exchange: str | None
    symbol: str | None
    reason: str
    by: str
    at_us: int
    automatic: bool = False


class Change(msgspec.Struct, frozen=True, gc=False):
    """What one event changed: the rows that a projection has to write."""

    order: Order | None = None
    fill: Fill | None = None
    position: Position | None = None


class Book(msgspec.Struct, kw_only=True):
    """The fold. Keys: orders by order id; positions and watermarks by (exchange, symbol), cash by asset.

    `cash` is what the account holds as the journal knows it: opening balances plus what fills and fees
    moved. `watermarks` is the newest fill time (µs) applied: where reconciliation starts. `trades` names
    the trade ids already applied to each order in the book, `adjustments` the evidence of adjustments
    already made: both for exactly-once. `opened` is when the journal first saw an account (µs), `statement`
    the balance adjustments made since, by (exchange, evidence), and when they happened. `earnings` is what
    adjustments that are a result of trading (funding, interest) came to, by asset. `trading_states` and
    `trading_causes` go by the key of their scope.
    """

    seq: int = 0
    orders: dict[str, Order] = {}
    closed: dict[str, Order] = {}
    venue_ids: dict[str, str] = {}
    trades: dict[str, dict[str, int]] = {}
    positions: dict[tuple[str, str], Position] = {}
    cash: dict[tuple[str, str], Decimal] = {}
    watermarks: dict[tuple[str, str], int] = {}
    adjustments: dict[str, int] = {}
    opened: dict[str, int] = {}
    statement: dict[tuple[str, str], int] = {}
    earnings: dict[str, Decimal] = {}
    limits: dict[str, str] = {}
    settings: dict[str, str] = {}
    kills: dict[str, Kill] = {}
    trading_states: dict[str, str] = {}
    trading_causes: dict[str, str] = {}
    day: str = ""
    day_equity: Decimal = ZERO
    day_result: Decimal = ZERO
    day_fees: tuple[tuple[str, Decimal], ...] = ()
    day_net: Decimal = ZERO
    day_peak: Decimal = ZERO
    epoch: int = 0
    incarnation: str = ""

    def order(self, order_id: str) -> Order | None:
        """An open or recently closed order."""
        return self.orders.get(order_id) or self.closed.get(order_id)

    def position(self, exchange: str, symbol: str) -> Position:
        """The position, flat if there never was one."""
        found = self.positions.get((exchange, symbol))
        return found if found is not None else Position(exchange=exchange, symbol=symbol)

    def copy(self) -> "Book":
        """A book that can be folded further without changing this one; costs time for each order it holds."""
        return Book(
            seq=self.seq,
            orders=self.orders.copy(),
            closed=self.closed.copy(),
            venue_ids=self.venue_ids.copy(),
            trades={order_id: ids.copy() for order_id, ids in self.trades.items()},
            positions=self.positions.copy(),
            cash=self.cash.copy(),
            watermarks=self.watermarks.copy(),
            adjustments=self.adjustments.copy(),
            opened=self.opened.copy(),
            statement=self.statement.copy(),
            earnings=self.earnings.copy(),
            limits=self.limits.copy(),
            settings=self.settings.copy(),
            kills=self.kills.copy(),
            trading_states=self.trading_states.copy(),
            trading_causes=self.trading_causes.copy(),
            day=self.day,
            day_equity=self.day_equity,
            day_result=self.day_result,
            day_fees=self.day_fees,
            day_net=self.day_net,
            day_peak=self.day_peak,
            epoch=self.epoch,
            incarnation=self.incarnation,
        )

    def apply(self, event: ev.Event, seq: int, at_us: int) -> Change:
        """Fold one event in, and say which rows it changed.

        When it raises, the book is unchanged: IllegalTransition when the event contradicts the order's state,
        KeyError when it names an order that the book does not know, DuplicateFill, DuplicateOrder or
        DuplicateAdjustment when it says again what is already known, ArithmeticError when a sum would
        lose a digit.
        """
        change = _FOLD[type(event)](self, event, seq, at_us)
        self.seq = seq
        return change


def scope_key(exchange: str | None, symbol: str | None) -> str:
    """The text under which a scope is kept: `*`, `sim`, `sim/BTC/USDT`, or `*/BTC/USDT`."""
    if symbol is not None:
        return f"{exchange or '*'}/{symbol}"
    return exchange or "*"


def _keep(book: Book, order: Order) -> Change:
    order_id = order.order_id
    if order.is_open:
        book.closed.pop(order_id, None)
        book.orders[order_id] = order
    else:
        book.orders.pop(order_id, None)
        book.closed[order_id] = order
        if len(book.closed) > CLOSED_KEPT:
            _forget_oldest(book)
    return Change(order=order)


def _forget_oldest(book: Book) -> None:
    order_id = next(iter(book.closed))
    gone = book.closed.pop(order_id)
    book.trades.pop(order_id, None)
    book.venue_ids.pop(gone.intent.venue_id, None)
    for venue_id in gone.former:
        book.venue_ids.pop(venue_id, None)


def _accepted(book: Book, event: ev.OrderAccepted, seq: int, at_us: int) -> Change:
    intent = event.intent
    _require_new(book, intent)
    order = Order(
        intent=intent,
        reserve_price=event.reserve_price,
        created_us=at_us,
        updated_us=at_us,
        accepted_seq=seq,
    )
    book.venue_ids[intent.venue_id] = intent.order_id
    return _keep(book, order)


def _require_new(book: Book, intent: OrderIntent) -> None:
    if book.order(intent.order_id) is not None:
        raise DuplicateOrder(intent.order_id, "its id is taken")
    if intent.venue_id and intent.venue_id in book.venue_ids:
        raise DuplicateOrder(intent.order_id, f"its exchange id {intent.venue_id} is taken")


def denied_order(intent: OrderIntent, code: str, reason: str, at_us: int) -> Order:
    """The record of an order that a risk rule refused."""
    return Order(
        intent=intent,
        submission=Submission.DENIED,
        terminal=Terminal.DENIED,
        code=code,
        reason=reason,
        created_us=at_us,
        updated_us=at_us,
    )


def _denied(book: Book, event: ev.OrderDenied, _seq: int, at_us: int) -> Change:
    _require_new(book, event.intent)
    return _keep(book, denied_order(event.intent, event.code, event.detail, at_us))


def _known(book: Book, order_id: str) -> Order:
    order = book.order(order_id)
    if order is None:
        raise KeyError(order_id)
    return order


def _stepper(step: Step, *names: str) -> "Fold":
    """The fold of an event that only advances an order; the named fields are taken over from it."""

    def fold(book: Book, event: ev.OrderEvent, _seq: int, at_us: int) -> Change:
        changes = {name: getattr(event, name) for name in names}
        return _keep(book, _known(book, event.order_id).advance(step, at_us, **changes))

    return fold


def _not_sent(book: Book, event: ev.OrderNotSent, _seq: int, at_us: int) -> Change:
    order = _known(book, event.order_id)
    return _keep(book, order.advance(Step.NOT_SENT, at_us, code="NOT_SENT", reason=event.reason))


def _absent(book: Book, event: ev.OrderAbsent, _seq: int, at_us: int) -> Change:
    order = _known(book, event.order_id)
    return _keep(book, order.advance(Step.ABSENT, at_us, code="NOT_SENT", reason=event.proof))


def _amend_accepted(book: Book, event: ev.AmendAccepted, _seq: int, at_us: int) -> Change:
    order = book.order(event.order_id)
    if order is None:
        return Change()
    asked = event.asked
    amend = Amend(
        amend_id=asked.amend_id,
        quantity=asked.quantity,
        limit_price=asked.limit_price,
        reserve_price=event.reserve_price,
        venue_id=event.venue_id,
        send_before_us=event.send_before_us,
    )
    return _keep(book, amending.accepted(order, amend, at_us))


def _amend_denied(book: Book, event: ev.AmendDenied, _seq: int, at_us: int) -> Change:
    order = book.order(event.order_id)
    if order is None:
        return Change()
    asked = event.asked
    amend = Amend(
        amend_id=asked.amend_id,
        quantity=asked.quantity,
        limit_price=asked.limit_price,
        reserve_price=asked.limit_price,
        state=AmendState.DENIED,
        code=event.code,
        reason=event.detail,
    )
    return _keep(book, amending.not_begun(order, amend, at_us))


def _amended(book: Book, event: ev.OrderAmended, _seq: int, at_us: int) -> Change:
    return _keep(book, amending.amended(_known(book, event.order_id), event.amend_id, at_us))


def _amend_refused(book: Book, event: ev.AmendRefused, _seq: int, at_us: int) -> Change:
    order = _known(book, event.order_id)
    return _keep(book, amending.refused(order, event.amend_id, event.code, event.reason, at_us))


def _replaced(book: Book, event: ev.OrderReplaced, _seq: int, at_us: int) -> Change:
    before = _known(book, event.order_id)
    if event.venue_id in book.venue_ids:
        raise DuplicateOrder(event.order_id, f"its exchange id {event.venue_id} is taken")
    order = amending.replaced(before, event.amend_id, at_us)
    known = book.trades.get(order.order_id)
    if known and not before.former:
        # From now on the trades of this order can be of several orders at the exchange.
        book.trades[order.order_id] = {f"{before.exchange_order_id}/{key}": at for key, at in known.items()}
    book.venue_ids[order.intent.venue_id] = order.order_id
    if before.former and before.former[0] not in order.former:
        book.venue_ids.pop(before.former[0], None)
    return _keep(book, order)


def _filled(book: Book, event: ev.OrderFilled, _seq: int, at_us: int) -> Change:
    fill, order_id = event.fill, event.order_id
    order = book.order(order_id)
    recalled = event.recalled if order is None else None
    before = order or recalled
    if before is None:
        raise KeyError(order_id)
    if is_among(fill, book.trades.get(order_id, ())) or (
        recalled is not None and is_among(fill, event.recalled_trades or ())
    ):
        raise DuplicateFill(order_id, fill.trade_id)
    filled = before.fill(fill, at_us, former=event.former)
    place = (fill.exchange, fill.symbol)
    position = book.position(*place).apply(fill, at_us)
    cash = _cash_after(book, fill)
    if recalled is not None and event.recalled_trades is not None:
        for venue_id in (*recalled.former, recalled.intent.venue_id):
            book.venue_ids[venue_id] = order_id
        book.trades[order_id] = dict.fromkeys(event.recalled_trades, 0)
    book.trades.setdefault(order_id, {})[trade_key(before, fill.exchange_order_id, fill.trade_id)] = (
        fill.at_us
    )
    book.positions[place] = position
    book.watermarks[place] = max(book.watermarks.get(place, 0), fill.at_us)
    book.cash.update(cash)
    _keep(book, filled)
    return Change(order=filled, fill=fill, position=position)


def _cash_after(book: Book, fill: Fill) -> dict[tuple[str, str], Decimal]:
    """The balances that the fill and its fee move, as they are then. A derivative moves only its fee."""
    moves: list[tuple[str, Decimal]] = [(fill.fee_currency, EXACT.minus(fill.fee))]
    if fill.market_type == "spot":
        base, _, quote = fill.symbol.partition("/")
        bought = fill.side == "buy"
        notional = EXACT.multiply(fill.quantity, fill.price)
        moves.append((base, fill.quantity if bought else EXACT.minus(fill.quantity)))
        moves.append((quote, EXACT.minus(notional) if bought else notional))
    after: dict[tuple[str, str], Decimal] = {}
    for asset, amount in moves:
        if amount:
            key = (fill.exchange, asset)
            before = after[key] if key in after else book.cash.get(key, ZERO)
            after[key] = EXACT.add(before, amount)
    return after


def _adjusted(book: Book, event: ev.PositionAdjusted, _seq: int, at_us: int) -> Change:
    if event.evidence in book.adjustments:
        raise DuplicateAdjustment(event.evidence)
    place = (event.exchange, event.symbol)
    traded = book.position(*place).trade(event.quantity, event.price)
    position = msgspec.structs.replace(traded, updated_us=at_us)
    book.positions[place] = position
    _remember_adjustment(book, event, at_us)
    return Change(position=position)


def _remember_adjustment(book: Book, event: ev.PositionAdjusted, at_us: int) -> None:
    kept = book.adjustments
    kept[event.evidence] = at_us
    if len(kept) > ADJUSTMENTS_KEPT:
        oldest = next((evidence for evidence in kept if not evidence.startswith(OPENING)), None)
        if oldest is not None:
            del kept[oldest]


def _account_opened(book: Book, event: ev.AccountOpened, _seq: int, at_us: int) -> Change:
    for asset, total in event.balances:
        book.cash[event.exchange, asset] = total
    book.opened.setdefault(event.exchange, at_us)
    return Change()


def _balance_adjusted(book: Book, event: ev.BalanceAdjusted, _seq: int, _at_us: int) -> Change:
    line = (event.exchange, event.evidence)
    if line in book.statement:
        raise DuplicateAdjustment(event.evidence)
    place = (event.exchange, event.asset)
    cash = EXACT.add(book.cash.get(place, ZERO), event.amount)
    if event.cause in ev.EARNINGS:
        book.earnings[event.asset] = EXACT.add(book.earnings.get(event.asset, ZERO), event.amount)
    book.cash[place] = cash
    book.statement[line] = event.happened_us
    if len(book.statement) > STATEMENT_KEPT:
        del book.statement[next(iter(book.statement))]
    return Change()


def _limit_changed(book: Book, event: ev.LimitChanged, _seq: int, _at_us: int) -> Change:
    book.limits[event.name] = event.new
    if event.by == "settings":
        book.settings[event.name] = event.new
    return Change()


def _day_opened(book: Book, event: ev.DayOpened, _seq: int, _at_us: int) -> Change:
    book.day, book.day_equity, book.day_result = event.day, event.equity, event.result
    book.day_fees, book.day_net, book.day_peak = event.fees, event.net, event.peak
    return Change()


def _runtime_started(book: Book, event: ev.RuntimeStarted, _seq: int, _at_us: int) -> Change:
    book.epoch, book.incarnation = event.epoch, event.incarnation
    return Change()


def _kill_engaged(book: Book, event: ev.KillEngaged, _seq: int, at_us: int) -> Change:
    book.kills[event.kill_id] = Kill(
        kill_id=event.kill_id,
        level=event.level,
        exchange=event.exchange,
        symbol=event.symbol,
        reason=event.reason,
        by=event.by,
        at_us=at_us,
        automatic=event.automatic,
    )
    return Change()


def _resumed(book: Book, event: ev.TradingResumed, _seq: int, _at_us: int) -> Change:
    for kill_id in event.kill_ids:
        book.kills.pop(kill_id, None)
    return Change()


def _state_changed(book: Book, event: ev.TradingStateChanged, _seq: int, _at_us: int) -> Change:
    key = scope_key(event.exchange, event.symbol)
    if event.new == "active":
        book.trading_states.pop(key, None)
        book.trading_causes.pop(key, None)
    else:
        book.trading_states[key] = event.new
        book.trading_causes[key] = event.cause
    return Change()


def _nothing(_book: Book, _event: ev.Event, _seq: int, _at_us: int) -> Change:
    return Change()


class DuplicateOrder(ValueError):
    """An order event names an id, ours or the one for the exchange, that another order already has."""

    def __init__(self, order_id: str, why: str) -> None:
        super().__init__(f"order {order_id} can't be taken: {why}")
        self.order_id = order_id


class DuplicateAdjustment(ValueError):
    """A position or a balance is adjusted a second time for the same evidence."""

    def __init__(self, evidence: str) -> None:
        super().__init__(f"the adjustment for {evidence} is already made")
        self.evidence = evidence


class DuplicateFill(Exception):
    """A fill event names a trade that is already in the position."""

    def __init__(self, order_id: str, trade_id: str) -> None:
        super().__init__(f"trade {trade_id} of order {order_id} is already applied")
        self.order_id = order_id
        self.trade_id = trade_id


Fold = Callable[[Book, Any, int, int], Change]

_FOLD: dict[type[ev.Event], Fold] = {
    ev.OrderAccepted: _accepted,
    ev.OrderDenied: _denied,
    ev.OrderSubmitted: _stepper(Step.SENT),
    ev.OrderAcknowledged: _stepper(Step.ACKNOWLEDGED, "exchange_order_id"),
    ev.OrderRejected: _stepper(Step.REFUSED, "code", "reason"),
    ev.OrderUnresolved: _stepper(Step.UNRESOLVED, "reason"),
    ev.OrderAbsent: _absent,
    ev.OrderNotSent: _not_sent,
    ev.OrderFilled: _filled,
    ev.CancelRequested: _stepper(Step.CANCEL_REQUESTED),
    ev.CancelRefused: _stepper(Step.CANCEL_REFUSED),
    ev.OrderCanceled: _stepper(Step.CANCELED, "reason"),
    ev.OrderExpired: _stepper(Step.EXPIRED, "reason"),
    ev.AmendAccepted: _amend_accepted,
    ev.AmendDenied: _amend_denied,
    ev.OrderAmended: _amended,
    ev.AmendRefused: _amend_refused,
    ev.OrderReplaced: _replaced,
    ev.PositionAdjusted: _adjusted,
    ev.AccountOpened: _account_opened,
    ev.BalanceAdjusted: _balance_adjusted,
    ev.LimitChanged: _limit_changed,
    ev.LimitBreached: _nothing,
    ev.DayOpened: _day_opened,
    ev.RuntimeStarted: _runtime_started,
    ev.KillEngaged: _kill_engaged,
    ev.TradingResumed: _resumed,
    ev.TradingStateChanged: _state_changed,
}
