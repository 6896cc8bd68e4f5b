"""What a supervisor remembers about one child from life to life, and how a child is brought to an end.

States: `starting`, `running`, `backoff` (waiting for its restart), `stopping`, `stopped` (has a spec but no
life), `ignored` (its factory did not want one).
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from actors.kernel import Cell, Exit, ExitKind

if TYPE_CHECKING:
    from supervisors.otp.spec import Spec

__all__ = ["Child", "ChildState", "end_child", "request_end"]

_log = logging.getLogger("supervisors.otp")

ChildState: TypeAlias = Literal["starting", "running", "backoff", "stopping", "stopped", "ignored"]


@dataclass(slots=True, eq=False)
class Child:
    """One child of one supervisor; changed by that supervisor only."""

    spec: Spec
    address: str
    state: ChildState = "stopped"
    cell: Cell | None = None
    restarts: int = 0
    failures: int = 0  # in a row, for backoff
    ready_at: float | None = None
    asked_to_end: bool = False
    held: bool = False  # ended on request: stays down when its siblings restart
    pending: int = 0  # serial of the restart that is waited for; 0 is none
    due_at: float = 0.0
    last_error: str | None = None

    @property
    def alive(self) -> bool:
        """Whether it has a life or will get one without being asked for."""
        return self.cell is not None or self.state == "backoff"

    def lost_life(self, exit_: Exit) -> None:
        """Note that its life has ended by itself."""
        self.cell = None
        self.asked_to_end = False
        self.state = "stopped"
        if exit_.error is not None:
            self.last_error = repr(exit_.error)


def request_end(child: Child) -> None:
    """Ask the child to end without waiting; its deadline runs from here."""
    child.pending = 0
    cell = child.cell
    if cell is None:
        if child.state != "ignored":
            child.state = "stopped"
        return
    child.state = "stopping"
    if child.spec.shutdown == "brutal":
        cell.kill()
    elif not child.asked_to_end:
        child.asked_to_end = True
        cell.request_stop(ExitKind.SHUTDOWN)
        cell.must_end_within(float(child.spec.shutdown))


async def end_child(child: Child) -> None:
    """Bring the child to its end: in order, at its deadline by force, and return when nothing is left of it.

    Cancelled, the child stays asked to end and can be waited for again: the deadline does not start anew.
    """
    request_end(child)
    cell = child.cell
    if cell is None:
        return
    await cell.wait_ended()
    if cell.exit is not None:
        if cell.exit.kind is ExitKind.FAILED:
            _log.warning("%s failed while it was stopped: %r", child.address, cell.exit.error)
        child.lost_life(cell.exit)
