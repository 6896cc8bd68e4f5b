"""Writes what has happened to the ledger, and tells the streams only afterwards.

While one write is under way everything that happens gathers for the next, so many requests share one.
Whoever needs something written either does the writing himself or waits for the one who does; no task of
its own is needed. A write that failed, or whose caller was cancelled, is done again by the next caller: the
rows allow it.
"""

from collections import deque
from collections.abc import Callable, Sequence

import trio

from actors.broker.adapters.simulated.ledger import (
    BalanceRow,
    Entry,
    LedgerUnavailable,
    OrderRow,
    SimLedger,
)
from actors.broker.adapters.simulated.venue import Changes, Venue
from actors.model.fill import Fill

Tell = Callable[[str, OrderRow | Fill], None]


class _Round:
    """One write: who waits for it, and how it ended."""

    def __init__(self) -> None:
        self.over = trio.Event()
        self.failure: str | None = None


class Scribe:
    """Between a venue and its ledger. `tell` gets each stream item, in order, when it is durable."""

    def __init__(self, venue: Venue, ledger: SimLedger, tell: Tell) -> None:
        self._venue = venue
        self._ledger = ledger
        self._tell = tell
        self._waiting: deque[Changes] = deque()
        self._collected = 0
        self._written = 0
        self._round: _Round | None = None

    async def settle(self) -> None:
        """Return when everything that has happened until now is durable and told.

        Raises LedgerUnavailable: it is then still to be written, by the next who settles. So it is when
        cancelled.
        """
        changes = self._venue.drain()
        if changes is not None:
            self._waiting.append(changes)
            self._collected += 1
        target = self._collected
        while self._written < target:
            if self._round is None:
                await self._write()
                continue
            current = self._round
            await current.over.wait()
            if current.failure is not None:
                raise LedgerUnavailable(current.failure)

    async def _write(self) -> None:
        current = self._round = _Round()
        batch = tuple(self._waiting)
        try:
            await self._ledger.write(_merged(batch))
        except LedgerUnavailable as error:
            current.failure = str(error)
            raise
        finally:
            self._round = None
            current.over.set()
        self._written += len(batch)
        for changes in batch:
            self._waiting.popleft()
            for account, item in changes.items:
                self._tell(account, item)


def _merged(batch: Sequence[Changes]) -> Entry:
    """One entry with the newest state of each row."""
    if len(batch) == 1:
        return batch[0].entry
    orders: dict[int, OrderRow] = {}
    balances: dict[tuple[str, str], BalanceRow] = {}
    for changes in batch:
        orders.update((order.number, order) for order in changes.entry.orders)
        balances.update(((row.account, row.asset), row) for row in changes.entry.balances)
    newest = batch[-1].entry
    return Entry(
        revision=newest.revision,
        next_order=newest.next_order,
        next_trade=newest.next_trade,
        orders=tuple(orders.values()),
        fills=tuple(fill for changes in batch for fill in changes.entry.fills),
        balances=tuple(balances.values()),
    )
