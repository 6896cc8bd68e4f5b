"""From evidence and commands to events: the pure core of a position actor.

The exchange reports the same thing by several roads (answer, stream, polling) in any order and more than
once, so most evidence is redundant when it arrives. Here that is settled once: evidence that the order's
state already tells gives no event, a fill gives one however often it is reported, and what the state table
forbids is turned into what it means (a refusal after a part executed is the end of the rest, the end of an
order that is being replaced is the moment for its replacement) or into a halt. Nothing that comes back from
here can be refused by the fold, so that one strange answer of an exchange never blocks a symbol's journal.
"""

from collections.abc import Mapping, Sequence

import msgspec

from actors.model import amending
from actors.model import events as ev
from actors.model.book import Book
from actors.model.fill import Fill
from actors.model.messages import Evidence
from actors.model.money import EXACT
from actors.model.order import TRANSITIONS, Order, Step, Submission, Terminal, is_among, trade_key

Recalled = Mapping[str, tuple[Order, tuple[str, ...]]]
"""Orders that have left memory, by our id at the exchange, each with the ids of the trades already applied
to it.
"""


class CancelCommand(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody asked for an order's cancel; the exchange has been asked already."""

    order_id: str
    by: str


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """The events to append, in order, and the reasons for which the exchange has to halt."""

    events: tuple[ev.AnyEvent, ...]
    halts: tuple[str, ...] = ()


def unknown_venue_ids(book: Book, evidence: Sequence[Evidence]) -> tuple[str, ...]:
    """Orders that fills name and memory does not hold: to be recalled from the store before deciding."""
    wanted: dict[str, None] = {}
    for item in evidence:
        if item.kind == "filled" and item.venue_id not in book.venue_ids:
            wanted[item.venue_id] = None
    return tuple(wanted)


def decide(
    book: Book,
    exchange: str,
    symbol: str,
    evidence: Sequence[Evidence],
    commands: Sequence[CancelCommand] = (),
    recalled: Recalled | None = None,
) -> Decision:
    """What the journal should say of this evidence and these commands, given the committed book.

    The caller has no append in flight for the symbol. Evidence of orders that neither `book` nor `recalled`
    knows: a fill becomes an adjustment (it did change the account), everything else is dropped.
    """
    draft = _Draft(book, exchange, symbol, recalled or {})
    for command in commands:
        draft.request_cancel(command)
    for index, item in enumerate(evidence):
        if item.kind == "acknowledged" and _told_by_next(evidence, index):
            continue
        _HANDLERS[item.kind](draft, item)
    return Decision(events=tuple(draft.events), halts=tuple(draft.halts))


def _told_by_next(evidence: Sequence[Evidence], index: int) -> bool:
    """Whether a fill follows that says all that this acknowledgement says."""
    if index + 1 == len(evidence):
        return False
    current, following = evidence[index], evidence[index + 1]
    return following.kind == "filled" and following.venue_id == current.venue_id


class _Draft:
    """The orders as they will be once the events drafted so far are committed."""

    def __init__(self, book: Book, exchange: str, symbol: str, recalled: Recalled) -> None:
        self.book = book
        self.exchange = exchange
        self.symbol = symbol
        self.recalled = recalled
        self.events: list[ev.AnyEvent] = []
        self.halts: list[str] = []
        self._orders: dict[str, Order] = {}
        self._trades: dict[str, dict[str, None]] = {}
        self._adjusted: dict[str, None] = {}

    def order(self, venue_id: str) -> Order | None:
        """The order of which this is the newest at the exchange; what one that it replaced does is over."""
        order = self.owner(venue_id)
        return order if order is None or order.intent.venue_id == venue_id else None

    def owner(self, venue_id: str) -> Order | None:
        """The order that has, or had, this id at the exchange."""
        order_id = self.book.venue_ids.get(venue_id)
        if order_id is not None:
            return self._orders.get(order_id) or self.book.order(order_id)
        found = self.recalled.get(venue_id)
        if found is None:
            return None
        order_id = found[0].order_id
        return self._orders.get(order_id) or self.book.order(order_id) or found[0]

    def advance(self, order: Order, step: Step, event: ev.AnyEvent, **changes: object) -> None:
        self._orders[order.order_id] = order.advance(step, order.updated_us, **changes)
        self.events.append(event)

    def amended(self, order: Order, amend_id: str) -> Order:
        event = ev.OrderAmended(amend_id=amend_id, **_about(order))
        return self._put(amending.amended(order, amend_id, order.updated_us), event)

    def amend_refused(self, order: Order, amend_id: str, code: str, reason: str) -> None:
        event = ev.AmendRefused(amend_id=amend_id, code=code, reason=reason, **_about(order))
        self._put(amending.refused(order, amend_id, code, reason, order.updated_us), event)

    def replaced(self, order: Order, amend_id: str, reason: str) -> None:
        after = amending.replaced(order, amend_id, order.updated_us)
        event = ev.OrderReplaced(
            amend_id=amend_id,
            venue_id=after.intent.venue_id,
            quantity=after.placed,
            reason=reason,
            **_about(order),
        )
        self._put(after, event)

    def _put(self, order: Order, event: ev.AnyEvent) -> Order:
        self._orders[order.order_id] = order
        self.events.append(event)
        return order

    def request_cancel(self, command: CancelCommand) -> None:
        order = self._orders.get(command.order_id) or self.book.orders.get(command.order_id)
        if order is None or not order.is_open or order.cancel_requested:
            return
        event = ev.CancelRequested(by=command.by, **_about(order))
        self.advance(order, Step.CANCEL_REQUESTED, event)

    def applied(self, order: Order, fill: Fill) -> bool:
        """Whether this trade of the order is in the book, was in it before the order left, or is drafted."""
        if is_among(fill, self._trades.get(order.order_id, ())):
            return True
        if is_among(fill, self.book.trades.get(order.order_id, ())):
            return True
        return bool(self.recalled) and is_among(fill, self._recalled_trades(order))

    def _recalled_trades(self, order: Order) -> tuple[str, ...]:
        if order.former:
            for venue_id, found in self.recalled.items():
                if venue_id in order.former:
                    return found[1]
        found_now = self.recalled.get(order.intent.venue_id)
        return () if found_now is None else found_now[1]

    def fill(self, order: Order, fill: Fill, *, former: bool) -> None:
        # A closed order may leave memory before this event is folded, so the event carries it along.
        recalled, trades = (None, None) if order.order_id in self.book.orders else (order, self._known(order))
        self._orders[order.order_id] = order.fill(fill, order.updated_us, former=former)
        self._trades.setdefault(order.order_id, {})[
            trade_key(order, fill.exchange_order_id, fill.trade_id)
        ] = None
        self.events.append(
            ev.OrderFilled(
                exchange=order.intent.exchange,
                symbol=order.intent.symbol,
                order_id=order.order_id,
                fill=fill,
                recalled=recalled,
                recalled_trades=trades,
                former=former,
            )
        )

    def _known(self, order: Order) -> tuple[str, ...]:
        """The trades of the order that the journal has by now, drafted ones included."""
        known = dict.fromkeys(self.book.trades.get(order.order_id, ()))
        known.update(dict.fromkeys(self._recalled_trades(order)))
        known.update(self._trades.get(order.order_id, {}))
        return tuple(known)

    def adjust(self, fill: Fill, cause: str) -> None:
        """The account changed by a trade that no order of the journal explains."""
        if fill.fill_id in self._adjusted or self.book.is_adjusted(fill):
            return
        self._adjusted[fill.fill_id] = None
        quantity = fill.quantity if fill.side == "buy" else EXACT.minus(fill.quantity)
        self.events.append(
            ev.PositionAdjusted(
                exchange=self.exchange,
                symbol=self.symbol,
                quantity=quantity,
                price=fill.price,
                cause=cause,
                evidence=fill.fill_id,
                happened_us=fill.at_us,
            )
        )


def _about(order: Order) -> dict[str, str]:
    return {
        "exchange": order.intent.exchange,
        "symbol": order.intent.symbol,
        "order_id": order.order_id,
    }


def _legal(order: Order, step: Step) -> bool:
    """Whether the state table lets the step happen to the order as it is."""
    revived = order.terminal is Terminal.ABSENT and step is Step.ACKNOWLEDGED
    return (order.is_open or revived) and (order.submission, step) in TRANSITIONS


def _sent(draft: _Draft, item: Evidence) -> None:
    order = draft.order(item.venue_id)
    if order is not None and _legal(order, Step.SENT):
        draft.advance(order, Step.SENT, ev.OrderSubmitted(**_about(order)))


def _acknowledged(draft: _Draft, item: Evidence) -> None:
    order = draft.order(item.venue_id)
    if order is not None and _legal(order, Step.ACKNOWLEDGED):
        event = ev.OrderAcknowledged(exchange_order_id=item.exchange_order_id, **_about(order))
        draft.advance(order, Step.ACKNOWLEDGED, event, exchange_order_id=item.exchange_order_id)


def _refused(draft: _Draft, item: Evidence) -> None:
    order = draft.order(item.venue_id)
    if order is None or not order.is_open:
        return
    if order.executed or order.version > 1 or not _legal(order, Step.REFUSED):
        _end(draft, order, Step.CANCELED, f"{item.code}: {item.reason}" if item.code else item.reason)
        return
    event = ev.OrderRejected(code=item.code, reason=item.reason, **_about(order))
    draft.advance(order, Step.REFUSED, event)


def _unresolved(draft: _Draft, item: Evidence) -> None:
    order = draft.order(item.venue_id)
    if order is not None and _legal(order, Step.UNRESOLVED):
        draft.advance(order, Step.UNRESOLVED, ev.OrderUnresolved(reason=item.reason, **_about(order)))


def _absent(draft: _Draft, item: Evidence) -> None:
    order = draft.order(item.venue_id)
    if order is not None and _legal(order, Step.ABSENT):
        draft.advance(order, Step.ABSENT, ev.OrderAbsent(proof=item.reason, **_about(order)))


def _not_sent(draft: _Draft, item: Evidence) -> None:
    order = draft.order(item.venue_id)
    if order is None or not order.is_open:
        return
    if order.submission is Submission.ACCEPTED and order.version > 1:
        # The order has worked before; only its replacement was withdrawn.
        _end(draft, order, Step.CANCELED, f"its replacement was not sent: {item.reason}")
        return
    if order.submission is Submission.ACCEPTED:
        draft.advance(order, Step.NOT_SENT, ev.OrderNotSent(reason=item.reason, **_about(order)))
        return
    # It was announced as leaving, or its fate was open: that nothing left is then a proof of absence.
    _unresolved(draft, item)
    _absent(draft, item)


def _filled(draft: _Draft, item: Evidence) -> None:
    if item.fill is None:
        return
    order = draft.owner(item.venue_id)
    if order is None:
        draft.adjust(item.fill, "fill of an order that the journal does not know")
        return
    fill = item.fill
    former = item.venue_id != order.intent.venue_id
    if fill.order_id != order.order_id:
        fill = msgspec.structs.replace(fill, order_id=order.order_id)
    if draft.applied(order, fill):
        return
    total = EXACT.add(order.executed, fill.quantity)
    amend = order.amending
    beyond = total > order.intent.quantity or _is_beyond_limit(order, fill)
    if beyond and amend is not None and amend.in_place and not former and total <= amend.quantity:
        # The old terms don't allow this execution, so the new ones have taken effect.
        order = draft.amended(order, amend.amend_id)
    excess = total > order.intent.quantity and not former
    if excess or (order.submission, Step.FILLED) not in TRANSITIONS:
        draft.adjust(fill, f"fill that order {order.order_id} ({order.status}) can't have")
        draft.halts.append(
            f"order {order.order_id} is {order.status} with {order.executed} of {order.intent.quantity} "
            f"executed, yet trade {fill.trade_id} executes {fill.quantity} more"
        )
        return
    draft.fill(order, fill, former=former)


def _is_beyond_limit(order: Order, fill: Fill) -> bool:
    """Whether the execution is at a worse price than the order allows."""
    limit = order.intent.limit_price
    if limit is None:
        return False
    return fill.price > limit if order.intent.side == "buy" else fill.price < limit


def _foreign_fill(draft: _Draft, item: Evidence) -> None:
    if item.fill is not None:
        draft.adjust(item.fill, "trade of another on the account")


def _cancel_refused(draft: _Draft, item: Evidence) -> None:
    order = draft.order(item.venue_id)
    if order is not None and order.cancel_requested and _legal(order, Step.CANCEL_REFUSED):
        event = ev.CancelRefused(reason=item.reason, **_about(order))
        draft.advance(order, Step.CANCEL_REFUSED, event)
        order = draft.order(item.venue_id)
    amend = None if order is None else order.amending
    if order is not None and amend is not None and not amend.in_place:
        # What was to be replaced does not end: it works on as it is.
        draft.amend_refused(order, amend.amend_id, "AMEND_REFUSED", item.reason)


def _canceled(draft: _Draft, item: Evidence) -> None:
    order = draft.order(item.venue_id)
    if order is not None:
        _end(draft, order, Step.CANCELED, item.reason)


def _expired(draft: _Draft, item: Evidence) -> None:
    order = draft.order(item.venue_id)
    if order is not None:
        _end(draft, order, Step.EXPIRED, item.reason)


def _end(draft: _Draft, order: Order, step: Step, reason: str) -> None:
    if not _legal(order, step):
        return
    amend = order.amending
    if amend is not None and step is Step.CANCELED and amending.why_not_replaced(order) is None:
        draft.replaced(order, amend.amend_id, reason)
        return
    kind = ev.OrderCanceled if step is Step.CANCELED else ev.OrderExpired
    draft.advance(order, step, kind(reason=reason, **_about(order)))


def _amended(draft: _Draft, item: Evidence) -> None:
    order = draft.order(item.venue_id)
    amend = None if order is None else order.amending
    if order is None or amend is None or amend.amend_id != item.amend_id:
        return
    if order.executed > amend.quantity:
        draft.halts.append(
            f"order {order.order_id} is said to be amended to {amend.quantity}, yet executed {order.executed}"
        )
        return
    draft.amended(order, amend.amend_id)


def _amend_refused(draft: _Draft, item: Evidence) -> None:
    order = draft.order(item.venue_id)
    amend = None if order is None else order.amending
    if order is not None and amend is not None and amend.amend_id == item.amend_id:
        draft.amend_refused(order, amend.amend_id, item.code, item.reason)


def _opening(draft: _Draft, item: Evidence) -> None:
    evidence = f"opening:{draft.exchange}:{draft.symbol}"
    known = draft.book.adjustments.get((draft.exchange, draft.symbol), ())
    if item.quantity is None or item.price is None or evidence in known:
        return
    draft.events.append(
        ev.PositionAdjusted(
            exchange=draft.exchange,
            symbol=draft.symbol,
            quantity=item.quantity,
            price=item.price,
            cause="opening",
            evidence=evidence,
        )
    )


_HANDLERS = {
    "sent": _sent,
    "acknowledged": _acknowledged,
    "refused": _refused,
    "unresolved": _unresolved,
    "absent": _absent,
    "not_sent": _not_sent,
    "filled": _filled,
    "foreign_fill": _foreign_fill,
    "cancel_refused": _cancel_refused,
    "canceled": _canceled,
    "expired": _expired,
    "amended": _amended,
    "amend_refused": _amend_refused,
    "opening": _opening,
}
