"""The journal as the checkers understand it: read from payload bytes, folded by a few lines of their own."""

import json
from collections.abc import Sequence
from decimal import ROUND_HALF_EVEN, Decimal, getcontext, localcontext
from typing import Any

import msgspec

from actors.model.journal import Record

PLACES = Decimal("1e-12")
ENDS = {
    "OrderRejected": "rejected",
    "OrderAbsent": "absent",
    "OrderNotSent": "not sent",
    "OrderCanceled": "canceled",
    "OrderExpired": "expired",
}


AMENDS = ("AmendAccepted", "AmendDenied", "OrderAmended", "AmendRefused", "OrderReplaced")


class Entry(msgspec.Struct, frozen=True):
    """One record: sequence, kind, time, and the payload as JSON reads it."""

    seq: int
    kind: str
    at_us: int
    body: dict[str, Any]


class Amending(msgspec.Struct, frozen=True):
    """An amend that is pending."""

    amend_id: str
    quantity: Decimal
    in_place: bool


class Replaced(msgspec.Struct, frozen=True):
    """One order at the exchange in the place of another: what it is to be for."""

    seq: int
    old: str
    new: str
    rest: Decimal


class Tale(msgspec.Struct, kw_only=True):
    """One order's tale. `end` is empty while it is open; `unknown`: nobody knows whether it was taken."""

    order_id: str
    intent: dict[str, Any]
    accepted_seq: int | None
    quantity: Decimal
    buy: bool
    denied: bool = False
    executed: Decimal = Decimal(0)
    acknowledged: bool = False
    unknown: bool = False
    end: str = ""
    cancelling: bool = False
    pending: Amending | None = None
    venue_ids: list[str] = []
    replaced: list[Replaced] = []

    @property
    def place(self) -> tuple[str, str]:
        return self.intent["exchange"], self.intent["symbol"]

    @property
    def venue_id(self) -> str:
        return self.venue_ids[-1] if self.venue_ids else ""

    def venue_id_at(self, seq: int) -> str:
        """Under which id it was at the exchange when that record was written."""
        return next((each.old for each in self.replaced if each.seq > seq), self.venue_id)

    @property
    def remaining(self) -> Decimal:
        return Decimal(0) if self.end else self.most - self.executed

    @property
    def most(self) -> Decimal:
        """The larger of both quantities while an amend is pending."""
        return self.quantity if self.pending is None else max(self.quantity, self.pending.quantity)


class Held(msgspec.Struct, kw_only=True):
    """A position: quantity, cost and what was earned, without fees."""

    quantity: Decimal = Decimal(0)
    cost: Decimal = Decimal(0)
    earned: Decimal = Decimal(0)

    def trade(self, signed: Decimal, price: Decimal) -> None:
        """Buy (positive) or sell; closing takes its share of the cost, rounded half-even to 12 places."""
        with localcontext() as context:
            context.prec = 90
            if self.quantity * signed >= 0:
                self.quantity += signed
                self.cost += signed * price
                return
            closing = min(abs(signed), abs(self.quantity))
            share = (self.cost * closing / abs(self.quantity)).quantize(PLACES, rounding=ROUND_HALF_EVEN)
            direction = 1 if self.quantity > 0 else -1
            self.earned += direction * closing * price - share
            rest = signed + direction * closing
            self.quantity += signed
            self.cost += -share + rest * price


class Story(msgspec.Struct, kw_only=True):
    """All of it. `trades` counts by (exchange, symbol, exchange's order id, trade id); `adjusted` likewise by
    evidence.
    """

    entries: list[Entry]
    orders: dict[str, Tale]
    by_venue_id: dict[str, Tale]
    by_request: dict[str, list[Tale]]
    held: dict[tuple[str, str], Held]
    trades: dict[tuple[str, str, str, str], list[dict[str, Any]]]
    problems: list[str]


def entries(records: Sequence[Record]) -> list[Entry]:
    """The records, read."""
    return [Entry(record.seq, record.type, record.at_us, json.loads(record.payload)) for record in records]


def tell(records: Sequence[Record]) -> Story:
    """Fold the journal."""
    story = Story(
        entries=entries(records), orders={}, by_venue_id={}, by_request={}, held={}, trades={}, problems=[]
    )
    getcontext().prec = max(getcontext().prec, 60)
    for entry in story.entries:
        step(story, entry)
    return story


def step(story: Story, entry: Entry) -> None:
    """Fold one record."""
    body = entry.body
    if entry.kind in ("OrderAccepted", "OrderDenied"):
        _opened(story, entry)
    elif entry.kind == "OrderFilled":
        _filled(story, entry)
    elif entry.kind == "PositionAdjusted":
        held = story.held.setdefault((body["exchange"], body["symbol"]), Held())
        held.trade(Decimal(body["quantity"]), Decimal(body["price"]))
    elif "order_id" in body:
        _happened(story, entry)


def _opened(story: Story, entry: Entry) -> None:
    intent = entry.body["intent"]
    denied = entry.kind == "OrderDenied"
    tale = Tale(
        order_id=intent["order_id"],
        intent=intent,
        accepted_seq=None if denied else entry.seq,
        quantity=Decimal(intent["quantity"]),
        buy=intent["side"] == "buy",
        denied=denied,
        end="denied" if denied else "",
        venue_ids=[] if denied else [str(intent["venue_id"])],
    )
    if tale.order_id in story.orders:
        story.problems.append(f"{entry.seq}: order {tale.order_id} is there twice")
    story.orders[tale.order_id] = tale
    story.by_request.setdefault(intent["client_order_id"], []).append(tale)
    if tale.venue_id:
        if tale.venue_id in story.by_venue_id:
            story.problems.append(f"{entry.seq}: venue id {tale.venue_id} is used twice")
        story.by_venue_id[tale.venue_id] = tale


def _filled(story: Story, entry: Entry) -> None:
    fill = entry.body["fill"]
    tale = story.orders.get(entry.body["order_id"])
    if tale is None or tale.denied:
        story.problems.append(f"{entry.seq}: a fill of order {entry.body['order_id']}, never accepted")
        return
    quantity = Decimal(fill["quantity"])
    tale.executed += quantity
    if entry.body.get("former"):
        _filled_late(story, entry, tale, quantity)
    else:
        _filled_now(story, entry, tale)
    key = (fill["exchange"], fill["symbol"], fill["exchange_order_id"], fill["trade_id"])
    story.trades.setdefault(key, []).append(fill)
    held = story.held.setdefault((fill["exchange"], fill["symbol"]), Held())
    held.trade(quantity if fill["side"] == "buy" else -quantity, Decimal(fill["price"]))


def _filled_late(story: Story, entry: Entry, tale: Tale, quantity: Decimal) -> None:
    """What had been replaced executed all the same: the order is for more, and its end stays what it was."""
    if not tale.replaced:
        story.problems.append(f"{entry.seq}: a fill of what order {tale.order_id} replaced, which is nothing")
    tale.quantity += quantity
    if tale.pending is not None:
        tale.pending = msgspec.structs.replace(tale.pending, quantity=tale.pending.quantity + quantity)


def _filled_now(story: Story, entry: Entry, tale: Tale) -> None:
    tale.unknown, tale.acknowledged = False, True
    if tale.executed > tale.quantity:
        story.problems.append(f"{entry.seq}: order {tale.order_id} executed beyond its quantity")
    in_place = tale.pending is not None and tale.pending.in_place
    if tale.executed == (tale.most if in_place else tale.quantity):
        tale.end, tale.pending = "filled", None
    elif tale.end in ("rejected", "absent", "not sent"):
        tale.end = ""


def _amends(story: Story, entry: Entry, tale: Tale) -> None:
    """What is said of an amend."""
    body, pending = entry.body, tale.pending
    if entry.kind == "AmendDenied":
        return
    if entry.kind == "AmendAccepted":
        asked = body["asked"]
        working = tale.acknowledged and not (tale.unknown or tale.end or tale.cancelling or pending)
        if working and Decimal(asked["quantity"]) > tale.executed:
            quantity = Decimal(asked["quantity"])
            tale.pending = Amending(asked["amend_id"], quantity, not body["venue_id"])
        return
    if tale.end or pending is None or pending.amend_id != body["amend_id"]:
        story.problems.append(f"{entry.seq}: {entry.kind} of order {tale.order_id}, not pending")
        return
    tale.pending = None
    if entry.kind != "AmendRefused":
        tale.quantity = pending.quantity
    if entry.kind == "OrderReplaced":
        if tale.cancelling or pending.in_place:
            story.problems.append(f"{entry.seq}: order {tale.order_id} is replaced and should not be")
        rest = tale.quantity - tale.executed
        tale.replaced = [*tale.replaced, Replaced(entry.seq, tale.venue_id, body["venue_id"], rest)]
        if Decimal(body["quantity"]) != rest or rest <= 0:
            story.problems.append(
                f"{entry.seq}: order {tale.order_id} is replaced for {body['quantity']}, not {rest}"
            )
        _named(story, entry, tale, body["venue_id"])
        tale.acknowledged = tale.unknown = False
    elif tale.executed == tale.quantity:
        tale.end = "filled"
    elif tale.executed > tale.quantity:
        story.problems.append(f"{entry.seq}: order {tale.order_id} executed beyond its new quantity")


def _named(story: Story, entry: Entry, tale: Tale, venue_id: str) -> None:
    if venue_id in story.by_venue_id:
        story.problems.append(f"{entry.seq}: venue id {venue_id} is used twice")
    tale.venue_ids = [*tale.venue_ids, venue_id]
    story.by_venue_id[venue_id] = tale


def _happened(story: Story, entry: Entry) -> None:
    tale = story.orders.get(entry.body["order_id"])
    if tale is None or tale.denied:
        story.problems.append(f"{entry.seq}: {entry.kind} of order {entry.body['order_id']}, never accepted")
        return
    if entry.kind in AMENDS:
        _amends(story, entry, tale)
    elif entry.kind == "OrderAcknowledged":
        tale.acknowledged, tale.unknown = True, False
        if tale.end == "absent":
            tale.end = ""
        elif tale.end:
            story.problems.append(f"{entry.seq}: order {tale.order_id} acknowledged after it was {tale.end}")
    elif tale.end:
        story.problems.append(f"{entry.seq}: {entry.kind} of order {tale.order_id}, which was {tale.end}")
    elif entry.kind == "OrderUnresolved":
        tale.unknown = True
    elif entry.kind in ("CancelRequested", "CancelRefused"):
        tale.cancelling = entry.kind == "CancelRequested"
    elif entry.kind in ENDS:
        tale.end, tale.unknown, tale.pending = ENDS[entry.kind], False, None
