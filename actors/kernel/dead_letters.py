"""Messages that nobody took, and answers that nobody waited for.

Counted for ever, the latest kept to be read, and logged in moderation: a burst of ten each ten seconds and
then one line that says how many more there were.
"""

from __future__ import annotations

import logging
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["DeadLetter", "DeadLetters"]

_log = logging.getLogger("actors.kernel")
_WINDOW_SECONDS = 10.0
_BURST = 10


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """`message` did not reach, or was not wanted by, generation `generation` of `address`."""

    address: str
    generation: int
    message: object
    reason: str
    sender: str | None
    at: float


class DeadLetters:
    """The system's dead letters: `total`, `by_reason`, and the latest by `recent()`."""

    def __init__(
        self,
        now: Callable[[], float],
        generation_of: Callable[[str], int],
        sender: Callable[[], str | None],
        capacity: int = 1024,
    ) -> None:
        self._now = now
        self._generation_of = generation_of
        self._sender = sender
        self._recent: deque[DeadLetter] = deque(maxlen=capacity)
        self._window_from = float("-inf")
        self._logged = 0
        self._silenced = 0
        self.total = 0
        self.by_reason: Counter[str] = Counter()
        self.listener: Callable[[DeadLetter], None] | None = None

    def add(self, address: str, message: object, reason: str, *, generation: int | None = None) -> None:
        """Record that `message` for `address` ended here because of `reason` (text before ':' is counted)."""
        at = self._now()
        if generation is None:
            generation = self._generation_of(address)
        letter = DeadLetter(address, generation, message, reason, self._sender(), at)
        self.total += 1
        self.by_reason[reason.partition(":")[0]] += 1
        self._recent.append(letter)
        self._log(letter)
        if self.listener is not None:
            self.listener(letter)

    def recent(self) -> tuple[DeadLetter, ...]:
        """Return the latest dead letters, oldest first."""
        return tuple(self._recent)

    def _log(self, letter: DeadLetter) -> None:
        if letter.at - self._window_from >= _WINDOW_SECONDS:
            if self._silenced:
                _log.warning("dead letters not logged: %d", self._silenced)
            self._window_from, self._logged, self._silenced = letter.at, 0, 0
        if self._logged < _BURST:
            self._logged += 1
            _log.warning(
                "dead letter for %s (generation %d): %s, %s",
                letter.address, letter.generation, type(letter.message).__name__, letter.reason,
            )  # fmt: skip
        else:
            self._silenced += 1
