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
    """`hunt MOST [FIRST]`: 0 found, 1 not found, 2 the runtime does not trade even on a fine day.

    FIRST is the first seed; 0, which is where it begins otherwise, is the fine day.
    """
    most = int(sys.argv[1])
    first = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    be_quiet()
    if first == 0 and (code := _fine_day()) is not None:
        return code
    for seed in range(max(1, first), max(1, first) + most):
        _, result = play(make_plan(seed, seconds=SECONDS))
        if result.violations:
            violation = result.violations[0]
            print(f"{seed} {violation.rule}: {violation.what}")
            return 0
    print(f"not found in {most} seeds")
    return 1


def _fine_day() -> int | None:
    world, fine = play(make_plan(FINE_SEED, faults=False, seconds=80.0))
    if not any(venue.traded for venue in world.venues.values()):
        print("it does not trade on a fine day")
        return 2
    if fine.violations:
        print(f"0 a fine day: {fine.violations[0].rule}: {fine.violations[0].what}")
        return 0
    return None


if __name__ == "__main__":
    raise SystemExit(main())
