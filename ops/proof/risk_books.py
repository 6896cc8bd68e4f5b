"""The books of the risk proof's judge: what the journal has told, kept so that nothing is summed up.

No arithmetic is shared with the risk room: an error in the room's running sums can't hide in the same error
here.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

ZERO = Decimal(0)
EARNINGS = ("funding_fee", "settlement", "interest", "insurance_clear", "commission_rebate")
Place = tuple[str, str]

ENDED_KEPT = 20_000
"""How many ended orders are remembered for late fills."""

ENDED_AT_EXCHANGE = {"OrderCanceled", "OrderExpired"}
OVER = {"OrderRejected", "OrderAbsent", "OrderNotSent", "OrderCanceled", "OrderExpired"}


class Unfounded(Exception):
    """What the journal holds and should not: an acceptance that takes a limit past its value (which order,
    which limit, and the numbers), or an event that contradicts those before it.
    """


@dataclass
class Working:
    """An accepted order as its events tell it."""

    place: Place
    buy: bool
    quantity: Decimal
    price: Decimal
    reduce_only: bool
    executed: Decimal = ZERO
    over: bool = False
    amend: "Amending | None" = None
    ended_at_exchange: bool = False
    """A cancel or an expiry stays one when a late fill comes; what was held for never sent lives on."""

    @property
    def left(self) -> Decimal:
        return ZERO if self.over else self.most - self.executed

    @property
    def most(self) -> Decimal:
        """The larger of both quantities while an amend is pending."""
        return self.quantity if self.amend is None else max(self.quantity, self.amend.quantity)

    @property
    def dearest(self) -> Decimal:
        """The higher of both prices."""
        return self.price if self.amend is None else max(self.price, self.amend.price)


@dataclass
class Amending:
    """New terms that may or may not hold by now; `seq` is where they were accepted."""

    seq: int
    quantity: Decimal
    price: Decimal
    in_place: bool


@dataclass
class Held:
    """What is held at a place: the quantity, and what was paid for it less what was received."""

    quantity: Decimal = ZERO
    paid: Decimal = ZERO


@dataclass
class Books:
    """`tell` takes what the risk stream says of itself, `happen` what other streams say."""

    working: dict[str, Working] = field(default_factory=dict)
    ended: dict[str, Working] = field(default_factory=dict)
    held: dict[Place, Held] = field(default_factory=dict)
    cash: dict[tuple[str, str], Decimal] = field(default_factory=dict)
    fees: dict[str, Decimal] = field(default_factory=dict)
    limits: dict[str, str] = field(default_factory=dict)
    states: dict[str, str] = field(default_factory=dict)
    kills: dict[str, str] = field(default_factory=dict)
    closing: dict[str, str] = field(default_factory=dict)
    day_result: Decimal = ZERO
    day_fees: dict[str, Decimal] = field(default_factory=dict)

    @property
    def open_orders(self) -> Collection[Working]:
        """The orders that may still execute."""
        return self.working.values()

    def limit(self, name: str) -> Decimal | None:
        """A limit in force, None when it is off."""
        found = self.limits.get(name, "off")
        return None if found == "off" else Decimal(found)

    def tell(self, body: dict[str, Any]) -> None:
        """Limits, the day, and money that moved without a trade."""
        kind = body["type"]
        if kind == "LimitChanged":
            self.limits[body["name"]] = body["new"]
        elif kind == "DayOpened":
            self.day_result = Decimal(body["result"])
            self.day_fees = {asset: Decimal(paid) for asset, paid in body["fees"]}
        elif kind == "AccountOpened":
            for asset, amount in body["balances"]:
                self.cash[body["exchange"], asset] = Decimal(amount)
        elif kind == "BalanceAdjusted":
            place = (body["exchange"], body["asset"])
            self.cash[place] = self.cash.get(place, Decimal(0)) + Decimal(body["amount"])
            if body["cause"] in EARNINGS:
                self.fees[body["asset"]] = self.fees.get(body["asset"], ZERO) - Decimal(body["amount"])

    def happen(self, seq: int, body: dict[str, Any]) -> None:
        """Orders, fills, positions, and where trading stands."""
        kind = body["type"]
        if kind == "OrderFilled":
            self._fill(seq, body)
        elif kind == "CancelRequested":
            self._overtake(seq, body["order_id"])
        elif kind in ("OrderAmended", "OrderReplaced", "AmendRefused"):
            self._amended(kind, body["order_id"])
        elif kind in OVER:
            self.working[body["order_id"]].ended_at_exchange = kind in ENDED_AT_EXCHANGE
            self._end(body["order_id"])
        elif kind == "OrderAcknowledged":
            self._revive(body["order_id"])
        elif kind == "PositionAdjusted":
            self._adjust(body)
        elif kind == "TradingStateChanged":
            self.states[_scope(body)] = body["new"]
        elif kind == "KillEngaged":
            self.kills[body["kill_id"]] = _scope(body)
            if body["level"] == "flatten":
                self.closing[body["kill_id"]] = _scope(body)
        elif kind == "TradingResumed":
            for kill_id in body["kill_ids"]:
                self.kills.pop(kill_id, None)
                self.closing.pop(kill_id, None)

    def accept(self, body: dict[str, Any]) -> None:
        """An order counts from here on."""
        intent = body["intent"]
        self.working[intent["order_id"]] = Working(
            place=(intent["exchange"], intent["symbol"]),
            buy=intent["side"] == "buy",
            quantity=Decimal(intent["quantity"]),
            price=Decimal(body["reserve_price"]),
            reduce_only=intent.get("reduce_only", False),
        )

    def amend(self, seq: int, body: dict[str, Any]) -> None:
        """From here on both terms count, unless what the judge could not know yet came before."""
        asked, order = body["asked"], self.working.get(body["order_id"])
        if order is not None:
            price, in_place = Decimal(body["reserve_price"]), not body["venue_id"]
            order.amend = Amending(seq, Decimal(asked["quantity"]), price, in_place)

    def _overtake(self, seq: int, order_id: str) -> None:
        """An amend that was accepted after this, unseen, never began."""
        order = self.working.get(order_id)
        if order is not None and order.amend is not None and seq < order.amend.seq:
            order.amend = None

    def _amended(self, kind: str, order_id: str) -> None:
        order = self.working[order_id]
        if order.amend is None:
            raise Unfounded(f"{kind} of order {order_id}, of which no amend is pending")
        if kind != "AmendRefused":
            order.quantity, order.price = order.amend.quantity, order.amend.price
        order.amend = None
        if order.executed == order.quantity:
            self._end(order_id)

    def _end(self, order_id: str) -> None:
        order = self.working.pop(order_id)
        order.over, order.amend = True, None
        self.ended[order_id] = order
        if len(self.ended) > ENDED_KEPT:
            del self.ended[next(iter(self.ended))]

    def _revive(self, order_id: str) -> None:
        """Events say that the order lives, whatever was said of it before."""
        order = self.ended.pop(order_id, None)
        if order is not None:
            order.over = False
            self.working[order_id] = order

    def _fill(self, seq: int, body: dict[str, Any]) -> None:
        order_id, fill = body["order_id"], body["fill"]
        order = self.working.get(order_id) or self.ended[order_id]
        quantity, price, fee = Decimal(fill["quantity"]), Decimal(fill["price"]), Decimal(fill["fee"])
        signed = quantity if order.buy else -quantity
        order.executed += quantity
        if body.get("former"):
            # What had been replaced executed: the replacement is still for all that it was sent for.
            order.quantity += quantity
            if order.amend is not None:
                order.amend.quantity += quantity
        elif order.over and not order.ended_at_exchange:
            self._revive(order_id)
        amend = order.amend
        if amend is not None and seq < amend.seq and order.executed >= amend.quantity:
            order.amend = amend = None
        in_place = amend is not None and amend.in_place and seq > amend.seq
        if order.executed == (order.most if in_place else order.quantity) and not order.over:
            self._end(order_id)
        held = self.held.setdefault(order.place, Held())
        held.quantity += signed
        held.paid += signed * price
        exchange, (base, _, quote) = order.place[0], order.place[1].partition("/")
        for asset, amount in ((base, signed), (quote, -signed * price), (fill["fee_currency"], -fee)):
            key = (exchange, asset)
            self.cash[key] = self.cash.get(key, ZERO) + amount
        self.fees[fill["fee_currency"]] = self.fees.get(fill["fee_currency"], ZERO) + fee

    def _adjust(self, body: dict[str, Any]) -> None:
        """A position changes without an order of ours; its cash is not ours to tell."""
        held = self.held.setdefault((body["exchange"], body["symbol"]), Held())
        quantity = Decimal(body["quantity"])
        held.quantity += quantity
        held.paid += quantity * Decimal(body["price"])


def _scope(body: dict[str, Any]) -> str:
    return f"{body['exchange'] or '*'}|{body['symbol'] or '*'}"
