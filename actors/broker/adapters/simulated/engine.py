"""Price-time priority: who trades with whom, at which price, how much.

Pure, and for any number of accounts: it knows neither balances nor fees nor time, only orders in the
sequence in which they came. Besides the orders that rest in it a book can stand in an outside market, whose
best bid and ask have unlimited size; the outside can also print trades, and those execute resting orders
(see `printed`).

Rules that others could have decided differently:

- A taker executes at the maker's price; among equal prices resting orders come before the outside market. -
A resting order executes at its own price when the outside prints strictly beyond it (a print *at* its price
leaves
  open who was first in the queue there), or when the outside's opposite side reaches its price (the book
  would be locked). All that one print executes is together at most the print's size.
- An account never trades with itself: an incoming order passes its own resting orders by. - What an IOC or
market order can't execute at once, and a FOK that can't execute whole, is canceled. A post-only
  order that would execute at once is refused.

Every operation costs O(log n) for each price level and O(1) for each order that it touches.
"""

from collections import OrderedDict
from collections.abc import Callable
from decimal import Decimal
from heapq import heappop, heappush

import msgspec

from actors.model.money import EXACT, ZERO

_STALE_ENTRIES = 64


class Resting(msgspec.Struct, kw_only=True):
    """An order in the book. `number` grows with the time of arrival and names it; `price` None: any price."""

    number: int
    account: str
    side: str
    price: Decimal | None
    remaining: Decimal


class Match(msgspec.Struct, frozen=True, kw_only=True):
    """One execution. `maker` and `taker` are order numbers, None for the outside market."""

    maker: int | None
    taker: int | None
    price: Decimal
    quantity: Decimal


class Placed(msgspec.Struct, frozen=True, kw_only=True):
    """What became of an incoming order: `open`, `filled`, `canceled` or `refused` (post-only)."""

    status: str
    matches: tuple[Match, ...] = ()


class Quote(msgspec.Struct, frozen=True):
    """The best prices outside; None for a side that nobody offers."""

    bid: Decimal | None = None
    ask: Decimal | None = None


class _Side:
    """One side of the book: price levels, the best one at the top of a heap.

    The entry of a level that has emptied stays in the heap until it comes to the top, or until such entries
    outnumber the levels.
    """

    def __init__(self, *, highest_first: bool) -> None:
        self.highest_first = highest_first
        self.levels: dict[Decimal, OrderedDict[int, Resting]] = {}
        self._heap: list[tuple[Decimal, Decimal]] = []
        self._queued: set[Decimal] = set()

    def add(self, price: Decimal, order: Resting) -> None:
        level = self.levels.get(price)
        if level is None:
            level = self.levels[price] = OrderedDict()
            self.push(price)
        level[order.number] = order

    def push(self, price: Decimal) -> None:
        if price not in self._queued:
            self._queued.add(price)
            heappush(self._heap, (price.copy_negate() if self.highest_first else price, price))

    def remove(self, price: Decimal, number: int) -> None:
        level = self.levels[price]
        del level[number]
        if not level:
            del self.levels[price]
            if len(self._heap) > 2 * len(self.levels) + _STALE_ENTRIES:
                self._heap.clear()
                self._queued.clear()
                for price in self.levels:
                    self.push(price)

    def best(self) -> Decimal | None:
        while self._heap:
            price = self._heap[0][1]
            if price in self.levels:
                return price
            self.set_aside()
        return None

    def set_aside(self) -> Decimal:
        """Take the best level out of the heap for a while; `push` puts it back."""
        price = heappop(self._heap)[1]
        self._queued.discard(price)
        return price

    def in_order(self) -> list[Decimal]:
        return sorted(self.levels, reverse=self.highest_first)


class OrderBook:
    """The book of one symbol."""

    def __init__(self, outside: Quote | None = None) -> None:
        self.outside = outside or Quote()
        self._orders: dict[int, Resting] = {}
        self._bids = _Side(highest_first=True)
        self._asks = _Side(highest_first=False)

    def __len__(self) -> int:
        return len(self._orders)

    def best(self) -> Quote:
        """The best prices of all, resting orders included."""
        bid, ask = self._bids.best(), self._asks.best()
        return Quote(_higher(bid, self.outside.bid), _lower(ask, self.outside.ask))

    def restore(self, order: Resting) -> None:
        """Put back an order that rested before, in the order of their numbers. Nothing executes."""
        if order.price is None:
            raise ValueError(f"order {order.number} has no price to rest at")
        self._rest(order, order.price)

    def place(self, order: Resting, time_in_force: str = "GTC", *, post_only: bool = False) -> Placed:
        """Execute what can be executed and let the rest wait, as `time_in_force` (GTC, IOC, FOK) says.

        `order.remaining` is what was asked for and is counted down; the book keeps the object while it rests.
        """
        if post_only and self._crosses(order):
            return Placed(status="refused")
        if time_in_force == "FOK" and not self._could_fill(order):
            return Placed(status="canceled")
        matches = self._take(order)
        if not order.remaining:
            return Placed(status="filled", matches=matches)
        if order.price is None or time_in_force != "GTC":
            return Placed(status="canceled", matches=matches)
        self._rest(order, order.price)
        return Placed(status="open", matches=matches)

    def amend(
        self, number: int, price: Decimal, remaining: Decimal, *, post_only: bool = False
    ) -> Placed | None:
        """Give a resting order another price or quantity; None when it does not rest here.

        Less at the same price keeps its place in the queue. Anything else goes to the end of its new level,
        and executes at once what it now can.
        """
        order = self._orders.get(number)
        if order is None:
            return None
        if price == order.price and remaining <= order.remaining:
            order.remaining = remaining
            return Placed(status="open")
        changed = Resting(
            number=number, account=order.account, side=order.side, price=price, remaining=remaining
        )
        if post_only and self._crosses(changed):
            return Placed(status="refused")
        self._drop(order)
        return self.place(changed)

    def cancel(self, number: int) -> Resting | None:
        """Take an order out of the book; None when it does not rest there."""
        order = self._orders.get(number)
        if order is not None:
            self._drop(order)
        return order

    def moved(self, outside: Quote, quantity: Decimal) -> tuple[Match, ...]:
        """The outside market quotes anew: it executes up to `quantity` of what its prices have reached."""
        self.outside = outside
        left = quantity
        matches: list[Match] = []
        if outside.ask is not None:
            ask = outside.ask
            left = self._lift(self._bids, lambda price: price >= ask, left, matches)
        if outside.bid is not None:
            bid = outside.bid
            self._lift(self._asks, lambda price: price <= bid, left, matches)
        return tuple(matches)

    def printed(
        self, outside: Quote, price: Decimal, quantity: Decimal, side: str | None
    ) -> tuple[Match, ...]:
        """The outside market traded `quantity` at `price` and quotes `outside` since.

        `side` is the aggressor's, None when it is not known: then only what the trade is strictly beyond
        executes.
        """
        self.outside = outside
        matches: list[Match] = []
        if side == "buy":
            left = self._lift(self._asks, lambda resting: resting < price, quantity, matches)
            self._lift(self._bids, lambda resting: resting >= price, left, matches)
        elif side == "sell":
            left = self._lift(self._bids, lambda resting: resting > price, quantity, matches)
            self._lift(self._asks, lambda resting: resting <= price, left, matches)
        else:
            left = self._lift(self._bids, lambda resting: resting > price, quantity, matches)
            self._lift(self._asks, lambda resting: resting < price, left, matches)
        return tuple(matches)

    def _rest(self, order: Resting, price: Decimal) -> None:
        self._orders[order.number] = order
        (self._bids if order.side == "buy" else self._asks).add(price, order)

    def _drop(self, order: Resting) -> None:
        del self._orders[order.number]
        if order.price is not None:
            (self._bids if order.side == "buy" else self._asks).remove(order.price, order.number)

    def _opposite(self, order: Resting) -> tuple[_Side, Decimal | None]:
        return (self._asks, self.outside.ask) if order.side == "buy" else (self._bids, self.outside.bid)

    def _crosses(self, order: Resting) -> bool:
        side, outside = self._opposite(order)
        if outside is not None and _acceptable(order, outside):
            return True
        return any(
            _acceptable(order, price) and any(maker.account != order.account for maker in level.values())
            for price, level in self._from_best(side, order)
        )

    def _could_fill(self, order: Resting) -> bool:
        side, outside = self._opposite(order)
        if outside is not None and _acceptable(order, outside):
            return True
        found = ZERO
        for _price, level in self._from_best(side, order):
            for maker in level.values():
                if maker.account != order.account:
                    found = EXACT.add(found, maker.remaining)
                    if found >= order.remaining:
                        return True
        return False

    def _from_best(self, side: _Side, order: Resting) -> list[tuple[Decimal, OrderedDict[int, Resting]]]:
        """The levels that the order could trade with, best first. Sorts only when there are any."""
        best = side.best()
        if best is None or not _acceptable(order, best):
            return []
        return [(price, side.levels[price]) for price in side.in_order() if _acceptable(order, price)]

    def _take(self, order: Resting) -> tuple[Match, ...]:
        side, outside = self._opposite(order)
        beats = _is_worse_for_buyer if order.side == "buy" else _is_worse_for_seller
        matches: list[Match] = []
        aside: list[Decimal] = []
        while order.remaining:
            price = side.best()
            if price is None or not _acceptable(order, price):
                break
            if outside is not None and beats(price, outside):
                break
            self._take_level(side, price, order, matches)
            if order.remaining and price in side.levels:
                aside.append(side.set_aside())
        for price in aside:
            side.push(price)
        if order.remaining and outside is not None and _acceptable(order, outside):
            matches.append(Match(maker=None, taker=order.number, price=outside, quantity=order.remaining))
            order.remaining = ZERO
        return tuple(matches)

    def _take_level(self, side: _Side, price: Decimal, order: Resting, matches: list[Match]) -> None:
        done: list[Resting] = []
        for maker in side.levels[price].values():
            if maker.account == order.account:
                continue
            quantity = min(maker.remaining, order.remaining)
            matches.append(Match(maker=maker.number, taker=order.number, price=price, quantity=quantity))
            maker.remaining = EXACT.subtract(maker.remaining, quantity)
            order.remaining = EXACT.subtract(order.remaining, quantity)
            if not maker.remaining:
                done.append(maker)
            if not order.remaining:
                break
        for maker in done:
            self._drop(maker)

    def _lift(
        self, side: _Side, reached: Callable[[Decimal], bool], budget: Decimal, matches: list[Match]
    ) -> Decimal:
        """Execute resting orders against the outside, best price first; return what is left of the budget."""
        while budget:
            price = side.best()
            if price is None or not reached(price):
                break
            maker = next(iter(side.levels[price].values()))
            quantity = min(maker.remaining, budget)
            matches.append(Match(maker=maker.number, taker=None, price=price, quantity=quantity))
            maker.remaining = EXACT.subtract(maker.remaining, quantity)
            budget = EXACT.subtract(budget, quantity)
            if not maker.remaining:
                self._drop(maker)
        return budget


def _acceptable(order: Resting, price: Decimal) -> bool:
    """Whether the order may trade at the price."""
    if order.price is None:
        return True
    return price <= order.price if order.side == "buy" else price >= order.price


def _is_worse_for_buyer(price: Decimal, than: Decimal) -> bool:
    return price > than


def _is_worse_for_seller(price: Decimal, than: Decimal) -> bool:
    return price < than


def _higher(left: Decimal | None, right: Decimal | None) -> Decimal | None:
    return max(left, right) if left is not None and right is not None else left or right


def _lower(left: Decimal | None, right: Decimal | None) -> Decimal | None:
    return min(left, right) if left is not None and right is not None else left or right
