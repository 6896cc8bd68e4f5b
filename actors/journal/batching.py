"""Which appends go into the next batch, and what the batch says. Pure.

`Queue` holds what waits and knows which generation of each stream may still write. `Drafter` folds appends
into a speculative book, which is the committed one plus the batch under way: an event that the fold refuses
is found before anything is written, and no book is copied unless something was refused.
"""

from collections import deque
from collections.abc import Iterable, Sequence

import msgspec

from actors.journal.chain import seal
from actors.journal.port import Batch
from actors.journal.projection import Projection
from actors.journal.tail import CommittedTail
from actors.model.book import Book, Change, DuplicateFill
from actors.model.events import writable
from actors.model.journal import Append, Record
from actors.model.order import IllegalTransition

REFUSALS = (IllegalTransition, DuplicateFill, KeyError, ArithmeticError, ValueError, TypeError)
"""What the fold or the encoding raises for an event that must not be written."""


class Dropped(msgspec.Struct, frozen=True):
    """An append that will not be written: FENCED or JOURNAL_UNAVAILABLE, and why."""

    append: Append
    code: str
    detail: str


class Queue:
    """Appends in the order in which they came.

    Generations never repeat, not even after a restart: the epoch is in them.
    """

    def __init__(self, epoch: int) -> None:
        self._waiting: deque[Append] = deque()
        self._generations: dict[str, int] = {}
        self._last_generation = epoch << 24

    def __len__(self) -> int:
        return len(self._waiting)

    def push(self, append: Append) -> Dropped | None:
        """Queue the append, or say why it is refused at once."""
        if append.generation != self._generations.get(append.stream):
            return self._fenced(append)
        self._waiting.append(append)
        return None

    def fence(self, stream: str) -> int:
        """Refuse from now on what the stream's former life appended; return the new generation."""
        self._last_generation += 1
        self._generations[stream] = self._last_generation
        return self._last_generation

    def take(self, now: float, max_events: int) -> tuple[list[Append], list[Dropped]]:
        """The appends of the next batch, and those that are too late for it. `now` in monotonic seconds."""
        taken: list[Append] = []
        dropped: list[Dropped] = []
        events = 0
        waiting = self._waiting
        while waiting and events < max_events:
            append = waiting.popleft()
            reason = self._objection(append, now)
            if reason is None:
                taken.append(append)
                events += len(append.events)
            else:
                dropped.append(reason)
        return taken, dropped

    def sift(self, appends: Iterable[Append], now: float) -> tuple[list[Append], list[Dropped]]:
        """The same question for appends that were taken but have not begun."""
        kept: list[Append] = []
        dropped: list[Dropped] = []
        for append in appends:
            reason = self._objection(append, now)
            if reason is None:
                kept.append(append)
            else:
                dropped.append(reason)
        return kept, dropped

    def give_back(self, appends: Sequence[Append]) -> None:
        """Put appends that were taken and did not begin back to the front, in their order."""
        self._waiting.extendleft(reversed(appends))

    def drop_late(self, now: float) -> list[Dropped]:
        """Remove the queued appends that must not begin any more."""
        kept, dropped = self.sift(self._waiting, now)
        if dropped:
            self._waiting = deque(kept)
        return dropped

    def drain(self, code: str, detail: str) -> list[Dropped]:
        """Remove everything, because nothing will be written any more."""
        dropped = [Dropped(append, code, detail) for append in self._waiting]
        self._waiting.clear()
        return dropped

    def next_deadline(self) -> float | None:
        """When the first of the queued appends is too late, in monotonic seconds."""
        return min((append.deadline for append in self._waiting if append.deadline is not None), default=None)

    def _objection(self, append: Append, now: float) -> Dropped | None:
        if append.generation != self._generations.get(append.stream):
            return self._fenced(append)
        if append.deadline is not None and append.deadline <= now:
            return Dropped(append, "JOURNAL_UNAVAILABLE", "the journal could not begin to write it in time")
        return None

    def _fenced(self, append: Append) -> Dropped:
        current = self._generations.get(append.stream, 0)
        return Dropped(
            append, "FENCED", f"generation {append.generation} of {append.stream} is over: it is {current}"
        )


class Refusal(Exception):
    """An append holds an event that the fold or the encoding refuses; nothing of the draft may be used."""

    def __init__(self, append: Append, error: Exception) -> None:
        super().__init__(f"{type(error).__name__}: {error}")
        self.append = append


class Drafter:
    """Makes batches that follow the committed log.

    One draft at a time: before the next one the log takes the batch in, or `reset` is called.
    """

    def __init__(self, tail: CommittedTail) -> None:
        self._tail = tail
        self._speculative: Book = tail.book.copy()

    def draft(self, appends: Sequence[Append], now_us: int) -> Batch:
        """Fold and chain the appends; raise Refusal for the first impossible one (and reset the draft)."""
        tail = self._tail
        seq = previous_seq = tail.head
        previous = tail.head_hash
        at_us = max(now_us, tail.head_at_us + 1)
        apply = self._speculative.apply
        projection = Projection()
        records: list[Record] = []
        changes: list[Change] = []
        for append in appends:
            stream, correlation, causation = append.stream, append.correlation_id, append.causation_id
            try:
                for event in append.events:
                    seq += 1
                    event, payload = writable(event)
                    change = apply(event, seq, at_us)
                    projection.add(change)
                    changes.append(change)
                    record = seal(event, payload, seq, previous, at_us, stream, correlation, causation)
                    records.append(record)
                    previous = record.hash
            except REFUSALS as error:
                self.reset()
                raise Refusal(append, error) from error
        return Batch(
            previous_seq=previous_seq,
            records=tuple(records),
            orders=tuple(projection.orders.values()),
            fills=tuple(projection.fills),
            positions=tuple(projection.positions.values()),
            changes=tuple(changes),
        )

    def reset(self) -> None:
        """Forget the draft: the speculative book is the committed one again."""
        self._speculative = self._tail.book.copy()
