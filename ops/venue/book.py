"""Price-time priority among the venue's own clients, and the outside market as one quote without end behind
them.

A taking order meets resting orders of others first where their price is at least as good as the quote, then
the quote with unlimited size. Pure: it decides who trades with whom; the exchange books it.
"""

from collections.abc import Iterator
from decimal import Decimal

from actors.model.money import ZERO
from ops.venue.markets import OrderSpec, Quote, VenueOrder


class Book:
    """The resting orders of one market."""

    def __init__(self) -> None:
        self._bids: list[VenueOrder] = []
        self._asks: list[VenueOrder] = []

    def rest(self, order: VenueOrder) -> None:
        """Keep in the order of price, then of arrival."""
        side = self._side(order.spec.side)
        side.append(order)
        sign = -1 if order.spec.side == "buy" else 1
        side.sort(key=lambda resting: (sign * _price(resting), resting.number))

    def remove(self, order: VenueOrder) -> None:
        """Take out; nothing when it does not rest."""
        side = self._side(order.spec.side)
        if order in side:
            side.remove(order)

    def takes(self, spec: OrderSpec, quote: Quote) -> bool:
        """Whether the order would trade at once."""
        if spec.limit_price is None:
            return True
        best = self._best_opposite(spec.side, quote)
        return spec.limit_price >= best if spec.side == "buy" else spec.limit_price <= best

    def fillable(self, spec: OrderSpec, quote: Quote) -> Decimal:
        """How much would execute at once: all of it when the quote is reached, which has no end."""
        if spec.limit_price is None or _reaches(spec, quote.ask if spec.side == "buy" else quote.bid):
            return spec.quantity
        return sum(
            (order.remaining for order in self._opposite(spec.side) if _reaches(spec, _price(order))), ZERO
        )

    def match(self, order: VenueOrder, quote: Quote) -> Iterator[tuple[Decimal, Decimal, VenueOrder | None]]:
        """Executions of an arriving order: quantity, price, and the resting order on the other side (None:
        quote).
        """
        spec = order.spec
        outside = quote.ask if spec.side == "buy" else quote.bid
        for resting in list(self._opposite(spec.side)):
            if not order.remaining:
                return
            price = _price(resting)
            better = price <= outside if spec.side == "buy" else price >= outside
            if resting.owner == order.owner or not better or not _reaches(spec, price):
                continue
            quantity = min(order.remaining, resting.remaining)
            if quantity == resting.remaining:
                self.remove(resting)
            yield quantity, price, resting
        if order.remaining and _reaches(spec, outside):
            yield order.remaining, outside, None

    def crossed(self, bid: Decimal, ask: Decimal) -> list[tuple[VenueOrder, Decimal]]:
        """Resting orders that the new quote goes through; they leave the book."""
        hit = [order for order in self._bids if _price(order) >= ask]
        hit += [order for order in self._asks if _price(order) <= bid]
        for order in hit:
            self.remove(order)
        return [(order, order.remaining) for order in hit]

    def printed(self, price: Decimal, size: Decimal) -> list[tuple[VenueOrder, Decimal]]:
        """Resting orders that a trade at this price goes through, until its size is used up."""
        found: list[tuple[VenueOrder, Decimal]] = []
        through = [order for order in self._bids if _price(order) > price]
        through += [order for order in self._asks if _price(order) < price]
        for order in through:
            quantity = min(order.remaining, size)
            if not quantity:
                break
            size -= quantity
            if quantity == order.remaining:
                self.remove(order)
            found.append((order, quantity))
        return found

    def _side(self, side: str) -> list[VenueOrder]:
        return self._bids if side == "buy" else self._asks

    def _opposite(self, side: str) -> list[VenueOrder]:
        return self._asks if side == "buy" else self._bids

    def _best_opposite(self, side: str, quote: Quote) -> Decimal:
        resting = [_price(order) for order in self._opposite(side)[:1]]
        return min([quote.ask, *resting]) if side == "buy" else max([quote.bid, *resting])


def _price(order: VenueOrder) -> Decimal:
    return order.spec.limit_price or ZERO


def _reaches(spec: OrderSpec, price: Decimal) -> bool:
    if spec.limit_price is None:
        return True
    return spec.limit_price >= price if spec.side == "buy" else spec.limit_price <= price
