"""Play seeds until one is violated: run inside a copy of the project that has a bug planted.

Prints one line: how many seeds it took and what was found, or that nothing was. First comes a fine day: a
bug that keeps the runtime from trading at all would be found by anybody.
"""

import sys

from ops.proof.plan import make_plan
from ops.proof.play import be_quiet, play

FINE_SEED = 1
SECONDS = 150.0
"""How long a seed is played: half of the usual time with as many faults finds as much."""


def main() -> int:
    """`hunt MOST`: 0 found, 1 not found, 2 the runtime does not trade even on a fine day."""
    most = int(sys.argv[1])
    be_quiet()
    world, fine = play(make_plan(FINE_SEED, faults=False, seconds=80.0))
    if not any(venue.traded for venue in world.venues.values()):
        print("it does not trade on a fine day")
        return 2
    if fine.violations:
        print(f"0 a fine day: {fine.violations[0].rule}: {fine.violations[0].what}")
        return 0
    for seed in range(1, most + 1):
        _, result = play(make_plan(seed, seconds=SECONDS))
        if result.violations:
            first = result.violations[0]
            print(f"{seed} {first.rule}: {first.what}")
            return 0
    print(f"not found in {most} seeds")
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
