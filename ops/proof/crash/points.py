"""The service, able to die at a named point: what `kill -9` does, at a moment that a random one rarely meets.

The points stand around the calls that reach disk, latch and exchange. The file that `CRASH_POINT` names says
at which of them, and at the so-manieth passing, the process kills itself; without it nothing happens. The
runtime knows nothing of it: the calls are wrapped before it starts. Snapshots are taken often, so that their
points are reached.
"""

import os
import signal
from pathlib import Path
from typing import Any

from actors.broker.adapters.simulated.adapter import SimulatedExchange
from actors.journal.actor import JournalActor
from ops.cli.main import main
from persistence.latch import FileLatch
from persistence.postgres.journal_store import PostgresJournalStore
from persistence.postgres.sim_ledger import PostgresLedger

SNAPSHOT_EVERY = 100
PLACES: tuple[tuple[str, type, str], ...] = (
    ("commit", PostgresJournalStore, "append"),
    ("take-over", PostgresJournalStore, "take_over"),
    ("snapshot", PostgresJournalStore, "save_snapshot"),
    ("reading a snapshot", PostgresJournalStore, "latest_snapshot"),
    ("submit", SimulatedExchange, "submit"),
    ("cancel", SimulatedExchange, "cancel"),
    ("the exchange's books", PostgresLedger, "write"),
    ("latch", FileLatch, "write"),
    ("clearing the latch", FileLatch, "clear"),
)
AT_START = ("before take-over", "after take-over", "before reading a snapshot", "after reading a snapshot")
AT_KILL = ("before latch", "after latch")
AT_RESUME = ("before clearing the latch", "after clearing the latch")
UNDER_LOAD = tuple(
    point
    for name, _, _ in PLACES
    for point in (f"before {name}", f"after {name}")
    if point not in (*AT_START, *AT_KILL, *AT_RESUME)
)


class Trigger:
    """`file` holds a point and how many passings are left, as `after commit:7`."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._armed = ""
        self._left = 0

    def passed(self, point: str) -> None:
        """The process is at this point now; it may be its last."""
        try:
            armed = self._file.read_text()
        except OSError:
            return
        if armed != self._armed:
            self._armed, self._left = armed, int(armed.rpartition(":")[2])
        if armed.rpartition(":")[0] == point:
            self._left -= 1
            if self._left <= 0:
                os.kill(os.getpid(), signal.SIGKILL)

    def wrap(self, name: str, kind: type, method: str) -> None:
        """Put the points before and after an awaited method of a class."""
        inner = getattr(kind, method)

        async def outer(*args: Any, **named: Any) -> Any:
            self.passed(f"before {name}")
            result = await inner(*args, **named)
            self.passed(f"after {name}")
            return result

        setattr(kind, method, outer)


def run() -> int:
    """The service with its points."""
    trigger = Trigger(Path(os.environ["CRASH_POINT"]))
    for place in PLACES:
        trigger.wrap(*place)
    init = JournalActor.__init__

    def often(self: JournalActor, **named: Any) -> None:
        init(self, **{**named, "snapshot_every": SNAPSHOT_EVERY})

    JournalActor.__init__ = often  # type: ignore[method-assign]
    return main(["run"])


if __name__ == "__main__":
    raise SystemExit(run())
