"""The work as the service has it done: by a child process of low priority.

Dumping, sealing and above all replaying a whole journal would hold up the loop that trades. The order comes
as one line of JSON on standard input, never as arguments, which everybody could read; the answer goes as one
line to standard output.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import msgspec
import psycopg

from persistence.backup.drill import drill
from persistence.backup.errors import BackupError
from persistence.backup.sealing import ensure_keys
from persistence.backup.shelf import Shelf
from persistence.backup.take import take_backup
from persistence.postgres.segments import fold_old_events

NICENESS = 15


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """What to do, and everything needed for it."""

    action: Literal["take", "drill"]
    dsn: str
    folder: str
    keys_file: str
    data_dir: str
    keep_days: int
    now_us: int
    version: str
    instance: str
    archive_days: int = 0
    """Fold events that are older than so many days, after the backup; 0 never."""


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it. `code` is empty when it went well; `name` is the backup's, `bytes` its size."""

    code: str = ""
    detail: str = ""
    name: str = ""
    bytes: int = 0
    removed: tuple[str, ...] = ()
    folded: int = 0


def perform(job: Job) -> Done:
    """Do it; what can be expected to go wrong is in the answer."""
    shelf, now = Shelf(Path(job.folder)), datetime.fromtimestamp(job.now_us / 1_000_000, UTC)
    data_dir = Path(job.data_dir)
    try:
        keys = ensure_keys(Path(job.keys_file))
        if job.action == "drill":
            report = drill(shelf, keys, scratch=data_dir, now=now)
            return Done(code="" if report.ok else "DRILL_FAILED", detail=report.problem, name=report.backup)
        manifest = take_backup(
            job.dsn,
            shelf,
            keys,
            now=now,
            version=job.version,
            instance=job.instance,
            files=kept_files(data_dir),
        )
        with shelf.writing():
            removed = shelf.expire(now, job.keep_days)
        folded = 0
        if job.archive_days:
            folded = fold_old_events(job.dsn, now - timedelta(days=job.archive_days))
    except BackupError as error:
        return Done(code=error.code, detail=str(error))
    except psycopg.Error as error:
        return Done(code="ARCHIVE_FAILED", detail=" ".join(str(error).split()))
    size = sum(part.bytes for part in manifest.parts.values())
    return Done(name=manifest.name, bytes=size, removed=tuple(removed), folded=folded)


def kept_files(data_dir: Path) -> dict[str, Path]:
    """The files of the data folder that belong into a backup.

    The instance's name is how our orders are known at an exchange; the secrets are sealed with a key of their
    own. Tokens are in the database as hashes; the latch is not kept: what is restored starts halted anyway.
    """
    return {name: data_dir / name for name in ("instance", "secrets.age")}
