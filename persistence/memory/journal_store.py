"""The journal's store in memory, with every fault that the real one can show.

A store object is one process's connection; the disk behind it outlives it. A commit that is under way when
its process dies is lost, one whose answer is lost lands when it pleases, and only `resolve` can end that.
"""

from collections import deque
from collections.abc import Callable, Sequence

import msgspec
import trio

from actors.journal.port import (
    Batch,
    BatchRefused,
    CommitUnknown,
    Deposed,
    Head,
    StoredSnapshot,
    StoreUnavailable,
)
from actors.model.journal import Record
from persistence.memory.disk import ConstraintViolated, MemoryDisk

SNAPSHOTS_KEPT = 3


class Unknown(msgspec.Struct, frozen=True, kw_only=True):
    """The next commit's answer is lost: after `silence_seconds` the caller gets CommitUnknown.

    The batch lands `lands_after_seconds` after it was sent, or never if that is None, or if it is resolved
    before.
    """

    lands_after_seconds: float | None
    silence_seconds: float = 0.0


class Faults:
    """What goes wrong. Plain fields: a test or a simulation sets them, the store reads them at each call.

    `available` False: nothing can be reached. `latency_seconds`: of a commit, or what a function draws for
    it. `next_commits`: the fate of the commits to come, one each; None is a good one. `refuse`: a rule that
    the batch breaks, or None.
    """

    def __init__(self) -> None:
        self.available = True
        self.latency_seconds: float | Callable[[], float] = 0.0
        self.next_commits: deque[Unknown | Exception | None] = deque()
        self.refuse: Callable[[Batch], str | None] | None = None

    def latency(self) -> float:
        """How long the next commit takes."""
        return self.latency_seconds() if callable(self.latency_seconds) else self.latency_seconds


class _Straggler(msgspec.Struct, frozen=True):
    lands_at: float
    batch: Batch
    epoch: int


class MemoryJournalStore:
    """Implements `actors.journal.port.JournalStore` on a MemoryDisk."""

    def __init__(self, disk: MemoryDisk, faults: Faults | None = None) -> None:
        self._disk = disk
        self.faults = faults if faults is not None else Faults()
        self.commits = 0
        self._stragglers: list[_Straggler] = []

    async def take_over(self) -> Head:
        """Move to the next epoch. What another store object has under way fails from now on."""
        await self._reach()
        self._disk.epoch += 1
        return Head(seq=self._disk.seq, hash=self._disk.hash, epoch=self._disk.epoch)

    async def append(self, batch: Batch, epoch: int) -> None:
        """Commit. Cancelled or crashed before the latency is over, nothing is written."""
        fate = self.faults.next_commits.popleft() if self.faults.next_commits else None
        await self._reach()
        if isinstance(fate, Exception):
            raise fate
        if isinstance(fate, Unknown):
            await self._lose_answer(fate, batch, epoch)
        await trio.sleep(self.faults.latency())
        if not self.faults.available:
            raise CommitUnknown("the connection was lost during the commit")
        self._write(batch, epoch)
        self.commits += 1

    async def resolve(self, batch: Batch, epoch: int) -> bool:
        """End what is under way, then look."""
        await self._reach()
        self._stragglers.clear()
        if self._disk.epoch != epoch:
            raise Deposed(f"the journal is at epoch {self._disk.epoch}, not {epoch}")
        newest = batch.records[-1]
        return self._disk.seq >= newest.seq and self._disk.records[newest.seq - 1].hash == newest.hash

    async def read(self, after: int, limit: int) -> Sequence[Record]:
        """Records later than `after`, oldest first."""
        await self._reach()
        return self._disk.records[after : after + limit]

    async def latest_snapshot(self, fold_version: int) -> StoredSnapshot | None:
        """The newest snapshot of this fold version."""
        await self._reach()
        fitting = [snapshot for snapshot in self._disk.snapshots if snapshot.fold_version == fold_version]
        return max(fitting, key=lambda snapshot: snapshot.seq, default=None)

    async def save_snapshot(self, snapshot: StoredSnapshot) -> None:
        """Keep the snapshot, forget the oldest."""
        await self._reach()
        others = [other for other in self._disk.snapshots if other.seq != snapshot.seq]
        self._disk.snapshots = sorted([*others, snapshot], key=lambda one: one.seq)[-SNAPSHOTS_KEPT:]

    async def close(self) -> None:
        """End the connection; what is under way is lost."""
        self._stragglers.clear()
        await trio.lowlevel.checkpoint()

    async def _reach(self) -> None:
        await trio.lowlevel.checkpoint()
        self._land_stragglers()
        if not self.faults.available:
            raise StoreUnavailable("the store in memory was told to be away")

    async def _lose_answer(self, fate: Unknown, batch: Batch, epoch: int) -> None:
        if fate.lands_after_seconds is not None:
            lands_at = trio.current_time() + fate.lands_after_seconds
            self._stragglers.append(_Straggler(lands_at, batch, epoch))
        await trio.sleep(fate.silence_seconds)
        raise CommitUnknown("the answer of the commit was lost")

    def _land_stragglers(self) -> None:
        now = trio.current_time()
        due = [straggler for straggler in self._stragglers if straggler.lands_at <= now]
        self._stragglers = [straggler for straggler in self._stragglers if straggler.lands_at > now]
        for straggler in due:
            if straggler.epoch == self._disk.epoch and straggler.batch.previous_seq == self._disk.seq:
                self._disk.write(straggler.batch)

    def _write(self, batch: Batch, epoch: int) -> None:
        if self._disk.epoch != epoch or self._disk.seq != batch.previous_seq:
            raise Deposed(f"the journal is at {self._disk.seq} of epoch {self._disk.epoch}")
        reason = self.faults.refuse(batch) if self.faults.refuse is not None else None
        if reason is not None:
            raise BatchRefused(reason)
        try:
            self._disk.write(batch)
        except ConstraintViolated as error:
            raise BatchRefused(str(error)) from error
