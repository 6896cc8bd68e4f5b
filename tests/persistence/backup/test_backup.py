"""Backups: taken while others write, whole or not there, and every kind of damage found before it is used."""

import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import psycopg
import pytest
import trio

from ops.proof.history import write_history
from persistence.backup import BackupError, Keys, Manifest, Shelf, take_backup
from persistence.backup.drill import drill, last_report
from persistence.backup.job import Done, Job
from persistence.backup.programs import target
from persistence.backup.restore import check_backup, files_of, fill
from persistence.backup.sealing import add_key, ensure_keys, read_keys
from persistence.embedded import EmbeddedServer, FolderLock, ServerFailed
from persistence.postgres.audit import Anchor, audit
from tests.fixtures.postgres import MIGRATED, PostgresServer

NOW = datetime(2026, 11, 25, 3, tzinfo=UTC)


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "backups")


@pytest.fixture(scope="module")
def written(postgres_server: PostgresServer) -> str:
    """A database with a journal of a few hundred events, for all tests that only read it."""
    postgres_server.create("with_history", MIGRATED)
    dsn = postgres_server.server.dsn_of("with_history")
    trio.run(write_history, dsn, 300)
    return dsn


@pytest.fixture
def own(written: str, postgres_server: PostgresServer) -> str:
    """A copy of it, to be changed."""
    return postgres_server.fresh("with_history")


def take(dsn: str, shelf: Shelf, keys: Keys, now: datetime = NOW, **files: Path) -> Manifest:
    return take_backup(dsn, shelf, keys, now=now, version="1", instance="abcd", files=files)


@pytest.fixture(scope="module")
def taken(written: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The key and one backup, to be copied."""
    folder = tmp_path_factory.mktemp("taken")
    (folder / "instance").write_text("abcd\n")
    keys = ensure_keys(folder / "backup.key")
    take(written, Shelf(folder / "backups"), keys, instance=folder / "instance")
    return folder


@pytest.fixture
def keys(taken: Path, tmp_path: Path) -> Keys:
    shutil.copy(taken / "backup.key", tmp_path / "backup.key")
    return read_keys(tmp_path / "backup.key")


@pytest.fixture
def backup(taken: Path, shelf: Shelf) -> Path:
    """The folder of a backup of this test's own."""
    shutil.copytree(taken / "backups", shelf.folder)
    return shelf.path(shelf.names()[0])


def code_of(raised: pytest.ExceptionInfo[BackupError]) -> str:
    return raised.value.code


def test_a_backup_restored_is_the_database_again(written, backup, keys, empty_postgres_dsn):
    manifest = check_backup(backup, keys)
    fill(empty_postgres_dsn, backup, manifest, keys)
    before, after = audit(written), audit(empty_postgres_dsn)
    assert after == before
    assert not after.findings
    assert (after.seq, after.hash) == (manifest.head.seq, manifest.head.hash)
    assert files_of(backup, keys) == {"instance": b"abcd\n"}


def test_what_is_written_while_the_dump_runs_is_not_half_in_it(
    own, shelf, keys, empty_postgres_dsn, monkeypatch
):
    """The head, the counts and the dump are of one moment, however much is committed in between."""
    from persistence.backup import take as module

    real = module.count_rows

    def count_and_let_another_write(connection):
        counts = real(connection)
        with psycopg.connect(own) as other:
            other.execute(
                "INSERT INTO tokens VALUES ('t', 'ann', '{read}', sha256('x'), '', now(), NULL, NULL)"
            )
            other.execute("UPDATE journal_head SET epoch = epoch + 1")
        return counts

    monkeypatch.setattr(module, "count_rows", count_and_let_another_write)
    manifest = take(own, shelf, keys)
    monkeypatch.setattr(module, "count_rows", real)
    fill(empty_postgres_dsn, shelf.path(manifest.name), manifest, keys)
    with psycopg.connect(empty_postgres_dsn) as connection:
        assert connection.execute("SELECT count(*) FROM tokens").fetchone() == (0,)


def test_a_service_that_waits_does_not_begin_before_the_comparison(
    backup, keys, empty_postgres_dsn, monkeypatch
):
    """Its first records would look like damage: the head and the rows are not the manifest's any more."""
    from persistence.backup import restore as module

    real, free = module._compare, []

    def compare(dsn, manifest):
        with psycopg.connect(dsn) as service:
            row = service.execute("SELECT pg_try_advisory_xact_lock(%s)", [module.ADVISORY_KEY]).fetchone()
            free.append(row[0])
        real(dsn, manifest)

    monkeypatch.setattr(module, "_compare", compare)
    fill(empty_postgres_dsn, backup, check_backup(backup, keys), keys)
    assert free == [False]


def test_a_restored_journal_goes_on(backup, keys, empty_postgres_dsn):
    """The next process takes the next epoch and appends after the old head."""
    fill(empty_postgres_dsn, backup, check_backup(backup, keys), keys)
    with psycopg.connect(empty_postgres_dsn) as connection:
        rows = connection.execute(
            "SELECT journal_append(h.seq + 1, sha256('x'), h.seq, h.epoch, h.owner, '[]', NULL, NULL, "
            "NULL, NULL) FROM journal_head h"
        ).fetchall()
    assert rows == [(True,)]


@pytest.mark.parametrize("part", ["database.age", "files.age"])
def test_a_changed_byte_a_lost_end_and_a_swapped_file_are_found(part, written, backup, shelf, keys):
    whole = (backup / part).read_bytes()
    other = shelf.path(take(written, shelf, keys, NOW + timedelta(hours=1)).name)
    middle = len(whole) // 2
    for damaged in (
        whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :],
        whole[:-1],
        whole + b"\0",
        b"",
        (other / part).read_bytes(),
    ):
        (backup / part).write_bytes(damaged)
        with pytest.raises(BackupError) as raised:
            check_backup(backup, keys)
        assert code_of(raised) == "BACKUP_DAMAGED"
    (backup / part).unlink()
    with pytest.raises(BackupError) as raised:
        check_backup(backup, keys)
    assert code_of(raised) == "BACKUP_DAMAGED"


def test_an_edited_manifest_is_found(backup, keys):
    text = (backup / "manifest.json").read_text()
    (backup / "manifest.json").write_text(text.replace('"seq": 30', '"seq": 29'))
    with pytest.raises(BackupError) as raised:
        check_backup(backup, keys)
    assert code_of(raised) == "BACKUP_FORGED"


def test_an_old_backup_under_the_name_of_a_newer_one_is_found(backup, shelf, keys):
    forged = shelf.path("20301125T030000Z-300")
    shutil.copytree(backup, forged)
    with pytest.raises(BackupError) as raised:
        check_backup(forged, keys)
    assert code_of(raised) == "BACKUP_FORGED"


def test_without_the_key_it_says_which_one_is_missing(backup, tmp_path):
    other = ensure_keys(tmp_path / "other.key")
    with pytest.raises(BackupError, match="sealed for the key age1") as raised:
        check_backup(backup, other)
    assert code_of(raised) == "KEY_WRONG"
    with pytest.raises(BackupError) as raised:
        read_keys(tmp_path / "nowhere")
    assert code_of(raised) == "KEY_MISSING"


def test_a_new_key_leaves_the_older_backups_readable(backup, written, shelf, keys, tmp_path):
    public = add_key(tmp_path / "backup.key")
    both = read_keys(tmp_path / "backup.key")
    newer = take(written, shelf, both, NOW + timedelta(days=1))
    assert newer.key == both.public == public != check_backup(backup, both).key
    check_backup(shelf.path(newer.name), both)


def test_the_key_is_readable_by_its_owner_alone_and_never_shown(tmp_path, keys):
    secret = keys.reveal()
    assert (tmp_path / "backup.key").stat().st_mode & 0o777 == 0o600
    assert secret.startswith("AGE-SECRET-KEY-")
    assert secret not in repr(keys)


def test_nothing_of_the_database_lies_on_the_shelf_in_the_clear(backup, shelf):
    for path in shelf.folder.rglob("*"):
        if path.is_file():
            assert b"client-1" not in path.read_bytes()
            assert path.stat().st_mode & 0o077 == 0


def test_a_dump_that_dies_leaves_no_backup(written, shelf, keys, monkeypatch, tmp_path):
    """The seal ends properly when the pipe does: only the exit code tells."""
    dying = tmp_path / "pg_dump"
    dying.write_text("#!/bin/sh\necho half of it\necho 'server closed the connection' >&2\nexit 1\n")
    dying.chmod(0o755)
    monkeypatch.setattr("persistence.backup.take.program", lambda name, version: dying)
    with pytest.raises(BackupError, match="server closed the connection") as raised:
        take(written, shelf, keys)
    assert code_of(raised) == "DUMP_FAILED"
    assert shelf.names() == []


def test_a_draft_of_a_killed_backup_is_none_and_goes_with_the_next(written, shelf, keys):
    shelf.folder.mkdir()
    draft = shelf.draft("20261101T000000Z-1")
    (draft / "manifest.json").write_text("{}")
    assert shelf.names() == []
    made = take(written, shelf, keys)
    assert [path.name for path in shelf.folder.iterdir() if path.is_dir()] == [made.name]


def test_two_backups_at_once_are_refused(written, shelf, keys):
    with shelf.writing(), pytest.raises(BackupError) as raised:
        take(written, shelf, keys)
    assert code_of(raised) == "BACKUP_BUSY"


def test_old_backups_go_but_the_newest_three_stay(shelf):
    for days in (90, 80, 70, 60, 5):
        path = shelf.folder / f"{NOW - timedelta(days=days):%Y%m%dT%H%M%SZ}-1"
        path.mkdir(parents=True)
        (path / "manifest.json").write_text("{}")
    assert len(shelf.expire(NOW, 30)) == 2
    assert len(shelf.names()) == 3


def test_a_database_with_tables_is_not_overwritten(written, backup, keys):
    with pytest.raises(BackupError) as raised:
        fill(written, backup, check_backup(backup, keys), keys)
    assert code_of(raised) == "NOT_EMPTY"


def test_a_damaged_stream_leaves_the_database_empty(backup, keys, empty_postgres_dsn):
    """Were the checksum right by chance, the seal finds it, and the one transaction is taken back."""
    manifest = check_backup(backup, keys)
    whole = (backup / "database.age").read_bytes()
    (backup / "database.age").write_bytes(whole[:-20])
    with pytest.raises(BackupError) as raised:
        fill(empty_postgres_dsn, backup, manifest, keys)
    assert code_of(raised) == "BACKUP_DAMAGED"
    with psycopg.connect(empty_postgres_dsn) as connection:
        assert connection.execute(
            "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
        ).fetchone() == (0,)


def test_a_restoring_program_that_fails_is_not_called_a_damaged_file(
    backup, keys, empty_postgres_dsn, monkeypatch, tmp_path
):
    failing = tmp_path / "pg_restore"
    failing.write_text("#!/bin/sh\nexec <&-\necho 'no space left on device' >&2\nexit 1\n")
    failing.chmod(0o755)
    monkeypatch.setattr("persistence.backup.restore.program", lambda name, version: failing)
    with pytest.raises(BackupError, match="no space left on device") as raised:
        fill(empty_postgres_dsn, backup, check_backup(backup, keys), keys)
    assert code_of(raised) == "RESTORE_FAILED"


def test_a_disk_that_fills_meanwhile_leaves_no_backup(written, shelf, keys, monkeypatch):
    class Full:
        def __init__(self, file):
            self.count = 0

        def write(self, data):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("persistence.backup.take._Counting", Full)
    with pytest.raises(BackupError, match="No space left") as raised:
        take(written, shelf, keys)
    assert code_of(raised) == "DISK_FULL"
    assert shelf.names() == []
    assert [path.name for path in shelf.folder.iterdir() if path.is_dir()] == []


def test_a_newest_backup_that_is_damaged_does_not_stop_the_next_one(written, backup, shelf, keys):
    (backup / "manifest.json").write_text('{"format"')
    made = take(written, shelf, keys, NOW + timedelta(days=1))
    assert shelf.newest() == made.name


def test_a_folder_with_a_name_of_its_own_is_kept_and_is_never_the_newest(backup, shelf, keys):
    """A person put a copy aside, on the same shelf: retention doesn't remove it, nor does a drill take it."""
    shutil.copytree(backup, shelf.path("before-the-upgrade"))
    shutil.copytree(backup, shelf.path("01-first"))
    assert shelf.names() == [backup.name]
    for day in (1, 2, 3):
        shutil.copytree(backup, shelf.path(f"{NOW + timedelta(days=day):%Y%m%dT%H%M%SZ}-1"))
    assert shelf.expire(NOW + timedelta(days=60), 30) == [backup.name]
    assert shelf.path("01-first").is_dir()


def test_a_manifest_with_a_byte_that_is_no_text_is_unreadable(backup, keys):
    whole = (backup / "manifest.json").read_bytes()
    (backup / "manifest.json").write_bytes(whole.replace(b"abcd", b"ab\xffd", 1))
    with pytest.raises(BackupError) as raised:
        check_backup(backup, keys)
    assert code_of(raised) == "BACKUP_UNREADABLE"


def test_a_report_of_a_drill_with_a_byte_that_is_no_text_is_none(backup, shelf):
    (shelf.folder / "drill.json").write_bytes(b'{"at": "\xff"}')
    assert last_report(shelf) is None


def test_a_drill_leaves_another_one_alone_and_removes_one_that_was_broken_off(backup, shelf, keys, tmp_path):
    """By hand while the service's own is under way: its server must not lose its folder."""
    under_way, broken_off = tmp_path / "drill-1", tmp_path / "drill-2"
    under_way.mkdir()
    broken_off.mkdir()
    lock = FolderLock(under_way)
    lock.acquire()
    report = drill(shelf, keys, scratch=tmp_path, now=NOW)
    lock.release()
    assert report.ok, report.problem
    assert list(tmp_path.glob("drill-*")) == [under_way]


def test_a_drill_whose_server_does_not_start_leaves_nothing_behind(
    backup, shelf, keys, tmp_path, monkeypatch
):
    def fail(server):
        raise ServerFailed(asked="start", found="the disk is full", remedy="Make room.")

    monkeypatch.setattr(EmbeddedServer, "start", fail)
    report = drill(shelf, keys, scratch=tmp_path, now=NOW)
    assert "the disk is full" in report.problem
    assert not list(tmp_path.glob("drill-*"))


def test_a_backup_of_a_newer_schema_is_refused_before_anything_is_done(backup, keys, empty_postgres_dsn):
    manifest = msgspec.structs.replace(check_backup(backup, keys), revision="9999")
    with pytest.raises(BackupError, match="newer than") as raised:
        fill(empty_postgres_dsn, backup, manifest, keys)
    assert code_of(raised) == "BACKUP_UNREADABLE"


def test_the_drill_restores_checks_and_reports(backup, shelf, keys, tmp_path):
    report = drill(shelf, keys, scratch=tmp_path, now=NOW)
    assert report.ok, report.problem
    assert (report.backup, last_report(shelf)) == (backup.name, report)
    assert report.records >= 300
    assert not list(tmp_path.glob("drill-*"))


def test_the_drill_reports_a_backup_that_is_not_good(backup, shelf, keys, tmp_path):
    (backup / "database.age").write_bytes(b"x")
    report = drill(shelf, keys, scratch=tmp_path, now=NOW)
    assert not report.ok
    assert report.problem.startswith("BACKUP_DAMAGED")


def test_a_password_goes_by_the_environment_and_not_by_an_argument():
    address, environ = target("postgresql://ann:hidden-word@db.example:5433/trading?sslmode=require")
    assert "hidden-word" not in address
    assert environ["PGPASSWORD"] == "hidden-word"
    assert "sslmode=require" in address


def test_the_child_process_takes_a_backup_and_answers(written, tmp_path):
    job = Job(
        action="take",
        dsn=written,
        folder=str(tmp_path / "backups"),
        keys_file=str(tmp_path / "backup.key"),
        data_dir=str(tmp_path),
        keep_days=30,
        now_us=int(NOW.timestamp()) * 1_000_000,
        version="1",
        instance="abcd",
    )
    ended = subprocess.run(
        [sys.executable, "-m", "persistence.backup"],
        input=msgspec.json.encode(job),
        capture_output=True,
        check=True,
    )
    done = msgspec.json.decode(ended.stdout, type=Done)
    assert (done.code, [done.name]) == ("", Shelf(tmp_path / "backups").names())


def test_a_database_that_is_away_is_an_answer_of_the_child(tmp_path, written):
    with pytest.raises(BackupError) as raised:
        take("postgresql://nobody@127.0.0.1:9/none", Shelf(tmp_path), ensure_keys(tmp_path / "k"))
    assert code_of(raised) == "DATABASE_AWAY"


def test_a_journal_that_was_cut_lacks_the_anchor(own, backup, keys):
    head = check_backup(backup, keys).head
    with psycopg.connect(own, autocommit=True) as connection:
        connection.execute("ALTER TABLE events DISABLE TRIGGER append_only")
        connection.execute("DELETE FROM events WHERE seq > %s", [head.seq - 2])
    found = audit(own, Anchor(seq=head.seq, hash=head.hash)).findings
    assert {"ANCHOR", "HEAD"} <= {finding.what for finding in found}


def test_a_full_disk_is_said_before_it_is_full(written, shelf, keys, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: _Usage())
    with pytest.raises(BackupError) as raised:
        take(written, shelf, keys)
    assert code_of(raised) == "DISK_FULL"


class _Usage:
    free = 1_000
