"""The resumes under way: what each lifts, who waits for it, and what must be left alone meanwhile.

A resume is journaled first, then leaves the latch, and only then opens the gate. Between these steps what it
lifts is still in force, and nobody may take the difference for a duty.
"""

from collections.abc import Sequence

import msgspec

from actors.halt.gate import Engaged, Restriction
from actors.kernel import Deferred
from actors.model.book import Book, scope_key
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


class _UnderWay(msgspec.Struct, frozen=True):
    """A resume on its way, who waits for it, and which of what it lifts stood in the journal before it."""

    lifting: Lifting
    waiting: Deferred | None
    stood: tuple[str, ...]


class Resumes:
    """By the id of the append that journals it. Nobody waits for one of our own."""

    def __init__(self) -> None:
        self._under_way: dict[str, _UnderWay] = {}

    @property
    def keys(self) -> dict[str, None]:
        """What is being lifted, by one resume or by several."""
        return {key: None for each in self._under_way.values() for key in each.lifting.keys}

    def begin(self, append_id: str, lifting: Lifting, waiting: Deferred | None, book: Book) -> None:
        """The resume is on its way to the journal, which stands as `book` says."""
        stood = tuple(key for key in lifting.keys if _stands(key, book))
        self._under_way[append_id] = _UnderWay(lifting, waiting, stood)

    def journaled(self, append_ids: Sequence[str]) -> list[tuple[str, Lifting]]:
        """Which of these appends are resumes."""
        return [
            (append_id, self._under_way[append_id].lifting)
            for append_id in append_ids
            if append_id in self._under_way
        ]

    def end(self, append_id: str, reply: Resumed | Refused) -> None:
        """It is over, done or not: answer who waits. An append that is no resume is nothing to this."""
        ended = self._under_way.pop(append_id, None)
        if ended is not None and ended.waiting is not None:
            ended.waiting.reply(reply)

    def is_recorded(self, append_id: str, book: Book) -> bool:
        """Whether the journal holds nothing any more of what a resume lifts and it once held."""
        each = self._under_way.get(append_id)
        return each is not None and bool(each.stood) and not any(_stands(key, book) for key in each.stood)


def _stands(key: str, book: Book) -> bool:
    return key in book.kills or key in book.trading_states
