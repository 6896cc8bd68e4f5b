"""JournalActor, the one writer of the journal.

Its mailbox only fills a queue; one task takes batches from the queue and settles the fate of each before it
takes the next, so that a commit, its doubt and its repair all happen in one place. A second task looks at the
clock: it fails what waited too long and says when the store does not answer. Whatever is unknown stays
unknown here until the store has resolved it; nobody is told that an append failed unless that is certain.
"""

from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from enum import Enum, auto
from math import inf
from typing import ClassVar

import msgspec
import trio

from actors.journal.batching import Drafter, Dropped, Queue, Refusal
from actors.journal.port import (
    Batch,
    BatchRefused,
    CommitUnknown,
    Deposed,
    Head,
    JournalStore,
    StoredSnapshot,
    StoreUnavailable,
)
from actors.journal.replay import recover
from actors.journal.tail import CommittedTail
from actors.kernel import Deferred, MailboxSpec, TrioActor
from actors.model.book import FOLD_VERSION
from actors.model.clock import Clock
from actors.model.journal import Append, AppendFailed, Appends, Fence, Fenced, JournalState
from actors.model.snapshot import encode_book

PROBE_SECONDS = 2.0
SUCCESSOR_SECONDS = 5.0
"""How often an idle writer looks whether another process has taken the journal over."""
TAKEN_OVER = "another process has taken the journal over"


class Outcome(Enum):
    """What became of a batch, for certain: after ABSENT it can be tried again at once, after AWAY not."""

    LANDED = auto()
    REFUSED = auto()
    ABSENT = auto()
    AWAY = auto()


class JournalActor(TrioActor):
    """Handles `Append` and `Appends` (tells) and `Fence` (ask); see the messages for what they promise.

    `on_deposed` is called once, when another process has taken the journal: it must close the gate and end
    the process. `report_to` are the addresses that learn by `JournalState` when the store is lost and found.
    A start waits for the store as long as it takes.
    """

    rank: ClassVar[int | None] = 10
    mailbox: ClassVar[MailboxSpec] = MailboxSpec(capacity=65_536, policy="refuse")

    def __init__(
        self,
        *,
        store: JournalStore,
        log: CommittedTail,
        clock: Clock,
        on_deposed: Callable[[str], None],
        report_to: Sequence[str] = ("risk", "operator"),
        snapshot_every: int = 10_000,
        max_batch_events: int = 256,
        stall_seconds: float = 0.5,
        retry_seconds: float = 0.5,
        flush_seconds: float = 3.0,
    ) -> None:
        super().__init__()
        self._store = store
        self._log = log
        self._clock = clock
        self._on_deposed = on_deposed
        self._report_to = tuple(report_to)
        self._snapshot_every = snapshot_every
        self._max_batch_events = max_batch_events
        self._stall_seconds = stall_seconds
        self._retry_seconds = retry_seconds
        self._flush_seconds = flush_seconds
        self._queue = Queue(0)
        self._drafter = Drafter(log)
        self._idle = trio.lowlevel.ParkingLot()
        self._settling_since: float | None = None
        self._settled = trio.lowlevel.ParkingLot()
        self._fencing: list[tuple[Deferred, int]] = []
        self._look_at = trio.CancelScope()
        self._last_snapshot = 0
        self._saving = False
        self._deposed = False

    async def on_start(self) -> None:
        """Take the journal over, fold it, begin to write. Cancelled, it may be taken over already."""
        head = await self._take_over()
        self._log.epoch = head.epoch
        self._log.available = True
        self._last_snapshot = head.seq
        self._queue = Queue(head.epoch)
        self._drafter = Drafter(self._log)
        self.start_task(self._write, name="write")
        self.start_task(self._oversee, name="oversee")

    async def _take_over(self) -> Head:
        while True:
            try:
                head = await self._store.take_over()
                await recover(self._store, self._log, head)
                return head
            except StoreUnavailable:
                await trio.sleep(self._retry_seconds)

    async def on_stop(self) -> None:
        """Write what is queued, within bounds, and leave a snapshot for a quick start."""
        with trio.move_on_after(self._flush_seconds):
            while len(self._queue) or self._settling_since is not None:
                await self._settled.park()
        self._refuse(self._queue.drain("JOURNAL_UNAVAILABLE", "the journal is being closed"))
        if self._log.available and self._log.head > self._last_snapshot:
            with trio.move_on_after(self._flush_seconds):
                await self._save_snapshot(self._make_snapshot())
        self._log.available = False

    async def on_failure(self, error: BaseException) -> None:
        """What never began can be refused for sure; what was under way the next life finds out."""
        self._log.available = False
        self._refuse(self._queue.drain("JOURNAL_UNAVAILABLE", f"the journal failed: {error!r}"))

    def on_receive(self, message: object) -> object:
        if type(message) is Append:
            self._take(message)
            return None
        if type(message) is Appends:
            for append in message.appends:
                self._take(append)
            return None
        if type(message) is Fence:
            return self._fence(message.stream)
        raise TypeError(f"JournalActor does not handle {type(message).__name__}")

    def _take(self, append: Append) -> None:
        if self._deposed:
            self._refuse([Dropped(append, "JOURNAL_UNAVAILABLE", TAKEN_OVER)])
        elif (dropped := self._queue.push(append)) is not None:
            self._refuse([dropped])
        elif self._idle:
            self._idle.unpark()
        elif append.deadline is not None:
            self._look_no_later_than(append.deadline)

    def _fence(self, stream: str) -> object:
        generation = self._queue.fence(stream)
        self._refuse(self._queue.drop_late(self._clock.monotonic()))
        if self._settling_since is None:
            return Fenced(generation, self._log.head)
        deferred = self.defer()
        self._fencing.append((deferred, generation))
        return deferred

    async def _write(self) -> None:
        try:
            while True:
                await self._write_once()
                self._settled.unpark_all()
        except Deposed as error:
            self._depose(str(error))
        # This life has nothing more to do; the process is ended by whoever was told.
        await trio.sleep_forever()

    async def _write_once(self) -> None:
        if not len(self._queue):
            await (self._rest() if self._log.available else self._wait_for_store())
        appends, dropped = self._queue.take(self._clock.monotonic(), self._max_batch_events)
        self._refuse(dropped)
        if appends:
            await self._commit(appends)

    async def _commit(self, appends: list[Append]) -> None:
        """Settle the fate of these appends: written, refused one by one, or given back to the queue."""
        groups = deque([appends])
        while groups:
            group, batch = self._draft(groups.popleft())
            if batch is None:
                continue
            outcome, detail = await self._settle(batch)
            if outcome is Outcome.LANDED:
                self._landed(batch)
            else:
                self._drafter.reset()
            self._answer_fences()
            if outcome is Outcome.REFUSED and len(group) == 1:
                self._refuse_guilty(group[0], detail)
            elif outcome is Outcome.REFUSED:
                middle = len(group) // 2
                groups.extendleft((group[middle:], group[:middle]))
            elif outcome is not Outcome.LANDED:
                self._queue.give_back([*group, *(append for other in groups for append in other)])
                self._look_for_deadlines()
                if outcome is Outcome.AWAY:
                    await self._wait_for_store()
                return

    def _draft(self, appends: list[Append]) -> tuple[list[Append], Batch | None]:
        group, dropped = self._queue.sift(appends, self._clock.monotonic())
        self._refuse(dropped)
        while group:
            try:
                return group, self._drafter.draft(group, self._clock.now_us())
            except Refusal as refusal:
                guilty = refusal.append
                self._refuse_guilty(guilty, str(refusal))
                group, dropped = self._queue.sift(
                    [append for append in group if append is not guilty], self._clock.monotonic()
                )
                self._refuse(dropped)
        return group, None

    async def _settle(self, batch: Batch) -> tuple[Outcome, str]:
        """Commit the batch and stay until it is certain what became of it."""
        self._settling_since = self._clock.monotonic()
        self._look_no_later_than(self._settling_since + self._stall_seconds)
        try:
            await self._store.append(batch, self._log.epoch)
        except BatchRefused as error:
            return Outcome.REFUSED, str(error)
        except StoreUnavailable as error:
            self._set_available(False, str(error))
            return Outcome.AWAY, str(error)
        except CommitUnknown as error:
            self._set_available(False, str(error))
            landed = await self._resolve(batch)
            self._set_available(True, "the store answers again")
            return (Outcome.LANDED if landed else Outcome.ABSENT), str(error)
        finally:
            self._settling_since = None
        return Outcome.LANDED, ""

    async def _resolve(self, batch: Batch) -> bool:
        while True:
            try:
                return await self._store.resolve(batch, self._log.epoch)
            except StoreUnavailable:
                await trio.sleep(self._retry_seconds)

    def _landed(self, batch: Batch) -> None:
        self._set_available(True, "the journal is written again")
        self._log.publish(batch.records, batch.changes)
        if self._log.head - self._last_snapshot >= self._snapshot_every and not self._saving:
            self._saving = True
            self.start_task(self._save_snapshot, self._make_snapshot(), name="snapshot")

    async def _wait_for_store(self) -> None:
        """Return when it is worth trying again: something is queued, or the store answers."""
        while True:
            await trio.sleep(self._retry_seconds)
            if len(self._queue):
                return
            with trio.move_on_after(PROBE_SECONDS):
                try:
                    await self._require_no_successor()
                except StoreUnavailable:
                    continue
                self._set_available(True, "the store answers again")
                return

    async def _rest(self) -> None:
        """Return when something is queued; look now and then whether the journal goes on without us.

        A process that has nothing to write would otherwise never hear that it is deposed, and show its
        readers an old state for ever.
        """
        while not len(self._queue):
            with trio.move_on_after(SUCCESSOR_SECONDS) as patience:
                await self._idle.park()
            if patience.cancelled_caught:
                await self._look_for_successor()

    async def _look_for_successor(self) -> None:
        with trio.move_on_after(PROBE_SECONDS), suppress(StoreUnavailable):
            await self._require_no_successor()

    async def _require_no_successor(self) -> None:
        """Raise Deposed when the journal goes on, be it in the words of a later release."""
        try:
            strangers = await self._store.read(self._log.head, 1)
        except msgspec.MsgspecError as error:
            raise Deposed(f"the journal goes on after {self._log.head} without us: {error}") from error
        if strangers:
            raise Deposed(f"the journal goes on at {strangers[0].seq} without us")

    async def _oversee(self) -> None:
        while True:
            with self._look_at:
                await trio.sleep_forever()
            self._look_at = trio.CancelScope()
            now = self._clock.monotonic()
            self._refuse(self._queue.drop_late(now))
            since = self._settling_since
            if since is not None and now >= since + self._stall_seconds:
                self._set_available(False, f"a commit has had no answer for {now - since:.1f} s")
            elif since is not None:
                self._look_no_later_than(since + self._stall_seconds)
            self._look_for_deadlines()

    def _look_for_deadlines(self) -> None:
        deadline = self._queue.next_deadline()
        if deadline is not None:
            self._look_no_later_than(deadline)

    def _look_no_later_than(self, deadline: float) -> None:
        at = trio.current_time() + (deadline - self._clock.monotonic())
        if at < self._look_at.deadline:
            self._look_at.deadline = at

    def _set_available(self, available: bool, detail: str) -> None:
        if available is self._log.available:
            return
        self._log.available = available
        state = JournalState(available, detail)
        for address in self._report_to:
            self.system.ref(address).tell(state)

    def _answer_fences(self) -> None:
        waiting, self._fencing = self._fencing, []
        for deferred, generation in waiting:
            deferred.reply(Fenced(generation, self._log.head))

    def _refuse_guilty(self, append: Append, detail: str) -> None:
        self._queue.fence(append.stream)
        self._refuse([Dropped(append, "EVENT_REFUSED", detail)])

    def _refuse(self, dropped: Sequence[Dropped]) -> None:
        for drop in dropped:
            failed = AppendFailed(append_id=drop.append.append_id, code=drop.code, detail=drop.detail)
            self.system.ref(drop.append.reply_to).tell(failed)

    def _depose(self, detail: str) -> None:
        self._deposed = True
        self._set_available(False, detail)
        self._look_at.deadline = inf
        self._refuse(self._queue.drain("JOURNAL_UNAVAILABLE", TAKEN_OVER))
        self._on_deposed(detail)

    def _make_snapshot(self) -> StoredSnapshot:
        self._last_snapshot = self._log.head
        return StoredSnapshot(
            seq=self._log.head,
            hash=self._log.head_hash,
            fold_version=FOLD_VERSION,
            book=encode_book(self._log.book),
        )

    async def _save_snapshot(self, snapshot: StoredSnapshot) -> None:
        try:
            await self._store.save_snapshot(snapshot)
        except StoreUnavailable:
            self._last_snapshot = snapshot.seq - self._snapshot_every // 2
        finally:
            self._saving = False
