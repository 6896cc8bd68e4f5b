"""`tradewarden backup`: backups by hand, whether or not the service runs."""

import argparse
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from config import Settings
from ops.cli.command import OK, Command, Failed, settings
from ops.cli.keys import configure_keys, keys_file, keys_of

if TYPE_CHECKING:
    from persistence.backup import Shelf

SHOWN = ".shown"
"""Beside the key: a person has seen it, and could have put it where this machine's disk can't take it
along.
"""


def command(_name: str) -> Command:
    """The subcommand."""
    return Command(
        "Without an action: take a backup now and print its folder. The service takes one a day by itself.\n"
        "  list     what there is\n"
        "  check    read a backup (the newest unless named) and compare it with its manifest\n"
        "  drill    restore a backup into a scratch database and check everything in it\n"
        "  key      show the key that opens the backups: keep it off this machine\n"
        "  new-key  seal from now on with a new key; the old ones still open the older backups",
        "tradewarden backup --to /mnt/usb/backups",
        configure,
        run,
    )


def configure(parser: argparse.ArgumentParser) -> None:
    """The arguments."""
    parser.add_argument("action", nargs="?", choices=tuple(_ACTIONS), default="take", metavar="ACTION")
    parser.add_argument("--to", type=Path, metavar="FOLDER", help="the folder of backups (default: settings)")
    parser.add_argument("--name", help="which backup to check or try (default: the newest)")
    configure_keys(parser)


def run(asked: argparse.Namespace) -> int:
    """Do it; what goes wrong becomes one line."""
    from persistence.backup import BackupError, Shelf

    chosen = settings()
    shelf = Shelf(asked.to or chosen.backup.folder or chosen.data_dir / "backups")
    try:
        return _ACTIONS[asked.action](asked, chosen, shelf)
    except BackupError as error:
        raise Failed(f"{error.code}: {error}") from error


def _take(asked: argparse.Namespace, chosen: Settings, shelf: "Shelf") -> int:
    from ops.cli.database import database, up_to_date
    from persistence.backup import take_backup
    from persistence.backup.job import kept_files
    from persistence.backup.sealing import ensure_keys
    from supervisors.process import instance_name
    from supervisors.tree import VERSION

    chosen.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    keys = keys_of(asked.keys) if asked.keys else ensure_keys(keys_file(chosen))
    with database(chosen) as dsn:
        up_to_date(dsn)
        made = take_backup(
            dsn,
            shelf,
            keys,
            now=datetime.now(UTC),
            version=VERSION,
            instance=instance_name(chosen.data_dir),
            files=kept_files(chosen.data_dir),
        )
    print(f"{shelf.path(made.name)}\n{made.head.seq} records, head {made.head.hash}")
    return OK


def _list(_asked: argparse.Namespace, _chosen: Settings, shelf: "Shelf") -> int:
    from persistence.backup.drill import last_report

    for name in shelf.names():
        manifest = shelf.manifest(name)
        size = sum(part.bytes for part in manifest.parts.values())
        print(f"{name}  {size / 1_000_000:.1f} MB  head {manifest.head.seq}  for {manifest.key}")
    report = last_report(shelf)
    if report is not None:
        outcome = "good" if report.ok else f"NOT GOOD: {report.problem}"
        print(f"last drill {report.at}: {report.backup} {outcome}")
    return OK


def _check(asked: argparse.Namespace, _chosen: Settings, shelf: "Shelf") -> int:
    from persistence.backup.restore import check_backup

    manifest = check_backup(shelf.path(_named(asked, shelf)), keys_of(asked.keys))
    print(f"{manifest.name} is as it was written: {manifest.head.seq} records, head {manifest.head.hash}")
    return OK


def _drill(asked: argparse.Namespace, chosen: Settings, shelf: "Shelf") -> int:
    from persistence.backup.drill import drill

    report = drill(
        shelf,
        keys_of(asked.keys),
        scratch=chosen.data_dir,
        now=datetime.now(UTC),
        name=_named(asked, shelf),
    )
    if not report.ok:
        raise Failed(f"{report.backup} is not good: {report.problem}")
    print(
        f"{report.backup} is good: {report.records} records, {report.orders} orders, {report.fills} fills, "
        f"{report.positions} positions; restored in {report.restore_seconds:.1f} s, "
        f"checked in {report.verify_seconds:.1f} s"
    )
    return OK


def _key(asked: argparse.Namespace, chosen: Settings, _shelf: "Shelf") -> int:
    from persistence.backup.sealing import ensure_keys

    file = asked.keys or keys_file(chosen)
    print(ensure_keys(file).reveal())
    os.close(os.open(file.with_name(file.name + SHOWN), os.O_WRONLY | os.O_CREAT, 0o600))
    return OK


def _new_key(asked: argparse.Namespace, chosen: Settings, _shelf: "Shelf") -> int:
    from persistence.backup.sealing import add_key

    file = asked.keys or keys_file(chosen)
    print(f"backups are sealed for {add_key(file)} from now on; show it with: tradewarden backup key")
    file.with_name(file.name + SHOWN).unlink(missing_ok=True)
    return OK


def _named(asked: argparse.Namespace, shelf: "Shelf") -> str:
    name: str | None = asked.name or shelf.newest()
    if name is None:
        raise Failed(f"there is no backup in {shelf.folder}; take one: tradewarden backup")
    if shelf.path(name) == shelf.folder or not shelf.path(name).is_dir():
        raise Failed(f"there is no backup {name!r} in {shelf.folder}; tradewarden backup list names them")
    return name


_ACTIONS: dict[str, Callable[[argparse.Namespace, Settings, "Shelf"], int]] = {
    "take": _take,
    "list": _list,
    "check": _check,
    "drill": _drill,
    "key": _key,
    "new-key": _new_key,
}
