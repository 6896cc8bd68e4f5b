"""What comes of a migration, and what everybody who touches a schema agrees on. Knows no library."""

from dataclasses import dataclass
from pathlib import Path

MIGRATIONS = Path(__file__).parent
VERSIONS = MIGRATIONS / "versions"
ADVISORY_KEY = 0x7472_6164_6577  # "tradew": the same for every release


class MigrationFailed(Exception):
    """No revision was applied: the database is as it was before.

    ``code`` is ``MIGRATION_FAILED``, or ``SCHEMA_NEWER`` when the database has a revision that this release
    does not know; ``remedy`` says what to do.
    """

    def __init__(self, *, code: str, found: str, remedy: str) -> None:
        super().__init__(f"the database could not be migrated: {found}. {remedy}")
        self.code = code
        self.found = found
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class MigrationReport:
    """From which revision to which the database was brought, and the revisions applied, oldest first."""

    before: str | None
    after: str | None
    applied: tuple[str, ...]
