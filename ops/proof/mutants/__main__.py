"""`python -m ops.proof.mutants`: plant each bug in a copy and let the simulation find it.

--only TEXT       those whose name holds the text
--most N          how many seeds each may take (200)
--results FILE    append what was found to a file; bugs that it holds as found are not hunted again
--list            names only

What a seed finds counts only if the project as it is stands the same seed: a simulation that objects to
everything finds every bug.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import msgspec

from ops.proof.mutants.planting import ROOT, Bug, NoLongerApplies, bugs, copy_project, plant

SECONDS = 3600.0


def main() -> int:
    """1 when a bug is not found, does not apply, or stops the runtime altogether."""
    parser = argparse.ArgumentParser(prog="python -m ops.proof.mutants")
    parser.add_argument("--only", default="")
    parser.add_argument("--most", type=int, default=200)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--results", type=Path)
    parser.add_argument("--list", action="store_true")
    chosen = parser.parse_args()
    wanted = [bug for bug in bugs() if chosen.only in bug.name]
    if chosen.list:
        print("\n".join(bug.name for bug in wanted))
        return 0
    known = _read(chosen.results)
    found = [known[bug.name] for bug in wanted if bug.name in known]
    for hunted in found:
        _say(hunted)
    left = [bug for bug in wanted if bug.name not in known]
    with ThreadPoolExecutor(chosen.workers) as pool:
        for hunted in pool.map(lambda bug: hunt(bug, chosen.most), left):
            found.append(hunted)
            _say(hunted)
            if chosen.results is not None:
                with chosen.results.open("ab") as file:
                    file.write(msgspec.json.encode(hunted) + b"\n")
    failed = sum(not hunted.good for hunted in found)
    print(f"{len(wanted) - failed} of {len(wanted)} planted bugs found")
    return 1 if failed or not wanted else 0


class Hunted(msgspec.Struct, frozen=True):
    """Whether the simulation found a bug, and what it said."""

    name: str
    good: bool
    text: str


def _read(path: Path | None) -> dict[str, Hunted]:
    if path is None or not path.exists():
        return {}
    lines = (msgspec.json.decode(line, type=Hunted) for line in path.read_bytes().splitlines())
    return {hunted.name: hunted for hunted in lines if hunted.good}


def _say(hunted: Hunted) -> None:
    print(f"{'found ' if hunted.good else 'MISSED'} {hunted.name:60} {hunted.text}", flush=True)


def hunt(bug: Bug, most: int) -> Hunted:
    """Plant the bug in a copy and play seeds there."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="planted-") as folder:
        root = Path(folder)
        copy_project(root)
        try:
            plant(bug, root)
        except NoLongerApplies as error:
            return Hunted(bug.name, False, str(error))
        code, said = _run(root, str(most))
    text = f"{said} ({time.monotonic() - began:.0f} s)"
    seed = said.partition(" ")[0]
    if code == 0 and (problem := _without(seed)):
        return Hunted(bug.name, False, f"{text}, but so it goes without the bug: {problem}")
    return Hunted(bug.name, code == 0, text)


@cache
def _without(seed: str) -> str:
    """What the same seed finds in the project as it is: nothing, or the simulation is worth nothing."""
    code, said = _run(ROOT, "1", seed)
    return said if code == 0 else ""


def _run(root: Path, *arguments: str) -> tuple[int, str]:
    done = subprocess.run(
        (sys.executable, "-m", "ops.proof.mutants.hunt", *arguments),
        cwd=root,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    said = (done.stdout.strip() or done.stderr.strip()).splitlines()
    return done.returncode, said[-1] if said else "it said nothing"


if __name__ == "__main__":
    raise SystemExit(main())
