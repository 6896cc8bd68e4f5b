"""Whether a database has the newest schema already, which is so at nearly every start.

Asked without the libraries that migrate: to import them takes longer than all else that a start does.
"""

from pathlib import Path

import psycopg

from persistence.migrations.report import VERSIONS

STORED = "SELECT version_num FROM alembic_version"


def newest_revision(versions: Path = VERSIONS) -> str | None:
    """The revision that the chain in ``versions`` ends with, by the names of its files; None: no files."""
    return max((file.stem.partition("_")[0] for file in versions.glob("[0-9]*.py")), default=None)


def is_current(dsn: str, versions: Path = VERSIONS) -> bool:
    """Whether the database at ``dsn`` is at the newest revision; False also when that can't be said."""
    try:
        with psycopg.connect(dsn, connect_timeout=10) as connection:
            found = connection.execute(STORED).fetchall()
    except psycopg.Error:
        return False
    return [newest_revision(versions)] == [row[0] for row in found]
