"""The changes of limits on their way to the journal, and who waits for each."""

from collections.abc import Mapping, Sequence

from actors.kernel import Deferred
from actors.model.events import LimitChanged
from actors.model.journal import Record
from actors.model.messages import LimitSet, Refused


class Changing:
    """By the id of the append that journals it. A change is in force while it is here, and gone again when it
    is lost.
    """

    def __init__(self) -> None:
        self._under_way: dict[str, tuple[LimitChanged, Deferred]] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """The limits whose newest change is on its way."""
        return tuple(event.name for event, _ in self._under_way.values())

    def begin(self, append_id: str, event: LimitChanged, waiting: Deferred) -> None:
        """The change is on its way."""
        self._under_way[append_id] = (event, waiting)

    def settle(self, append_id: str, *, landed: bool) -> None:
        """The journal has it, or never will. An append that is no change of a limit is nothing to this."""
        event, waiting = self._under_way.pop(append_id, (None, None))
        if event is None or waiting is None:
            return
        if landed:
            waiting.reply(
                LimitSet(
                    name=event.name, old=event.old, new=event.new, by=event.by, approved_by=event.approved_by
                )
            )
        else:
            detail = "the change did not get into the journal; the limit is as it was"
            waiting.reply(Refused(code="JOURNAL_UNAVAILABLE", detail=detail, retry_after_seconds=1.0))

    def landed(self, records: Sequence[Record]) -> None:
        """The journal has these."""
        for record in records:
            if record.causation_id in self._under_way:
                self.settle(record.causation_id, landed=True)

    def fenced(self, limits: Mapping[str, str]) -> None:
        """Nothing is on its way any more. What landed in records that have left memory is the limit now."""
        for append_id, (event, _) in tuple(self._under_way.items()):
            self.settle(append_id, landed=limits.get(event.name) == event.new)
