"""Twins of what processes share through Redis. While `away` is set, every call raises it.

They keep to what the scripts do, on the clock that is handed in, so that one suite judges both.
"""

from collections.abc import Mapping, Sequence

import msgspec
import trio

from actors.broker.sharing import Told
from actors.model.clock import Clock
from actors.model.position import Position
from actors.model.shared import SharedAway, Standing
from actors.queries import CachedPosition
from actors.webhook.port import Retry
from web.auth.port import Grant

LIVES_US = 5 * 60 * 1_000_000
LEASE_US = 2 * 1_000_000
SECOND_US = 1_000_000


class Shared:
    """What all twins have: a clock, and an outage on demand."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.away: SharedAway | None = None

    def _now_us(self) -> int:
        if self.away is not None:
            raise self.away
        return self.clock.now_us()


class LinkCounts(msgspec.Struct, frozen=True):
    """What a link has seen."""

    losses: int = 0
    calls: dict[tuple[str, str], int] = {}


class MemoryLink:
    """The link of the twins; it stands as it is told to."""

    def __init__(self) -> None:
        self.standing = Standing(there=True)
        self.losses = 0

    def statistics(self) -> LinkCounts:
        """What it has seen so far."""
        return LinkCounts(losses=self.losses)

    async def keep(self) -> None:
        """There is nothing to look for."""
        await trio.sleep_forever()


class MemoryRates(Shared):
    """Implements `web.auth.port.RateStore`."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self._arrivals: dict[str, float] = {}

    async def take(self, client: str, count: int, window_seconds: int, wanted: int) -> Grant:
        """Take up to `wanted` requests out of the client's budget."""
        now, window = self._now_us(), window_seconds * SECOND_US
        interval = window / count
        arrival = min(max(self._arrivals.get(client, 0.0), now), now + window)
        room = int((now + window - arrival) / interval + 1e-6)
        granted = min(room, wanted)
        if granted == 0:
            return Grant(granted=0, retry_after_seconds=(arrival + interval - window - now) / SECOND_US)
        self._arrivals[client] = arrival + granted * interval
        return Grant(granted=granted, left=room - granted)


class MemoryPositions(Shared):
    """Implements `actors.queries.PositionCache`."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self._held: dict[str, tuple[int, int, tuple[Position, ...]]] = {}
        self._leases: dict[str, tuple[int, str]] = {}

    async def look(self, floors: Mapping[str, int], token: str) -> Mapping[str, CachedPosition]:
        """What is held of each symbol, if it is at least as new as its floor."""
        now_us = self._now_us()
        return {symbol: self._look(symbol, floor, token, now_us) for symbol, floor in floors.items()}

    def _look(self, symbol: str, floor: int, token: str, now_us: int) -> CachedPosition:
        until_us, version, positions = self._held.get(symbol, (0, 0, ()))
        there = until_us > now_us
        if there and version >= floor:
            return CachedPosition(result="hit", version=version, positions=positions)
        if self._leases.get(symbol, (0, ""))[0] > now_us:
            return CachedPosition(result="missed")
        self._held.pop(symbol, None)
        self._leases[symbol] = (now_us + LEASE_US, token)
        return CachedPosition(result="stale" if there else "missed", leased=True)

    async def fill(self, symbol: str, token: str, version: int, positions: Sequence[Position]) -> bool:
        """Put in what was read under a lease, if that still stands."""
        now_us = self._now_us()
        until_us, holder = self._leases.get(symbol, (0, ""))
        if until_us <= now_us or holder != token:
            return False
        del self._leases[symbol]
        self._held[symbol] = (now_us + LIVES_US, version, tuple(positions))
        return True

    async def renew(self, version: int, positions: Mapping[str, Sequence[Position]]) -> None:
        """Put this in where something older is held, and drop the rest with its leases."""
        now_us = self._now_us()
        for symbol, found in positions.items():
            until_us, before, _ = self._held.pop(symbol, (0, 0, ()))
            self._leases.pop(symbol, None)
            if until_us > now_us and before < version:
                self._held[symbol] = (now_us + LIVES_US, version, tuple(found))

    def lose_everything(self) -> None:
        """As a server that starts anew, empty."""
        self._held.clear()
        self._leases.clear()


class MemoryRetries(Shared):
    """Implements `actors.webhook.port.RetrySchedule`."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self._planned: dict[tuple[str, str], Retry] = {}

    async def change(self, plan: Sequence[Retry], drop: Sequence[Retry]) -> None:
        """Plan some retries, again or anew, and drop others."""
        self._now_us()
        for each in plan:
            kept = Retry(
                endpoint_id=each.endpoint_id,
                delivery_id=each.delivery_id,
                due_us=each.due_us // 1000 * 1000,
            )
            self._planned[each.endpoint_id, each.delivery_id] = kept
        for each in drop:
            self._planned.pop((each.endpoint_id, each.delivery_id), None)

    async def replace(self, plan: Sequence[Retry]) -> None:
        """Hold exactly these."""
        self._now_us()
        self._planned.clear()
        await self.change(plan, ())

    async def due(self, now_us: int, limit: int) -> Sequence[Retry]:
        """The soonest that are due, soonest first."""
        self._now_us()
        found = [each for each in self._planned.values() if each.due_us <= now_us // 1000 * 1000]
        return sorted(found, key=lambda each: (each.due_us, each.endpoint_id, each.delivery_id))[:limit]

    async def count(self) -> int:
        """How many are planned."""
        self._now_us()
        return len(self._planned)


class MemoryBreakers(Shared):
    """Implements `actors.broker.sharing.BreakerBoard`."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self._told: dict[tuple[str, str], Told] = {}
        self._rests: dict[str, int] = {}

    async def tell(self, exchange: str, process: str, mine: Told, window_us: int) -> Told:
        """Say what this process sees, and hear what the others do."""
        self._now_us()
        self._told[exchange, process] = mine
        rest = self._rests[exchange] = max(self._rests.get(exchange, 0), mine.rest_until_us)
        others = [
            told
            for (where, who), told in self._told.items()
            if where == exchange and who != process and told.at_us >= mine.at_us - window_us
        ]
        return Told(
            at_us=mine.at_us,
            calls=sum(each.calls for each in others),
            bad=sum(each.bad for each in others),
            rest_until_us=rest,
        )
