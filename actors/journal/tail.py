"""The committed journal in memory: the folded book, the newest records, and who wants to be woken.

One object of this kind is made by the composition root and read by every actor; only JournalActor writes to
it. All calls are synchronous, so a reader sees book and head move together. Memory is bounded: older records
leave, and a follower that still needs them is told so (`Lagged`).
"""

from collections.abc import Callable, Sequence

from actors.journal.chain import GENESIS
from actors.model.book import Book, Change
from actors.model.journal import Lagged, Record

Wake = Callable[[Sequence[Record]], None]
Watch = Callable[[Sequence[Record], Sequence[Change]], None]


class CommittedTail:
    """Implements `actors.model.journal.CommittedLog`; at least `capacity` records stay in memory."""

    def __init__(self, capacity: int = 8192) -> None:
        self.capacity = capacity
        self.available = False
        self.epoch = 0
        self._book = Book()
        self._head = 0
        self._hash = GENESIS
        self._at_us = 0
        self._records: list[Record] = []
        self._watches: list[Watch] = []

    @property
    def head(self) -> int:
        """The newest committed sequence; 0 for the empty journal."""
        return self._head

    @property
    def head_hash(self) -> bytes:
        """The hash at `head`."""
        return self._hash

    @property
    def head_at_us(self) -> int:
        """The time of the newest record, 0 when it is not known; every later batch is newer."""
        return self._at_us

    @property
    def book(self) -> Book:
        """The fold up to `head`. Only to be read."""
        return self._book

    def after(self, seq: int) -> Sequence[Record]:
        """All committed records later than `seq`; raise Lagged when some of them have left memory."""
        if seq >= self._head:
            return ()
        start = len(self._records) - (self._head - seq)
        if start < 0:
            raise Lagged(f"records after {seq} have left memory; the head is {self._head}")
        return self._records[start:]

    def subscribe(self, wake: Wake) -> Callable[[], None]:
        """Call `wake` with each committed batch, synchronously, in order; return what ends that."""
        return self.watch(lambda records, _changes: wake(records))

    def watch(self, watch: Watch) -> Callable[[], None]:
        """Like `subscribe`, with what each record changed beside it: `changes[i]` belongs to `records[i]`."""
        self._watches = [*self._watches, watch]

        def unsubscribe() -> None:
            self._watches = [other for other in self._watches if other is not watch]

        return unsubscribe

    def restore(self, book: Book, seq: int, head_hash: bytes, at_us: int = 0) -> None:
        """Start from a snapshot instead of from nothing; only before anything was published."""
        if self._head:
            raise ValueError(f"the log already stands at {self._head}")
        self._book, self._head, self._hash, self._at_us = book, seq, head_hash, at_us

    def fold(self, records: Sequence[Record]) -> Sequence[Change]:
        """Take records in without waking anybody (the replay at the start); return what each changed."""
        apply = self._book.apply
        changes = [apply(record.event, record.seq, record.at_us) for record in records]
        self._remember(records)
        return changes

    def _remember(self, records: Sequence[Record]) -> None:
        if not records:
            return
        newest = records[-1]
        self._head, self._hash, self._at_us = newest.seq, newest.hash, newest.at_us
        self._records.extend(records)
        if len(self._records) > 2 * self.capacity:
            del self._records[: -self.capacity]

    def publish(self, records: Sequence[Record], changes: Sequence[Change] | None = None) -> None:
        """Take a committed batch in and wake every follower. `changes` is what each record changes, where
        that was worked out before the commit, by a book that stood where this one stands.

        A follower that raises does not keep the others from being woken; the errors come out together
        afterwards, because one that silently stopped following would be worse than a restart.
        """
        if changes is None:
            changes = self.fold(records)
        else:
            keep = self._book.keep
            for record, change in zip(records, changes, strict=True):
                keep(record.event, change, record.seq, record.at_us)
            self._remember(records)
        errors: list[Exception] = []
        for watch in self._watches:
            try:
                watch(records, changes)
            except Exception as error:  # noqa: BLE001 - raised below, when all are woken
                errors.append(error)
        if errors:
            raise ExceptionGroup("followers of the journal failed", errors)
