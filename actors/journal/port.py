"""The store that the journal is kept in: PostgreSQL, or its twin in memory.

An append has three outcomes and the port keeps them apart: done; definitely not done (an exception that says
which); unknown (CommitUnknown), which only `resolve` can settle.
"""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from actors.model.change import Change
from actors.model.fill import Fill
from actors.model.journal import Record
from actors.model.order import Order
from actors.model.position import Position


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """The newest committed record and the owner's epoch. Of an empty journal 0 and 32 zero bytes."""

    seq: int
    hash: bytes
    epoch: int


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """Records that commit together with the rows of the tables derived from them (last state per key)."""

    previous_seq: int
    records: tuple[Record, ...]
    orders: tuple[Order, ...]
    fills: tuple[Fill, ...]
    positions: tuple[Position, ...]
    changes: tuple[Change, ...]
    """What each of the records changes, as the fold worked it out."""


class StoredSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """A folded book: valid for the same fold version and a journal that has this hash at this sequence."""

    seq: int
    hash: bytes
    fold_version: int
    book: bytes


class StoreUnavailable(Exception):
    """The store can't be reached; nothing was written."""


class CommitUnknown(Exception):
    """The connection was lost, or no answer came, during a commit: it may land at any time until resolved."""


class BatchRefused(Exception):
    """The store definitely refused the batch and would again: a constraint, a bad value."""


class Deposed(Exception):
    """Another process has taken the journal over: stop sending and exit."""


class JournalStore(Protocol):
    """One journal. Cancelling a call leaves its effect unknown; `append` is followed by `resolve` then."""

    async def take_over(self) -> Head:
        """Move the journal to the next epoch, ours; everyone who held it before is deposed."""
        ...

    async def append(self, batch: Batch, epoch: int) -> None:
        """Commit the batch; raise StoreUnavailable, CommitUnknown, BatchRefused or Deposed."""
        ...

    async def resolve(self, batch: Batch, epoch: int) -> bool:
        """Whether an unknown commit landed; it can't land any more. Raise StoreUnavailable or Deposed."""
        ...

    async def read(self, after: int, limit: int) -> Sequence[Record]:
        """Records later than `after`, oldest first; raise StoreUnavailable."""
        ...

    async def latest_snapshot(self, fold_version: int) -> StoredSnapshot | None: ...

    async def save_snapshot(self, snapshot: StoredSnapshot) -> None: ...

    async def close(self) -> None: ...
