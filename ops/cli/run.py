"""`tradewarden run`: the service itself."""

import argparse

from ops.cli.command import Command, Failed, leaves, nothing, settings


def command(_name: str) -> Command:
    """The subcommand."""
    return Command(
        "Start the service and keep running until SIGTERM or Ctrl+C.",
        "TRADEWARDEN_BIND=127.0.0.1:8085 tradewarden run",
        nothing,
        run,
    )


def run(_asked: argparse.Namespace) -> int:
    """Start the service; the exit code is the service's own."""
    chosen = settings()
    from ops.cli.start import main

    try:
        return main(chosen)
    except Exception as raised:
        line = line_of(raised)
        if line is None:
            raise
        raise Failed(line) from raised


def line_of(raised: Exception) -> str | None:
    """What keeps the service from running, in one line; None where the traceback is wanted.

    What nurseries carried out counts when it is one error, or several of the system's.
    """
    import psycopg

    from persistence.backup.errors import BackupError
    from persistence.durability import UnsafeServer
    from persistence.embedded import EmbeddedPostgresError
    from persistence.migrations import MigrationFailed
    from persistence.vault import VaultError

    errors = leaves(raised)
    if any(isinstance(error, BrokenPipeError) for error in errors):
        return None
    if all(isinstance(error, OSError) for error in errors):
        return f"can't run: {'; '.join(dict.fromkeys(map(_told, errors)))}"
    match errors:
        case [
            EmbeddedPostgresError() | MigrationFailed() | UnsafeServer() | VaultError() | BackupError() as it
        ]:
            return _told(it)
        case [psycopg.Error() as it]:
            return f"the database can't be reached: {_told(it)}"
    return None


def _told(error: BaseException) -> str:
    return " ".join(str(error).split())
