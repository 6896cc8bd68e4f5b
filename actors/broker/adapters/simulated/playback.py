"""Several markets on one clock: which of their events are due.

A market's own time passes `speed` times as fast as the clock; speed 0 takes no notice of it and gives some
events each time. A process that was stopped for long finds more due than anybody wants to replay: the
markets then stand still for what is beyond, as if they had been stopped too.
"""

from collections.abc import Iterator, Mapping
from heapq import heapify, heapreplace

from actors.broker.adapters.simulated.engine import Quote
from actors.broker.adapters.simulated.market import MICROSECONDS, MarketEvent, MarketSource

CATCH_UP = 20_000
"""How many events one call gives at most."""

BURST = 32
"""How many events one call gives at speed 0."""

BURST_SECONDS = 0.001
"""The pause between two bursts: time for everybody else, on a simulated clock too."""


class Playback:
    """The markets by symbol. `now` is in monotonic seconds; with None they begin when first asked."""

    def __init__(self, sources: Mapping[str, MarketSource], speed: float, now: float | None) -> None:
        if speed < 0:
            raise ValueError(f"a market can't be played at speed {speed}")
        self._sources = dict(sources)
        self._speed = speed
        self._begun = now is not None
        self._offset = now or 0.0
        self._next: dict[str, MarketEvent] = {}
        self._due: list[tuple[int, str]] = []
        for symbol in sorted(self._sources):
            self._next[symbol] = event = self._sources[symbol].next()
            self._due.append((event.at_us, symbol))
        heapify(self._due)

    def first_quotes(self) -> dict[str, Quote]:
        """How every market stood before anything happened."""
        return {symbol: source.first for symbol, source in self._sources.items()}

    def due(self, now: float, *, driven: bool = False) -> Iterator[tuple[str, MarketEvent]]:
        """The events up to `now`, in the order of their times. At speed 0 only a driver moves the markets."""
        if not self._due:
            return
        self._begin(now)
        if not self._speed:
            for _ in range(BURST if driven else 0):
                yield self._pop()
            return
        for _ in range(CATCH_UP):
            if self._due_at() > now:
                return
            yield self._pop()
        if self._due_at() <= now:
            # What is beyond has not happened yet: the next event is due now.
            self._offset += now - self._due_at()

    def seconds_to_next(self, now: float) -> float:
        """How long until the next event is due; infinity without markets."""
        if not self._due:
            return float("inf")
        if not self._speed:
            return BURST_SECONDS
        self._begin(now)
        return max(0.0, self._due_at() - now)

    def _begin(self, now: float) -> None:
        if not self._begun:
            self._begun, self._offset = True, now

    def _due_at(self) -> float:
        """When the next event is due, in monotonic seconds.

        The one place where both times meet: a second formula would round differently, and whoever slept until
        then would find nothing due.
        """
        return self._offset + self._due[0][0] / MICROSECONDS / self._speed

    def _pop(self) -> tuple[str, MarketEvent]:
        _, symbol = self._due[0]
        event = self._next[symbol]
        self._next[symbol] = following = self._sources[symbol].next()
        heapreplace(self._due, (following.at_us, symbol))
        return symbol, event
