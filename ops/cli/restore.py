"""`tradewarden restore`: a backup into an empty system, which then starts halted.

The order of the steps is what makes it safe to break off anywhere: first the latch, so that whatever is there
afterwards starts halted; then the few files; then the database, in one transaction. The incarnation, which is
part of every id at an exchange, is drawn anew at each start, so no id that was given after the backup comes
again.
"""

import argparse
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from config import Settings
from ops.cli.command import OK, Command, Failed, complain, settings
from ops.cli.keys import configure_keys, keys_file, keys_of

if TYPE_CHECKING:
    from persistence.backup import Keys, Manifest


def command(_name: str) -> Command:
    """The subcommand."""
    return Command(
        "Bring a backup into an empty system: no database in the data folder, or one without tables. "
        "Everything is checked before and after. It then starts HALTED: compare with your exchanges, "
        "then `tradewarden resume`. Orders that were placed after the backup are not in it.",
        "tradewarden restore --from /mnt/usb/backups --keys /mnt/usb/backup.key",
        configure,
        run,
    )


def configure(parser: argparse.ArgumentParser) -> None:
    """The arguments."""
    parser.add_argument(
        "--from",
        dest="source",
        type=Path,
        metavar="FOLDER",
        help="a backup, or a folder of backups: then the newest (default: the folder of the settings)",
    )
    parser.add_argument(
        "--no-verify",
        action="store_true",
        help="don't replay the journal; `tradewarden verify` does it later",
    )
    configure_keys(parser)


def run(asked: argparse.Namespace) -> int:
    """Restore; what goes wrong becomes one line that says what is there now."""
    from persistence.backup import BackupError

    chosen = settings()
    try:
        return _restore(asked, chosen, keys_of(asked.keys))
    except BackupError as error:
        raise Failed(f"{error.code}: {error}") from error


def _restore(asked: argparse.Namespace, chosen: Settings, keys: "Keys") -> int:
    from persistence.backup.restore import check_backup, fill, require_empty

    path = _chosen_backup(asked.source or chosen.backup.folder or chosen.data_dir / "backups")
    manifest = check_backup(path, keys)
    print(f"{manifest.name}: every byte is as it was written; the journal ended at {manifest.head.seq}")
    chosen.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _own_database(chosen) as dsn:
        require_empty(dsn)
        _halt(chosen.data_dir, manifest)
        _place_files(path, keys, chosen, asked.keys)
        fill(dsn, path, manifest, keys)
        print(f"restored: {sum(manifest.counts.values())} rows")
        if not asked.no_verify:
            _verify(dsn, manifest)
        _migrate(dsn)
    print(
        "it starts HALTED; start it, compare positions and open orders with your exchanges, then: "
        "tradewarden resume --reason '...'"
    )
    return OK


def _chosen_backup(source: Path) -> Path:
    from persistence.backup import Shelf
    from persistence.backup.shelf import MANIFEST

    source = source.resolve()
    if (source / MANIFEST).is_file():
        return source
    shelf = Shelf(source)
    newest = shelf.newest()
    if newest is None:
        raise Failed(f"there is no backup in {source}")
    return shelf.path(newest)


@contextmanager
def _own_database(chosen: Settings) -> Iterator[str]:
    """The database, and nobody else's: with the embedded server the folder must not be in use."""
    from persistence.embedded import EmbeddedPostgresError, EmbeddedServer

    if chosen.database_url is not None:
        yield chosen.database_url.reveal()
        return
    server = EmbeddedServer(chosen.data_dir / "postgres")
    try:
        server.start()
    except EmbeddedPostgresError as error:
        raise Failed(" ".join(str(error).split())) from error
    try:
        yield server.dsn
    finally:
        server.give_back()


def _halt(data_dir: Path, manifest: "Manifest") -> None:
    """Engage a kill in the latch, beside those that are there: only a person's resume ends it."""
    import trio

    from actors.halt import latch
    from actors.halt.port import LatchFailed
    from actors.model.book import Kill
    from persistence.latch import FileLatch

    file = FileLatch(data_dir / "latch")
    kill = Kill(
        kill_id=str(uuid.uuid4()),
        level="halt",
        exchange=None,
        symbol=None,
        reason=f"restored from the backup {manifest.name}, journal at {manifest.head.seq}",
        by="restore",
        at_us=int(datetime.now(UTC).timestamp() * 1_000_000),
    )

    async def write() -> None:
        there = latch.decode(await file.read())
        await file.write(latch.encode((*there, kill), file.capacity))

    try:
        trio.run(write)
    except LatchFailed as error:
        raise Failed(f"nothing was restored: the latch can't be written: {error}") from error


def _place_files(path: Path, keys: "Keys", chosen: Settings, given: Path | None) -> None:
    """The instance's name as it was; secrets and the key only where there are none."""
    from persistence.backup.restore import files_of

    for name, content in files_of(path, keys).items():
        place = chosen.data_dir / name
        if name == "instance" or not place.exists():
            _write(place, content)
        else:
            complain(f"{place} is there already and was left alone")
    place = keys_file(chosen)
    if given is not None and not place.exists():
        shutil.copyfile(given, place)
        place.chmod(0o600)


def _write(place: Path, content: bytes) -> None:
    with open(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _verify(dsn: str, manifest: "Manifest") -> None:
    from persistence.postgres.audit import Anchor, audit

    found = audit(dsn, Anchor(seq=manifest.head.seq, hash=manifest.head.hash))
    for finding in found.findings:
        complain(str(finding))
    if found.findings:
        raise Failed("the journal was not whole when the backup was taken; take an older backup")
    print(
        f"verified: {found.seq} records, {found.orders} orders, {found.fills} fills, "
        f"{found.positions} positions\n{found.hash}"
    )


def _migrate(dsn: str) -> None:
    from ops.cli.database import up_to_date

    report = up_to_date(dsn)
    if report.applied:
        print(f"migrated from {report.before} to {report.after}")
