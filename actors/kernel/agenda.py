"""Everything that is due at a time: deadlines of asks, and timers.

One heap and one task for the whole system. A cancel scope per ask cost as much as the ask itself, and a
task per timer costs memory; here an entry is a tuple. Entries that are no longer wanted stay until they
come to the top or outnumber the others, then the heap is rebuilt: memory stays within twice what is live.
"""

from __future__ import annotations

import heapq
import math
from typing import TYPE_CHECKING, Protocol

import trio

if TYPE_CHECKING:
    from actors.kernel.clock import Clock

__all__ = ["Agenda", "Due"]

_REBUILD_ABOVE = 64


class Due(Protocol):
    """An entry: `expire` is called at its time unless `wanted` says that it no longer matters."""

    @property
    def wanted(self) -> bool:
        """Whether it still matters."""
        ...

    def expire(self, now: float) -> None:
        """Do what is due; must not raise and must not block."""
        ...


class Agenda:
    """A heap of due entries in the order (time, order of entry)."""

    def __init__(self, clock: Clock) -> None:
        self._now = clock.monotonic
        self._heap: list[tuple[float, int, Due]] = []
        self._serial = 0
        self._settled = 0
        self._earliest = math.inf
        self._scope: trio.CancelScope | None = None

    def __len__(self) -> int:
        return len(self._heap)

    @property
    def live(self) -> int:
        """How many entries still matter."""
        return sum(1 for entry in self._heap if entry[2].wanted)

    def add(self, at: float, due: Due) -> None:
        """Have `due.expire` called at time `at` of the injected clock, in seconds."""
        self._serial = serial = self._serial + 1
        heapq.heappush(self._heap, (at, serial, due))
        if at < self._earliest:
            self._earliest = at
            if self._scope is not None:
                self._aim(self._scope)

    def settled(self) -> None:
        """Note that one entry no longer matters."""
        self._settled = settled = self._settled + 1
        if settled > _REBUILD_ABOVE and settled * 2 > len(self._heap):
            self._heap = [entry for entry in self._heap if entry[2].wanted]
            heapq.heapify(self._heap)
            self._settled = 0

    async def run(self) -> None:
        """Serve until cancelled."""
        while True:
            self._expire_due()
            with trio.CancelScope() as scope:
                self._scope = scope
                self._aim(scope)
                try:
                    await trio.sleep_forever()
                finally:
                    self._scope = None

    def _aim(self, scope: trio.CancelScope) -> None:
        if self._earliest == math.inf:
            scope.deadline = math.inf
        else:
            scope.deadline = trio.current_time() + max(0.0, self._earliest - self._now())

    def _expire_due(self) -> None:
        now = self._now()
        heap = self._heap
        while heap and (heap[0][0] <= now or not heap[0][2].wanted):
            _, _, due = heapq.heappop(heap)
            if due.wanted:
                due.expire(now)
            elif self._settled:
                self._settled -= 1
            heap = self._heap  # an entry that expired may have caused a rebuild
        self._earliest = heap[0][0] if heap else math.inf
