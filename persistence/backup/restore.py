"""From a backup to a database: into an empty one only, whole or not at all.

Everything that can be known beforehand is checked first: the manifest's proof, then the checksum of every
part. The dump is restored in one transaction that ends only after the seal has been opened to its last byte;
a crash or a damaged piece leaves the database as empty as it was. Meanwhile the lock that migrations take is
held, so that a service that starts in that moment waits or fails and does not begin a journal of its own.
"""

import base64
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import IO

import msgspec
import psycopg

from persistence.backup import manifest as manifests
from persistence.backup.errors import BackupError
from persistence.backup.manifest import Manifest, Part
from persistence.backup.programs import away, connect, program, target
from persistence.backup.sealing import Damaged, Keys, WrongKey
from persistence.backup.shelf import DATABASE, FILES, read_manifest
from persistence.backup.take import CHUNK, count_rows, last_words
from persistence.migrations.report import ADVISORY_KEY

KNOWS_OUR_SETTINGS = 170_000
"""From this version on a server knows all that our restore program sets. On an older one that is an error,
which would end the one transaction, so there it is restored without: broken off, the database is to be
emptied by hand. What is there in the end is compared with the manifest all the same.
"""


def check_backup(path: Path, keys: Keys) -> Manifest:
    """Check a backup as it lies there, every byte of it; return its manifest, now believed. Raise
    BackupError.

    Takes as long as reading it does. What only a restore can tell is left for that: see the drill.
    """
    manifest = read_manifest(path)
    manifests.authenticate(manifest, keys)
    for name, part in manifest.parts.items():
        _check_part(path / name, part, manifest.name)
    return manifest


def require_empty(dsn: str) -> None:
    """Raise BackupError (NOT_EMPTY) unless the database has no table at all."""
    with connect(dsn) as connection:
        tables = connection.execute(
            "SELECT count(*) FROM pg_tables "
            "WHERE schemaname NOT LIKE 'pg\\_%' AND schemaname <> 'information_schema'"
        ).fetchone()
    if tables is not None and tables[0]:
        raise BackupError(
            "NOT_EMPTY",
            asked="restore a backup",
            found=f"the database has {tables[0]} tables already",
            remedy="Restore into an empty one: another data folder, or a new database.",
        )


def fill(dsn: str, path: Path, manifest: Manifest, keys: Keys) -> None:
    """Restore a checked backup into the empty database at `dsn`; raise BackupError.

    What is in the database afterwards was compared with the manifest: the head, and the rows of every table.
    """
    from persistence.migrations.runner import head_revision, known_revisions

    if manifest.revision not in known_revisions():
        raise BackupError(
            "BACKUP_UNREADABLE",
            asked=f"restore the backup {manifest.name}",
            found=f"its schema {manifest.revision} is newer than {head_revision()}, that of this release",
            remedy=f"Restore it with release {manifest.version} or newer.",
        )
    with _no_service_starts(dsn) as server_version:
        require_empty(dsn)
        _restore(dsn, server_version, path / DATABASE, keys)
        _compare(dsn, manifest)


def files_of(path: Path, keys: Keys) -> dict[str, bytes]:
    """The files that were kept beside the database; raise BackupError."""
    opened = BytesIO()
    try:
        with open(path / FILES, "rb") as source:
            keys.open(source, opened)
        packed = msgspec.json.decode(opened.getvalue(), type=dict[str, str])
    except (Damaged, WrongKey, OSError, msgspec.MsgspecError) as error:
        raise _damaged(path.name, FILES, str(error)) from error
    return {name: base64.b64decode(content) for name, content in packed.items()}


def _check_part(path: Path, part: Part, backup: str) -> None:
    digest, size = sha256(), 0
    try:
        with open(path, "rb") as file:
            while piece := file.read(CHUNK):
                digest.update(piece)
                size += len(piece)
    except OSError as error:
        raise _damaged(backup, path.name, error.strerror or str(error)) from error
    if size != part.bytes:
        raise _damaged(backup, path.name, f"it has {size} bytes instead of {part.bytes}")
    if digest.hexdigest() != part.sha256:
        raise _damaged(backup, path.name, "its checksum is another")


@contextmanager
def _no_service_starts(dsn: str) -> Iterator[int]:
    """Hold the lock that every start takes before it migrates; gives the server's version."""
    with connect(dsn) as connection:
        held = connection.execute("SELECT pg_try_advisory_xact_lock(%s)", [ADVISORY_KEY]).fetchone()
        if held is None or not held[0]:
            raise BackupError(
                "NOT_EMPTY",
                asked="restore a backup",
                found="a service is just starting on this database",
                remedy="Stop the service, and look at the database.",
            )
        yield connection.info.server_version


def _restore(dsn: str, server_version: int, sealed: Path, keys: Keys) -> None:
    address, environ = target(dsn)
    whole = server_version >= KNOWS_OUR_SETTINGS
    command = [
        str(program("pg_restore", server_version)),
        "--format=custom",
        *(("--single-transaction", "--exit-on-error") if whole else ()),
        "--no-owner",
        "--no-privileges",
        "--no-password",
        f"--dbname={address}",
    ]
    with (
        tempfile.TemporaryFile() as said,
        open(sealed, "rb") as source,
        subprocess.Popen(
            command, env=environ, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=said
        ) as restore,
    ):
        assert restore.stdin is not None
        pipe = _Pipe(restore.stdin)
        try:
            keys.open(source, pipe)  # type: ignore[arg-type]
            restore.stdin.close()
        except (Damaged, WrongKey, OSError) as error:
            if not pipe.broken:
                # It must not see an orderly end of file: that would be a commit.
                restore.kill()
                raise _damaged(sealed.parent.name, sealed.name, str(error)) from error
        except BaseException:
            restore.kill()
            raise
        if restore.wait() != 0 and (whole or not _only_unknown_setting(said)):
            raise BackupError(
                "RESTORE_FAILED",
                asked="restore the database",
                found=f"pg_restore ended with {restore.returncode}: {last_words(said)}",
                remedy="Mend what it names, empty the database if it is not empty, then restore again.",
            )


class _Pipe:
    """The way into the restoring program; knows whether that program hung up, which is not the file's
    fault.
    """

    def __init__(self, pipe: IO[bytes]) -> None:
        self._pipe = pipe
        self.broken = False

    def write(self, data: bytes) -> int:
        """Hand on."""
        try:
            return self._pipe.write(data)
        except OSError:
            self.broken = True
            raise

    def flush(self) -> None:
        """Hand on what is buffered."""
        try:
            self._pipe.flush()
        except OSError:
            self.broken = True
            raise


def _only_unknown_setting(said: IO[bytes]) -> bool:
    """Whether all that went wrong is the one setting that an older server doesn't know."""
    said.seek(0)
    text = said.read().decode(errors="replace")
    return 'unrecognized configuration parameter "transaction_timeout"' in text and (
        "errors ignored on restore: 1" in text
    )


def _compare(dsn: str, manifest: Manifest) -> None:
    with connect(dsn) as connection:
        try:
            head = connection.execute("SELECT seq, encode(hash, 'hex') FROM journal_head").fetchone()
            counts = count_rows(connection)
        except psycopg.Error as error:
            raise away(error) from error
    differing = {
        table: f"{manifest.counts.get(table)} -> {counts.get(table)}"
        for table in sorted({*counts, *manifest.counts})
        if counts.get(table) != manifest.counts.get(table)
    }
    if head != (manifest.head.seq, manifest.head.hash) or differing:
        raise BackupError(
            "BACKUP_DAMAGED",
            asked=f"restore the backup {manifest.name}",
            found=f"the head is {head}, the rows differ in {differing or 'nothing'}",
            remedy="Don't use this database; restore another backup into an empty one.",
        )


def _damaged(backup: str, part: str, found: str) -> BackupError:
    return BackupError(
        "BACKUP_DAMAGED",
        asked=f"use the backup {backup}",
        found=f"{part}: {found}",
        remedy="Take another copy of it, or another backup.",
    )
