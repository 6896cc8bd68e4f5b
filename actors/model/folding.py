"""The rules of the fold: for each kind of event what it changes, and how that is kept in the book.

Working out and keeping are two steps, so that the journal can judge an event before it is written and keep
the very same result when it is. Dictionaries keep the order in which the journal filled them, and that order
is part of the state (what is forgotten first).
"""

from collections.abc import Callable
from decimal import Decimal
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from actors.model import amending
from actors.model import events as ev
from actors.model.amend import Amend, AmendState
from actors.model.change import Change, DuplicateAdjustment, DuplicateFill, DuplicateOrder, Kill, scope_key
from actors.model.fill import Fill
from actors.model.money import EXACT, ZERO
from actors.model.order import Order, OrderIntent, Step, Submission, Terminal, is_among, trade_key

if TYPE_CHECKING:
    from actors.model.book import Book

CLOSED_KEPT = 1024
"""How many closed orders the book remembers, for late fills and answers that are just being given."""

ADJUSTMENTS_KEPT = 1024
"""How many adjustments of one place the book remembers, those of the newest trades. Openings all stay."""

CLOCKS_APART_US = 1_000_000
"""How much later than its record a trade may seem to have been, where only the record's time is known."""

STATEMENT_KEPT = 4096
"""How many balance adjustments the book remembers at least: months of funding and transfers."""

STATEMENT_OVERLAP_US = 86_400_000_000
"""How far before its newest known line a statement is read again: exchanges list some lines late. No line
from so far back is ever forgotten.
"""

OPENING = "opening:"
"""How the evidence of an adjustment begins that takes a position without history into the journal."""


class Rule(NamedTuple):
    """How one kind of event is folded: `judge` works out what it changes and raises when it can't be; `keep`
    puts into the book what was worked out, and can't fail.
    """

    judge: "Judge"
    keep: "Keep"


def _nothing(_book: "Book", _event: ev.Event, _seq: int, _at_us: int) -> Change:
    return Change()


def _keep_order(book: "Book", _event: ev.Event, change: Change, _at_us: int) -> None:
    _put(book, change.order)


def _put(book: "Book", order: Order | None) -> None:
    if order is None:
        return
    order_id = order.order_id
    if order.is_open:
        book.closed.pop(order_id, None)
        book.orders[order_id] = order
    else:
        book.orders.pop(order_id, None)
        book.closed[order_id] = order
        if len(book.closed) > CLOSED_KEPT:
            _forget_oldest(book)


def _forget_oldest(book: "Book") -> None:
    order_id = next(iter(book.closed))
    gone = book.closed.pop(order_id)
    book.trades.pop(order_id, None)
    book.venue_ids.pop(gone.intent.venue_id, None)
    for venue_id in gone.former:
        book.venue_ids.pop(venue_id, None)


def _accepted(book: "Book", event: ev.OrderAccepted, seq: int, at_us: int) -> Change:
    intent = event.intent
    _require_new(book, intent)
    order = Order(
        intent=intent,
        reserve_price=event.reserve_price,
        created_us=at_us,
        updated_us=at_us,
        accepted_seq=seq,
    )
    return Change(order=order)


def _keep_accepted(book: "Book", event: ev.OrderAccepted, change: Change, _at_us: int) -> None:
    book.venue_ids[event.intent.venue_id] = event.intent.order_id
    _put(book, change.order)


def _require_new(book: "Book", intent: OrderIntent) -> None:
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


def _denied(book: "Book", event: ev.OrderDenied, _seq: int, at_us: int) -> Change:
    _require_new(book, event.intent)
    return Change(order=denied_order(event.intent, event.code, event.detail, at_us))


def _known(book: "Book", order_id: str) -> Order:
    order = book.order(order_id)
    if order is None:
        raise KeyError(order_id)
    return order


def _advance(
    step: Step, names: tuple[str, ...], book: "Book", event: ev.OrderEvent, _seq: int, at_us: int
) -> Change:
    """Advance the order; the named fields are taken over from the event."""
    changes = {name: getattr(event, name) for name in names}
    return Change(order=_known(book, event.order_id).advance(step, at_us, **changes))


def _not_sent(book: "Book", event: ev.OrderNotSent, _seq: int, at_us: int) -> Change:
    order = _known(book, event.order_id)
    return Change(order=order.advance(Step.NOT_SENT, at_us, code="NOT_SENT", reason=event.reason))


def _absent(book: "Book", event: ev.OrderAbsent, _seq: int, at_us: int) -> Change:
    order = _known(book, event.order_id)
    return Change(order=order.advance(Step.ABSENT, at_us, code="NOT_SENT", reason=event.proof))


def _amend_accepted(book: "Book", event: ev.AmendAccepted, _seq: int, at_us: int) -> Change:
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
    return Change(order=amending.accepted(order, amend, at_us))


def _amend_denied(book: "Book", event: ev.AmendDenied, _seq: int, at_us: int) -> Change:
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
    return Change(order=amending.not_begun(order, amend, at_us))


def _amended(book: "Book", event: ev.OrderAmended, _seq: int, at_us: int) -> Change:
    return Change(order=amending.amended(_known(book, event.order_id), event.amend_id, at_us))


def _amend_refused(book: "Book", event: ev.AmendRefused, _seq: int, at_us: int) -> Change:
    order = _known(book, event.order_id)
    return Change(order=amending.refused(order, event.amend_id, event.code, event.reason, at_us))


def _replaced(book: "Book", event: ev.OrderReplaced, _seq: int, at_us: int) -> Change:
    before = _known(book, event.order_id)
    if event.venue_id in book.venue_ids:
        raise DuplicateOrder(event.order_id, f"its exchange id {event.venue_id} is taken")
    return Change(order=amending.replaced(before, event.amend_id, at_us))


def _keep_replaced(book: "Book", event: ev.OrderReplaced, change: Change, _at_us: int) -> None:
    before, order = _known(book, event.order_id), _order_of(change)
    known = book.trades.get(order.order_id)
    if known and not before.former:
        # From now on the trades of this order can be of several orders at the exchange.
        book.trades[order.order_id] = {f"{before.exchange_order_id}/{key}": at for key, at in known.items()}
    book.venue_ids[order.intent.venue_id] = order.order_id
    if before.former and before.former[0] not in order.former:
        book.venue_ids.pop(before.former[0], None)
    _put(book, change.order)


def _order_of(change: Change) -> Order:
    if change.order is None:
        raise AssertionError("the change of an order's event holds no order")
    return change.order


def _filled(book: "Book", event: ev.OrderFilled, _seq: int, at_us: int) -> Change:
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
    return Change(
        order=before.fill(fill, at_us, former=event.former),
        fill=fill,
        position=book.position(fill.exchange, fill.symbol).apply(fill, at_us),
        cash=_cash_after(book, fill),
    )


def _keep_filled(book: "Book", event: ev.OrderFilled, change: Change, _at_us: int) -> None:
    fill, order_id = event.fill, event.order_id
    before = book.order(order_id)
    if before is None:
        before = event.recalled or _order_of(change)
        if event.recalled_trades is not None:
            for venue_id in (*before.former, before.intent.venue_id):
                book.venue_ids[venue_id] = order_id
            book.trades[order_id] = dict.fromkeys(event.recalled_trades, 0)
    key = trade_key(before, fill.exchange_order_id, fill.trade_id)
    book.trades.setdefault(order_id, {})[key] = fill.at_us
    place = (fill.exchange, fill.symbol)
    _keep_position(book, change)
    book.watermarks[place] = max(book.watermarks.get(place, 0), fill.at_us)
    _keep_cash(book, change)
    _put(book, change.order)


def _keep_position(book: "Book", change: Change) -> None:
    if (position := change.position) is not None:
        book.positions[position.exchange, position.symbol] = position


def _keep_cash(book: "Book", change: Change) -> None:
    if change.cash is not None:
        book.cash.update(change.cash)
    if change.earnings is not None:
        book.earnings.update(change.earnings)


def _cash_after(book: "Book", fill: Fill) -> dict[tuple[str, str], Decimal]:
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


def _adjusted(book: "Book", event: ev.PositionAdjusted, _seq: int, at_us: int) -> Change:
    if _is_told_again(book, event):
        raise DuplicateAdjustment(event.evidence)
    traded = book.position(event.exchange, event.symbol).trade(event.quantity, event.price)
    return Change(position=msgspec.structs.replace(traded, updated_us=at_us))


def _is_told_again(book: "Book", event: ev.PositionAdjusted) -> bool:
    """Whether the book remembers the adjustment.

    One without its trade's time was journaled by an older version, which remembered less and may have counted
    it twice; what stands in the journal is folded as it stands.
    """
    old = not event.happened_us and not event.evidence.startswith(OPENING)
    return not old and event.evidence in book.adjustments.get((event.exchange, event.symbol), ())


def _keep_adjusted(book: "Book", event: ev.PositionAdjusted, change: Change, at_us: int) -> None:
    _keep_position(book, change)
    if not event.evidence.startswith(OPENING):
        book.disturbed.setdefault(event.exchange, at_us)
    place = (event.exchange, event.symbol)
    kept = book.adjustments.setdefault(place, {})
    kept[event.evidence] = event.happened_us or at_us + CLOCKS_APART_US
    if len(kept) > ADJUSTMENTS_KEPT:
        _forget_adjustment(book, place, kept)


def _forget_adjustment(book: "Book", place: tuple[str, str], kept: dict[str, int]) -> None:
    """Forget the oldest trade, and remember up to when trades are forgotten."""
    trades = [evidence for evidence in kept if not evidence.startswith(OPENING)]
    if trades:
        at_us = kept.pop(min(trades, key=kept.__getitem__))
        book.forgotten[place] = max(book.forgotten.get(place, at_us), at_us)


def _keep_account(book: "Book", event: ev.AccountOpened, _change: Change, at_us: int) -> None:
    for asset, total in event.balances:
        book.cash[event.exchange, asset] = total
    book.opened.setdefault(event.exchange, at_us)


def _balance_adjusted(book: "Book", event: ev.BalanceAdjusted, _seq: int, _at_us: int) -> Change:
    if _is_booked_again(book, (event.exchange, event.evidence)):
        raise DuplicateAdjustment(event.evidence)
    place, earnings = (event.exchange, event.asset), None
    if event.cause in ev.EARNINGS:
        earned = book.earnings.get(event.asset, ZERO)
        earnings = {event.asset: EXACT.add(earned, event.amount)}
    cash = {place: EXACT.add(book.cash.get(place, ZERO), event.amount)}
    return Change(cash=cash, earnings=earnings)


def _is_booked_again(book: "Book", line: tuple[str, str]) -> bool:
    """Whether the line is among the newest that were booked.

    An older version remembered no more than these, and may have booked an older line twice; what stands in
    the journal is folded as it stands.
    """
    return line in book.statement and line in islice(reversed(book.statement), STATEMENT_KEPT)


def _keep_balance(book: "Book", event: ev.BalanceAdjusted, change: Change, _at_us: int) -> None:
    _keep_cash(book, change)
    kept, until, line = book.statement, book.statement_until, (event.exchange, event.evidence)
    kept.pop(line, None)
    kept[line] = event.happened_us
    until[event.exchange] = max(until.get(event.exchange, event.happened_us), event.happened_us)
    for old in tuple(islice(kept, max(len(kept) - STATEMENT_KEPT, 0))):
        if kept[old] < until[old[0]] - STATEMENT_OVERLAP_US:
            del kept[old]


def _keep_limit_changed(book: "Book", event: ev.LimitChanged, _change: Change, _at_us: int) -> None:
    book.limits[event.name] = event.new
    if event.by == "settings":
        book.settings[event.name] = event.new


def _keep_breached(book: "Book", event: ev.LimitBreached, _change: Change, _at_us: int) -> None:
    if event.code in ev.LOSSES:
        book.losses[event.code] = book.day
        book.resumed_losses.pop(event.code, None)


def _keep_day_opened(book: "Book", event: ev.DayOpened, _change: Change, _at_us: int) -> None:
    book.day, book.day_equity, book.day_result = event.day, event.equity, event.result
    book.day_fees, book.day_net, book.day_peak = event.fees, event.net, event.peak


def _keep_runtime_started(book: "Book", event: ev.RuntimeStarted, _change: Change, _at_us: int) -> None:
    book.epoch, book.incarnation = event.epoch, event.incarnation


def _keep_kill_engaged(book: "Book", event: ev.KillEngaged, _change: Change, at_us: int) -> None:
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


def _keep_resumed(book: "Book", event: ev.TradingResumed, _change: Change, _at_us: int) -> None:
    for kill_id in event.kill_ids:
        kill = book.kills.pop(kill_id, None)
        code = kill.reason.partition(":")[0] if kill is not None and kill.automatic else ""
        if code in book.losses:
            book.resumed_losses[code] = book.losses[code]


def _keep_state_changed(book: "Book", event: ev.TradingStateChanged, _change: Change, _at_us: int) -> None:
    key = scope_key(event.exchange, event.symbol)
    if event.new == "active":
        book.trading_states.pop(key, None)
        book.trading_causes.pop(key, None)
    else:
        book.trading_states[key] = event.new
        book.trading_causes[key] = event.cause


Judge = Callable[["Book", Any, int, int], Change]
Keep = Callable[["Book", Any, Change, int], None]

RULES: dict[type[ev.Event], Rule] = {
    ev.OrderAccepted: Rule(_accepted, _keep_accepted),
    ev.OrderDenied: Rule(_denied, _keep_order),
    ev.OrderSubmitted: Rule(partial(_advance, Step.SENT, ()), _keep_order),
    ev.OrderAcknowledged: Rule(partial(_advance, Step.ACKNOWLEDGED, ("exchange_order_id",)), _keep_order),
    ev.OrderRejected: Rule(partial(_advance, Step.REFUSED, ("code", "reason")), _keep_order),
    ev.OrderUnresolved: Rule(partial(_advance, Step.UNRESOLVED, ("reason",)), _keep_order),
    ev.OrderAbsent: Rule(_absent, _keep_order),
    ev.OrderNotSent: Rule(_not_sent, _keep_order),
    ev.OrderFilled: Rule(_filled, _keep_filled),
    ev.CancelRequested: Rule(partial(_advance, Step.CANCEL_REQUESTED, ()), _keep_order),
    ev.CancelRefused: Rule(partial(_advance, Step.CANCEL_REFUSED, ()), _keep_order),
    ev.OrderCanceled: Rule(partial(_advance, Step.CANCELED, ("reason",)), _keep_order),
    ev.OrderExpired: Rule(partial(_advance, Step.EXPIRED, ("reason",)), _keep_order),
    ev.AmendAccepted: Rule(_amend_accepted, _keep_order),
    ev.AmendDenied: Rule(_amend_denied, _keep_order),
    ev.OrderAmended: Rule(_amended, _keep_order),
    ev.AmendRefused: Rule(_amend_refused, _keep_order),
    ev.OrderReplaced: Rule(_replaced, _keep_replaced),
    ev.PositionAdjusted: Rule(_adjusted, _keep_adjusted),
    ev.AccountOpened: Rule(_nothing, _keep_account),
    ev.BalanceAdjusted: Rule(_balance_adjusted, _keep_balance),
    ev.LimitChanged: Rule(_nothing, _keep_limit_changed),
    ev.LimitBreached: Rule(_nothing, _keep_breached),
    ev.DayOpened: Rule(_nothing, _keep_day_opened),
    ev.RuntimeStarted: Rule(_nothing, _keep_runtime_started),
    ev.KillEngaged: Rule(_nothing, _keep_kill_engaged),
    ev.TradingResumed: Rule(_nothing, _keep_resumed),
    ev.TradingStateChanged: Rule(_nothing, _keep_state_changed),
}
