"""The resumes under way: what each lifts, who waits for it, and what must be left alone meanwhile.

A resume is journaled first, then leaves the latch, and only then opens the gate. Between these steps what it
lifts is still in force, and nobody may take the difference for a duty.
"""

from collections.abc import Sequence

import msgspec

from actors.halt.gate import Engaged, Restriction
from actors.kernel import Deferred
from actors.model.book import scope_key
from actors.model.messages import Refused, Resume, Resumed


class Lifting(msgspec.Struct, frozen=True):
    """What a resume ends."""

    kill_ids: tuple[str, ...]
    restrictions: tuple[Restriction, ...]

    @property
    def keys(self) -> tuple[str, ...]:
        """Under which keys it is left alone."""
        return (*self.kill_ids, *(scope_key(each.exchange, each.symbol) for each in self.restrictions))

    @property
    def text(self) -> str:
        """What it is, for people, and so that two can ask for the same."""
        return ", ".join(sorted(self.keys))


def asked_for(
    message: Resume, kills: dict[str, Engaged], restrictions: dict[str, Restriction]
) -> Lifting | Refused:
    """What a resume means: the kills that it names, what holds for its scope exactly, or everything."""
    if message.kill_ids:
        unknown = [kill_id for kill_id in message.kill_ids if kill_id not in kills]
        if unknown:
            return Refused(code="NOT_HALTED", detail=f"no such kill is in force: {', '.join(unknown)}")
        return Lifting(message.kill_ids, ())
    if message.exchange is None and message.symbol is None:
        return Lifting(tuple(kills), tuple(restrictions.values()))
    scope = (message.exchange, message.symbol)
    return Lifting(
        tuple(kill_id for kill_id, each in kills.items() if (each.kill.exchange, each.kill.symbol) == scope),
        tuple(each for each in restrictions.values() if (each.exchange, each.symbol) == scope),
    )


class Resumes:
    """By the id of the append that journals it. Nobody waits for one of our own."""

    def __init__(self) -> None:
        self._under_way: dict[str, tuple[Lifting, Deferred | None]] = {}

    @property
    def keys(self) -> dict[str, None]:
        """What is being lifted, by one resume or by several."""
        return {key: None for lifting, _ in self._under_way.values() for key in lifting.keys}

    def begin(self, append_id: str, lifting: Lifting, waiting: Deferred | None) -> None:
        """The resume is on its way to the journal."""
        self._under_way[append_id] = (lifting, waiting)

    def journaled(self, append_ids: Sequence[str]) -> list[tuple[str, Lifting]]:
        """Which of these appends are resumes."""
        return [
            (append_id, self._under_way[append_id][0])
            for append_id in append_ids
            if append_id in self._under_way
        ]

    def end(self, append_id: str, reply: Resumed | Refused) -> None:
        """It is over, done or not: answer who waits. An append that is no resume is nothing to this."""
        _, waiting = self._under_way.pop(append_id, (None, None))
        if waiting is not None:
            waiting.reply(reply)
