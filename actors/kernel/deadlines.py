"""What happens to a life that takes too long: the entries that it has in the system's agenda.

Enforced from the agenda and not by a cancel scope around each wait, for two reasons: a scope costs more than
starting an actor does, and a deadline must hold also when nobody waits for the end any more.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from actors.kernel.life import LifeState

if TYPE_CHECKING:
    from actors.kernel.cell import Cell

__all__ = ["NAG_SECONDS", "Nag", "StartDeadline", "StopDeadline"]

_log = logging.getLogger("actors.kernel")

NAG_SECONDS = 5.0  # how long a cancelled life may take before it is named; then twice that, and so on


class _OfLife:
    """An entry that matters for as long as the life goes on."""

    __slots__ = ("_cell",)

    def __init__(self, cell: Cell) -> None:
        self._cell = cell

    @property
    def wanted(self) -> bool:
        """Whether the life has not ended."""
        return self._cell.state is not LifeState.STOPPED


class StartDeadline(_OfLife):
    """Kills a life that is not ready in time."""

    __slots__ = ()

    @property
    def wanted(self) -> bool:
        """Whether the life is still starting."""
        return self._cell.state is LifeState.STARTING

    def expire(self, now: float) -> None:
        """End the start."""
        self._cell.start_timed_out = True
        self._cell.kill()


class StopDeadline(_OfLife):
    """Kills a life that was asked to end and has not."""

    __slots__ = ()

    def expire(self, now: float) -> None:
        """End the orderly stop."""
        _log.warning("%s did not stop in time and is cancelled", self._cell.address)
        self._cell.kill()


class Nag(_OfLife):
    """Names a life, with its stack, for as long as it was cancelled and does not end."""

    __slots__ = ("_patience",)

    def __init__(self, cell: Cell, patience: float = NAG_SECONDS) -> None:
        super().__init__(cell)
        self._patience = patience

    def expire(self, now: float) -> None:
        """Name it, and come back later."""
        cell = self._cell
        _log.error("%s was cancelled but does not end; it is at:\n%s", cell.address, cell.stack())
        cell.remind(now + 2 * self._patience, Nag(cell, 2 * self._patience))
