"""The schema of the database, and how it moves forward.

Revisions lie in ``versions``, one file each, forward only: there is no downgrade. All that are missing are
applied in one transaction, so a database has the schema of one release or of another and never one between.
"""

from pathlib import Path

from persistence.migrations.current import is_current, newest_revision
from persistence.migrations.report import VERSIONS, MigrationFailed, MigrationReport

__all__ = ["MigrationFailed", "MigrationReport", "migrate"]


def migrate(dsn: str, *, versions: Path = VERSIONS) -> MigrationReport:
    """Apply every revision of ``versions`` that the database at ``dsn`` lacks; see `runner.migrate`."""
    if is_current(dsn, versions):
        newest = newest_revision(versions)
        return MigrationReport(newest, newest, ())
    from persistence.migrations.runner import migrate as upgrade

    return upgrade(dsn, versions=versions)
