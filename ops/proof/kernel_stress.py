"""A seeded stress test of kernel and supervision: random trees, random traffic, random failures.

    python -m ops.proof.kernel_stress --seeds 2000
    python -m ops.proof.kernel_stress --seed 17 --trace

A seed decides everything: the tree (three levels, 50 actors), who is sent what, and which hook, handler or
task fails, hangs or is killed when. After 40 simulated seconds misfortune ends. Once everybody has come to
rest these must hold: every message was handled, is a dead letter, or was refused to its sender, exactly
once; every ask has an outcome; no life acted after the next one at its address had started; no supervisor
restarted more than its intensity allows; every actor is up, is down for a reason, or the whole tree is.
"""

from __future__ import annotations

import argparse
import hashlib
import logging
import sys
import time
from collections import Counter
from dataclasses import dataclass, field

from ops.proof.determinism import run
from ops.proof.kernel_scenario import Scenario

__all__ = ["Verdict", "check_seed"]


@dataclass
class Verdict:
    """What a seed showed. `wrong` is empty when everything held."""

    seed: int
    wrong: list[str]
    outcome: str
    messages: int
    restarts: int
    trace: list[str] = field(repr=False)
    counts: Counter[str] = field(default_factory=Counter)

    @property
    def digest(self) -> str:
        """The hash of the trace: the same seed gives the same digest."""
        return hashlib.sha256("\n".join(self.trace).encode()).hexdigest()


def check_seed(seed: int) -> Verdict:
    """Run one seed and return what it showed."""
    scenario = Scenario(seed)
    outcome = run(scenario.play, seed=f"kernel {seed}")
    scenario.check()
    book = scenario.book
    counts = Counter(book.outcomes)
    counts.update(handled=book.taken.total(), dead=book.dead.total(), refused=book.refused.total())
    counts.update(sent=book.sent, keyed=book.keyed_sent, lives=len(book.actors))
    return Verdict(seed, book.wrong, outcome, scenario.number, len(book.restarts), book.trace, counts)


def main(arguments: list[str]) -> int:
    """Run the seeds; print the failing ones and a summary; return 1 when there were any."""
    parser = argparse.ArgumentParser(prog="python -m ops.proof.kernel_stress", description=__doc__)
    parser.add_argument("--seeds", type=int, default=100, help="how many seeds, from --first on")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--seed", type=int, help="only this seed, with its digest")
    parser.add_argument("--trace", action="store_true", help="with --seed: print everything that happened")
    asked = parser.parse_args(arguments)
    seeds = range(asked.first, asked.first + asked.seeds) if asked.seed is None else [asked.seed]
    began = time.perf_counter()
    outcomes: Counter[str] = Counter()
    totals: Counter[str] = Counter()
    failed = []
    for seed in seeds:
        verdict = check_seed(seed)
        outcomes[verdict.outcome] += 1
        totals.update(verdict.counts)
        totals["restarts"] += verdict.restarts
        if asked.trace:
            print("\n".join(verdict.trace))
        if verdict.wrong:
            failed.append(seed)
            print(f"seed {seed} failed ({verdict.outcome}):", *verdict.wrong[:5], sep="\n  ")
        if asked.seed is not None:
            print(verdict.digest)
    print(f"{len(seeds)} seeds in {time.perf_counter() - began:.0f} s, {len(failed)} failed: {failed[:20]}")
    print("outcomes:", dict(sorted(outcomes.items())))
    print("totals:", dict(sorted(totals.items())))
    return 1 if failed else 0


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    sys.exit(main(sys.argv[1:]))
