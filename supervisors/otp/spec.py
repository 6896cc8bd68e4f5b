"""What a supervisor is told: child specs, supervisor specs and backoff, validated when they are made.

Frozen data, no behaviour. A tree is described completely before anything runs, and a description that
contradicts itself is refused with one clear line.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from actors.kernel import TrioActor

__all__ = [
    "AutoShutdown",
    "Backoff",
    "ChildSpec",
    "Restart",
    "Shutdown",
    "Spec",
    "SpecError",
    "Strategy",
    "SupervisorSpec",
]

Restart: TypeAlias = Literal["permanent", "transient", "temporary"]
Strategy: TypeAlias = Literal["one_for_one", "one_for_all", "rest_for_one", "simple_one_for_one"]
AutoShutdown: TypeAlias = Literal["never", "any", "all"]
Shutdown: TypeAlias = float | Literal["brutal"]

_RESTARTS = ("permanent", "transient", "temporary")
_STRATEGIES = ("one_for_one", "one_for_all", "rest_for_one", "simple_one_for_one")
_AUTO_SHUTDOWNS = ("never", "any", "all")


class SpecError(ValueError):
    """A description that cannot be carried out; `where` is the id of the spec, `what` says why."""

    code = "BAD_SPEC"

    def __init__(self, where: str, what: str) -> None:
        super().__init__(f"spec {where!r}: {what}")
        self.where = where
        self.what = what


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long to wait before a restart, in seconds.

    The first restart of a healthy child waits for nothing, the second for `initial`, each further one
    `factor` times longer up to `maximum`; `jitter` 0.2 spreads a delay evenly over +-20 % of itself. A
    child that stayed up for `reset_after` counts as healthy again.

    Mind the intensity: delays that grow beyond period / intensity keep a crash loop within its budget, so
    that the supervisor never gives up.
    """

    initial: float = 0.1
    maximum: float = 30.0
    factor: float = 2.0
    jitter: float = 0.2
    reset_after: float = 60.0

    def __post_init__(self) -> None:
        if not 0 <= self.initial <= self.maximum < math.inf:
            raise SpecError("backoff", f"needs 0 <= initial <= maximum, got {self.initial}, {self.maximum}")
        if self.factor < 1 or not 0 <= self.jitter <= 1 or not self.reset_after >= 0:
            raise SpecError("backoff", "needs factor >= 1, jitter from 0 to 1 and reset_after >= 0")

    @classmethod
    def none(cls) -> Backoff:
        """Return a backoff that never waits (OTP's behaviour)."""
        return cls(initial=0.0, maximum=0.0)

    def delay(self, failures: int, random_unit: float) -> float:
        """Return the seconds to wait before the restart after `failures` in a row.

        `random_unit` is drawn from [0, 1) by the caller.
        """
        if failures <= 1 or self.initial == 0:
            return 0.0
        # Compare in logarithms: factor ** failures overflows long before anybody gives up.
        steps = failures - 2
        limit = math.log(self.maximum / self.initial)
        grown = self.maximum if steps * math.log(self.factor) >= limit else self.initial * self.factor**steps
        return grown * (1 + self.jitter * (2 * random_unit - 1))


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """One actor and how it is kept.

    `start` makes a fresh actor for each life; returning None means "not wanted now", and the child is
    kept without a life (OTP's `ignore`). `restart`: permanent always, transient after an abnormal end,
    temporary never. `shutdown`: seconds for an orderly stop, math.inf, or "brutal" for none.
    `start_timeout` is the patience for readiness in seconds. A `significant` child's own end may end its
    supervisor (see `SupervisorSpec.auto_shutdown`). `address` defaults to the supervisor's address / id.
    """

    id: str
    start: Callable[[], TrioActor | None]
    address: str | None = None
    restart: Restart = "permanent"
    significant: bool = False
    shutdown: Shutdown = 5.0
    start_timeout: float = 30.0

    def __post_init__(self) -> None:
        _check_common(self.id, self.restart, self.shutdown, self.start_timeout, self.significant)
        if not callable(self.start):
            raise SpecError(self.id, "start must be a callable that makes an actor")


@dataclass(frozen=True, slots=True)
class SupervisorSpec:
    """A supervisor: its strategy, its patience and its children in the order of starting.

    More than `intensity` restarts within `period_seconds` and it gives up: it stops its children and fails,
    which its own supervisor treats like any other failure. `auto_shutdown` ends it in order when any, or
    all, of its significant children have ended by themselves. With `simple_one_for_one` there are no
    static children: `template` makes the spec of each dynamic one from the arguments it is started with.
    """

    id: str
    strategy: Strategy = "one_for_one"
    intensity: int = 3
    period_seconds: float = 5.0
    backoff: Backoff = field(default_factory=Backoff)
    children: tuple[ChildSpec | SupervisorSpec, ...] = ()
    auto_shutdown: AutoShutdown = "never"
    template: Callable[..., ChildSpec | SupervisorSpec] | None = None
    address: str | None = None
    restart: Restart = "permanent"
    significant: bool = False
    shutdown: Shutdown = math.inf
    start_timeout: float = math.inf

    def __post_init__(self) -> None:
        object.__setattr__(self, "children", tuple(self.children))
        _check_common(self.id, self.restart, self.shutdown, self.start_timeout, self.significant)
        if self.strategy not in _STRATEGIES:
            raise SpecError(self.id, f"unknown strategy {self.strategy!r}; one of {', '.join(_STRATEGIES)}")
        if self.auto_shutdown not in _AUTO_SHUTDOWNS:
            raise SpecError(self.id, f"unknown auto_shutdown {self.auto_shutdown!r}")
        if self.intensity < 0 or not self.period_seconds > 0:
            raise SpecError(self.id, f"needs intensity >= 0 and a period above 0, got {self.intensity}")
        if (self.template is not None) != (self.strategy == "simple_one_for_one"):
            raise SpecError(self.id, "a template belongs to simple_one_for_one, and only there")
        if self.strategy == "simple_one_for_one" and self.children:
            raise SpecError(self.id, "simple_one_for_one starts its children dynamically, it lists none")
        self._check_children()

    def _check_children(self) -> None:
        seen: dict[str, None] = {}
        for child in self.children:
            if child.id in seen:
                raise SpecError(self.id, f"two children are called {child.id!r}")
            seen[child.id] = None
        for child in self.children:
            self.check_child(child)

    def check_child(self, child: ChildSpec | SupervisorSpec) -> None:
        """Raise SpecError when `child` does not fit under this supervisor."""
        if child.significant and self.auto_shutdown == "never":
            raise SpecError(child.id, "a significant child needs auto_shutdown any or all above it")


Spec: TypeAlias = ChildSpec | SupervisorSpec


def _check_common(id_: str, restart: str, shutdown: object, start_timeout: float, significant: bool) -> None:
    if not id_ or "/" in id_:
        raise SpecError(id_, "an id is a non-empty name without '/'")
    if restart not in _RESTARTS:
        raise SpecError(id_, f"unknown restart {restart!r}; one of {', '.join(_RESTARTS)}")
    if shutdown != "brutal" and not (isinstance(shutdown, int | float) and shutdown >= 0):
        raise SpecError(id_, f"shutdown is seconds, math.inf or 'brutal', got {shutdown!r}")
    if not start_timeout > 0:
        raise SpecError(id_, f"start_timeout must be above 0 s, got {start_timeout}")
    if significant and restart == "permanent":
        raise SpecError(id_, "a significant child must be transient or temporary: a permanent one never ends")
