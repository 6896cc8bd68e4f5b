"""Positions as clients read them when there is a cache: from the cache if that is surely right, else from the
journal's book.

The hard part is that a cache is told of a change later than the clients are. Three rules make a read never
older than what was shown before:

- A change makes its symbol *doubtful* in the very step in which it is committed, before a client hears of
  it. A doubtful symbol is read from the book. It is trusted again only when the cache has confirmed that it
  dropped or renewed what it held, with no further change in between; so news that is lost costs speed and
  nothing else.
- What a reader puts into the cache needs a lease that was given before it was read; a change ends leases.
- Each symbol has a *floor*, the newest version that was seen here; what is older is not taken from the cache.

At the start everything is doubtful: what the cache holds then may be from before a restored backup. While the
cache is away all reads are from the book; what it could not be told meanwhile it is told afterwards.
"""

from collections.abc import Callable, Mapping, Sequence

import trio

from actors.model.book import Change
from actors.model.journal import CommittedLog, Record
from actors.model.position import Position
from actors.model.shared import SharedAway
from actors.queries import PositionCache

LOOK_AGAIN_SECONDS = 0.5
RESULTS = ("hit", "missed", "stale", "doubtful", "away")
"""What a read of one symbol came to; only a hit is served by the cache."""


class HeldPositions:
    """Reads through `cache`; `run` has to run. `process` makes leases of this process its own."""

    def __init__(
        self,
        cache: PositionCache,
        log: CommittedLog,
        *,
        process: str,
        on_read: Callable[[str, int], None] = lambda _result, _count: None,
    ) -> None:
        self._cache = cache
        self._log = log
        self._process = process
        self._on_read = on_read
        self._floors: dict[str, int] = {}
        self._doubtful: dict[str, int] = {}
        self._changes = 0
        self._reads = 0
        self._wake = trio.Event()
        self._following = False

    async def positions(self) -> Mapping[tuple[str, str], Position]:
        """All positions, by exchange and symbol."""
        symbols = dict.fromkeys(symbol for _, symbol in self._log.book.positions)
        found = await self._from_cache(symbols)
        positions = {}
        for place, own in self._log.book.positions.items():
            positions[place] = found.get(place[1], {}).get(place[0], own)
        return positions

    async def run(self) -> None:
        """Follow the journal and tell the cache what changed, until cancelled."""
        unsubscribe = self._log.watch(self._take)
        # From here on every change is seen; what happened before is in doubt.
        for _, symbol in self._log.book.positions:
            self._doubt(symbol, self._log.head)
        self._following = True
        try:
            while True:
                await self._wake.wait()
                self._wake = trio.Event()
                while self._doubtful:
                    try:
                        await self._renew(dict(self._doubtful))
                    except SharedAway:
                        await trio.sleep(LOOK_AGAIN_SECONDS)
        finally:
            self._following = False
            unsubscribe()

    async def _renew(self, doubtful: Mapping[str, int]) -> None:
        await self._cache.renew(self._log.head, {symbol: self._own(symbol) for symbol in doubtful})
        for symbol, change in doubtful.items():
            if self._doubtful.get(symbol) == change:
                del self._doubtful[symbol]

    def _take(self, records: Sequence[Record], changes: Sequence[Change]) -> None:
        for record, change in zip(records, changes, strict=True):
            if change.position is not None:
                self._doubt(change.position.symbol, record.seq)

    def _doubt(self, symbol: str, seq: int) -> None:
        self._changes += 1
        self._doubtful[symbol] = self._changes
        self._floors[symbol] = max(self._floors.get(symbol, 0), seq)
        self._wake.set()

    async def _from_cache(self, symbols: Mapping[str, None]) -> Mapping[str, Mapping[str, Position]]:
        asked = {symbol: self._floors.get(symbol, 0) for symbol in symbols if self._trusts(symbol)}
        self._on_read("doubtful", len(symbols) - len(asked))
        if not asked:
            return {}
        self._reads += 1
        token = f"{self._process}-{self._reads}"
        try:
            answers = await self._cache.look(asked, token)
        except SharedAway:
            self._on_read("away", len(asked))
            return {}
        found = {}
        for symbol, answer in answers.items():
            # What changed while the cache was asked has been told to somebody by now.
            if answer.result != "hit":
                self._on_read(answer.result, 1)
            elif not self._trusts(symbol) or answer.version < self._floors.get(symbol, 0):
                self._on_read("doubtful", 1)
            else:
                self._on_read("hit", 1)
                self._floors[symbol] = answer.version
                found[symbol] = {each.exchange: each for each in answer.positions}
        for symbol, answer in answers.items():
            if answer.leased:
                await self._fill(symbol, token)
        return found

    async def _fill(self, symbol: str, token: str) -> None:
        try:
            await self._cache.fill(symbol, token, self._log.head, self._own(symbol))
        except SharedAway:
            return

    def _own(self, symbol: str) -> Sequence[Position]:
        return [each for (_, its), each in self._log.book.positions.items() if its == symbol]

    def _trusts(self, symbol: str) -> bool:
        return self._following and symbol not in self._doubtful
