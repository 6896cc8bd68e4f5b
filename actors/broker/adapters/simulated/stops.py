"""Stop orders that wait for their price, outside of the book.

A trade at or beyond a stop price triggers it: at or above it to buy, at or below it to sell. What one trade
triggers comes in the order in which the price would have passed it on its way, then of arrival; those to buy
first, should a market that jumped trigger both sides. Pure.
"""

from bisect import bisect_left, insort
from decimal import Decimal


class Stops:
    """The stop orders of one symbol. An order's `number` grows with the time of its arrival and names it."""

    def __init__(self) -> None:
        self._buys: list[tuple[Decimal, int]] = []
        self._sells: list[tuple[Decimal, int]] = []
        self._entries: dict[int, tuple[str, Decimal]] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, number: int, side: str, stop_price: Decimal) -> None:
        """Wait for the price; an order waits once."""
        key = stop_price if side == "buy" else stop_price.copy_negate()
        self._entries[number] = (side, key)
        insort(self._buys if side == "buy" else self._sells, (key, number))

    def remove(self, number: int) -> None:
        """Forget an order, if it waits here."""
        entry = self._entries.pop(number, None)
        if entry is not None:
            side, key = entry
            waiting = self._buys if side == "buy" else self._sells
            del waiting[bisect_left(waiting, (key, number))]

    def reached(self, last: Decimal) -> tuple[int, ...]:
        """Take out what a trade at this price triggers."""
        found = (*_taken(self._buys, last), *_taken(self._sells, last.copy_negate()))
        for number in found:
            del self._entries[number]
        return found


def _taken(waiting: list[tuple[Decimal, int]], key: Decimal) -> tuple[int, ...]:
    if not waiting or waiting[0][0] > key:
        return ()
    count = next((at for at, entry in enumerate(waiting) if entry[0] > key), len(waiting))
    found = tuple(number for _key, number in waiting[:count])
    del waiting[:count]
    return found
