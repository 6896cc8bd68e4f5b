"""Alembic's entry point: it works on the connection and inside the transaction of the runner.

Only :mod:`persistence.migrations.runner` starts it; the command line tool of Alembic is for writing new
revisions.
"""

from alembic import context


def run() -> None:
    """Apply the revisions; beginning and ending the transaction is the runner's business."""
    connection = context.config.attributes.get("connection")
    if connection is None:
        message = "run `tradewarden migrate`: migrations need the lock and the transaction of the runner"
        raise RuntimeError(message)
    context.configure(connection=connection, target_metadata=None, transactional_ddl=True)
    context.run_migrations()


run()
