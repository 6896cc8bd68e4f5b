"""Taking a backup while the runtime trades.

One transaction of the database sees everything as of one moment: the head of the journal and the rows are
counted in it, and the dump reads with its exported snapshot. Writers are not held up. What the dump writes
goes through the seal into a draft, never in the clear to a disk; the draft becomes a backup when all of it is
on disk. A crash at any point leaves the shelf as it was, and a draft that the next backup removes.
"""

import base64
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import IO, NamedTuple

import msgspec
import psycopg
from psycopg import sql

from persistence.backup import manifest as manifests
from persistence.backup.errors import BackupError
from persistence.backup.manifest import Head, Manifest, Part
from persistence.backup.programs import away, connect, program, target
from persistence.backup.sealing import Keys
from persistence.backup.shelf import DATABASE, FILES, MANIFEST, Shelf, name_of

COMPRESSION = "gzip:6"
CHUNK = 1 << 20
ROOM = 50_000_000
"""Bytes that a backup leaves free on the disk: trading must go on."""


class _Seen(NamedTuple):
    """The database as of one moment."""

    snapshot: str
    head: Head
    counts: dict[str, int]
    revision: str
    server_version: int


def take_backup(
    dsn: str,
    shelf: Shelf,
    keys: Keys,
    *,
    now: datetime,
    version: str,
    instance: str,
    files: Mapping[str, Path],
) -> Manifest:
    """Put a new backup of the database at `dsn` on the shelf; blocks as long as the dump takes.

    `files` are kept beside the database; those that are not there are left out. Raises BackupError; then
    nothing was added.
    """
    with shelf.writing(), connect(dsn) as connection:
        _require_room(shelf)
        try:
            seen = _look(connection)
            draft = shelf.draft(name_of(now, seen.head.seq))
            parts = {
                DATABASE: _dump(dsn, seen, draft / DATABASE, keys),
                FILES: _seal_files(files, draft / FILES, keys),
            }
        except psycopg.Error as error:
            raise away(error) from error
        except OSError as error:
            raise _not_written(shelf, error) from error
        unsigned = Manifest(
            name=name_of(now, seen.head.seq),
            at=now.isoformat(timespec="seconds"),
            version=version,
            revision=seen.revision,
            server_version=seen.server_version,
            instance=instance,
            head=seen.head,
            counts=seen.counts,
            parts=parts,
            key=keys.public,
        )
        content = manifests.sign(unsigned, keys)
        try:
            with open(draft / MANIFEST, "xb", opener=private) as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            shelf.publish(draft)
        except OSError as error:
            raise _not_written(shelf, error) from error
    return manifests.read(content, unsigned.name)


def _look(connection: psycopg.Connection) -> _Seen:
    connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
    snapshot = _value(connection, "SELECT pg_export_snapshot()")
    seq, digest = _row(connection, "SELECT seq, hash FROM journal_head WHERE id = 1")
    return _Seen(
        snapshot=str(snapshot),
        head=Head(seq=seq, hash=bytes(digest).hex()),
        counts=count_rows(connection),
        revision=str(_value(connection, "SELECT version_num FROM alembic_version")),
        server_version=connection.info.server_version,
    )


def count_rows(connection: psycopg.Connection) -> dict[str, int]:
    """The number of rows of every table of ours, in the transaction of the connection."""
    tables = connection.execute(
        "SELECT schemaname, tablename FROM pg_tables "
        "WHERE schemaname NOT LIKE 'pg\\_%' AND schemaname <> 'information_schema' ORDER BY 1, 2"
    ).fetchall()
    counts: dict[str, int] = {}
    for schema, table in tables:
        found = connection.execute(
            sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(schema, table))
        ).fetchone()
        counts[f"{schema}.{table}"] = 0 if found is None else found[0]
    return counts


def _row(connection: psycopg.Connection, query: str) -> tuple[int, bytes]:
    found = connection.execute(query.encode()).fetchone()
    if found is None:
        raise BackupError(
            "DATABASE_AWAY",
            asked="find the journal's head",
            found="there is none",
            remedy="This database is not whole; restore a backup.",
        )
    return found[0], found[1]


def _value(connection: psycopg.Connection, query: str) -> object:
    found = connection.execute(query.encode()).fetchone()
    return None if found is None else found[0]


def _dump(dsn: str, seen: _Seen, path: Path, keys: Keys) -> Part:
    address, environ = target(dsn)
    command = [
        str(program("pg_dump", seen.server_version)),
        "--format=custom",
        f"--compress={COMPRESSION}",
        "--no-owner",
        "--no-privileges",
        "--no-password",
        f"--snapshot={seen.snapshot}",
        f"--dbname={address}",
    ]
    with (
        tempfile.TemporaryFile() as said,
        subprocess.Popen(
            command, env=environ, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=said
        ) as dump,
    ):
        assert dump.stdout is not None
        try:
            part = _seal(dump.stdout, path, keys)
        except BaseException:
            dump.kill()
            raise
        # The seal ends where the pipe ends: only the exit code tells a whole dump from one that died.
        if dump.wait() != 0:
            raise BackupError(
                "DUMP_FAILED",
                asked="dump the database",
                found=f"pg_dump ended with {dump.returncode}: {last_words(said)}",
                remedy="Mend what it names; the backups before are untouched.",
            )
    return part


def _seal_files(files: Mapping[str, Path], path: Path, keys: Keys) -> Part:
    there = {name: file.read_bytes() for name, file in files.items() if file.is_file()}
    packed = {name: base64.b64encode(content).decode() for name, content in there.items()}
    return _seal(BytesIO(msgspec.json.encode(packed)), path, keys)


def _seal(source: IO[bytes], path: Path, keys: Keys) -> Part:
    with open(path, "xb", opener=private) as file:
        counting = _Counting(file)
        keys.seal(source, counting)  # type: ignore[arg-type]
        file.flush()
        os.fsync(file.fileno())
    return Part(bytes=counting.count, sha256=counting.digest.hexdigest())


class _Counting:
    """Writes through, and knows how much and what."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.count = 0
        self.digest = sha256()

    def write(self, data: bytes) -> int:
        """Write all of it."""
        self._file.write(data)
        self.digest.update(data)
        self.count += len(data)
        return len(data)

    def flush(self) -> None:
        """Hand on what is buffered."""
        self._file.flush()


def private(path: str, flags: int) -> int:
    """For `open`: only the owner may read."""
    return os.open(path, flags, 0o600)


def last_words(said: IO[bytes]) -> str:
    """The end of what a program wrote on its standard error, in one line."""
    said.seek(0)
    lines: Sequence[str] = said.read()[-2000:].decode(errors="replace").split("\n")
    return " | ".join(line.strip() for line in lines[-4:] if line.strip()) or "nothing was said"


def _require_room(shelf: Shelf) -> None:
    newest = shelf.newest()
    needed = ROOM
    if newest is not None:
        needed += sum(file.stat().st_size for file in shelf.path(newest).iterdir()) * 5 // 4
    free = shutil.disk_usage(shelf.folder).free
    if free < needed:
        raise BackupError(
            "DISK_FULL",
            asked=f"write a backup to {shelf.folder}",
            found=f"{free // 1_000_000} MB are free, about {needed // 1_000_000} MB are needed",
            remedy="Free some, or name another folder in TRADEWARDEN_BACKUP__FOLDER.",
        )


def _not_written(shelf: Shelf, error: OSError) -> BackupError:
    return BackupError(
        "DISK_FULL",
        asked=f"write a backup to {shelf.folder}",
        found=error.strerror or str(error),
        remedy="Nothing was added. Make room there and make it writable.",
    )
