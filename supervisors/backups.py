"""Backups and restore drills by themselves: what is due is worked out from what lies on the shelf.

Nothing is remembered in the process, so a restart neither forgets a backup nor takes one too many. Each is a
child process of low priority; a failure is logged, counted and tried again after a pause, and never touches
trading.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TypeVar

import msgspec
import structlog
import trio
from prometheus_client import CollectorRegistry, Counter, Gauge

from actors.model.clock import Clock
from persistence.backup.drill import last_report
from persistence.backup.job import Done, Job
from persistence.backup.shelf import Shelf, taken_at

FIRST_LOOK_SECONDS = 300.0
LOOK_SECONDS = 60.0
PAUSE_SECONDS = 900.0
"""After a failure: what keeps a backup from being taken rarely passes within seconds."""

FAILED_DRILL_SECONDS = 86_400.0
"""A drill replays the whole journal; one that failed is tried again with the next day's backup."""

CODES = (
    "ARCHIVE_FAILED",
    "BACKUP_BUSY",
    "CHILD_FAILED",
    "DATABASE_AWAY",
    "DISK_FULL",
    "DUMP_FAILED",
    "KEY_MISSING",
    "KEY_WRONG",
    "PROGRAM_MISSING",
    "SHELF_AWAY",
)
"""Why a backup can fail. Each is counted from zero, so that the first failure is an increase."""

T = TypeVar("T")

_log = structlog.get_logger(room="backups")


class BackupChoice(msgspec.Struct, frozen=True, kw_only=True):
    """Where and how often; 0 seconds switches backups or drills off."""

    dsn: str
    folder: Path
    keys_file: Path
    data_dir: Path
    every_seconds: float
    keep_days: int
    drill_seconds: float
    version: str
    instance: str
    archive_days: int = 0


class BackupMetrics:
    """What Prometheus is told. Times are seconds since 1970, 0 as long as there was none."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.last = Gauge(
            "backup_last_success_timestamp_seconds", "When the newest backup was taken.", registry=registry
        )
        self.interval = Gauge(
            "backup_interval_seconds", "How often a backup is taken; 0 is never.", registry=registry
        )
        self.size = Gauge("backup_bytes", "Size of the newest backup.", registry=registry)
        self.failures = Counter(
            "backup_failures_total", "Backups that failed, by code.", ["code"], registry=registry
        )
        for code in CODES:
            self.failures.labels(code)
        self.drill = Gauge(
            "restore_drill_last_success_timestamp_seconds",
            "When a backup was last restored and found good.",
            registry=registry,
        )
        self.drill_failures = Counter(
            "restore_drill_failures_total", "Restore drills that failed.", registry=registry
        )

    def look(self, shelf: Shelf) -> None:
        """Tell what lies on the shelf."""
        newest = shelf.newest()
        if newest is not None:
            self.last.set(taken_at(newest).timestamp())
        report = last_report(shelf)
        if report is not None and report.ok:
            self.drill.set(datetime.fromisoformat(report.at).timestamp())


async def keep_backups(choice: BackupChoice, clock: Clock, metrics: BackupMetrics) -> None:
    """Take and try backups when they are due, for ever.

    Cancelled, a child under way is ended; a draft that it leaves is removed by the next one.
    """
    shelf = Shelf(choice.folder)
    metrics.interval.set(choice.every_seconds)
    with _away_is_told(metrics):
        await _off_loop(partial(metrics.look, shelf))
    await trio.sleep(FIRST_LOOK_SECONDS)
    while True:
        fine = False
        with _away_is_told(metrics):
            fine = await _do_what_is_due(choice, shelf, clock, metrics)
        await trio.sleep(LOOK_SECONDS if fine else PAUSE_SECONDS)


async def _do_what_is_due(choice: BackupChoice, shelf: Shelf, clock: Clock, metrics: BackupMetrics) -> bool:
    """Whether all went well. Raises OSError when the shelf can't be read."""
    fine = True
    if await _off_loop(partial(backup_due, choice, shelf, clock.now_us())):
        fine = await _take(choice, clock, metrics)
        await _off_loop(partial(metrics.look, shelf))
    if fine and await _off_loop(partial(drill_due, choice, shelf, clock.now_us())):
        fine = await _drill(choice, clock, metrics)
    await _off_loop(partial(metrics.look, shelf))
    return fine


@contextmanager
def _away_is_told(metrics: BackupMetrics) -> Iterator[None]:
    """A shelf that can't be read, such as a network disk that is gone, is a backup that failed."""
    try:
        yield
    except OSError as error:
        metrics.failures.labels("SHELF_AWAY").inc()
        _log.error("backup_failed", code="SHELF_AWAY", why=str(error))


async def _off_loop(look: Callable[[], T]) -> T:
    """Look at the shelf in a thread: it may lie on a network disk that hangs."""
    return await trio.to_thread.run_sync(look, abandon_on_cancel=True)


def backup_due(choice: BackupChoice, shelf: Shelf, now_us: int) -> bool:
    """Whether every backup is too old, or there is none."""
    if not choice.every_seconds:
        return False
    ages = (_age_seconds(taken_at(name), now_us) for name in shelf.names())
    return all(age >= choice.every_seconds for age in ages)


def drill_due(choice: BackupChoice, shelf: Shelf, now_us: int) -> bool:
    """Whether the last good drill is too long ago, and there is something to try."""
    if not choice.drill_seconds or shelf.newest() is None:
        return False
    report = last_report(shelf)
    if report is None:
        return True
    pause = choice.drill_seconds if report.ok else min(choice.drill_seconds, FAILED_DRILL_SECONDS)
    return _age_seconds(datetime.fromisoformat(report.at), now_us) >= pause


def _age_seconds(at: datetime, now_us: int) -> float:
    """A time in the future counts as long ago: a clock that was put back must not end all backups."""
    age = now_us / 1_000_000 - at.timestamp()
    return age if age >= -3600.0 else float("inf")


async def _take(choice: BackupChoice, clock: Clock, metrics: BackupMetrics) -> bool:
    done = await _child(choice, clock, "take")
    if done.code:
        metrics.failures.labels(done.code).inc()
        _log.error("backup_failed", code=done.code, why=done.detail)
        return False
    metrics.size.set(done.bytes)
    _log.info(
        "backup_taken", name=done.name, bytes=done.bytes, removed=list(done.removed), folded=done.folded
    )
    return True


async def _drill(choice: BackupChoice, clock: Clock, metrics: BackupMetrics) -> bool:
    done = await _child(choice, clock, "drill")
    if done.code:
        metrics.drill_failures.inc()
        _log.error("restore_drill_failed", backup=done.name, why=done.detail)
        return False
    _log.info("restore_drill_passed", backup=done.name)
    return True


async def _child(choice: BackupChoice, clock: Clock, action: str) -> Done:
    job = Job(
        action="drill" if action == "drill" else "take",
        dsn=choice.dsn,
        folder=str(choice.folder),
        keys_file=str(choice.keys_file),
        data_dir=str(choice.data_dir),
        keep_days=choice.keep_days,
        now_us=clock.now_us(),
        version=choice.version,
        instance=choice.instance,
        archive_days=choice.archive_days,
    )
    try:
        ended = await trio.run_process(
            [sys.executable, "-m", "persistence.backup"],
            stdin=msgspec.json.encode(job),
            capture_stdout=True,
            capture_stderr=True,
            check=False,
        )
    except OSError as error:
        return Done(code="CHILD_FAILED", detail=str(error))
    try:
        return msgspec.json.decode(ended.stdout, type=Done)
    except msgspec.MsgspecError:
        said = ended.stderr[-500:].decode(errors="replace").strip()
        return Done(code="CHILD_FAILED", detail=f"the child ended with {ended.returncode}: {said}")
