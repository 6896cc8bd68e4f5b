"""The newest price of every instrument, pure.

A tick carries a quote, a trade, a mark price, or several of them; the board keeps the newest of each and
derives one mark from them: the exchange's own mark price, by which it reckons margin and liquidates; without
one that is fresh the middle of bid and ask, else the last trade. A mark price that is not told any more while
quotes go on is no price. Only the newest counts: history belongs to whoever wants it.
When a price was last told is kept beside it, so that a price can be too old without being wrong.
"""

from collections.abc import Iterable
from decimal import Decimal

from actors.model.messages import Mark, Tick
from actors.model.money import EXACT

_HALF = Decimal("0.5")
MICROSECONDS = 1_000_000
TOLD_LASTS_US = 5 * MICROSECONDS
"""For how long an exchange's mark price counts; they tell one each second, or whenever it moves."""


class Board:
    """Marks by exchange and symbol; memory grows with the instruments only."""

    def __init__(self, marks: Iterable[Mark] = ()) -> None:
        self._marks = {(mark.exchange, mark.symbol): mark for mark in marks}
        self._told: dict[tuple[str, str], tuple[Decimal, int]] = {}

    def take(self, tick: Tick, now_us: int) -> Mark | None:
        """Take a tick in that we got at `now_us`, and return the instrument's new mark.

        None when the tick says nothing usable: no field at all, or prices that are not above zero. A field
        that the tick does not carry stays as it was.
        """
        place = (tick.exchange, tick.symbol)
        bid, ask, last = _usable(tick.bid), _usable(tick.ask), _usable(tick.last)
        told = _usable(tick.mark)
        if told is not None:
            self._told[place] = (told, now_us)
        elif bid is None and ask is None and last is None:
            return None
        before = self._marks.get(place)
        if before is not None:
            bid, ask, last = bid or before.bid, ask or before.ask, last or before.last
        price = self._fresh(place, now_us) or _price(bid, ask, last)
        if price is None:
            return None
        mark = Mark(
            exchange=tick.exchange, symbol=tick.symbol, bid=bid, ask=ask, last=last, mark=price, at_us=now_us
        )
        self._marks[place] = mark
        return mark

    def _fresh(self, place: tuple[str, str], now_us: int) -> Decimal | None:
        told, at_us = self._told.get(place, (None, 0))
        return told if now_us - at_us <= TOLD_LASTS_US else None

    def mark(self, exchange: str, symbol: str) -> Mark | None:
        """The newest mark of an instrument, None before its first price."""
        return self._marks.get((exchange, symbol))

    def age_seconds(self, exchange: str, symbol: str, now_us: int) -> float | None:
        """How long ago the instrument's price was told; None before its first price."""
        mark = self._marks.get((exchange, symbol))
        return None if mark is None else max(0, now_us - mark.at_us) / MICROSECONDS

    def marks(self) -> tuple[Mark, ...]:
        """All marks, ordered by exchange and symbol."""
        return tuple(self._marks[place] for place in sorted(self._marks))

    def stale(self, now_us: int, max_age_seconds: float) -> tuple[Mark, ...]:
        """Those that were told longer ago than `max_age_seconds`, in the same order."""
        oldest_us = now_us - int(max_age_seconds * MICROSECONDS)
        return tuple(mark for mark in self.marks() if mark.at_us < oldest_us)


def _usable(price: Decimal | None) -> Decimal | None:
    return price if price is not None and price.is_finite() and price > 0 else None


def _price(bid: Decimal | None, ask: Decimal | None, last: Decimal | None) -> Decimal | None:
    if bid is not None and ask is not None:
        return EXACT.multiply(EXACT.add(bid, ask), _HALF)
    # One side alone says little about the price; it is used only before anything was traded.
    return last or bid or ask
