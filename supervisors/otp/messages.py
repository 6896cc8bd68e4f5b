"""What a supervisor is told and asked. Answers are values, a refusal is a SupervisionError."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from actors.kernel import Cell, Exit
    from supervisors.otp.child import Child
    from supervisors.otp.spec import Spec

__all__ = ["ChildEnded", "DeleteChild", "RestartChild", "RestartDue", "StartChild", "TerminateChild"]


@dataclass(frozen=True, slots=True)
class ChildEnded:
    """A life of `child` has ended; stale when the child has another life, or none, by now."""

    child: Child
    cell: Cell
    exit: Exit


@dataclass(frozen=True, slots=True)
class RestartDue:
    """The wait before restart `serial` of `child` is over; stale when another restart is pending by now."""

    child: Child
    serial: int


@dataclass(frozen=True, slots=True)
class StartChild:
    """Add and start a child: `spec`, or for simple_one_for_one the arguments of its template.

    Answered with the child's Ref (None when its factory did not want a life).
    """

    spec: Spec | None
    args: tuple[object, ...] = ()


@dataclass(frozen=True, slots=True)
class TerminateChild:
    """End a child and keep its spec (a temporary or simple_one_for_one child is forgotten)."""

    id: str


@dataclass(frozen=True, slots=True)
class RestartChild:
    """Start a child that has a spec and no life."""

    id: str


@dataclass(frozen=True, slots=True)
class DeleteChild:
    """Forget a child that has no life."""

    id: str
