"""The judge of the risk proof: one acceptance against the journal before it.

Sums are formed anew from all open orders each time, and profit is what was received less what was paid plus
what is left at its mark. What is taken as given are the bytes of the events, the prices that each acceptance
recorded, and the rules as the documentation tells them.
"""

from decimal import ROUND_UP, Context, Decimal
from typing import Any

from ops.proof.risk_books import ZERO, Books, Held, Place, Unfounded

DOLLARS = ("USD", "USDT", "USDC")
_EXACT = Context(prec=200)
_UP = Context(prec=76, rounding=ROUND_UP)


class Judge:
    """One acceptance against the journal before it."""

    def __init__(self, books: Books, body: dict[str, Any]) -> None:
        self.books = books
        intent = body["intent"]
        self.place: Place = (intent["exchange"], intent["symbol"])
        self.buy = intent["side"] == "buy"
        self.quantity = Decimal(intent["quantity"])
        self.limit_price = Decimal(intent["limit_price"]) if intent.get("limit_price") is not None else None
        self.stop_price = Decimal(intent["stop_price"]) if intent.get("stop_price") is not None else None
        self.reserve = Decimal(body["reserve_price"])
        self.reduce_only = intent.get("reduce_only", False)
        self.closing = intent.get("user") == "operator"
        self.mark = Decimal(body["mark"])
        self.marks: dict[Place, Decimal] = {self.place: self.mark}
        self.rates: dict[str, Decimal] = {}
        for exchange, name, price in body["references"]:
            if exchange:
                self.marks[exchange, name] = Decimal(price)
            else:
                self.rates[name] = Decimal(price)
        held = books.held.get(self.place, Held()).quantity
        working = sum(
            (o.left for o in books.open_orders if o.place == self.place and o.buy is self.buy), ZERO
        )
        self.worst = (held if self.buy else -held) + working + self.quantity
        self.shrinks = self.worst <= 0

    def values(self) -> list[tuple[str, Decimal, Decimal]]:
        """What the order takes each limit to, as far as it moves it at all: name, value, limit."""
        found: list[tuple[str, Decimal | None, Decimal | None]] = []
        limit = self.books.limit
        if self.worst > 0:
            side = self._side_exposure()
            one_side = "max_long_usd" if self.buy else "max_short_usd"
            found += [(name, side, limit(name)) for name in ("max_pos_usd", one_side)]
        if not (self.reduce_only and self.shrinks):
            found.append(("max_order_usd", self.quantity * self._worth(), limit("max_order_usd")))
            found.append(("max_order_quantity", self.quantity, limit("max_order_quantity")))
            count = Decimal(len(self.books.open_orders) + 1)
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
        if not self.shrinks and self.books.limits.get("margin") == "on":
            needed, grew = self._margin()
            if grew:
                found.append(("margin", needed, self._equity()))
        return [(name, value, most) for name, value, most in found if value is not None and most is not None]

    def problem(self, *, raises: bool = True) -> str | None:
        """What is wrong with it besides a limit in numbers. `raises`: it binds more than what it amends."""
        books, collar = self.books, self.books.limit("price_collar")
        if raises and self.place[1] not in books.limits["symbol_whitelist"].split(","):
            return f"{self.place[1]} is not on the whitelist"
        middle = self.mark if self.stop_price is None else self.stop_price
        low, high = (middle * (1 - collar), middle * (1 + collar)) if collar is not None else (ZERO, ZERO)
        if self.limit_price is not None and collar is not None and not low <= self.limit_price <= high:
            return f"{self.limit_price} is outside of the collar around {middle}"
        if self.reserve != self._worth() * self._slip(collar):
            return (
                f"{self.reserve} a unit is held for it, the rules hold {self._worth() * self._slip(collar)}"
            )
        if raises and self.reduce_only and self.quantity > self._room_to_reduce():
            return "it is reduce-only and more than what is left of the position"
        scopes = {"*|*", f"{self.place[0]}|*", f"*|{self.place[1]}", "|".join(self.place)}
        states = [books.states.get(scope, "active") for scope in sorted(scopes)]
        if ("halted" in states or scopes & set(books.kills.values())) and not (
            self.shrinks and self.reduce_only
        ):
            return "trading is halted"
        if scopes & set(books.closing.values()) and not self.closing:
            return "a kill is closing the position"
        if "reducing" in states and not self.shrinks:
            return "trading is reducing, and it could open or flip a position"
        return None

    def _worth(self) -> Decimal:
        """What a unit is worth: a stop order is no cheaper than where it triggers."""
        price = self.limit_price if self.limit_price is not None else self.mark
        return price if self.stop_price is None else max(price, self.stop_price)

    def _slip(self, collar: Decimal | None) -> Decimal:
        """How much worse an order at the market may execute: as far as the collar, 10 % without one."""
        if self.limit_price is not None:
            return Decimal(1)
        away = collar or Decimal("0.1")
        return 1 + away if self.buy else 1 - away

    def _room_to_reduce(self) -> Decimal:
        held = self.books.held.get(self.place, Held()).quantity
        others = (o for o in self.books.open_orders if o.place == self.place and o.reduce_only)
        return (-held if self.buy else held) - sum((o.left for o in others if o.buy is self.buy), ZERO)

    def _worsts(self, extra: Decimal) -> dict[Place, tuple[Decimal, Decimal]]:
        """Signed worst cases of each place: all buys execute and no sell, and the reverse."""
        found = {place: (held.quantity, held.quantity) for place, held in self.books.held.items()}
        found.setdefault(self.place, (ZERO, ZERO))
        for order in self.books.open_orders:
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
        for place, held in self.books.held.items():
            result += held.quantity * self._mark(place, held.quantity, ZERO) - held.paid
        fees = ZERO
        for asset, paid in self.books.fees.items():
            since = paid - self.books.day_fees.get(asset, ZERO)
            rate = self._rate(asset)
            if since and rate is None:
                raise Unfounded(f"it was judged without a rate for {asset}")
            fees += since * (rate or ZERO)
        return result - self.books.day_result - fees

    def _equity(self) -> Decimal:
        total = ZERO
        for (exchange, asset), amount in self.books.cash.items():
            rate = self._rate(asset)
            if exchange == self.place[0] and rate is not None:
                total += amount * rate
        return total

    def _margin(self) -> tuple[Decimal, bool]:
        """What positions and working orders at the exchange need with the order, and whether it needs more
        there.
        """
        total = ZERO
        places = {*self.books.held, *(order.place for order in self.books.open_orders), self.place}
        for place in sorted(places):
            if place[0] == self.place[0]:
                total += self._margin_of(place, self.quantity if place == self.place else ZERO)
        return total, self._margin_of(self.place, self.quantity) > self._margin_of(self.place, ZERO)

    def _margin_of(self, place: Place, extra: Decimal) -> Decimal:
        held = self.books.held.get(place, Held()).quantity
        sides = []
        for buy in (True, False):
            orders = [o for o in self.books.open_orders if o.place == place and o.buy is buy]
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
