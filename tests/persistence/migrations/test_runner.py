import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import psycopg
import pytest

from persistence.migrations import MigrationFailed, MigrationReport, migrate
from persistence.migrations.current import is_current, newest_revision
from persistence.migrations.runner import head_revision


def write_revision(folder: Path, revision: str, after: str | None, body: str) -> None:
    text = f"""
        from alembic import op

        revision = {revision!r}
        down_revision = {after!r}


        def upgrade() -> None:
            {body}
    """
    (folder / f"{revision}.py").write_text(textwrap.dedent(text))


def tables(dsn: str) -> set[str]:
    with psycopg.connect(dsn) as connection:
        rows = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
    return {name for (name,) in rows}


@pytest.fixture
def versions(tmp_path: Path) -> Path:
    """Two revisions: one table each."""
    folder = tmp_path / "versions"
    folder.mkdir()
    write_revision(folder, "0001", None, 'op.execute("CREATE TABLE first (id int)")')
    write_revision(folder, "0002", "0001", 'op.execute("CREATE TABLE second (id int)")')
    return folder


def test_an_empty_database_gets_every_revision_in_order(empty_postgres_dsn: str, versions: Path) -> None:
    report = migrate(empty_postgres_dsn, versions=versions)
    assert report == MigrationReport(before=None, after="0002", applied=("0001", "0002"))
    assert tables(empty_postgres_dsn) == {"first", "second", "alembic_version"}


def test_a_migrated_database_is_left_alone(empty_postgres_dsn: str, versions: Path) -> None:
    migrate(empty_postgres_dsn, versions=versions)
    assert migrate(empty_postgres_dsn, versions=versions) == MigrationReport("0002", "0002", ())


def test_only_what_is_missing_is_applied(empty_postgres_dsn: str, versions: Path) -> None:
    migrate(empty_postgres_dsn, versions=versions)
    write_revision(versions, "0003", "0002", 'op.execute("CREATE TABLE third (id int)")')
    assert migrate(empty_postgres_dsn, versions=versions) == MigrationReport("0002", "0003", ("0003",))


def test_a_failing_revision_takes_back_those_before_it_and_the_version_table(
    empty_postgres_dsn: str, versions: Path
) -> None:
    write_revision(versions, "0003", "0002", 'op.execute("CREATE TABLE second (id int)")')
    with pytest.raises(MigrationFailed, match='"second" already exists') as caught:
        migrate(empty_postgres_dsn, versions=versions)
    assert caught.value.code == "MIGRATION_FAILED"
    assert tables(empty_postgres_dsn) == set()


def test_a_failing_revision_leaves_an_older_schema_as_it_was(empty_postgres_dsn: str, versions: Path) -> None:
    migrate(empty_postgres_dsn, versions=versions)
    write_revision(versions, "0003", "0002", 'op.execute("ALTER TABLE first ADD COLUMN more int")')
    write_revision(versions, "0004", "0003", 'op.execute("SELECT 1 / 0")')
    with pytest.raises(MigrationFailed, match="division by zero"):
        migrate(empty_postgres_dsn, versions=versions)
    with psycopg.connect(empty_postgres_dsn) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [("0002",)]
        assert connection.execute("SELECT * FROM first").description[0].name == "id"
        assert len(connection.execute("SELECT * FROM first").description) == 1


def test_of_four_starts_at_once_one_migrates_and_three_wait(empty_postgres_dsn: str, versions: Path) -> None:
    write_revision(versions, "0003", "0002", 'op.execute("SELECT pg_sleep(0.2)")')
    reports: list[MigrationReport] = []
    starts = [
        threading.Thread(target=lambda: reports.append(migrate(empty_postgres_dsn, versions=versions)))
        for _ in range(4)
    ]
    for start in starts:
        start.start()
    for start in starts:
        start.join(timeout=60)
    assert sorted(len(report.applied) for report in reports) == [0, 0, 0, 3]
    assert {report.after for report in reports} == {"0003"}


def test_a_table_locked_by_somebody_else_ends_the_attempt(
    empty_postgres_dsn: str, versions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrate(empty_postgres_dsn, versions=versions)
    monkeypatch.setattr("persistence.migrations.runner.LOCK_SECONDS", 1.0)
    write_revision(versions, "0003", "0002", 'op.execute("DROP TABLE first")')
    with psycopg.connect(empty_postgres_dsn) as holder:
        holder.execute("LOCK TABLE first IN ACCESS SHARE MODE")
        with pytest.raises(MigrationFailed, match="lock timeout"):
            migrate(empty_postgres_dsn, versions=versions)
    assert "first" in tables(empty_postgres_dsn)


def test_a_schema_of_a_later_release_is_refused(empty_postgres_dsn: str, versions: Path) -> None:
    write_revision(versions, "0003", "0002", 'op.execute("SELECT 1")')
    migrate(empty_postgres_dsn, versions=versions)
    (versions / "0003.py").unlink()
    with pytest.raises(MigrationFailed) as caught:
        migrate(empty_postgres_dsn, versions=versions)
    assert caught.value.code == "SCHEMA_NEWER"


def test_an_address_that_is_not_postgres_is_refused() -> None:
    with pytest.raises(MigrationFailed, match="does not begin with postgresql://"):
        migrate("mysql://somewhere/else")


def test_a_server_that_is_not_there_is_a_plain_failure(tmp_path: Path, versions: Path) -> None:
    with pytest.raises(MigrationFailed, match="No such file"):
        migrate(f"postgresql://tradewarden@/none?host={tmp_path}", versions=versions)


def test_the_shipped_revisions_form_one_line(postgres_dsn: str) -> None:
    """There is one head, and a migrated database is at it."""
    assert migrate(postgres_dsn).after == head_revision()


def test_the_newest_revision_is_read_from_the_names_of_the_files():
    """A start looks no further when the database has it."""
    assert newest_revision() == head_revision()


def test_a_database_that_is_up_to_date_is_told_without_the_migration_library(empty_postgres_dsn, versions):
    """Neither an empty database nor one that lacks a revision is."""
    assert not is_current(empty_postgres_dsn, versions)
    migrate(empty_postgres_dsn, versions=versions)
    assert is_current(empty_postgres_dsn, versions)
    assert not is_current(empty_postgres_dsn)
    assert not is_current("postgresql:///nothing?host=/nowhere", versions)


def test_a_start_imports_no_library_that_only_some_installations_need():
    """What migrates, what talks to Redis and to real exchanges costs seconds to import."""
    loaded = (
        "import sys, ops.cli.start; "
        "print([name for name in ('alembic', 'sqlalchemy', 'redis', 'ccxt') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
