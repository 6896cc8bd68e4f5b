"""`python -m ops.proof.mutation`: change the pure cores in small ways and see that tests notice.

--scope NAME     one of the scopes below (default: all)
--folder F       work there and go on with what an earlier run left (default: a folder that goes afterwards)
--workers N      how many changes are tried at a time

1 when a change survives that `explained.toml` does not explain, or when an explanation fits nothing any more.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

import msgspec

from ops.proof.mutation.survivors import Outcome, Survivor, read

ROOT = Path(__file__).parents[3]
COPIED = ("actors", "supervisors", "web", "persistence", "config", "ops", "tests", "docs", "pyproject.toml")
EXPLAINED = Path(__file__).parent / "explained.toml"


class Scope(msgspec.Struct, frozen=True):
    """What is changed, and which tests have to notice."""

    sources: tuple[str, ...]
    tests: tuple[str, ...]


SCOPES = {
    "rules": Scope(
        ("actors/risk/checks",),
        (
            "tests/actors/risk/test_rules.py",
            "tests/actors/risk/test_told.py",
            "tests/actors/risk/test_breaches.py",
            "tests/actors/risk/test_stops.py",
            "tests/actors/risk/test_amends.py",
        ),
    ),
    "orders": Scope(
        ("actors/model/order.py", "actors/model/amending.py"),
        (
            "tests/actors/model/test_order.py",
            "tests/actors/model/test_amending.py",
            "tests/actors/model/test_whole_orders.py",
        ),
    ),
    "money": Scope(
        ("actors/model/money.py", "actors/model/position.py"),
        ("tests/actors/model/test_money.py", "tests/actors/model/test_position.py"),
    ),
    "book": Scope(
        ("actors/model/folding.py",),
        (
            "tests/actors/model/test_book.py",
            "tests/actors/model/test_folding.py",
            "tests/actors/model/test_amending.py",
        ),
    ),
    "ledger": Scope(
        ("actors/risk/ledger.py", "actors/risk/valuation.py"),
        (
            "tests/actors/risk/test_ledger.py",
            "tests/actors/risk/test_valuation.py",
            "tests/actors/risk/test_rules.py",
            "tests/actors/risk/test_stops.py",
            "tests/actors/risk/test_amends.py",
            "tests/actors/risk/test_watch.py",
            "tests/actors/risk/test_stateful.py",
        ),
    ),
}


class Explanation(msgspec.Struct, frozen=True):
    """Why a survivor changes nothing that could be seen."""

    function: str
    change: str
    why: str


def main() -> int:
    """Run the scopes and judge what survived."""
    parser = argparse.ArgumentParser(prog="python -m ops.proof.mutation")
    parser.add_argument("--scope", choices=SCOPES)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    chosen = parser.parse_args()
    folder = chosen.folder or Path(tempfile.mkdtemp(prefix="mutation-"))
    bad = 0
    for name in [chosen.scope] if chosen.scope else SCOPES:
        bad += _judge(name, _run(folder / name, SCOPES[name], chosen.workers))
    if not chosen.folder:
        shutil.rmtree(folder)
    return 1 if bad else 0


def _run(folder: Path, scope: Scope, workers: int) -> Outcome:
    """Let mutmut work on a copy of the project."""
    folder.mkdir(parents=True, exist_ok=True)
    _copy(folder)
    with (folder / "pyproject.toml").open("a") as file:
        file.write(
            "\n[tool.mutmut]\n"
            f"source_paths = {list(scope.sources)}\n"
            f"also_copy = {[part for part in COPIED if part != 'pyproject.toml']}\n"
            f"pytest_add_cli_args_test_selection = {list(scope.tests)}\n"
            'pytest_add_cli_args = ["-n", "0", "-p", "no:cacheprovider"]\n'
        )
    with (folder / "log").open("wb") as log:
        done = subprocess.run(
            (sys.executable, "-m", "mutmut", "run", "--max-children", str(workers)),
            cwd=folder,
            stdout=log,
            stderr=log,
            check=False,
        )
    outcome = read(folder / "mutants")
    if done.returncode or not outcome.counts:
        said = (folder / "log").read_text(errors="replace")[-3000:]
        raise SystemExit(f"mutmut ended with {done.returncode}:\n{said}")
    return outcome


def _copy(folder: Path) -> None:
    for part in COPIED:
        source, target = ROOT / part, folder / part
        if source.is_dir():
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, target)


def _judge(name: str, outcome: Outcome) -> int:
    modules = tuple(
        path.removesuffix(".py").replace("/", ".") + ("." if not path.endswith(".py") else "")
        for path in SCOPES[name].sources
    )
    known = {
        Survivor(each.function, each.change.strip()): each
        for each in _explanations()
        if each.function.startswith(modules)
    }
    new = [survivor for survivor in outcome.survivors if survivor not in known]
    old = [each for survivor, each in known.items() if survivor not in outcome.survivors]
    for survivor in new:
        print(f"{name}: nobody notices, in {survivor.function}:\n{survivor.change}\n")
    for each in old:
        print(f"{name}: an explanation fits nothing any more: {each.function}: {each.change}")
    counts = outcome.counts
    explained = counts["survived"] - len(new)
    print(
        f"{name}: {counts.total()} changes, {counts['noticed']} noticed,"
        f" {counts['words only']} of words only,"
        f" {counts['survived']} survived, {explained} of them explained",
        flush=True,
    )
    if counts["not run"]:
        print(f"{name}: {counts['not run']} changes were not tried", flush=True)
    return len(new) + len(old) + counts["not run"]


def _explanations() -> tuple[Explanation, ...]:
    data = tomllib.loads(EXPLAINED.read_text())
    return msgspec.convert(data.get("survivor", ()), tuple[Explanation, ...])


if __name__ == "__main__":
    raise SystemExit(main())
