"""Evidence that waits to be taken by the position actors, symbol by symbol.

Nothing leaves before it is acknowledged as committed, so a position actor that dies between taking and
committing finds the same evidence again. Numbers grow through the broker's lives: the generation is in
their high bits, so an acknowledgement meant for a former life, which may arrive late, never drops what this
life has not handed out.
"""

from collections import deque
from collections.abc import Callable
from decimal import Decimal

from actors.model.book import Book
from actors.model.fill import Fill
from actors.model.messages import Evidence
from actors.model.money import EXACT, ZERO
from actors.model.order import is_among

GENERATION_SHIFT = 32
"""A life has room for 2^32 pieces of evidence."""


class Outbox:
    """`wake` is called with the symbol when evidence was added for it, once until it is taken."""

    def __init__(self, generation: int, wake: Callable[[str], None]) -> None:
        self._number = generation << GENERATION_SHIFT
        self._wake = wake
        self._waiting: dict[str, deque[Evidence]] = {}
        self._told: dict[str, None] = {}

    def add(
        self,
        symbol: str,
        kind: str,
        *,
        venue_id: str = "",
        exchange_order_id: str = "",
        code: str = "",
        reason: str = "",
        fill: Fill | None = None,
        quantity: Decimal | None = None,
        price: Decimal | None = None,
        amend_id: str = "",
    ) -> None:
        """Append one piece of evidence (see `Evidence` for which kind uses what) and wake its taker."""
        self._number += 1
        waiting = self._waiting.get(symbol)
        if waiting is None:
            waiting = self._waiting[symbol] = deque()
        waiting.append(
            Evidence(
                number=self._number,
                kind=kind,
                venue_id=venue_id,
                exchange_order_id=exchange_order_id,
                code=code,
                reason=reason,
                fill=fill,
                quantity=quantity,
                price=price,
                amend_id=amend_id,
            )
        )
        if symbol not in self._told:
            self._told[symbol] = None
            self._wake(symbol)

    def take(self, symbol: str, acknowledged: int) -> tuple[Evidence, ...]:
        """Drop what is numbered up to `acknowledged` and give the rest, oldest first."""
        self._told.pop(symbol, None)
        waiting = self._waiting.get(symbol)
        if waiting is None:
            return ()
        while waiting and waiting[0].number <= acknowledged:
            waiting.popleft()
        return tuple(waiting)

    def remind(self, symbol: str) -> None:
        """Wake the taker again: its acknowledgement comes with its next take."""
        self._wake(symbol)

    def waiting(self, symbol: str) -> int:
        """How much evidence of the symbol is not known to be committed."""
        return len(self._waiting.get(symbol, ()))

    def symbols(self) -> tuple[str, ...]:
        """Symbols with evidence that is not known to be committed."""
        return tuple(symbol for symbol, waiting in self._waiting.items() if waiting)

    @property
    def newest(self) -> int:
        """The number of the newest piece of evidence."""
        return self._number

    def waiting_up_to(self, number: int) -> tuple[str, ...]:
        """Symbols with evidence up to this number that is not known to be committed."""
        return tuple(
            symbol for symbol, waiting in self._waiting.items() if waiting and waiting[0].number <= number
        )

    def venue_ids(self) -> dict[str, None]:
        """The orders of which evidence waits, by our id at the exchange."""
        return {item.venue_id: None for waiting in self._waiting.values() for item in waiting}

    def all_executed(self, book: Book) -> dict[str, Decimal]:
        """By our id at the exchange: what `executed` says of every order that has fills in here."""
        totals: dict[str, Decimal] = {}
        for waiting in self._waiting.values():
            for item in waiting:
                if item.fill is None or not item.venue_id:
                    continue
                order_id = book.venue_ids.get(item.venue_id, "")
                if not is_among(item.fill, book.trades.get(order_id, ())):
                    before = totals.get(item.venue_id, ZERO)
                    totals[item.venue_id] = EXACT.add(before, item.fill.quantity)
        return totals

    def executed(self, symbol: str, venue_id: str, book: Book) -> Decimal:
        """What fills in here will add to an order's executed quantity once they are committed, in base
        units.
        """
        order_id = book.venue_ids.get(venue_id, "")
        applied = book.trades.get(order_id, {})
        total = ZERO
        for item in self._waiting.get(symbol, ()):
            if item.fill is not None and item.venue_id == venue_id and not is_among(item.fill, applied):
                total = EXACT.add(total, item.fill.quantity)
        return total
