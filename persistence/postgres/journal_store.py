"""The journal in PostgreSQL.

One connection writes. When it is opened it puts its own name into `journal_head`, and `journal_append` moves
the head only for that name: a batch that an older connection still has under way, even one that its server
process has not read yet, can't land after that. So the same step that opens a connection also settles an
unknown commit: it waits for the row's lock and sees whether the head has moved.
"""

import secrets
from collections.abc import Sequence
from typing import NamedTuple

import trio

from actors.journal.chain import GENESIS
from actors.journal.port import (
    Batch,
    BatchRefused,
    CommitUnknown,
    Deposed,
    Head,
    StoredSnapshot,
    StoreUnavailable,
)
from actors.model.journal import Record
from persistence.postgres.pool import Connection, Database, Lost, Refused, Row, Statement, guarded
from persistence.postgres.rows import amended_argument, batch_arguments, record_of
from persistence.postgres.segments import AFTER

COMMIT_SECONDS = 5.0
OPEN_SECONDS = 6.0
SNAPSHOTS_KEPT = 3
WRITER_NAME = "tradewarden journal"

WRITER_SETTINGS = {
    "application_name": WRITER_NAME,
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
}

_APPEND = (
    "journal_append($1, $2, $3, $4, $5, convert_from($6, 'UTF8')::json, "
    "convert_from($7, 'UTF8')::json, convert_from($8, 'UTF8')::json, convert_from($9, 'UTF8')::json, "
    "convert_from($10, 'UTF8')::json)"
)
APPEND = f"SELECT {_APPEND}"
APPEND_AMENDED = (
    f"SELECT CASE WHEN {_APPEND} THEN journal_amend(convert_from($11, 'UTF8')::json) ELSE false END"
)
TAKE_OVER = "UPDATE journal_head SET epoch = epoch + 1, owner = $1 WHERE id = 1 RETURNING seq, hash, epoch"
CLAIM = "UPDATE journal_head SET owner = $1 WHERE id = 1 AND epoch = $2 RETURNING seq, hash, epoch"
END_OLD = (
    "SELECT pg_terminate_backend(pid, 1000) FROM pg_stat_activity WHERE pid = $1 AND backend_start::text = $2"
)
END_OTHERS = (
    "SELECT pg_terminate_backend(pid, 1000) FROM pg_stat_activity WHERE application_name = $1 "
    "AND datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()"
)
WHO_AM_I = "SELECT pid, backend_start::text FROM pg_stat_activity WHERE pid = pg_backend_pid()"
LATEST = "SELECT seq, hash, book FROM snapshots WHERE fold_version = $1 ORDER BY seq DESC LIMIT 1"
SAVE = (
    "INSERT INTO snapshots (fold_version, seq, hash, book) VALUES ($1, $2, $3, $4) "
    "ON CONFLICT (fold_version, seq) DO UPDATE SET hash = excluded.hash, book = excluded.book"
)
FORGET = (
    "DELETE FROM snapshots WHERE fold_version = $1 AND seq NOT IN "
    "(SELECT seq FROM snapshots WHERE fold_version = $1 ORDER BY seq DESC LIMIT $2)"
)


class _Backend(NamedTuple):
    """A server process; its start time tells it from a later one with the same number."""

    pid: int
    started: str


class _Writer(NamedTuple):
    connection: Connection
    append: Statement
    owner: str
    backend: _Backend


class PostgresJournalStore:
    """Implements `actors.journal.port.JournalStore`; to be used by one task at a time, except for reads.

    A commit that has had no answer for `commit_seconds` is treated as unknown.
    """

    def __init__(self, database: Database, *, commit_seconds: float = COMMIT_SECONDS) -> None:
        self._database = database
        self._commit_seconds = commit_seconds
        self._writer: _Writer | None = None
        self._old: _Backend | None = None
        self._sent = False

    async def take_over(self) -> Head:
        """Move the journal to the next epoch, ours; raise StoreUnavailable."""
        return await self._open(None)

    async def append(self, batch: Batch, epoch: int) -> None:
        """Commit the batch. Cancelled, it is unknown whether it landed, and the connection is dropped."""
        try:
            rows, amended = batch_arguments(batch), amended_argument(batch)
        except ValueError as error:
            raise BatchRefused(f"{type(error).__name__}: {error}") from error
        if self._writer is None or self._writer.connection.is_closed():
            await self._open(epoch)
        newest = batch.records[-1]
        self._sent = False
        try:
            with trio.fail_after(self._commit_seconds):
                moved = await self._database.run(
                    self._send(newest.seq, newest.hash, batch.previous_seq, epoch, rows, amended)
                )
        except trio.TooSlowError:
            raise CommitUnknown(f"the commit had no answer within {self._commit_seconds} s") from None
        except Lost as error:
            raise CommitUnknown(str(error)) from error
        except Refused as error:
            raise BatchRefused(str(error)) from error
        if not moved:
            raise Deposed(f"the head is not at {batch.previous_seq} of epoch {epoch}, or no longer ours")

    async def resolve(self, batch: Batch, epoch: int) -> bool:
        """Whether an unknown commit landed; from now on it can't. Raise StoreUnavailable or Deposed."""
        head = await self._open(epoch)
        newest = batch.records[-1]
        if head.seq == newest.seq and head.hash == newest.hash:
            return True
        if head.seq == batch.previous_seq:
            return False
        raise Deposed(
            f"the head is at {head.seq}: neither before nor after the batch that ends at {newest.seq}"
        )

    async def read(self, after: int, limit: int) -> Sequence[Record]:
        """Records later than `after`, oldest first; raise StoreUnavailable."""
        rows: list[Row] = await self._database.read(lambda connection: connection.fetch(AFTER, after, limit))
        return [record_of(row, row["previous_hash"] or GENESIS) for row in rows]

    async def latest_snapshot(self, fold_version: int) -> StoredSnapshot | None:
        """The newest snapshot of this fold version."""
        row: Row | None = await self._database.read(
            lambda connection: connection.fetchrow(LATEST, fold_version)
        )
        if row is None:
            return None
        return StoredSnapshot(seq=row["seq"], hash=row["hash"], fold_version=fold_version, book=row["book"])

    async def save_snapshot(self, snapshot: StoredSnapshot) -> None:
        """Keep the snapshot, forget all but the newest three."""

        async def save(connection: Connection) -> None:
            async with connection.transaction():
                await connection.execute(
                    SAVE, snapshot.fold_version, snapshot.seq, snapshot.hash, snapshot.book
                )
                await connection.execute(FORGET, snapshot.fold_version, SNAPSHOTS_KEPT)

        await self._database.read(save)

    async def close(self) -> None:
        """Close the writing connection. The database object belongs to whoever made it."""
        writer, self._writer = self._writer, None
        await self._database.end(*([] if writer is None else [writer.connection]))

    async def _send(
        self,
        seq: int,
        digest: bytes,
        previous_seq: int,
        epoch: int,
        rows: tuple[bytes | None, ...],
        amended: bytes | None,
    ) -> bool:
        writer = self._writer
        if writer is None:
            raise StoreUnavailable("the writing connection is gone")
        try:
            arguments = (seq, digest, previous_seq, epoch, writer.owner, *rows)
            if amended is None:
                moved = await guarded(writer.append.fetchval(*arguments))
            else:
                moved = await guarded(writer.connection.fetchval(APPEND_AMENDED, *arguments, amended))
        except (Refused, StoreUnavailable):
            raise
        except BaseException:
            self._drop()
            raise
        return bool(moved)

    async def _open(self, epoch: int | None) -> Head:
        """Open a new writing connection: of this epoch, or of the next one."""
        self._drop()
        try:
            with trio.fail_after(OPEN_SECONDS):
                return await self._database.run(self._claim(epoch))
        except trio.TooSlowError:
            raise StoreUnavailable(f"no writing connection within {OPEN_SECONDS} s") from None
        except (Lost, Refused) as error:
            raise StoreUnavailable(str(error)) from error

    async def _claim(self, epoch: int | None) -> Head:
        connection = await self._database.connect(**WRITER_SETTINGS)
        try:
            owner = secrets.token_hex(8)
            if epoch is None:
                await guarded(connection.fetch(END_OTHERS, WRITER_NAME))
                row = await guarded(connection.fetchrow(TAKE_OVER, owner))
            else:
                if self._old is not None:
                    await guarded(connection.fetch(END_OLD, *self._old))
                row = await guarded(connection.fetchrow(CLAIM, owner, epoch))
            if row is None:
                raise Deposed(f"the journal is no longer at epoch {epoch}")
            statement = await guarded(connection.prepare(APPEND))
            me = await guarded(connection.fetchrow(WHO_AM_I))
        except BaseException:
            connection.terminate()
            raise
        self._old = None
        self._writer = _Writer(connection, statement, owner, _Backend(*me))
        return Head(seq=row["seq"], hash=bytes(row["hash"]), epoch=row["epoch"])

    def _drop(self) -> None:
        if self._writer is not None:
            self._old = self._writer.backend
            self._writer.connection.terminate()
            self._writer = None
