"""`python -m ops.proof.kill`: what the kill switch keeps of its promises, under load and when things break.

--rounds N    kills in a stream of orders at the command port, on PostgreSQL (50): as many with 64 orders on
              their way at once, as the web edge lets in, and with no bound, where thousands pile up
--crashes N   kills within 200 ms of which the process is killed (200)
--breaks N    kills without a database, and with a full disk (10 each; the disk needs root)
--seed S      which moments; the machine's own timing is not reproducible
"""

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from random import Random, SystemRandom

import structlog
import trio

from actors.broker.adapters import simulated
from actors.risk.limits import RiskLimits
from ops.proof.crash.disk import SmallDisk
from ops.proof.kill.crashes import Killed, Site
from ops.proof.kill.scene import Plan, Round, Scene
from persistence.embedded import EmbeddedServer
from persistence.latch import FileLatch
from persistence.migrations import migrate
from persistence.postgres.archive import PostgresArchive
from persistence.postgres.journal_store import PostgresJournalStore
from persistence.postgres.pool import Database, open_bridge
from persistence.postgres.sim_ledger import PostgresLedger
from supervisors.process import ProcessIds, SystemClock
from supervisors.tree import Choices, Outside, Runtime

EXCHANGES = ("one", "two", "three")
SYMBOLS = ("BTC/USDT", "ETH/USDT")
ACKNOWLEDGED_WITHIN = 0.1
DISPATCHED_WITHIN = 2.0


async def under_load(folder: Path, dsn: str, plan: Plan, rng: Random) -> list[Round]:
    """Kills in the stream, on a real journal, real ledgers and a real latch."""
    async with open_bridge(lambda what, error: print(f"asyncio: {what} {error!r}", file=sys.stderr)):
        base, clock = Database(dsn), SystemClock()
        outside = Outside(
            clock=clock,
            ids=ProcessIds("kill"),
            rng=SystemRandom(),
            store=PostgresJournalStore(base),
            archive=PostgresArchive(base),
            latch=FileLatch(folder / "latch"),
            exchanges={
                name: simulated.build(name, clock=clock, ledger=PostgresLedger(base, name), symbols=SYMBOLS)
                for name in EXCHANGES
            },
            on_deposed=lambda why: print(f"deposed: {why}", file=sys.stderr),
        )
        runtime = Runtime(outside, Choices(limits=RiskLimits(max_pos_usd=Decimal(10**9))))
        async with runtime.running():
            while runtime.readiness():  # noqa: ASYNC110 - readiness has no event
                await trio.sleep(0.05)
            scene = Scene(runtime, SYMBOLS, plan, rng)
            found = []
            for number in range(1, plan.rounds + 1):
                found.append(await scene.one())
                print(f"round {number}: {_told(found[-1])}", flush=True)
        await base.close()
    return found


def _told(found: Round) -> str:
    dispatched = "not all" if found.dispatched_seconds is None else f"within {found.dispatched_seconds:.3f} s"
    return (
        f"acknowledged in {found.acknowledged_seconds * 1000:.1f} ms"
        f" ({found.busy_seconds * 1000:.1f} ms on the processor); {found.resting} cancels dispatched"
        f" {dispatched}; of {found.offered} orders offered {found.sent} left,"
        f" {len(found.left_after)} of them after it"
    )


def judge_rounds(rounds: Sequence[Round]) -> list[str]:
    """What was not kept, and the figures."""
    if not rounds:
        return []
    times = sorted(each.acknowledged_seconds for each in rounds)
    p99 = times[min(len(times) - 1, len(times) * 99 // 100)]
    busy = sorted(each.busy_seconds for each in rounds)
    dispatched = [each.dispatched_seconds for each in rounds if each.dispatched_seconds is not None]
    late = len(rounds) - sum(seconds <= DISPATCHED_WITHIN for seconds in dispatched)
    print(
        f"{len(rounds)} kills in a stream: acknowledged in {times[len(times) // 2] * 1000:.1f} ms (median),"
        f" {p99 * 1000:.1f} ms (p99), {times[-1] * 1000:.1f} ms (longest);"
        f" on the processor {busy[len(busy) // 2] * 1000:.1f} ms (median) to {busy[-1] * 1000:.1f} ms;"
        f" all cancels dispatched within {DISPATCHED_WITHIN:g} s in {len(rounds) - late} of them"
    )
    problems = [f"{order} left after a kill was acknowledged" for each in rounds for order in each.left_after]
    problems += ["a kill was not on disk" for each in rounds if not each.durable]
    if p99 > ACKNOWLEDGED_WITHIN:
        problems.append(f"acknowledged within {p99 * 1000:.1f} ms at p99, not {ACKNOWLEDGED_WITHIN * 1000:g}")
    if late:
        problems.append(f"cancels were not all dispatched within {DISPATCHED_WITHIN:g} s in {late} rounds")
    return problems


def judge_kills(kills: Sequence[Killed]) -> list[str]:
    """What was not kept, and the figures."""
    if not kills:
        return []
    acknowledged = [each for each in kills if each.answer.kill_id]
    lost = [each for each in acknowledged if not each.in_force]
    slowest = max((each.answer.seconds for each in acknowledged), default=0.0)
    print(
        f"{len(kills)} kills {kills[0].what}: {len(acknowledged)} acknowledged (the slowest in"
        f" {slowest * 1000:.1f} ms), {len(acknowledged) - len(lost)} of them in force after the restart"
    )
    problems = [f"kill {each.answer.kill_id} {each.what} is not in force" for each in lost]
    return problems + [
        f"a kill {each.what} was not acknowledged: {each.answer.why}"
        for each in kills
        if each.promised and not each.answer.kill_id
    ]


def main() -> int:
    """1 when a promise was not kept."""
    parser = argparse.ArgumentParser(prog="python -m ops.proof.kill", description=__doc__)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--crashes", type=int, default=200)
    parser.add_argument("--breaks", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    rng = Random(chosen.seed)
    folder = Path(tempfile.mkdtemp(prefix="kill-"))
    folder.chmod(0o755)
    problems = []
    for places in (64, 0) if chosen.rounds else ():
        print(f"a stream with {places or 'any number of'} orders on their way at once")
        problems += _loaded(folder / f"load{places}", Plan(rounds=chosen.rounds, places=places), rng)
    if chosen.crashes or chosen.breaks:
        problems += _broken(folder / "crashes", rng, chosen.crashes, chosen.breaks)
    if chosen.breaks:
        problems += _full(folder / "disk", rng, chosen.breaks)
    for problem in problems[:20]:
        print(f"not kept: {problem}")
    if not problems:
        shutil.rmtree(folder, ignore_errors=True)
        print("every promise was kept")
    return 1 if problems else 0


def _loaded(folder: Path, plan: Plan, rng: Random) -> list[str]:
    folder.mkdir()
    folder.chmod(0o755)
    server = EmbeddedServer(folder / "postgres")
    server.start()
    try:
        migrate(server.dsn)
        return judge_rounds(trio.run(under_load, folder, server.dsn, plan, rng))
    finally:
        server.stop()


def _broken(folder: Path, rng: Random, crashes: int, breaks: int) -> list[str]:
    folder.mkdir()
    folder.chmod(0o755)
    site = Site(folder, rng)
    site.begin()
    try:
        problems = judge_kills([site.crash() for _ in range(crashes)])
        return problems + judge_kills([site.without_database() for _ in range(breaks)])
    finally:
        site.end()


def _full(folder: Path, rng: Random, breaks: int) -> list[str]:
    disk = SmallDisk(folder / "disk")
    if os.geteuid() or not disk.mount():
        print("a small disk can't be mounted here, so none is filled")
        return []
    folder.chmod(0o755)
    (folder / "disk" / "data").mkdir(exist_ok=True)
    site = Site(folder, rng, data=folder / "disk" / "data")
    site.begin()
    try:
        return judge_kills([site.without_space(disk) for _ in range(breaks)])
    finally:
        site.end()
        disk.unmount()


if __name__ == "__main__":
    raise SystemExit(main())
