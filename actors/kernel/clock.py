"""The kernel's only source of time: a monotonic clock that is handed in.

Under trio's own clock everything, deadlines included, follows a mock clock in tests and simulation.
"""

from __future__ import annotations

from typing import Protocol

import trio

__all__ = ["Clock", "TrioClock"]


class Clock(Protocol):
    """Seconds from an arbitrary start, never going back."""

    def monotonic(self) -> float:
        """Return the current time in seconds."""
        ...


class TrioClock:
    """The clock of the running trio loop."""

    def monotonic(self) -> float:
        """Return `trio.current_time()`; it raises outside a trio run."""
        return trio.current_time()
