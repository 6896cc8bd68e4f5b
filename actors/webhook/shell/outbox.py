"""Follows the journal and makes deliveries, none twice and none left out.

The cursor moves in the transaction that keeps the deliveries. In memory it runs ahead only over records that
concern nobody; those are looked at again after a crash, and concern nobody then either. An endpoint whose
courier is stuck is passed over: its deliveries are made later, when its courier asks for them (`Arrears`),
so that what nobody can send costs nothing.

While the store is away records are kept in memory up to a bound; beyond it the outbox forgets them and reads
them from the store once that is back, as it does after every start.
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence

import structlog
import trio

from actors.model.book import Change
from actors.model.clock import Clock
from actors.model.journal import CommittedLog, Record
from actors.webhook.events import deliveries, told
from actors.webhook.port import DISABLED, Delivery, Outbox, WebhookStore
from actors.webhook.rebuild import PAGE, History, Positions, Rebuilder
from actors.webhook.roster import Roster

MOST_WAITING = 8192
BATCH = 512
IDLE_RECORDS = 4096
"""How far the cursor in memory may run ahead of the one in the store."""

RETRY_SECONDS = 1.0
PAUSE_SECONDS = 0.2
"""Between two writes: what comes meanwhile goes together, since a transaction costs the same for one and for
fifty. An event that comes after a quiet moment is written at once.
"""

_log = structlog.get_logger(room="webhook")


class OutboxFollower:
    """One at a time. `is_stuck` says whether an endpoint takes nothing at the moment; `on_deliveries` is
    called with the endpoints that have new ones.
    """

    def __init__(
        self,
        *,
        store: WebhookStore,
        away: type[Exception],
        history: History,
        log: CommittedLog,
        roster: Roster,
        clock: Clock,
        first_pause_us: int,
        is_stuck: Callable[[str], bool],
        on_deliveries: Callable[[Iterable[str]], None],
    ) -> None:
        self._store = store
        self._away = away
        self._history = history
        self._log = log
        self._roster = roster
        self._clock = clock
        self._first_pause_us = first_pause_us
        self._is_stuck = is_stuck
        self._on_deliveries = on_deliveries
        self._waiting: deque[tuple[Record, Change]] = deque()
        self._wake = trio.Event()
        self._positions = Positions()
        self._cursor = 0
        self._stored = 0
        self._whole = False

    @property
    def cursor(self) -> int:
        """Up to which record everything has become deliveries."""
        return self._cursor

    async def run(self) -> None:
        """Follow until cancelled; cancelling loses nothing."""
        unsubscribe = self._log.watch(self._take)
        try:
            while True:
                if self._whole:
                    await self._wake.wait()
                    self._wake = trio.Event()
                try:
                    if not self._whole:
                        await self._begin()
                        if not self._whole:
                            await trio.sleep(RETRY_SECONDS)
                    while self._waiting and self._whole:
                        if await self._write_batch():
                            await trio.sleep(PAUSE_SECONDS)
                except self._away as error:
                    _log.warning("outbox_waits_for_the_store", why=str(error), cursor=self._cursor)
                    self._whole = False
                    await trio.sleep(RETRY_SECONDS)
        finally:
            unsubscribe()

    def _take(self, records: Sequence[Record], changes: Sequence[Change]) -> None:
        self._waiting.extend(zip(records, changes, strict=True))
        if len(self._waiting) > MOST_WAITING:
            self._waiting.clear()
            self._whole = False
        self._wake.set()

    async def _begin(self) -> None:
        """Come from where the store stands to where the journal stands now; the rest is handed to us."""
        self._roster.replace(await self._store.endpoints())
        outbox = await self._store.outbox()
        self._waiting.clear()
        head = self._log.head
        here = Positions(self._log.book.positions.values())
        self._cursor = self._stored = outbox.seq
        if self._roster.endpoints and outbox.seq < head:
            self._positions = Positions(outbox.positions)
            await self._catch_up(head)
        elif outbox.seq != head:
            await self._move(head, here, ())
        self._positions = here
        self._whole = self._reaches_back()

    def _reaches_back(self) -> bool:
        """Whether what waits in memory follows the cursor without a gap."""
        while self._waiting and self._waiting[0][0].seq <= self._cursor:
            self._waiting.popleft()
        following = self._waiting[0][0].seq if self._waiting else self._log.head + 1
        return following == self._cursor + 1

    async def _catch_up(self, head: int) -> None:
        _log.info("outbox_catches_up", cursor=self._cursor, head=head)
        rebuilder = Rebuilder(self._history, self._positions)
        while self._cursor < head:
            page = await self._history.events(self._cursor, min(PAGE, head - self._cursor))
            made: list[Delivery] = []
            for record in page:
                made += self._made(record, await rebuilder.change(record))
            if not page:
                return
            await self._move(page[-1].seq, self._positions, *self._sorted_out(made))

    async def _write_batch(self) -> bool:
        """Take in what waits; whether that took a transaction."""
        batch = [self._waiting[index] for index in range(min(BATCH, len(self._waiting)))]
        made: list[Delivery] = []
        for record, change in batch:
            self._positions.take(change)
            made += self._made(record, change)
        made, passed_over = self._sorted_out(made)
        newest = batch[-1][0].seq
        written = bool(made or passed_over) or newest - self._stored >= IDLE_RECORDS
        if written:
            await self._move(newest, self._positions, made, passed_over)
        self._cursor = newest
        for _ in batch:
            # An overflow may have emptied what waits while the store was written.
            if self._waiting and self._waiting[0][0].seq <= newest:
                self._waiting.popleft()
        return written

    def _made(self, record: Record, change: Change) -> list[Delivery]:
        endpoints = [each for each in self._roster.endpoints.values() if each.behind_seq is None]
        if not endpoints:
            return []
        now_us = self._clock.now_us()
        return deliveries(endpoints, record, told(record, change), now_us, self._first_pause_us)

    def _sorted_out(self, made: Sequence[Delivery]) -> tuple[list[Delivery], list[str]]:
        """What is to be kept, and who is passed over: those that are behind, and those that are stuck now."""
        concerned = dict.fromkeys(each.endpoint_id for each in made)
        stuck = [endpoint_id for endpoint_id in concerned if self._is_stuck(endpoint_id)]
        behind = [
            each.endpoint_id
            for each in self._roster.endpoints.values()
            if each.behind_seq is not None and each.state != DISABLED
        ]
        return [each for each in made if each.endpoint_id not in stuck], [*behind, *stuck]

    async def _move(
        self, seq: int, positions: Positions, made: Sequence[Delivery], passed_over: Sequence[str] = ()
    ) -> None:
        before, outbox = self._stored, Outbox(seq=seq, positions=positions.all())
        if not await self._store.move(before, outbox, made, passed_over):
            # A write that was reported as lost had happened, or another process moved it: look where it is.
            self._whole = False
            raise self._away("the cursor has been moved meanwhile")
        self._cursor = self._stored = seq
        for endpoint_id in passed_over:
            self._roster.fall_behind(endpoint_id, before)
        if made:
            self._on_deliveries(dict.fromkeys(each.endpoint_id for each in made))
