"""What goes wrong on purpose: rules that match a request or a stream frame, each with a kind and a
probability.

`before` kinds keep the request from being carried out; `after` kinds carry it out and damage or withhold the
answer. Rules are tried in the order in which they were set; the first that matches and wins its draw is used.
"""

import random
import re
from dataclasses import dataclass, field

BEFORE = frozenset(
    {"drop_before", "timeout_before", "error_before", "throttle", "ban", "maintenance", "answer"}
)
AFTER = frozenset(
    {"drop_after", "timeout_after", "error_after", "truncate", "cut", "html", "empty", "unknown", "slow"}
)
STREAM = frozenset({"lose", "duplicate", "reorder", "late", "disconnect"})
KINDS = BEFORE | AFTER | STREAM


class BadRule(ValueError):
    """A fault rule that can't be used: which field, and why."""


@dataclass(kw_only=True)
class Fault:
    """One rule.

    `where` is a pattern searched in `METHOD /path` or `STREAM name`; `remaining` None: for ever.
    """

    number: int
    kind: str
    where: str
    probability: float = 1.0
    remaining: int | None = None
    seconds: float = 1.0
    status: int = 503
    body: object = None
    used: int = 0
    pattern: re.Pattern[str] = field(init=False)

    def __post_init__(self) -> None:
        self.pattern = re.compile(self.where)

    def as_json(self) -> dict[str, object]:
        """For the control API."""
        return {
            "id": self.number,
            "kind": self.kind,
            "where": self.where,
            "probability": self.probability,
            "remaining": self.remaining,
            "seconds": self.seconds,
            "status": self.status,
            "used": self.used,
        }


class Faults:
    """The rules in force. The draws come from the given generator, so a seed repeats a run's faults."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._rules: list[Fault] = []
        self._number = 0

    def add(self, rule: dict[str, object]) -> Fault:
        """Add a rule from its JSON; raise BadRule."""
        kind, where = rule.get("kind"), rule.get("where", "")
        if kind not in KINDS:
            raise BadRule(f"kind: {kind!r} is none of {', '.join(sorted(KINDS))}")
        if not isinstance(where, str):
            raise BadRule("where: must be a pattern")
        probability, count = rule.get("probability", 1.0), rule.get("count")
        seconds, status = rule.get("seconds", 1.0), rule.get("status", 503)
        if not isinstance(probability, int | float) or not 0 <= probability <= 1:
            raise BadRule("probability: must be between 0 and 1")
        if count is not None and (not isinstance(count, int) or count < 1):
            raise BadRule("count: must be a whole number above 0")
        if not isinstance(seconds, int | float) or seconds < 0 or not isinstance(status, int):
            raise BadRule("seconds and status: must be numbers")
        self._number += 1
        try:
            fault = Fault(
                number=self._number,
                kind=str(kind),
                where=where,
                probability=float(probability),
                remaining=count,
                seconds=float(seconds),
                status=status,
                body=rule.get("body"),
            )
        except re.error as error:
            raise BadRule(f"where: {error}") from error
        self._rules.append(fault)
        return fault

    def clear(self, number: int | None = None) -> None:
        """Take one rule back, or all."""
        self._rules = [rule for rule in self._rules if number is not None and rule.number != number]

    def listed(self) -> list[Fault]:
        """The rules in force."""
        return list(self._rules)

    def pick(self, target: str, kinds: frozenset[str]) -> Fault | None:
        """The fault for this request or frame, or None."""
        for rule in self._rules:
            if rule.kind not in kinds or rule.remaining == 0 or not rule.pattern.search(target):
                continue
            if rule.probability < 1.0 and self._rng.random() >= rule.probability:
                continue
            rule.used += 1
            if rule.remaining is not None:
                rule.remaining -= 1
            return rule
        return None
