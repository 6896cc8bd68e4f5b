"""`tradewarden run`: the service itself."""

import argparse

from ops.cli.command import Command, Failed, nothing, settings


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
    import psycopg

    from ops.cli.start import main
    from persistence.backup.errors import BackupError
    from persistence.durability import UnsafeServer
    from persistence.embedded import EmbeddedPostgresError
    from persistence.migrations import MigrationFailed
    from persistence.vault import VaultError

    try:
        return main(chosen)
    except (EmbeddedPostgresError, MigrationFailed, UnsafeServer, VaultError, BackupError) as error:
        raise Failed(" ".join(str(error).split())) from error
    except psycopg.Error as error:
        raise Failed(f"the database can't be reached: {' '.join(str(error).split())}") from error
    except OSError as error:
        raise Failed(f"can't start: {error}") from error
