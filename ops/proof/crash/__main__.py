"""`python -m ops.proof.crash --times N`: crash the real service N times and see what it kept.

    --seed S      which moments and which kinds of crash; the machine's own timing is not reproducible
    --keep        leave the folder for a look
    --folder F    go on with a folder that an earlier run left

Each round: load, a crash in the middle of it, a restart, and a comparison of what clients noted, the journal
and the exchange's ledger.
"""

import argparse
import random
import shutil
import statistics
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import httpx
import psycopg
import trio

from ops.proof.checks.found import Violation
from ops.proof.crash.compare import compare, unsettled
from ops.proof.crash.load import Load, now_us
from ops.proof.crash.service import Service

SYMBOLS = ("BTC/USDT", "ETH/USDT")
SETTLE_SECONDS = 60.0
KINDS = (
    "process",
    "process",
    "process",
    "during the start",
    "database",
    "database frozen",
    "database and process",
    "kill switch, then process",
)


class Rounds:
    """One installation through all its crashes."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.rng = random.Random(seed)
        self.service = Service(folder, SYMBOLS)
        self.load = Load(self.service.url, self.service.token, SYMBOLS, self.rng)
        self.recovery: list[float] = []
        self.kinds: Counter[str] = Counter()
        self.last_kind = ""
        self.kills: list[tuple[int, int]] = []

    def begin(self) -> None:
        """The first start."""
        self.service.start()
        self.service.wait_ready()

    def one(self) -> list[Violation]:
        """One crash; what was wrong after it."""
        kind = self.rng.choice(KINDS)
        self.kinds[kind] += 1
        self.last_kind = kind
        killed_at = trio.run(self._loaded, kind)
        began = time.monotonic()
        if kind == "during the start":
            self.service.start()
            time.sleep(self.rng.uniform(0.2, 3.0))
            self.service.kill()
            began = time.monotonic()
        if not kind.startswith("database") or kind == "database and process":
            self.service.start()
        if killed_at is not None:
            self._resume_after(killed_at)
        self.service.wait_ready()
        self.recovery.append(time.monotonic() - began)
        return self._compare()

    async def _loaded(self, kind: str) -> int | None:
        """Trade for a while, then crash in the middle of it."""
        killed_at: int | None = None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.load.run)
            await trio.sleep(self.rng.uniform(0.5, 3.0))
            if kind == "kill switch, then process":
                killed_at = await self._pull()
                await trio.sleep(self.rng.uniform(0.0, 0.3))
            await trio.to_thread.run_sync(self._crash, kind)
            await trio.sleep(0.1)
            nursery.cancel_scope.cancel()
        return killed_at

    def _crash(self, kind: str) -> None:
        service = self.service
        if kind == "database":
            service.kill_database()
        elif kind == "database frozen":
            service.freeze_database(self.rng.uniform(0.5, 3.0))
        elif kind == "database and process":
            service.kill()
            service.kill_database()
        else:
            service.kill()

    async def _pull(self) -> int | None:
        async with httpx.AsyncClient(base_url=self.service.url, timeout=10.0) as client:
            answer = await client.post(
                "/operator/kill", json={"reason": "crash test", "level": "halt"}, headers=self._headers()
            )
        return now_us() if answer.status_code == 200 else None

    def _headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.service.token}"}

    def _resume_after(self, killed_at: int) -> None:
        """Trade against the halted service for a moment, then let it go on."""
        self.service.wait_ready()
        trio.run(self._try_in_vain)
        self.kills.append((killed_at, now_us()))
        answer = httpx.post(
            f"{self.service.url}/operator/resume",
            json={"reason": "crash test"},
            headers=self._headers(),
            timeout=20.0,
        )
        answer.raise_for_status()

    async def _try_in_vain(self) -> None:
        with trio.move_on_after(1.0):
            await self.load.run()

    def _compare(self) -> list[Violation]:
        deadline = time.monotonic() + SETTLE_SECONDS
        while True:
            try:
                found = compare(self.service.dsn, self.load.notes, self.kills)
            except psycopg.OperationalError:
                found = [Violation("live", "the database can't be asked")]
            if not found or not unsettled(found) or time.monotonic() > deadline:
                return found
            time.sleep(0.5)


def main() -> int:
    """1 when something was lost, doubled, or sent that must not be."""
    parser = argparse.ArgumentParser(prog="python -m ops.proof.crash")
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", action="store_true")
    chosen = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="crash-"))
    folder.chmod(0o755)
    rounds = Rounds(folder, chosen.seed)
    failed = 0
    try:
        rounds.begin()
        for number in range(1, chosen.times + 1):
            found = rounds.one()
            failed += bool(found)
            for violation in found[:10]:
                print(f"round {number}: {violation.rule}: {violation.what}")
            print(
                f"round {number}: {rounds.last_kind}: {len(rounds.load.notes)} requests so far,"
                f" back after {rounds.recovery[-1]:.2f} s"
            )
            sys.stdout.flush()
    finally:
        code = rounds.service.stop()
    _report(rounds, failed, code)
    if failed or chosen.keep:
        print(f"the folder is left for a look: {folder}")
    else:
        shutil.rmtree(folder, ignore_errors=True)
    return 1 if failed else 0


def _report(rounds: Rounds, failed: int, code: int) -> None:
    taken = sum(note.taken for note in rounds.load.notes)
    crashes = sum(rounds.kinds.values())
    print(f"{crashes} crashes: {dict(rounds.kinds)}; {failed} with violations; last exit {code}")
    print(f"{len(rounds.load.notes)} requests, {taken} acknowledged as taken")
    if rounds.recovery:
        ordered = sorted(rounds.recovery)
        print(
            f"time to recover: median {statistics.median(ordered):.2f} s,"
            f" 95 % within {ordered[int(len(ordered) * 0.95) - 1]:.2f} s, longest {ordered[-1]:.2f} s"
        )


if __name__ == "__main__":
    raise SystemExit(main())
