"""`tradewarden migrate`: the database's schema, brought up to date in one transaction."""

import argparse

from ops.cli.command import OK, Command, nothing, settings


def command(_name: str) -> Command:
    """The subcommand."""
    return Command(
        "Bring the database's schema up to date; `run` does the same at its start. All or nothing.",
        "TRADEWARDEN_DATABASE_URL=postgresql://... tradewarden migrate",
        nothing,
        run,
    )


def run(_asked: argparse.Namespace) -> int:
    """Migrate and say from where to where."""
    from ops.cli.database import database, up_to_date

    with database(settings()) as dsn:
        report = up_to_date(dsn)
    if report.applied:
        print(f"migrated from {report.before or 'nothing'} to {report.after}: {' '.join(report.applied)}")
    else:
        print(f"nothing to do: the schema is at {report.after}")
    return OK
