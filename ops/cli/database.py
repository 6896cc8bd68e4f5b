"""The database of the service, whether or not it runs: for subcommands that work on it directly."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import psycopg
import trio

from actors.journal.port import StoreUnavailable
from config import Settings
from ops.cli.command import Failed, settings
from persistence.embedded import EmbeddedPostgresError, borrowed
from persistence.migrations import MigrationFailed, MigrationReport, migrate
from persistence.postgres.audit_trail import PostgresAudit
from persistence.postgres.pool import Database, open_bridge
from persistence.postgres.tokens import PostgresTokenStore
from web.audit import AuditTrail

T = TypeVar("T")


@contextmanager
def database(chosen: Settings) -> Iterator[str]:
    """The address of the database: the configured one, or the embedded one, started for the block if need
    be.
    """
    if chosen.database_url is not None:
        yield chosen.database_url.reveal()
        return
    chosen.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        with borrowed(chosen.data_dir / "postgres") as dsn:
            yield dsn
    except EmbeddedPostgresError as error:
        raise Failed(" ".join(str(error).split())) from error


def up_to_date(dsn: str) -> MigrationReport:
    """Bring the schema up to date."""
    try:
        return migrate(dsn)
    except MigrationFailed as error:
        raise Failed(" ".join(str(error).split())) from error
    except psycopg.Error as error:
        raise Failed(f"the database can't be reached: {' '.join(str(error).split())}") from error


def with_tokens(work: Callable[[PostgresTokenStore, AuditTrail], Awaitable[T]]) -> T:
    """Do something with the tokens in the database of the settings; what is noted of it is kept first."""
    with database(settings()) as dsn:
        up_to_date(dsn)
        return trio.run(_with_tokens, dsn, work)


async def _with_tokens(dsn: str, work: Callable[[PostgresTokenStore, AuditTrail], Awaitable[T]]) -> T:
    async with open_bridge(_say_nothing):
        base = Database(dsn)
        try:
            trail = AuditTrail(PostgresAudit(base))
            done = await work(PostgresTokenStore(base), trail)
            await trail.flush()
            return done
        except StoreUnavailable as error:
            raise Failed(f"the database can't be reached: {error}") from error
        finally:
            await base.close()


def _say_nothing(_what: str, _error: BaseException | None) -> None:
    """Errors that nobody waits for: the work itself has failed or not, and says so."""
