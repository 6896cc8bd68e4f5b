"""The operator's actor as a writer of the journal: what it has under way, and what came of it.

Every append carries its own id as the cause of its records, so that the committed log itself tells which of
them landed. A failure is told; an append that is neither landed nor failed is still under way.
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
        """The fence is answered: which appends had landed, and which definitely never will."""
        landed = self.landed()
        lost = tuple(self._under_way)
        self._under_way.clear()
        self._writer.begin(fenced)
        return landed, lost

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
