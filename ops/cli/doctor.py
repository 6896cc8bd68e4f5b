"""`tradewarden doctor`: looks at the whole installation, and says what to do about what it finds.

`BAD` keeps the service from working or loses something for sure; `note` is for a person to think about.
Nothing is changed.
"""

import argparse
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from config import Settings, SettingsError
from ops.cli import doctor_outside
from ops.cli.address import require_free, require_short
from ops.cli.command import FAILED, OK, Command, Failed, nothing, say, settings

OLD_BACKUP = 2
"""So many times as old as the newest should ever be."""

DOOR_SECONDS = 1.0
MARKS = {"ok": "ok  ", "note": "note", "bad": "BAD "}


class Finding(NamedTuple):
    """One thing that was looked at: `grade` is ok, note or bad."""

    what: str
    grade: str
    detail: str


class Note(Exception):
    """Nothing is broken, but a person should do something."""


def command(_name: str) -> Command:
    """The subcommand."""
    return Command(
        "Look at settings, files, disk, database, backups, keys and address, and say what to do; exit 1 if "
        "something keeps the service from working.",
        "tradewarden doctor",
        nothing,
        run,
    )


def run(_asked: argparse.Namespace) -> int:
    """Look at everything and print what was found."""
    findings = list(look())
    for finding in findings:
        say(f"{MARKS[finding.grade]} {finding.what}: {finding.detail}")
    return FAILED if any(finding.grade == "bad" for finding in findings) else OK


def look() -> Iterator[Finding]:
    """What there is to look at, in the order in which a start needs it."""
    yield Finding("python", "ok" if sys.version_info >= (3, 11) else "bad", sys.version.split()[0])
    try:
        chosen = settings()
    except SettingsError as error:
        yield Finding("settings", "bad", str(error))
        return
    yield Finding("settings", "ok", f"exchanges {', '.join(each.name for each in chosen.exchanges)}")
    for what, check in CHECKS.items():
        yield _checked(what, check, chosen)


def _checked(what: str, check: Callable[[Settings], str], chosen: Settings) -> Finding:
    try:
        return Finding(what, "ok", check(chosen))
    except (Note, doctor_outside.Away) as note:
        return Finding(what, "note", str(note))
    except Failed as error:
        return Finding(what, "bad", error.line)
    except (SettingsError, OSError) as error:
        return Finding(what, "bad", str(error))


def _folder(chosen: Settings) -> str:
    require_short(chosen.data_dir)
    chosen.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    probe = chosen.data_dir / ".doctor"
    probe.write_bytes(b"x")
    probe.unlink()
    if chosen.data_dir.stat().st_mode & 0o077:
        raise Note(f"others may look into {chosen.data_dir}: chmod 700 {chosen.data_dir}")
    return str(chosen.data_dir)


def _disk(chosen: Settings) -> str:
    reserve = max(chosen.disk.reserve_mb, 200)
    free = shutil.disk_usage(chosen.data_dir).free // 1_000_000
    if free < reserve:
        raise Failed(f"{free} MB are left, {reserve} are wanted: make room, or trading only reduces")
    if free < 4 * reserve:
        raise Note(f"{free} MB are left; below {reserve} MB trading only reduces")
    return f"{free // 1000} GB free"


def _database(chosen: Settings) -> str:
    import psycopg

    from ops.cli.database import database
    from persistence.durability import UnsafeServer, require_durability
    from persistence.migrations.runner import head_revision, known_revisions, stored_revision

    with database(chosen) as dsn:
        try:
            version = require_durability(dsn).server_version
            revision = stored_revision(dsn)
        except (UnsafeServer, psycopg.Error) as error:
            raise Failed(" ".join(str(error).split())) from error
    where = "configured" if chosen.database_url is not None else "embedded"
    if revision is not None and revision not in known_revisions():
        raise Failed(f"its schema {revision} is of a newer release: start that one, or restore a backup")
    schema = "empty" if revision is None else f"schema {revision} of {head_revision()}"
    return f"{where} PostgreSQL {version // 10_000}, {schema}; data are kept when the power fails"


def _latch(chosen: Settings) -> str:
    import trio

    from actors.halt import latch
    from actors.halt.port import LatchFailed
    from ops.cli.kill import KILL_FILE
    from persistence.latch import FileLatch

    file, asked = chosen.data_dir / "latch", chosen.data_dir / KILL_FILE
    if asked.exists():
        raise Note(f"{asked} is there: what runs or starts next is halted; if nobody wants that, remove it")
    if not file.exists():
        return "no kill is in force"
    try:
        kills = latch.decode(trio.run(FileLatch(file).read))
    except LatchFailed as error:
        raise Failed(f"{error}: it starts halted; look at the disk, then: tradewarden resume") from error
    if kills:
        raise Note(f"trading is halted: {kills[-1].reason}; when that is settled: tradewarden resume")
    return "no kill is in force"


def _backups(chosen: Settings) -> str:
    from persistence.backup import Shelf
    from persistence.backup.drill import last_report
    from persistence.backup.shelf import taken_at

    if not chosen.backup.every_hours:
        raise Note("the service takes none (BACKUP__EVERY_HOURS=0): something else should")
    folder = chosen.backup.folder or chosen.data_dir / "backups"
    shelf = Shelf(folder)
    newest = shelf.newest()
    if newest is None:
        raise Note(f"there is none in {folder} yet: tradewarden backup")
    age = datetime.now(UTC) - taken_at(newest)
    if age > OLD_BACKUP * timedelta(hours=chosen.backup.every_hours):
        raise Failed(
            f"the newest is {age.days} days old: look for backup_failed in the log, then: tradewarden backup"
        )
    report = last_report(shelf)
    if report is not None and not report.ok:
        raise Failed(f"the last drill failed: {report.problem}")
    if _same_disk(folder, chosen.data_dir):
        raise Note(
            f"{len(shelf.names())} in {folder}, on the disk of the data: BACKUP__FOLDER on another is better"
        )
    drilled = "not tried yet" if report is None else f"last tried {report.at}"
    return f"{len(shelf.names())} in {folder}, the newest {newest}, {drilled}"


def _backup_key(chosen: Settings) -> str:
    from ops.cli.backup import SHOWN
    from ops.cli.keys import keys_file
    from persistence.backup import BackupError
    from persistence.backup.sealing import read_keys

    file = keys_file(chosen)
    if not file.exists():
        raise Note(f"there is none in {file} yet; the first backup makes one")
    try:
        public = read_keys(file).public
    except BackupError as error:
        raise Failed(str(error)) from error
    if file.stat().st_mode & 0o077:
        raise Failed(f"others may read {file}: chmod 600 {file}")
    if not file.with_name(file.name + SHOWN).exists():
        raise Note(
            "nobody has a copy: tradewarden backup key, and keep it elsewhere; without it backups are lost"
        )
    return public


def _programs(chosen: Settings) -> str:
    from persistence.backup import BackupError
    from persistence.backup.programs import program

    try:
        return str(program("pg_dump", 0).parent) if chosen.backup.every_hours else "not needed"
    except BackupError as error:
        raise Failed(f"backups can't be taken: {error}") from error


def _secrets(chosen: Settings) -> str:
    from ops.cli.secret import vault_of
    from persistence.backup import BackupError
    from persistence.vault import NAME, VaultError

    real = [each.name for each in chosen.exchanges if each.kind == "ccxt"]
    try:
        sealed = vault_of(chosen).read() if (chosen.data_dir / NAME).exists() else {}
    except (VaultError, BackupError) as error:
        raise Failed(str(error)) from error
    missing = [each.name for each in chosen.exchanges if each.kind == "ccxt" and not each.api_key]
    missing = [name for name in missing if name not in sealed]
    if missing:
        raise Note(f"no key for {', '.join(missing)}: tradewarden secret set {missing[0]}")
    in_the_clear = [name for name in real if name not in sealed]
    if in_the_clear:
        raise Note(f"the keys of {', '.join(in_the_clear)} are not sealed: tradewarden secret set NAME")
    return f"sealed: {', '.join(sorted(sealed))}" if sealed else "no exchange needs a key"


def _same_disk(one: Path, other: Path) -> bool:
    return one.stat().st_dev == other.stat().st_dev


def _address(chosen: Settings) -> str:
    try:
        require_free(chosen.bind)
    except Failed:
        if not _runs(chosen.data_dir):
            raise
        return f"{chosen.bind} is in use, and the service runs"
    return f"{chosen.bind} is free"


def _runs(data_dir: Path) -> bool:
    """Whether a service of this data folder answers at the door of its kill switch."""
    from supervisors.kill_socket import SOCKET

    with socket.socket(socket.AF_UNIX) as door:
        door.settimeout(DOOR_SECONDS)
        try:
            door.connect(str(data_dir / SOCKET))
        except OSError:
            return False
    return True


def _exchanges(chosen: Settings) -> str:
    from ops.cli.choices import exchange_choices
    from supervisors.deadman.line import SOCKET
    from supervisors.exchanges import guarded_by_watchdog, is_untested

    choices = exchange_choices(chosen)
    untested = [each.name for each in choices if is_untested(each)]
    if untested:
        raise Note(f"{', '.join(untested)}: untested here; an order that vanished needs a person's verdict")
    guarded = [each.name for each in choices if guarded_by_watchdog(each)]
    if guarded and not (chosen.data_dir / SOCKET).exists():
        raise Note(f"{', '.join(guarded)}: no order opens without a watchdog; start `tradewarden watchdog`")
    return ", ".join(each.name for each in choices)


CHECKS: dict[str, Callable[[Settings], str]] = {
    "data folder": _folder,
    "disk": _disk,
    "database": _database,
    "kill switch": _latch,
    "backup programs": _programs,
    "backups": _backups,
    "backup key": _backup_key,
    "exchanges": _exchanges,
    "exchange keys": _secrets,
    "redis": doctor_outside.redis,
    "notifications": doctor_outside.channels,
    "address": _address,
}
