"""The folder that backups lie in. A backup is whole or not there: it is renamed when everything is on
disk.
"""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from persistence.backup import manifest as manifests
from persistence.backup.errors import BackupError
from persistence.backup.manifest import Manifest
from persistence.backup.sealing import sync_folder

MANIFEST = "manifest.json"
DATABASE = "database.age"
FILES = "files.age"
DRAFT = ".draft-"
FEWEST = 3
"""So many are kept however old they are: a service that stood still for months has no younger ones."""

NEVER = datetime.min.replace(tzinfo=UTC)


class Shelf:
    """All backups in one folder. Made by :meth:`prepare` when first written to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, name: str) -> Path:
        """Where the backup of this name lies."""
        return self.folder / name

    def names(self) -> list[str]:
        """The backups, oldest first; drafts are none, nor are folders that a person has named."""
        if not self.folder.is_dir():
            return []
        return sorted(
            path.name
            for path in self.folder.iterdir()
            if taken_at(path.name) != NEVER and (path / MANIFEST).is_file()
        )

    def newest(self) -> str | None:
        """The name of the newest backup."""
        return max(self.names(), default=None)

    def manifest(self, name: str) -> Manifest:
        """What the backup says of itself, not yet believed; raise BackupError."""
        return read_manifest(self.path(name))

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Only one process writes here at a time; drafts are removed, those of broken-off ones before."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(self.folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise BackupError(
                    "BACKUP_BUSY",
                    asked=f"write to {self.folder}",
                    found="another backup is under way",
                    remedy="Wait for it.",
                ) from None
            self._remove_drafts()
            try:
                yield
            finally:
                self._remove_drafts()
        finally:
            os.close(descriptor)

    def _remove_drafts(self) -> None:
        """What was broken off must not fill the disk; one that can't be removed now is left for the next."""
        for left_over in self.folder.glob(DRAFT + "*"):
            shutil.rmtree(left_over, ignore_errors=True)

    def draft(self, name: str) -> Path:
        """An empty folder for a backup in the making."""
        path = self.folder / (DRAFT + name)
        path.mkdir(mode=0o700)
        return path

    def publish(self, draft: Path) -> None:
        """Give a complete draft, whose files are on disk, its name."""
        sync_folder(draft)
        draft.rename(self.folder / draft.name.removeprefix(DRAFT))
        sync_folder(self.folder)

    def expire(self, now: datetime, keep_days: int) -> list[str]:
        """Remove what is older than so many days, but for the newest three; return what went."""
        limit = now - timedelta(days=keep_days)
        gone = [name for name in self.names()[:-FEWEST] if taken_at(name) < limit]
        for name in gone:
            draft = self.folder / (DRAFT + name)
            self.path(name).rename(draft)
            shutil.rmtree(draft)
        return gone


def read_manifest(path: Path) -> Manifest:
    """The manifest of the backup in the folder `path`, not yet believed; raise BackupError."""
    try:
        content = (path / MANIFEST).read_bytes()
    except OSError as error:
        raise BackupError(
            "BACKUP_UNREADABLE",
            asked=f"read the backup {path}",
            found=f"{MANIFEST}: {error.strerror}",
            remedy="Name the folder of a backup: it holds manifest.json, database.age and files.age.",
        ) from error
    return manifests.read(content, path.name)


def name_of(now: datetime, seq: int) -> str:
    """The name of a backup: sorts by time, tells where the journal stood."""
    return f"{now.astimezone(UTC):%Y%m%dT%H%M%SZ}-{seq}"


def taken_at(name: str) -> datetime:
    """When the backup of this name was taken; NEVER for a name that doesn't say."""
    try:
        return datetime.strptime(name.partition("-")[0], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return NEVER
