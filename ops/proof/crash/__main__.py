"""`python -m ops.proof.crash --times N`: crash the real service N times and see what it kept.

    --seed S      which moments and which kinds of crash; the machine's own timing is not reproducible
    --folder F    keep everything there, and go on with what an earlier run left there, up to N rounds in all
    --only TEXT   only kinds whose name holds the text
    --keep        leave the folder for a look

Each round: load, damage in the middle of it, a recovery, and a comparison of what clients noted, the journal
and the exchange's ledger.
"""

import argparse
import random
import shutil
import statistics
import sys
import tempfile
from collections import Counter
from pathlib import Path

import msgspec

from ops.proof.crash.rounds import Installation, Kept, Notes, Round, home, linked


def main() -> int:
    """1 when something was lost, doubled, or sent that must not be."""
    parser = argparse.ArgumentParser(prog="python -m ops.proof.crash")
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--only", default="")
    parser.add_argument("--keep", action="store_true")
    chosen = parser.parse_args()
    folder = chosen.folder or Path(tempfile.mkdtemp(prefix="crash-"))
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)
    kept = _read(folder, chosen.seed)
    try:
        _play(folder, kept, chosen)
    finally:
        failed = _report(kept.rounds, kept.notes)
    if failed or chosen.keep or chosen.folder:
        print(f"the folder is left for a look: {folder}")
    else:
        shutil.rmtree(folder, ignore_errors=True)
    return 1 if failed else 0


def _read(folder: Path, seed: int) -> Kept:
    path = folder / "kept.json"
    if path.exists():
        return msgspec.json.decode(path.read_bytes(), type=Kept)
    return Kept(seed=seed)


def _write(folder: Path, kept: Kept) -> None:
    draft = folder / "kept.draft"
    draft.write_bytes(msgspec.json.encode(kept))
    draft.replace(folder / "kept.json")


def _play(folder: Path, kept: Kept, chosen: argparse.Namespace) -> None:
    times, only = chosen.times, chosen.only
    rng = random.Random(f"{kept.seed}/{len(kept.rounds)}")
    sites: list[Installation] = []
    try:
        for make in (home, linked):
            sites.append(make(folder / make.__name__, rng, kept.notes.setdefault(make.__name__, Notes())))
            sites[-1].begin()
        sites = [site for site in sites if any(only in kind for kind in site.kinds)]
        while len(kept.rounds) < times:
            number = len(kept.rounds) + 1
            kept.rounds.append(_round(sites[number % len(sites)], number, rng, only))
            _write(folder, kept)
    finally:
        codes = [site.end(keep=bool(chosen.keep or chosen.folder)) for site in sites]
    print(f"the services ended with {codes}")


def _round(site: Installation, number: int, rng: random.Random, only: str) -> Round:
    kind = rng.choice([kind for kind in site.kinds if only in kind])
    seconds, found = site.one(kind)
    done = Round(
        number=number,
        where=site.name,
        kind=kind,
        note=site.site.note,
        seconds=seconds,
        violations=tuple(f"{violation.rule}: {violation.what}" for violation in found),
    )
    for violation in done.violations[:10]:
        print(f"round {number}: {violation}")
    requests = len(site.notes.requests)
    print(
        f"round {number}: {site.name}: {kind}{f' ({done.note})' if done.note else ''}:"
        f" {requests} requests so far, back after {seconds:.2f} s"
    )
    sys.stdout.flush()
    return done


def _report(rounds: list[Round], notes: dict[str, Notes]) -> int:
    failed = sum(bool(each.violations) for each in rounds)
    requests = [note for each in notes.values() for note in each.requests]
    print(f"{len(rounds)} crashes, {failed} with violations")
    print(f"{len(requests)} requests, {sum(note.taken for note in requests)} acknowledged as taken")
    for kind, count in sorted(Counter((each.where, each.kind) for each in rounds).items()):
        print(f"  {kind[0]:8} {kind[1]:44} {count:4}   back after {_times(rounds, *kind)}")
    points = Counter(each.note for each in rounds if "at a point" in each.kind)
    print(f"points: {', '.join(f'{point} {count}' for point, count in sorted(points.items()))}")
    print(f"time to recover: {_times(rounds)}")
    return failed


def _times(rounds: list[Round], where: str = "", kind: str = "") -> str:
    seconds = sorted(e.seconds for e in rounds if where in ("", e.where) and kind in ("", e.kind))
    if not seconds:
        return "-"
    late = seconds[max(0, round(len(seconds) * 0.95) - 1)]
    return f"median {statistics.median(seconds):.2f} s, 95 % within {late:.2f} s, longest {seconds[-1]:.2f} s"


if __name__ == "__main__":
    raise SystemExit(main())
