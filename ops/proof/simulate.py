"""`python -m ops.proof.simulate`: play seeds, report what happened, and help with those that failed.

--seed S [--trace] [--shrink]    one seed; its journal's hash is the last line
--seeds N [--from S]             many, on as many processes as there are cores
"""

import argparse
import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor

from ops.proof.plan import KINDS, make_plan
from ops.proof.play import Result, be_quiet, play, play_seed
from ops.proof.shrink import shrink
from ops.proof.sometimes import MARKERS
from ops.proof.trace import Trace

WORKERS = 2


def main(arguments: list[str] | None = None) -> int:
    """Play what was asked for; 1 when something was violated."""
    parser = argparse.ArgumentParser(prog="python -m ops.proof.simulate")
    parser.add_argument("--seed", type=int, help="play this one seed")
    parser.add_argument("--seeds", type=int, default=10, help="play so many seeds")
    parser.add_argument("--from", dest="first", type=int, default=1, help="the first of them")
    parser.add_argument("--workers", type=int, default=WORKERS)
    parser.add_argument("--twice", action="store_true", help="compare two fresh processes")
    parser.add_argument("--digests", action="store_true", help="print each journal's hash")
    parser.add_argument("--no-faults", action="store_true", help="play it on a fine day")
    parser.add_argument("--trace", action="store_true", help="say who told whom what")
    parser.add_argument("--shrink", action="store_true", help="leave out the faults that don't matter")
    chosen = parser.parse_args(arguments)
    be_quiet()
    if chosen.seed is not None:
        return _one(chosen)
    seeds = range(chosen.first, chosen.first + chosen.seeds)
    if chosen.twice:
        return _twice(seeds)
    return _many(seeds, 1 if chosen.digests else chosen.workers, not chosen.no_faults, chosen.digests)


def _one(chosen: argparse.Namespace) -> int:
    plan = make_plan(chosen.seed, faults=not chosen.no_faults)
    if chosen.shrink:
        plan = shrink(plan, print)
    trace = Trace() if chosen.trace else None
    _, result = play(plan, watch=trace)
    if trace is not None:
        trace.write(sys.stdout)
    for fault in plan.faults:
        print(f"fault {fault.number}: {fault.kind} {fault.where} at {fault.at} for {fault.seconds} s")
    _tell_failures([result])
    print(f"{result.orders} orders, {result.records} records, {result.processes} processes")
    print(result.digest)
    return 1 if result.violations else 0


def _twice(seeds: range) -> int:
    """Play the seeds in two processes at the same time and compare the journals' hashes."""
    command = (sys.executable, "-m", "ops.proof.simulate", "--digests")
    asked = ("--seeds", str(len(seeds)), "--from", str(seeds.start))
    runs = [
        subprocess.Popen(
            (*command, *asked),
            env={**os.environ, "PYTHONHASHSEED": str(random.SystemRandom().randrange(1, 2**32))},
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    said = [run.communicate()[0].splitlines() for run in runs]
    one, other = ([line for line in lines if " journal " in line] for lines in said)
    print("\n".join(line for line in said[0] if " journal " not in line))
    same = sum(left == right for left, right in zip(one, other, strict=False))
    print(f"{same} of {len(seeds)} seeds gave the same journal twice")
    return 0 if same == len(seeds) else 1


def _many(seeds: Iterable[int], workers: int, faults: bool, digests: bool = False) -> int:
    began = time.monotonic()
    results: list[Result] = []
    for result in _play_all(seeds, workers, faults):
        results.append(result)
        if digests:
            print(f"{result.seed} journal {result.digest}", flush=True)
        if result.violations:
            _tell_failures([result])
    report(results, time.monotonic() - began)
    return 1 if any(result.violations for result in results) else 0


def _play_all(seeds: Iterable[int], workers: int, faults: bool) -> Iterator[Result]:
    if workers == 1:
        yield from (play_seed(seed, faults=faults) for seed in seeds)
        return
    with ProcessPoolExecutor(workers, initializer=be_quiet) as pool:
        for future in [pool.submit(play_seed, seed, faults=faults) for seed in seeds]:
            yield future.result()


def _tell_failures(results: Iterable[Result]) -> None:
    for result in results:
        for violation in result.violations[:10]:
            print(f"seed {result.seed}: {violation.rule}: {violation.what}")
        if result.violations:
            more = len(result.violations) - 10
            print(f"seed {result.seed}: {len(result.violations)} violations at commit {_commit()}")
            print(f"  replay: make simulate SEED={result.seed}" + (f"   ({more} more)" if more > 0 else ""))
            sys.stdout.flush()


def _commit() -> str:
    found = subprocess.run(
        ("git", "rev-parse", "--short", "HEAD"), capture_output=True, text=True, check=False
    )
    return found.stdout.strip() or "unknown"


def report(results: list[Result], seconds: float) -> None:
    """Print what the seeds came to."""
    count = max(1, len(results))

    def mean(values: Iterable[int]) -> str:
        return f"{sum(values) / count:.1f}"

    fired, markers, edges = Counter[str](), Counter[str](), Counter[str]()
    for result in results:
        fired.update(result.fired)
        markers.update(result.markers)
        edges.update(result.edges)
    print(f"{len(results)} seeds in {seconds:.0f} s")
    print(
        f"a seed on average: {mean(r.orders for r in results)} orders,"
        f" {mean(r.clients for r in results)} clients,"
        f" {mean(r.exchanges for r in results)} exchanges, {mean(r.symbols for r in results)} symbols,"
        f" {mean(r.records for r in results)} records, {mean(r.processes for r in results)} processes"
    )
    print("faults fired:")
    for kind in KINDS:
        print(f"  {kind:24} {fired[kind]:8}   in {sum(kind in r.fired for r in results)} seeds")
    print("sometimes:")
    for marker in MARKERS:
        seen = sum(bool(r.markers.get(marker)) for r in results)
        print(f"  {marker:60} {markers[marker]:8}   in {seen} seeds")
    print("edges of the order table:")
    for edge, times in sorted(edges.items()):
        print(f"  {edge:44} {times:8}")
    failed = [result.seed for result in results if result.violations]
    print(f"violations: {len(failed)} seeds {failed[:20] if failed else ''}")


if __name__ == "__main__":
    raise SystemExit(main())
