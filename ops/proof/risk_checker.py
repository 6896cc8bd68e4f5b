"""An independent judge of accepted orders: it reads the journal and nothing else.

It shares no arithmetic with the risk room. Sums are formed anew from all open orders each time, and profit is
what was received less what was paid plus what is left at its mark, so that an error in the room's running
sums can't hide in the same error here. What it takes as given are the bytes of the events, the prices that
each acceptance recorded, and the rules as the documentation tells them.

An order is judged on what its judge could know: all that the risk stream holds before it, and of the other
streams what lay before the head that it recorded.
"""

from collections import deque
from collections.abc import Collection
from dataclasses import dataclass, field
from decimal import ROUND_UP, Context, Decimal
from typing import Any

import msgspec

ZERO = Decimal(0)
_EXACT = Context(prec=200)
_UP = Context(prec=76, rounding=ROUND_UP)
DOLLARS = ("USD", "USDT", "USDC")
EARNINGS = ("funding_fee", "settlement", "interest", "insurance_clear", "commission_rebate")
Place = tuple[str, str]

ENDED_KEPT = 20_000
"""How many ended orders are remembered for late fills."""

ENDED_AT_EXCHANGE = {"OrderCanceled", "OrderExpired"}
OVER = {"OrderRejected", "OrderAbsent", "OrderNotSent", "OrderCanceled", "OrderExpired"}


class Unfounded(Exception):
    """An acceptance that takes a limit past its value: which order, which limit, and the numbers."""


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
class Checker:
    """Takes the journal's payloads in order with `read`; raises Unfounded at the first bad acceptance."""

    working: dict[str, Working] = field(default_factory=dict)
    ended: dict[str, Working] = field(default_factory=dict)
    held: dict[Place, Held] = field(default_factory=dict)
    cash: dict[tuple[str, str], Decimal] = field(default_factory=dict)
    fees: dict[str, Decimal] = field(default_factory=dict)
    limits: dict[str, str] = field(default_factory=dict)
    states: dict[str, str] = field(default_factory=dict)
    kills: dict[str, str] = field(default_factory=dict)
    day_result: Decimal = ZERO
    day_fees: dict[str, Decimal] = field(default_factory=dict)
    accepted: int = 0
    denied: dict[str, int] = field(default_factory=dict)
    breached: int = 0
    tightest: dict[str, Decimal] = field(default_factory=dict)
    _others: deque[tuple[int, dict[str, Any]]] = field(default_factory=deque)

    def read(self, seq: int, stream: str, payload: bytes) -> None:
        """The next event."""
        body = msgspec.json.decode(payload)
        if stream != "risk":
            self._others.append((seq, body))
            return
        kind = body["type"]
        if kind == "OrderAccepted":
            self._catch_up(body["seen"])
            self._judge(body)
            self._accept(body)
        elif kind == "AmendAccepted":
            self._catch_up(body["seen"])
            self._judge_amend(body)
            self._amend(seq, body)
        elif kind == "OrderDenied":
            self.denied[body["code"]] = self.denied.get(body["code"], 0) + 1
        elif kind == "LimitChanged":
            self.limits[body["name"]] = body["new"]
        elif kind == "LimitBreached":
            self._breach(body)
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

    def finish(self) -> None:
        """Read what the other streams wrote last."""
        self._catch_up(None)

    @property
    def open_orders(self) -> Collection[Working]:
        """The orders that may still execute."""
        return self.working.values()

    # What happened.

    def _catch_up(self, seen: int | None) -> None:
        while self._others and (seen is None or self._others[0][0] <= seen):
            self._happen(*self._others.popleft())

    def _happen(self, seq: int, body: dict[str, Any]) -> None:
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
        elif kind == "TradingResumed":
            for kill_id in body["kill_ids"]:
                self.kills.pop(kill_id, None)

    def _accept(self, body: dict[str, Any]) -> None:
        intent = body["intent"]
        self.accepted += 1
        self.working[intent["order_id"]] = Working(
            place=(intent["exchange"], intent["symbol"]),
            buy=intent["side"] == "buy",
            quantity=Decimal(intent["quantity"]),
            price=Decimal(body["reserve_price"]),
            reduce_only=intent.get("reduce_only", False),
        )

    def _amend(self, seq: int, body: dict[str, Any]) -> None:
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

    def _breach(self, body: dict[str, Any]) -> None:
        self.breached += 1
        if Decimal(body["value"]) <= Decimal(body["limit"]):
            raise Unfounded(f"a breach that is none: {body}")

    # What may be accepted.

    def _judge(self, body: dict[str, Any], *, amend: bool = False, raises: bool = True) -> None:
        judge = Judge(self, body)
        for name, value, limit in judge.values() if raises else ():
            if amend and name == "max_open_orders":
                continue
            self.tightest[name] = max(self.tightest.get(name, ZERO), value / limit if limit else ZERO)
            if value > limit:
                raise Unfounded(
                    f"order {body['intent']['order_id']} takes {name} to {value}, the limit is {limit}"
                )
        problem = judge.problem(raises=raises)
        if problem is not None:
            raise Unfounded(f"order {body['intent']['order_id']}: {problem}")

    def _judge_amend(self, body: dict[str, Any]) -> None:
        """The new terms as an order of their own, in the room that the order takes itself."""
        order_id, asked = body["order_id"], body["asked"]
        order = self.working.pop(order_id, None)
        if order is None:
            return
        left = Decimal(asked["quantity"]) - order.executed
        intent = {
            "order_id": order_id,
            "exchange": order.place[0],
            "symbol": order.place[1],
            "side": "buy" if order.buy else "sell",
            "quantity": str(left),
            "limit_price": asked["limit_price"],
            "reduce_only": order.reduce_only,
        }
        price = Decimal(body["reserve_price"])
        raises = left > order.left or left * price > order.left * order.dearest
        try:
            self._judge({**body, "intent": intent}, amend=True, raises=raises)
        finally:
            self.working[order_id] = order

    def limit(self, name: str) -> Decimal | None:
        """A limit in force, None when it is off."""
        found = self.limits.get(name, "off")
        return None if found == "off" else Decimal(found)


def _scope(body: dict[str, Any]) -> str:
    return f"{body['exchange'] or '*'}|{body['symbol'] or '*'}"


class Judge:
    """One acceptance against the journal before it."""

    def __init__(self, checker: Checker, body: dict[str, Any]) -> None:
        self.checker = checker
        intent = body["intent"]
        self.place: Place = (intent["exchange"], intent["symbol"])
        self.buy = intent["side"] == "buy"
        self.quantity = Decimal(intent["quantity"])
        self.limit_price = Decimal(intent["limit_price"]) if intent.get("limit_price") is not None else None
        self.reserve = Decimal(body["reserve_price"])
        self.reduce_only = intent.get("reduce_only", False)
        self.mark = Decimal(body["mark"])
        self.marks: dict[Place, Decimal] = {self.place: self.mark}
        self.rates: dict[str, Decimal] = {}
        for exchange, name, price in body["references"]:
            if exchange:
                self.marks[exchange, name] = Decimal(price)
            else:
                self.rates[name] = Decimal(price)
        held = checker.held.get(self.place, Held()).quantity
        working = sum(
            (o.left for o in checker.open_orders if o.place == self.place and o.buy is self.buy), ZERO
        )
        self.worst = (held if self.buy else -held) + working + self.quantity
        self.shrinks = self.worst <= 0

    def values(self) -> list[tuple[str, Decimal, Decimal]]:
        """What the order takes each limit to, as far as it moves it at all: name, value, limit."""
        found: list[tuple[str, Decimal | None, Decimal | None]] = []
        limit = self.checker.limit
        if self.worst > 0:
            side = self._side_exposure()
            one_side = "max_long_usd" if self.buy else "max_short_usd"
            found += [(name, side, limit(name)) for name in ("max_pos_usd", one_side)]
        if not (self.reduce_only and self.shrinks):
            price = self.limit_price if self.limit_price is not None else self.mark
            found.append(("max_order_usd", self.quantity * price, limit("max_order_usd")))
            found.append(("max_order_quantity", self.quantity, limit("max_order_quantity")))
            count = Decimal(len(self.checker.open_orders) + 1)
            found.append(("max_open_orders", count, limit("max_open_orders")))
        for name, scope in (("max_gross_usd", None), ("max_exchange_usd", self.place[0])):
            if limit(name) is not None and self._raises_gross():
                found.append((name, self._gross(scope), limit(name)))
        if limit("max_net_usd") is not None and not (
            self.shrinks and (self.reduce_only or self._lacks_a_price())
        ):
            found.append(("max_net_usd", self._net(), limit("max_net_usd")))
        if not self.shrinks and limit("max_daily_loss_usd") is not None:
            found.append(("max_daily_loss_usd", -self._day_result(), limit("max_daily_loss_usd")))
        if not self.shrinks and self.checker.limits.get("margin") == "on":
            needed, grew = self._margin()
            if grew:
                found.append(("margin", needed, self._equity()))
        return [(name, value, most) for name, value, most in found if value is not None and most is not None]

    def problem(self, *, raises: bool = True) -> str | None:
        """What is wrong with it besides a limit in numbers. `raises`: it binds more than what it amends."""
        checker, collar = self.checker, self.checker.limit("price_collar")
        if raises and self.place[1] not in checker.limits["symbol_whitelist"].split(","):
            return f"{self.place[1]} is not on the whitelist"
        low, high = (
            (self.mark * (1 - collar), self.mark * (1 + collar)) if collar is not None else (ZERO, ZERO)
        )
        if self.limit_price is not None and collar is not None and not low <= self.limit_price <= high:
            return f"{self.limit_price} is outside of the collar around {self.mark}"
        if raises and self.reduce_only and self.quantity > self._room_to_reduce():
            return "it is reduce-only and more than what is left of the position"
        scopes = {"*|*", f"{self.place[0]}|*", f"*|{self.place[1]}", "|".join(self.place)}
        states = [checker.states.get(scope, "active") for scope in sorted(scopes)]
        if ("halted" in states or scopes & set(checker.kills.values())) and not (
            self.shrinks and self.reduce_only
        ):
            return "trading is halted"
        if "reducing" in states and not self.shrinks:
            return "trading is reducing, and it could open or flip a position"
        return None

    def _room_to_reduce(self) -> Decimal:
        held = self.checker.held.get(self.place, Held()).quantity
        others = (o for o in self.checker.open_orders if o.place == self.place and o.reduce_only)
        return (-held if self.buy else held) - sum((o.left for o in others if o.buy is self.buy), ZERO)

    def _worsts(self, extra: Decimal) -> dict[Place, tuple[Decimal, Decimal]]:
        """Signed worst cases of each place: all buys execute and no sell, and the reverse."""
        found = {place: (held.quantity, held.quantity) for place, held in self.checker.held.items()}
        found.setdefault(self.place, (ZERO, ZERO))
        for order in self.checker.open_orders:
            long, short = found.get(order.place, (ZERO, ZERO))
            found[order.place] = (long + order.left, short) if order.buy else (long, short - order.left)
        long, short = found[self.place]
        found[self.place] = (long + extra, short) if self.buy else (long, short - extra)
        return found

    def _side_exposure(self) -> Decimal:
        total = ZERO
        for place, (long, short) in self._worsts(self.quantity).items():
            if place[1] == self.place[1]:
                total += max(ZERO, long if self.buy else -short)
        return total * self.mark

    def _raises_gross(self) -> bool:
        (long, short), (long_before, short_before) = (
            self._worsts(extra)[self.place] for extra in (self.quantity, ZERO)
        )
        return max(ZERO, long, -short) > max(ZERO, long_before, -short_before)

    def _gross(self, exchange: str | None) -> Decimal:
        total = ZERO
        for place, (long, short) in self._worsts(self.quantity).items():
            if exchange in (None, place[0]):
                total += max(ZERO, long, -short) * self._mark(place, long, short)
        return total

    def _lacks_a_price(self) -> bool:
        worsts = self._worsts(self.quantity).items()
        return any((long or short) and place not in self.marks for place, (long, short) in worsts)

    def _net(self) -> Decimal:
        worsts = self._worsts(self.quantity)
        if self.buy:
            return sum(
                (long * self._mark(place, long, short) for place, (long, short) in worsts.items()), ZERO
            )
        return -sum((short * self._mark(place, long, short) for place, (long, short) in worsts.items()), ZERO)

    def _mark(self, place: Place, long: Decimal, short: Decimal) -> Decimal:
        if place in self.marks:
            return self.marks[place]
        if long or short:
            raise Unfounded(f"it was judged without a price for {place}")
        return ZERO

    def _rate(self, asset: str) -> Decimal | None:
        return Decimal(1) if asset in DOLLARS else self.rates.get(asset)

    def _day_result(self) -> Decimal:
        result = ZERO
        for place, held in self.checker.held.items():
            result += held.quantity * self._mark(place, held.quantity, ZERO) - held.paid
        fees = ZERO
        for asset, paid in self.checker.fees.items():
            since = paid - self.checker.day_fees.get(asset, ZERO)
            rate = self._rate(asset)
            if since and rate is None:
                raise Unfounded(f"it was judged without a rate for {asset}")
            fees += since * (rate or ZERO)
        return result - self.checker.day_result - fees

    def _equity(self) -> Decimal:
        total = ZERO
        for (exchange, asset), amount in self.checker.cash.items():
            rate = self._rate(asset)
            if exchange == self.place[0] and rate is not None:
                total += amount * rate
        return total

    def _margin(self) -> tuple[Decimal, bool]:
        """What positions and working orders at the exchange need with the order, and whether it needs more
        there.
        """
        total = ZERO
        places = {*self.checker.held, *(order.place for order in self.checker.open_orders), self.place}
        for place in sorted(places):
            if place[0] == self.place[0]:
                total += self._margin_of(place, self.quantity if place == self.place else ZERO)
        return total, self._margin_of(self.place, self.quantity) > self._margin_of(self.place, ZERO)

    def _margin_of(self, place: Place, extra: Decimal) -> Decimal:
        held = self.checker.held.get(place, Held()).quantity
        sides = []
        for buy in (True, False):
            orders = [o for o in self.checker.open_orders if o.place == place and o.buy is buy]
            quantity = sum((o.left for o in orders), ZERO)
            value = sum((o.left * o.dearest for o in orders), ZERO)
            if buy is self.buy and extra:
                quantity, value = quantity + extra, value + extra * self.reserve
            mine = held if buy else -held
            if mine >= 0:
                sides.append(mine * self._mark(place, mine, ZERO) + value)
            elif mine + quantity > 0:
                share = _UP.divide(_EXACT.multiply(value, mine + quantity), quantity)
                sides.append(share.quantize(Decimal("1e-12"), context=_UP))
        return max(sides, default=ZERO)
