"""The schema of the database, and how it moves forward.

Revisions lie in ``versions``, one file each, forward only: there is no downgrade. All that are missing are
applied in one transaction, so a database has the schema of one release or of another and never one between.
"""

from persistence.migrations.runner import MigrationFailed, MigrationReport, migrate

__all__ = ["MigrationFailed", "MigrationReport", "migrate"]
