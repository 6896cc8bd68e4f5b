"""The operator's actor as a writer of the journal: what it has under way, and what came of it.

Every append carries its own id as the cause of its records, so that the committed log itself tells which of
them landed. A failure is told; an append that is neither landed nor failed is still under way, or so much was
committed that the log remembers no more.
"""

from actors.model.events import AnyEvent
from actors.model.journal import Fenced
from actors.writer import Writer

STREAM = "operator"


class Records:
    """Belongs to one life of the actor, as its writer does."""

    def __init__(self, writer: Writer, address: str) -> None:
        self._writer = writer
        self._address = address
        self._count = 0
        self._under_way: dict[str, tuple[str, ...]] = {}

    @property
    def keys_under_way(self) -> dict[str, None]:
        """What the appends under way are about."""
        return {key: None for keys in self._under_way.values() for key in keys}

    def begin(self, fenced: Fenced) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The fence is answered, and nothing is under way any more: which appends have landed, and the rest.

        Of those the log may not remember that they did: what they were about has to be looked up in the book.
        """
        landed = self.landed()
        rest = tuple(self._under_way)
        self._under_way.clear()
        self._writer.begin(fenced)
        return landed, rest

    def append(
        self,
        what: str,
        events: tuple[AnyEvent, ...],
        keys: tuple[str, ...] = (),
        correlation_id: str = "",
        deadline: float | None = None,
    ) -> str:
        """Send events that are about `keys` to the journal; return the append's id."""
        self._count += 1
        append_id = f"{self._address}/{what}/{self._writer.generation}/{self._count}"
        self._under_way[append_id] = keys
        self._writer.append(
            append_id, events, correlation_id=correlation_id, causation_id=append_id, deadline=deadline
        )
        return append_id

    def landed(self) -> tuple[str, ...]:
        """The appends that have landed since the last call."""
        return tuple(
            record.causation_id
            for record in self._writer.unread()
            if record.stream == STREAM and self._under_way.pop(record.causation_id, None) is not None
        )

    def failed(self, append_id: str) -> None:
        """The append will never be in the journal."""
        self._under_way.pop(append_id, None)
