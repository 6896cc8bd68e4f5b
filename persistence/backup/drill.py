"""The restore drill: the newest backup, restored into a scratch server and checked as a whole.

A backup that was never restored is a hope. The drill needs no hand: it starts a PostgreSQL of its own in a
scratch folder, restores, replays, compares every row and the head, brings the schema up to date as a new
release would, writes what it found beside the backups and removes the scratch again.
"""

import os
import shutil
import tempfile
import time
from datetime import datetime
from pathlib import Path

import msgspec
import psycopg

from persistence.backup.errors import BackupError
from persistence.backup.manifest import Manifest
from persistence.backup.restore import check_backup, files_of, fill
from persistence.backup.sealing import Keys
from persistence.backup.shelf import Shelf
from persistence.backup.take import private
from persistence.embedded import EmbeddedPostgresError, EmbeddedServer, FolderInUse, FolderLock
from persistence.migrations import MigrationFailed, migrate
from persistence.postgres.audit import Anchor, Audit, audit

REPORT = "drill.json"
SCRATCH = "drill-"
UNPACKED = 25
"""A sealed dump takes at most about so many times its size as a database with its indexes."""
ROOM = 300_000_000


class DrillReport(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What a drill found; `problem` is empty when the backup is good. Seconds by step."""

    at: str
    backup: str
    ok: bool
    problem: str = ""
    records: int = 0
    orders: int = 0
    fills: int = 0
    positions: int = 0
    check_seconds: float = 0.0
    restore_seconds: float = 0.0
    verify_seconds: float = 0.0


def drill(shelf: Shelf, keys: Keys, *, scratch: Path, now: datetime, name: str | None = None) -> DrillReport:
    """Try a backup, the newest unless named, and leave the report on the shelf; never raises BackupError."""
    chosen = name or shelf.newest() or ""
    at = now.isoformat(timespec="seconds")
    try:
        report = _try(shelf, keys, scratch, at, chosen)
    except BackupError as error:
        report = DrillReport(at=at, backup=chosen, ok=False, problem=f"{error.code}: {error}")
    except (EmbeddedPostgresError, MigrationFailed, psycopg.Error, OSError) as error:
        report = DrillReport(at=at, backup=chosen, ok=False, problem=" ".join(str(error).split()))
    _keep(shelf, report)
    return report


def last_report(shelf: Shelf) -> DrillReport | None:
    """What the last drill found, None when there was none or its report can't be read."""
    try:
        return msgspec.json.decode((shelf.folder / REPORT).read_bytes(), type=DrillReport)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None


def _try(shelf: Shelf, keys: Keys, scratch: Path, at: str, name: str) -> DrillReport:
    if not name:
        raise BackupError(
            "BACKUP_UNREADABLE",
            asked="try the newest backup",
            found=f"there is none in {shelf.folder}",
            remedy="Take one: tradewarden backup.",
        )
    path = shelf.path(name)
    began = time.monotonic()
    manifest = check_backup(path, keys)
    files_of(path, keys)
    checked = time.monotonic()
    _require_room(scratch, manifest)
    _remove_left_overs(scratch)
    place = Path(tempfile.mkdtemp(prefix=SCRATCH, dir=scratch))
    server = EmbeddedServer(place)
    try:
        server.start()
        fill(server.dsn, path, manifest, keys)
        restored = time.monotonic()
        found = audit(server.dsn, Anchor(seq=manifest.head.seq, hash=manifest.head.hash))
        migrate(server.dsn)
    finally:
        server.stop()
        shutil.rmtree(place)
    return _report(at, name, found, checked - began, restored - checked, time.monotonic() - restored)


def _remove_left_overs(scratch: Path) -> None:
    """What broken-off drills have left; the server of one that is under way has locked its folder."""
    for left_over in scratch.glob(SCRATCH + "*"):
        lock = FolderLock(left_over)
        try:
            lock.acquire()
            shutil.rmtree(left_over)
        except FolderInUse:
            continue
        finally:
            lock.release()


def _report(
    at: str, name: str, found: Audit, check_seconds: float, restore_seconds: float, verify_seconds: float
) -> DrillReport:
    return DrillReport(
        at=at,
        backup=name,
        ok=not found.findings,
        problem="; ".join(str(finding) for finding in found.findings[:5]),
        records=found.seq,
        orders=found.orders,
        fills=found.fills,
        positions=found.positions,
        check_seconds=round(check_seconds, 3),
        restore_seconds=round(restore_seconds, 3),
        verify_seconds=round(verify_seconds, 3),
    )


def _require_room(scratch: Path, manifest: Manifest) -> None:
    needed = ROOM + UNPACKED * sum(part.bytes for part in manifest.parts.values())
    free = shutil.disk_usage(scratch).free
    if free < needed:
        raise BackupError(
            "DISK_FULL",
            asked="restore a backup for the drill",
            found=f"{free // 1_000_000} MB are free in {scratch}, up to {needed // 1_000_000} MB are needed",
            remedy="Make room, or try the backup on another machine: tradewarden restore.",
        )


def _keep(shelf: Shelf, report: DrillReport) -> None:
    """A report that can't be kept is not worth failing for: whoever asked for the drill has it."""
    draft = shelf.folder / f".{REPORT}"
    try:
        with open(draft, "wb", opener=private) as file:
            file.write(msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        draft.replace(shelf.folder / REPORT)
    except OSError:
        draft.unlink(missing_ok=True)
