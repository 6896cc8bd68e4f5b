"""The PostgreSQL that a process runs on: the one of the settings, or the embedded one.

Plain synchronous code, before the loop: the server answers, is one that keeps what it confirms, and has the
newest schema.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog

from persistence.durability import require_durability
from persistence.embedded import EmbeddedServer
from persistence.migrations import migrate

_log = structlog.get_logger(room="database")


@contextmanager
def database(url: str | None, data_dir: Path) -> Iterator[tuple[str, EmbeddedServer | None]]:
    """A ready database for the length of the block: its address, and the embedded server if it is ours to
    keep up.

    Raises what the parts raise: EmbeddedPostgresError, UnsafeServer, MigrationFailed; each says what to do.
    """
    if url is not None:
        _prepare(url)
        yield url, None
        return
    server = EmbeddedServer(data_dir / "postgres")
    began = server.start()
    try:
        _log.info("database_ready", began=began.value, pid=server.pid)
        _prepare(server.dsn)
        yield server.dsn, server
    finally:
        if not server.give_back():
            _log.info("database_left_running", why="a subcommand works with it, and will stop it")


def _prepare(dsn: str) -> None:
    require_durability(dsn)
    report = migrate(dsn)
    if report.applied:
        _log.info("database_migrated", before=report.before, after=report.after)
