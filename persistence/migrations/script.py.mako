"""${message}."""

from alembic import op

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}


def upgrade() -> None:
    """Say what changes and why; keep old rows readable."""
    ${upgrades if upgrades else 'op.execute("")'}
