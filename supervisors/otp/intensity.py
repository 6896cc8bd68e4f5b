"""Restart accounting as OTP does it: pure, on the times it is given.

At most `intensity` restarts within any `period` seconds. The window is inclusive: a restart exactly one
period old still counts. The restart that would exceed it is recorded too, and is the supervisor's end.
"""

from __future__ import annotations

from collections import deque

__all__ = ["RestartWindow"]


class RestartWindow:
    """The restarts of one supervisor that still count."""

    __slots__ = ("_intensity", "_period", "_times")

    def __init__(self, intensity: int, period: float) -> None:
        self._intensity = intensity
        self._period = period
        self._times: deque[float] = deque()

    def add(self, now: float) -> bool:
        """Record a restart at `now` (seconds); whether the supervisor may carry on."""
        self._times.append(now)
        while self._times[0] < now - self._period:
            self._times.popleft()
        return len(self._times) <= self._intensity

    def __len__(self) -> int:
        return len(self._times)
