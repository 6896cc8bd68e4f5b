"""`python -m ops.proof.mutants`: plant each bug in a copy and let the simulation find it.

--only TEXT    those whose name holds the text
--most N       how many seeds each may take (200)
--list         names only
"""

import argparse
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ops.proof.mutants.planting import Bug, NoLongerApplies, bugs, copy_project, plant

SECONDS = 3600.0


def main() -> int:
    """1 when a bug is not found, does not apply, or stops the runtime altogether."""
    parser = argparse.ArgumentParser(prog="python -m ops.proof.mutants")
    parser.add_argument("--only", default="")
    parser.add_argument("--skip", type=int, default=0)
    parser.add_argument("--most", type=int, default=200)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--list", action="store_true")
    chosen = parser.parse_args()
    wanted = [bug for bug in bugs() if chosen.only in bug.name][chosen.skip :]
    if chosen.list:
        print("\n".join(bug.name for bug in wanted))
        return 0
    failed = 0
    with ThreadPoolExecutor(chosen.workers) as pool:
        for bug, (good, text) in zip(
            wanted, pool.map(lambda bug: hunt(bug, chosen.most), wanted), strict=True
        ):
            failed += not good
            print(f"{'found ' if good else 'MISSED'} {bug.name:60} {text}")
            sys.stdout.flush()
    print(f"{len(wanted) - failed} of {len(wanted)} planted bugs found")
    return 1 if failed or not wanted else 0


def hunt(bug: Bug, most: int) -> tuple[bool, str]:
    """Whether the simulation found the bug, and what it said."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="planted-") as folder:
        root = Path(folder)
        copy_project(root)
        try:
            plant(bug, root)
        except NoLongerApplies as error:
            return False, str(error)
        done = subprocess.run(
            (sys.executable, "-m", "ops.proof.mutants.hunt", str(most)),
            cwd=root,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    said = (done.stdout.strip() or done.stderr.strip()).splitlines()
    return (
        done.returncode == 0,
        f"{said[-1] if said else 'it said nothing'} ({time.monotonic() - began:.0f} s)",
    )


if __name__ == "__main__":
    raise SystemExit(main())
