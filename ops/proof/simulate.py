"""`python -m ops.proof.simulate`: play seeds, report what happened, and help with those that failed.

--seed S [--trace] [--shrink]    one seed; its journal's hash is the last line
--seeds N [--from S]             many, on as many processes as there are cores
  [--results FILE]                append each to a file; what it already holds is not played again
"""

import argparse
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

from ops.proof.plan import make_plan
from ops.proof.play import Result, be_quiet, play, play_seed
from ops.proof.report import report, tell_failure
from ops.proof.results import Keeper, read
from ops.proof.shrink import shrink
from ops.proof.trace import Trace

WORKERS = os.cpu_count() or 1


def main(arguments: list[str] | None = None) -> int:
    """Play what was asked for; 1 when something was violated."""
    parser = argparse.ArgumentParser(
        prog="tradewarden simulate",
        description="Play seeds of the deterministic simulation; a seed that fails is named, and replays.",
        epilog="example:\n  tradewarden simulate --seeds 100",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seed", type=int, help="play this one seed")
    parser.add_argument("--seeds", type=int, default=10, help="play so many seeds")
    parser.add_argument("--from", dest="first", type=int, default=1, help="the first of them")
    parser.add_argument("--workers", type=int, default=WORKERS)
    parser.add_argument("--results", type=Path, help="append to this file, and go on where it ends")
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
    return _many(chosen, seeds)


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
    tell_failure(result)
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


def _many(chosen: argparse.Namespace, seeds: range) -> int:
    began = time.monotonic()
    done = {line.result.seed: line for line in read(chosen.results)} if chosen.results else {}
    results = [done[seed].result for seed in seeds if seed in done]
    for seed in seeds:
        if seed in done:
            tell_failure(done[seed].result, done[seed].commit)
    keeper = Keeper(chosen.results)
    left = [seed for seed in seeds if seed not in done]
    for result in _play_all(left, 1 if chosen.digests else chosen.workers, not chosen.no_faults):
        results.append(result)
        keeper.add(result)
        if chosen.digests:
            print(f"{result.seed} journal {result.digest}", flush=True)
        tell_failure(result)
    report(results, time.monotonic() - began)
    return 1 if any(result.violations for result in results) else 0


def _play_all(seeds: Sequence[int], workers: int, faults: bool) -> Iterator[Result]:
    if workers == 1:
        yield from (play_seed(seed, faults=faults) for seed in seeds)
        return
    with ProcessPoolExecutor(workers, initializer=be_quiet) as pool:
        try:
            for future in as_completed([pool.submit(play_seed, seed, faults=faults) for seed in seeds]):
                yield future.result()
        finally:
            # Interrupted, it waits for the seeds that are being played and for no others.
            pool.shutdown(cancel_futures=True)


if __name__ == "__main__":
    raise SystemExit(main())
