"""Bringing a database to the newest schema: all missing revisions in one transaction, or none.

Called before the runtime's loop starts, in plain synchronous code. Starts that come at the same moment
queue at an advisory lock that belongs to the transaction: the first migrates, the others find nothing left
to do. A lock that somebody holds on a table ends the attempt after ``lock_timeout`` instead of holding up
the start for ever.
"""

from pathlib import Path

import sqlalchemy
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.script.revision import ResolutionError
from alembic.util import CommandError
from sqlalchemy.engine import Connection
from sqlalchemy.exc import SQLAlchemyError

from persistence.migrations.report import (
    ADVISORY_KEY,
    MIGRATIONS,
    VERSIONS,
    MigrationFailed,
    MigrationReport,
)

QUEUE_SECONDS = 60.0
LOCK_SECONDS = 10.0


def migrate(dsn: str, *, versions: Path = VERSIONS) -> MigrationReport:
    """Apply every revision of ``versions`` that the database at ``dsn`` lacks.

    Blocks: at most 60 s for its turn among other starts, 10 s for any lock that a revision needs, and the
    time the revisions take. Raises :class:`MigrationFailed`; the database is then unchanged, its version
    table included.
    """
    config = _configuration(versions)
    engine = sqlalchemy.create_engine(_driver_url(dsn), poolclass=sqlalchemy.NullPool)
    try:
        with engine.begin() as connection:
            _take_turn(connection)
            return _upgrade(connection, config)
    except ResolutionError as error:
        raise MigrationFailed(
            code="SCHEMA_NEWER",
            found=f"its schema is at revision {error.argument}, which this release does not know",
            remedy="Start the release that it belongs to, or restore a backup from before.",
        ) from error
    except (SQLAlchemyError, CommandError) as error:
        raise MigrationFailed(
            code="MIGRATION_FAILED",
            found=" ".join(str(getattr(error, "orig", None) or error).split()),
            remedy="Nothing was changed; mend the cause and start again.",
        ) from error
    finally:
        engine.dispose()


def head_revision(versions: Path = VERSIONS) -> str | None:
    """The newest revision in ``versions``, None when there is none."""
    return ScriptDirectory.from_config(_configuration(versions)).get_current_head()


def known_revisions(versions: Path = VERSIONS) -> frozenset[str]:
    """Every revision that this release has: databases at one of these it can bring up to date."""
    return frozenset(
        script.revision for script in ScriptDirectory.from_config(_configuration(versions)).walk_revisions()
    )


def stored_revision(dsn: str) -> str | None:
    """The revision that the database at ``dsn`` is at, None when it is empty; changes nothing."""
    engine = sqlalchemy.create_engine(_driver_url(dsn), poolclass=sqlalchemy.NullPool)
    try:
        with engine.connect() as connection:
            return _revision(connection)
    finally:
        engine.dispose()


def _configuration(versions: Path) -> Config:
    config = Config()
    config.set_main_option("script_location", _escaped(MIGRATIONS))
    config.set_main_option("version_locations", _escaped(versions))
    config.set_main_option("path_separator", "newline")
    return config


def _escaped(path: Path) -> str:
    return str(path).replace("%", "%%")


def _driver_url(dsn: str) -> str:
    """The address as SQLAlchemy wants it; ``postgres://`` and ``postgresql://`` are the same thing."""
    scheme, separator, rest = dsn.partition("://")
    if not separator or scheme not in ("postgresql", "postgres"):
        raise MigrationFailed(
            code="MIGRATION_FAILED",
            found="the database address does not begin with postgresql://",
            remedy="Correct TRADEWARDEN_DATABASE_URL.",
        )
    return f"postgresql+psycopg://{rest}"


def _take_turn(connection: Connection) -> None:
    """Wait for the other starts, then bound how long a revision may wait for a lock."""
    set_timeout = sqlalchemy.text("SELECT set_config('lock_timeout', :value, true)")
    connection.execute(set_timeout, {"value": f"{QUEUE_SECONDS:.0f}s"})
    connection.execute(sqlalchemy.text("SELECT pg_advisory_xact_lock(:key)"), {"key": ADVISORY_KEY})
    connection.execute(set_timeout, {"value": f"{LOCK_SECONDS:.0f}s"})


def _upgrade(connection: Connection, config: Config) -> MigrationReport:
    before = _revision(connection)
    scripts = ScriptDirectory.from_config(config)
    applied = tuple(script.revision for script in scripts.iterate_revisions("heads", before or "base"))
    if applied:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    return MigrationReport(before, _revision(connection), tuple(reversed(applied)))


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()
