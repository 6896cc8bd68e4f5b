"""Where an order's time goes: who works on it says so when a stage of its way ends.

A stage is told once, after the fact, with wall-clock times in microseconds since 1970 UTC, so that nobody
holds a span open and a crash leaves none behind. What is told belongs together by its correlation id.
"""

from collections.abc import Sequence
from typing import Protocol

__all__ = ["NoStages", "SeveralStages", "Stages"]


class Stages(Protocol):
    """Called synchronously on the order's way: must be quick, must not raise, must not wait.

    `name` is `request`, `risk`, `broker` or `exchange`. `order_id` may be empty when there is none (yet);
    `outcome` is one word or code.
    """

    def stage(
        self, name: str, correlation_id: str, order_id: str, began_us: int, ended_us: int, outcome: str
    ) -> None: ...


class NoStages:
    """Nobody wants to know."""

    def stage(
        self, name: str, correlation_id: str, order_id: str, began_us: int, ended_us: int, outcome: str
    ) -> None:
        """Ignore it."""


class SeveralStages:
    """Tells each of several."""

    def __init__(self, told: Sequence[Stages]) -> None:
        self._told = tuple(told)

    def stage(
        self, name: str, correlation_id: str, order_id: str, began_us: int, ended_us: int, outcome: str
    ) -> None:
        """Pass it on."""
        for stages in self._told:
            stages.stage(name, correlation_id, order_id, began_us, ended_us, outcome)
