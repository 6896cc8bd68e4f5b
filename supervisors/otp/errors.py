"""What a supervisor raises.

    SupervisionError       `code` is stable
     +- GaveUp             more restarts than the intensity allows
     +- ChildNotStarted    a child, static or dynamic, did not become ready
     +- UnknownChild       no child of that id
     +- DuplicateChild     a child of that id is there already
     +- ChildRunning       the child has a life, and what was asked needs that it has none

SpecError (in `spec`) is a ValueError: a description is wrong before anything runs.
"""

from __future__ import annotations

from typing import ClassVar

__all__ = ["ChildNotStarted", "ChildRunning", "DuplicateChild", "GaveUp", "SupervisionError", "UnknownChild"]


class SupervisionError(Exception):
    """Base of what supervisors raise."""

    code: ClassVar[str] = "SUPERVISION"


class GaveUp(SupervisionError):
    """`supervisor` counted more than `intensity` restarts within `period` seconds; `child` was the last.

    `__cause__` is the last failure.
    """

    code = "GAVE_UP"

    def __init__(self, supervisor: str, child: str, intensity: int, period: float) -> None:
        super().__init__(
            f"{supervisor} gave up: more than {intensity} restarts within {period} s, the last one of {child}"
        )
        self.supervisor = supervisor
        self.child = child
        self.intensity = intensity
        self.period = period


class ChildNotStarted(SupervisionError):
    """Child `child` of `supervisor` did not become ready; `__cause__` says why."""

    code = "CHILD_NOT_STARTED"

    def __init__(self, supervisor: str, child: str, why: str) -> None:
        super().__init__(f"{supervisor}: child {child} did not start: {why}")
        self.supervisor = supervisor
        self.child = child
        self.why = why


class UnknownChild(SupervisionError):
    """`supervisor` has no child `child`."""

    code = "UNKNOWN_CHILD"

    def __init__(self, supervisor: str, child: str) -> None:
        super().__init__(f"{supervisor} has no child {child!r}")
        self.supervisor = supervisor
        self.child = child


class DuplicateChild(SupervisionError):
    """`supervisor` has a child `child` already (terminate and delete it first)."""

    code = "DUPLICATE_CHILD"

    def __init__(self, supervisor: str, child: str) -> None:
        super().__init__(f"{supervisor} has a child {child!r} already")
        self.supervisor = supervisor
        self.child = child


class ChildRunning(SupervisionError):
    """Child `child` of `supervisor` is `state`; terminate it first."""

    code = "CHILD_RUNNING"

    def __init__(self, supervisor: str, child: str, state: str) -> None:
        super().__init__(f"{supervisor}: child {child!r} is {state}")
        self.supervisor = supervisor
        self.child = child
        self.state = state
