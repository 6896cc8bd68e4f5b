"""One exchange is away for a minute of real time, and nobody else notices.

The whole runtime, its journal on the store's twin in memory, trades at two exchanges of the local venue over
TLS. One of them goes away: every request is cut (or, with `--silent`, never answered) and every stream ends.
What reaches the venue is counted there, so what the runtime believes of itself plays no part.

    python -m ops.proof.outage --seconds 60
"""

import argparse
import json
import random
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from itertools import pairwise

import structlog
import trio
import trio_asyncio

from actors.broker.adapters.ccxt.build import budgets, build
from actors.broker.adapters.ccxt.session import Redirect
from actors.broker.breaker import BreakerSettings
from actors.broker.limiter import Budget, Limiter
from actors.broker.timings import BrokerTimings
from actors.model.order import OrderIntent
from actors.model.results import Placed
from actors.risk.limits import RiskLimits
from ops.venue.faults import BEFORE, Fault, Faults
from ops.venue.running import Plan, Running, open_venue
from ops.venue.service import Limits
from persistence.memory import Faults as StoreFaults
from persistence.memory import MemoryArchive, MemoryDisk, MemoryJournalStore, MemoryLatch
from supervisors.process import ProcessIds, SystemClock
from supervisors.tree import Choices, Outside, Runtime

AWAY, STAYS = "binance", "bybit"
SYMBOL = "BTC/USDT"
KEY, SECRET = "proof-api-key-0001", "proof-secret-0001"
FUNDS = {"USDT": Decimal(10**8), "BTC": Decimal(1000)}
PLENTY = Decimal(10**7)
PATHS = {AWAY: r"/(api|sapi|ws-api|ws)(/|$)", STAYS: r"/v5/"}
PACE_SECONDS = 0.1
WARM_UP_SECONDS = 15.0
BURST_GAP_SECONDS = 1.0


class Arrivals(Faults):
    """The venue's faults, which see every request first: when what arrived, while it was asked for."""

    def __init__(self, seed: int) -> None:
        super().__init__(random.Random(seed))
        self.seen: list[tuple[float, str]] | None = None

    def pick(self, target: str, kinds: frozenset[str]) -> Fault | None:
        fault = super().pick(target, kinds)
        if self.seen is not None and kinds is BEFORE and fault is not None:
            self.seen.append((trio.current_time(), target))
        return fault


@asynccontextmanager
async def open_runtime(running: Running, breaker: BreakerSettings) -> AsyncIterator[Runtime]:
    """A runtime that trades at both."""
    clock = SystemClock()
    redirect = Redirect(host=running.host, port=running.port, ca_file=str(running.ca_file))
    ports, limiters = {}, {}
    for name in (AWAY, STAYS):
        running.venue.open_account(
            f"{name}-spot", KEY, SECRET, {"USDT": Decimal(10**8), "BTC": Decimal(1000)}
        )
        ports[name] = build(
            name,
            name,
            api_key=KEY,
            api_secret=SECRET,
            account_type="spot",
            clock=clock,
            redirect=redirect,
            timeout_seconds=3.0,
        )
        limiters[name] = Limiter([Budget(spec) for spec in budgets(name, "spot")])
    disk, faults = MemoryDisk(), StoreFaults()
    outside = Outside(
        clock=clock,
        ids=ProcessIds("prf1"),
        rng=random.Random(1),
        store=MemoryJournalStore(disk, faults),
        archive=MemoryArchive(disk, faults),
        latch=MemoryLatch(),
        exchanges=ports,
        limiters=limiters,
        on_deposed=_deposed,
    )
    limits = RiskLimits(
        symbol_whitelist=(SYMBOL,), max_pos_usd=Decimal(10**7), max_daily_loss_usd=Decimal(10**7)
    )
    timings = BrokerTimings(submit=4.0, query=4.0)
    runtime = Runtime(outside, Choices(limits=limits, broker_timings=timings, breaker=breaker))
    try:
        async with runtime.running():
            with trio.fail_after(60):
                while runtime.readiness():  # noqa: ASYNC110 - readiness has no event
                    await trio.sleep(0.05)
            yield runtime
    finally:
        for port in ports.values():
            await port.close()


def _deposed(why: str) -> None:
    raise RuntimeError(why)


class Orders:
    """Small market orders at one exchange, at an even pace: when each was placed, how long it took, its
    end.
    """

    def __init__(self, runtime: Runtime, exchange: str) -> None:
        self._runtime = runtime
        self._exchange = exchange
        self.rows: list[tuple[float, float, str]] = []

    async def run(self) -> None:
        """For ever."""
        async with trio.open_nursery() as nursery:
            while True:
                nursery.start_soon(self._one)
                await trio.sleep(PACE_SECONDS)

    async def _one(self) -> None:
        side = "buy" if len(self.rows) % 2 else "sell"
        intent = OrderIntent(
            order_id="",
            client_order_id="",
            exchange=self._exchange,
            symbol=SYMBOL,
            side=side,
            type="market",
            quantity=Decimal("0.001"),
            user="proof",
        )
        began = trio.current_time()
        result = await self._runtime.port.place(intent, wait_seconds=5.0, correlation_id="proof")
        end = "placed" if isinstance(result, Placed) else getattr(result, "code", type(result).__name__)
        self.rows.append((began, trio.current_time() - began, end))

    def between(self, first: float, last: float) -> list[tuple[float, float, str]]:
        """The orders that were placed in a span of time."""
        return [row for row in self.rows if first <= row[0] < last]


async def prove(seconds: float, *, silent: bool, seed: int = 1) -> dict[str, object]:
    """One outage; what was seen, `ok` when there is nothing to object to."""
    breaker = BreakerSettings()
    plan = Plan(limits=Limits.none(), speed=1.0, seed=seed)
    async with trio_asyncio.open_loop(), open_venue(plan) as running:
        arrivals = running.venue.faults = Arrivals(seed)
        async with open_runtime(running, breaker) as runtime, trio.open_nursery() as nursery:
            away, stays = Orders(runtime, AWAY), Orders(runtime, STAYS)
            nursery.start_soon(away.run)
            nursery.start_soon(stays.run)
            await trio.sleep(WARM_UP_SECONDS)
            began = trio.current_time()
            arrivals.seen = []
            kind = "timeout_before" if silent else "drop_before"
            arrivals.add({"kind": kind, "where": PATHS[AWAY], "seconds": seconds})
            for hub in running.venue.hubs(f"{AWAY}-spot"):
                hub.disconnect_all()
            await trio.sleep(seconds)
            arrivals.clear()
            back = trio.current_time()
            heals = await _until(lambda: any(row[2] == "placed" for row in away.between(back, 1e18)), 60.0)
            await trio.sleep(2.0)
            nursery.cancel_scope.cancel()
        seen = [(at - began, what) for at, what in arrivals.seen]
    return _report(seen, away, stays, began, back, heals, breaker)


async def _until(condition: Callable[[], bool], seconds: float) -> float | None:
    """How long it took until the condition held; None when it did not."""
    began = trio.current_time()
    with trio.move_on_after(seconds):
        while not condition():  # noqa: ASYNC110 - looked at from outside on purpose
            await trio.sleep(0.02)
        return trio.current_time() - began
    return None


def _report(
    seen: Sequence[tuple[float, str]],
    away: Orders,
    stays: Orders,
    began: float,
    back: float,
    heals: float | None,
    breaker: BreakerSettings,
) -> dict[str, object]:
    bursts = _bursts([at for at, _ in seen])
    before = [row[1] for row in stays.between(began - WARM_UP_SECONDS + 3, began)]
    during = [row[1] for row in stays.between(began, back)]
    refused = Counter(row[2] for row in away.between(began + 3, back))
    first = bursts[0] if bursts else []
    report: dict[str, object] = {
        "calls_until_open": len(first),
        "open_after_seconds": round(first[-1], 3) if first else 0.0,
        "later_bursts": [len(burst) for burst in bursts[1:]],
        "shortest_pause_seconds": round(_shortest_pause(bursts), 3),
        "trades_again_after_seconds": None if heals is None else round(heals, 3),
        "other_p99_ms_before": _p99_ms(before),
        "other_p99_ms_during": _p99_ms(during),
        "other_orders": len(during),
        "other_failed": sum(1 for row in stays.between(began, back) if row[2] != "placed"),
        "refused_there": dict(sorted(refused.items())),
    }
    return {"ok": _is_right(report, breaker), **report}


def _bursts(times: Sequence[float]) -> list[list[float]]:
    """Times in groups with a pause between them."""
    bursts: list[list[float]] = []
    for at in times:
        if not bursts or at - bursts[-1][-1] > BURST_GAP_SECONDS:
            bursts.append([])
        bursts[-1].append(at)
    return bursts


def _shortest_pause(bursts: Sequence[Sequence[float]]) -> float:
    pauses = [later[0] - earlier[-1] for earlier, later in pairwise(bursts)]
    return min(pauses, default=0.0)


def _p99_ms(seconds: Sequence[float]) -> float:
    return round(sorted(seconds)[int(0.99 * (len(seconds) - 1))] * 1000, 1) if seconds else 0.0


def _is_right(report: Mapping[str, object], breaker: BreakerSettings) -> bool:
    calls, opened = report["calls_until_open"], report["open_after_seconds"]
    bursts, heals = report["later_bursts"], report["trades_again_after_seconds"]
    before, during = report["other_p99_ms_before"], report["other_p99_ms_during"]
    assert isinstance(calls, int) and isinstance(opened, float) and isinstance(bursts, list)  # noqa: PT018
    assert isinstance(before, float) and isinstance(during, float)  # noqa: PT018
    return (
        (calls <= 10 or opened <= 2.0)
        and all(size <= breaker.trial_calls for size in bursts)
        and isinstance(heals, float)
        and heals <= 2 * breaker.open_for
        and report["other_failed"] == 0
        and during <= max(2 * before, before + 50.0)
    )


def main(argv: list[str]) -> int:
    """0 when the outage was noticed, sat out and healed, and the other exchange never noticed."""
    parser = argparse.ArgumentParser(prog="python -m ops.proof.outage", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long the exchange is away")
    parser.add_argument("--silent", action="store_true", help="it takes requests and never answers")
    asked = parser.parse_args(argv)
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    report = trio.run(lambda: prove(asked.seconds, silent=asked.silent))
    print(json.dumps(report), flush=True)
    return 0 if report["ok"] else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
