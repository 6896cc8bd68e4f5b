"""What the other rooms know of the journal: its records, how to append, how to follow.

A writer tells JournalActor an `Append`; success is seen only in the committed log, a definite failure comes
back as `AppendFailed`. A writer that (re)starts first asks `Fence`, which answers once nothing of its
former life can still be committed; the committed book at that head is where it starts from.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from actors.model.book import Book, Change
from actors.model.events import AnyEvent


class Record(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One committed event. `seq` is contiguous from 1; `at_us` in µs since 1970 UTC; hashes are 32 bytes."""

    seq: int
    stream: str
    type: str
    version: int
    at_us: int
    payload: bytes
    correlation_id: str
    causation_id: str
    previous_hash: bytes
    hash: bytes
    event: AnyEvent


class Append(msgspec.Struct, frozen=True, kw_only=True):
    """Tell to JournalActor: commit these events together, in this order, after all that was appended before.

    `generation` is what `Fence` gave. With `deadline` (monotonic seconds) the append is refused, for sure,
    if its batch has not begun by then. `reply_to` is the address that `AppendFailed` goes to.
    """

    append_id: str
    stream: str
    generation: int
    events: tuple[AnyEvent, ...]
    correlation_id: str
    reply_to: str
    causation_id: str = ""
    deadline: float | None = None


class Appends(msgspec.Struct, frozen=True):
    """Tell to JournalActor: each of these, in this order; what happens to one says nothing of the others."""

    appends: tuple[Append, ...]


class AppendFailed(msgspec.Struct, frozen=True, kw_only=True):
    """Definitely nothing of this append is or will be in the journal.

    `code`: JOURNAL_UNAVAILABLE (not begun in time), FENCED (an older generation), EVENT_REFUSED (the store
    refused it).
    """

    append_id: str
    code: str
    detail: str


class Fence(msgspec.Struct, frozen=True):
    """Ask to JournalActor: refuse everything that the stream's former life appended and has not committed."""

    stream: str


class Fenced(msgspec.Struct, frozen=True):
    """Answer to `Fence`: the writer's new generation, and the head up to which the log's book is folded."""

    generation: int
    head: int


class JournalState(msgspec.Struct, frozen=True):
    """Told by JournalActor to the operator's actor and to risk when the store is lost or found again."""

    available: bool
    detail: str


class Lagged(Exception):
    """A follower asked for records that the log no longer holds in memory; it must fence and fold again."""


class CommittedLog(Protocol):
    """The committed journal as every actor of this process reads it, synchronously.

    `book` is the fold of everything up to `head`. `available` is False while the store can't take appends.
    `head_at_us` is the time of the newest record: what is committed later is newer, whatever clocks do.
    """

    @property
    def head(self) -> int: ...

    @property
    def head_at_us(self) -> int: ...

    @property
    def book(self) -> Book: ...

    @property
    def available(self) -> bool: ...

    def after(self, seq: int) -> Sequence[Record]:
        """All committed records later than `seq`; raise Lagged when some of them have left memory."""
        ...

    def subscribe(self, wake: Callable[[Sequence[Record]], None]) -> Callable[[], None]:
        """Call `wake` with each committed batch, in order, synchronously; return what ends that."""
        ...

    def watch(self, watch: Callable[[Sequence[Record], Sequence[Change]], None]) -> Callable[[], None]:
        """Like `subscribe`, with what each record changed beside it: `changes[i]` belongs to `records[i]`."""
        ...
