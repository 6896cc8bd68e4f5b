"""What the watch found and the journal does not have yet.

A breach is found once, when it begins, and its event may be lost all the same: behind one that the journal
refused, or with the life that found it. It is written again until it is in the journal.
"""

from collections.abc import Sequence
from contextlib import suppress

from actors.model.events import LimitBreached
from actors.model.journal import CommittedLog, Lagged, Record


class Owed:
    """Breaches by the id of the append that journals each. It outlives a RiskActor."""

    def __init__(self) -> None:
        self._under_way: dict[str, tuple[LimitBreached, int]] = {}
        self._lost: list[LimitBreached] = []

    def begin(self, append_id: str, event: LimitBreached, head: int) -> None:
        """The event is on its way to a journal that stands at `head`."""
        self._under_way[append_id] = (event, head)

    def landed(self, records: Sequence[Record]) -> None:
        """The journal has these."""
        if self._under_way:
            for record in records:
                self._under_way.pop(record.causation_id, None)

    def fenced(self, log: CommittedLog) -> None:
        """Nothing is on its way any more. Where the log can't tell what landed, it is written twice rather
        than never.
        """
        if self._under_way:
            with suppress(Lagged):
                self.landed(log.after(min(head for _, head in self._under_way.values())))
        self._lost.extend(event for event, _ in self._under_way.values())
        self._under_way.clear()

    def take_lost(self) -> tuple[LimitBreached, ...]:
        """What has to be written again, oldest first; it is for the caller to begin."""
        lost, self._lost = tuple(self._lost), []
        return lost
