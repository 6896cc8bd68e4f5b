"""Playing one seed from beginning to end, and what is left of it: a result small enough to hand around."""

import decimal
import logging
import time
from collections.abc import Callable

import msgspec
import structlog

from ops.proof import determinism
from ops.proof.checks import Violation, check, story_of
from ops.proof.operator import office
from ops.proof.plan import Fault, Plan, make_plan
from ops.proof.sometimes import count_from, look_around
from ops.proof.storm import storm
from ops.proof.world import World


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What a seed came to. `digest` is the hash of the journal's newest record, 64 hex digits.
    `cpu_seconds` is processor time.
    """

    seed: int
    digest: str
    records: int
    orders: int
    clients: int
    exchanges: int
    symbols: int
    processes: int
    fired: dict[str, int]
    markers: dict[str, int]
    edges: dict[str, int]
    violations: tuple[Violation, ...]
    cpu_seconds: float = 0.0


def be_quiet() -> None:
    """Simulated failures are no news: nothing is logged."""
    logging.disable(logging.CRITICAL)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


def play(plan: Plan, *, watch: Callable[[World], None] | None = None) -> tuple[World, Result]:
    """Run a plan and check it. Decimals of the world are reckoned as here, whatever another library of the
    process has made of the context that all share.
    """
    with decimal.localcontext(decimal.Context(prec=60)):
        return _play(plan, watch)


def _play(plan: Plan, watch: Callable[[World], None] | None) -> tuple[World, Result]:
    began = time.process_time()

    async def main() -> World:
        world = World(plan)
        if watch is not None:
            watch(world)
        await world.run(storm, office, look_around)
        return world

    world = determinism.run(main, seed=f"{plan.seed}/schedule")
    violations = tuple(check(world))
    count_from(world, story_of(world))
    return world, Result(
        seed=plan.seed,
        digest=world.disk.hash.hex(),
        records=len(world.disk.records),
        orders=sum(call.what == "place" for call in world.calls),
        clients=plan.clients,
        exchanges=len(plan.exchanges),
        symbols=len(plan.symbols),
        processes=len(world.lives),
        fired=dict(world.fired),
        markers=dict(world.markers),
        edges=dict(world.edges),
        violations=violations,
        cpu_seconds=round(time.process_time() - began, 3),
    )


def play_seed(seed: int, *, faults: bool = True) -> Result:
    """Run a seed as it is."""
    return play(make_plan(seed, faults=faults))[1]


def without(plan: Plan, left_out: tuple[Fault, ...]) -> Plan:
    """The same plan with some of its faults left out."""
    return msgspec.structs.replace(
        plan, faults=tuple(fault for fault in plan.faults if fault not in left_out)
    )
