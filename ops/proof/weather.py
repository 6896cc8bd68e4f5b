"""What goes wrong between a process and an exchange while a fault lasts: plain fields that the line reads.

Each fault that blows brings random numbers of its own, so that taking one fault out of a plan leaves the
others as they were. Everything that comes true is counted.
"""

from collections import Counter
from random import Random

import msgspec


class Gust(msgspec.Struct, kw_only=True):
    """One fault while it lasts: `chance` that it strikes when it could."""

    kind: str
    chance: float
    rng: Random

    def strikes(self) -> bool:
        """Whether it does this time."""
        return self.rng.random() < self.chance


class Fate(msgspec.Struct, kw_only=True):
    """What happens to one call. Seconds come on top of the usual latency."""

    arrives: bool = True
    answers: bool = True
    readable: bool = True
    refused: bool = False
    maintenance: bool = False
    cancel_refused: bool = False
    late_fill: bool = False
    refused_later: bool = False
    hidden_seconds: float = 0.0
    says_refused: bool = False
    says_unsent: bool = False
    banned_seconds: float | None = None
    late_request: float = 0.0
    late_answer: float = 0.0


class Weather:
    """Of one exchange's line. `gusts` by the order in which they began."""

    def __init__(self, fired: Counter[str]) -> None:
        self.gusts: list[Gust] = []
        self.fired = fired

    def call(self, operation: str) -> Fate:
        """The fate of a call that begins now."""
        fate = Fate()
        for gust in self.gusts:
            if gust.kind in _CALLS and _ONLY_AT.get(gust.kind, operation) == operation and gust.strikes():
                self.fired[gust.kind] += 1
                _CALLS[gust.kind](fate, gust.rng)
        return fate

    def event(self) -> tuple[float, ...]:
        """After how many seconds an event of the order stream arrives; several times, or never."""
        delays: list[float] = [0.0]
        for gust in self.gusts:
            if gust.kind in _EVENTS and gust.strikes():
                self.fired[gust.kind] += 1
                delays = _EVENTS[gust.kind](delays, gust.rng)
        return tuple(delays)


def _lost_request(fate: Fate, _rng: Random) -> None:
    fate.arrives = fate.answers = False


def _lost_answer(fate: Fate, _rng: Random) -> None:
    fate.answers = False


def _unreadable(fate: Fate, _rng: Random) -> None:
    fate.readable = False


def _late_request(fate: Fate, rng: Random) -> None:
    fate.late_request = rng.uniform(0.3, 9.0)


def _late_answer(fate: Fate, rng: Random) -> None:
    fate.late_answer = rng.uniform(0.3, 12.0)


def _outage(fate: Fate, _rng: Random) -> None:
    fate.refused = True


def _maintenance(fate: Fate, _rng: Random) -> None:
    fate.maintenance = True


def _ban(fate: Fate, rng: Random) -> None:
    fate.banned_seconds = round(rng.uniform(0.5, 5.0), 3)


def _cancel_refused(fate: Fate, _rng: Random) -> None:
    fate.cancel_refused = True


def _late_fill(fate: Fate, _rng: Random) -> None:
    fate.late_fill = True


def _refused_later(fate: Fate, _rng: Random) -> None:
    fate.answers, fate.refused_later = False, True


def _listed_late(fate: Fate, rng: Random) -> None:
    fate.answers, fate.hidden_seconds = False, rng.uniform(2.0, 20.0)


def _refused_yet_taken(fate: Fate, _rng: Random) -> None:
    fate.says_refused = True


def _unsent_yet_taken(fate: Fate, _rng: Random) -> None:
    fate.says_unsent = True


_CALLS = {
    "timeout_after_accept": _lost_answer,
    "lost_request": _lost_request,
    "lost_answer": _lost_answer,
    "unreadable_answer": _unreadable,
    "late_request": _late_request,
    "late_answer": _late_answer,
    "outage": _outage,
    "maintenance": _maintenance,
    "rate_limit_ban": _ban,
    "cancel_refused": _cancel_refused,
    "late_fill": _late_fill,
    "refused_later": _refused_later,
    "listed_late": _listed_late,
    "refused_yet_taken": _refused_yet_taken,
    "unsent_yet_taken": _unsent_yet_taken,
}
_ONLY_AT = {
    "timeout_after_accept": "submit",
    "refused_later": "submit",
    "listed_late": "submit",
    "refused_yet_taken": "submit",
    "unsent_yet_taken": "submit",
    "cancel_refused": "cancel",
    "late_fill": "cancel",
}
"""Faults that strike one operation only. The last four of a submit and the late fill break what an exchange
documents; a runtime has to find out by itself and end with the exchange's truth all the same.
"""


def _lose(_delays: list[float], _rng: Random) -> list[float]:
    return []


def _repeat(delays: list[float], rng: Random) -> list[float]:
    return [*delays, *(delay + rng.uniform(0.0, 3.0) for delay in delays)]


def _reorder(delays: list[float], rng: Random) -> list[float]:
    return [delay + rng.uniform(0.0, 0.5) for delay in delays]


def _late(delays: list[float], rng: Random) -> list[float]:
    return [delay + rng.uniform(1.0, 15.0) for delay in delays]


_EVENTS = {
    "event_lost": _lose,
    "event_duplicated": _repeat,
    "event_reordered": _reorder,
    "event_late": _late,
}

LINE_FAULTS = (*_CALLS, *_EVENTS)
"""The kinds of faults that are weather."""
