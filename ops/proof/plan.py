"""What a seed means: how large the world is, how its people behave, and what goes wrong when. Plain data.

The faults are a list, so that a failing seed can be played again with some of them left out.
"""

from decimal import Decimal
from random import Random

import msgspec

from ops.proof.weather import LINE_FAULTS

SECONDS = 300.0
SETTLE_SECONDS = 62.0
"""The last part of a run: no fault begins or lasts in it, and clients place nothing."""

STORE_FAULTS = ("slow_commits", "database_down", "unknown_commit", "refused_commit")
PROCESS_FAULTS = (
    "crash",
    "crash_at_port",
    "two_processes",
    "actor_crash",
    "judge_dies",
    "adapter_bug",
    "supervisor_gives_up",
    "mailbox_full",
)
OTHER_FAULTS = (
    "disconnect",
    "exchange_clock_skew",
    "own_clock_jump",
    "latch_fails",
    "slow_consumer",
    "kill",
    "limit_change",
    "foreign_orders",
    "exchange_ends_orders",
)
KINDS = (*LINE_FAULTS, *STORE_FAULTS, *PROCESS_FAULTS, *OTHER_FAULTS)


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that goes wrong: from when, for how long (seconds), where (an exchange's name or ""), how
    much. `number` names its random numbers.
    """

    number: int
    kind: str
    at: float
    seconds: float
    where: str = ""
    level: float = 1.0


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """A whole run. `think_seconds` is the mean pause of a client between two actions."""

    seed: int
    seconds: float
    exchanges: tuple[str, ...]
    symbols: tuple[str, ...]
    clients: int
    think_seconds: float
    start_us: int
    fills_with_answer: tuple[str, ...]
    no_proof_of_absence: tuple[str, ...]
    no_positions: tuple[str, ...]
    """Exchanges that tell balances only, as spot accounts do."""
    amends_in_place: tuple[str, ...]
    """The exchanges that change a working order; at the others it is replaced."""
    impatient: tuple[str, ...]
    """Exchanges whose adapter gives a request up while it may still be taken."""
    holds_stops: tuple[str, ...]
    """The exchanges that take stop orders."""
    opening_base: bool
    market_period: float
    market_swing: float
    limits: dict[str, str]
    snapshot_every: int
    ends_killed: str
    """The level of a kill that is pulled when the faults are over and stays; empty for none."""
    faults: tuple[Fault, ...]

    @property
    def calm_from(self) -> float:
        """When everything that goes wrong is over."""
        return self.seconds - SETTLE_SECONDS


def make_plan(seed: int, *, faults: bool = True, seconds: float = SECONDS) -> Plan:
    """The plan of a seed; the same for ever, as long as nobody edits this function."""
    rng = Random(f"{seed}/plan")
    habits = Random(f"{seed}/amends")
    stops = Random(f"{seed}/stops")
    exchanges = ("north", "south", "east")[: rng.choice((1, 2, 2, 2, 2, 3))]
    symbols = ("BTC/USDT", "ETH/USDT", "SOL/USDT", "XRP/USDT")[: rng.choice((2, 3, 3, 3, 4))]
    midnight_us = 1_767_225_600_000_000
    before_midnight = rng.random() < 0.3
    start_us = (
        midnight_us - 100_000_000 if before_midnight else midnight_us + rng.randrange(80_000) * 1_000_000
    )
    return Plan(
        seed=seed,
        seconds=seconds,
        exchanges=exchanges,
        symbols=symbols,
        clients=rng.choice((2, 3, 3, 4, 5)),
        think_seconds=rng.uniform(0.8, 1.6),
        start_us=start_us,
        fills_with_answer=tuple(name for name in exchanges if rng.random() < 0.5),
        no_proof_of_absence=tuple(name for name in exchanges if rng.random() < 0.1),
        no_positions=tuple(name for name in exchanges if rng.random() < 0.4),
        amends_in_place=tuple(name for name in exchanges if habits.random() < 0.5),
        impatient=tuple(name for name in exchanges if habits.random() < 0.5),
        holds_stops=tuple(name for name in exchanges if stops.random() < 0.85),
        opening_base=rng.random() < 0.5,
        market_period=rng.uniform(0.25, 0.6),
        market_swing=rng.choice((0.001, 0.002, 0.006)),
        limits=_limits(rng) | _stop_limits(stops),
        snapshot_every=rng.choice((40, 100, 300, 10_000)),
        ends_killed=rng.choice(("", "", "", "cancel", "flatten", "halt")),
        faults=_faults(rng, exchanges, seconds) if faults else (),
    )


def _limits(rng: Random) -> dict[str, str]:
    limits = {"max_pos_usd": str(rng.choice((2_500, 5_000, 10_000, 30_000)))}
    optional = {
        "max_order_usd": ("1500", "3000"),
        "max_open_orders": ("4", "8", "20"),
        "max_open_orders_per_symbol": ("3", "6"),
        "max_gross_usd": ("15000", "40000"),
        "max_net_usd": ("15000",),
        "max_long_usd": ("4000",),
        "max_short_usd": ("4000",),
        "max_exchange_usd": ("20000",),
        "max_order_quantity": ("300",),
        "max_messages": ("6",),
        "max_repeated_executions": ("12",),
    }
    for name, values in optional.items():
        if rng.random() < 0.25:
            limits[name] = rng.choice(values)
    if rng.random() < 0.3:
        limits["max_daily_loss_usd"] = str(Decimal(rng.choice((30, 200, 1000))))
    return limits


def _stop_limits(rng: Random) -> dict[str, str]:
    """What is asked of positions: now and then, that a live stop stands behind each."""
    if rng.random() >= 0.25:
        return {}
    return {
        "max_seconds_without_stop": rng.choice(("5", "20")),
        "flatten_without_stop": rng.choice(("off", "off", "on")),
    }


def _faults(rng: Random, exchanges: tuple[str, ...], seconds: float) -> tuple[Fault, ...]:
    """A random subset of the kinds, each a few times."""
    kinds = [kind for kind in KINDS if rng.random() < 0.35]
    latest = seconds - SETTLE_SECONDS
    faults: list[Fault] = []
    for kind in kinds:
        for _ in range(_times(kind, rng)):
            at = round(rng.uniform(3.0, max(4.0, latest - 25.0)), 3)
            longest = max(0.5, min(25.0, latest - at))
            where = rng.choice(exchanges) if kind in _AT_EXCHANGE else ""
            faults.append(
                Fault(
                    number=len(faults),
                    kind=kind,
                    at=at,
                    seconds=round(rng.uniform(0.3, longest), 3),
                    where=where,
                    level=round(rng.uniform(0.2, 1.0), 3),
                )
            )
    return tuple(sorted(faults, key=lambda fault: (fault.at, fault.number)))


_AT_EXCHANGE = (
    *LINE_FAULTS,
    "disconnect",
    "exchange_clock_skew",
    "foreign_orders",
    "adapter_bug",
    "exchange_ends_orders",
)


def _times(kind: str, rng: Random) -> int:
    if kind in ("two_processes", "supervisor_gives_up", "own_clock_jump"):
        return 1
    if kind in ("actor_crash", "crash", "crash_at_port"):
        return rng.randint(1, 3)
    return rng.randint(1, 3)
