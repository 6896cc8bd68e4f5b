"""The words for a life: its states, how it ended, and what those who watch it are told.

Plain frozen data, shared by the kernel and by whoever supervises. Nothing here runs.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

__all__ = ["Exit", "ExitKind", "LifeState", "Terminated"]


class LifeState(enum.Enum):
    """Where a life stands. It only moves downwards in this list."""

    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    STOPPED = "stopped"


class ExitKind(enum.Enum):
    """Why a life ended."""

    NORMAL = "normal"  # it ended itself, or was asked to end from outside
    SHUTDOWN = "shutdown"  # its supervisor ended it in order
    FAILED = "failed"  # something raised
    KILLED = "killed"  # it was cancelled: brutally, or past its deadline


@dataclass(frozen=True, slots=True)
class Exit:
    """How a life ended; `error` is set when it failed."""

    kind: ExitKind
    error: BaseException | None = None

    @property
    def abnormal(self) -> bool:
        """Whether a transient child is to be restarted after it."""
        return self.kind is ExitKind.FAILED or self.kind is ExitKind.KILLED


@dataclass(frozen=True, slots=True)
class Terminated:
    """Told once to whoever watches an address: that life has ended.

    `exit` is None when nobody lived there at the moment of watching.
    """

    address: str
    generation: int
    exit: Exit | None
