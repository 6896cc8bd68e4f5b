"""The changes of limits are found without reading the journal through."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the index."""
    op.execute("CREATE INDEX events_of_limits ON events (seq) WHERE type = 'LimitChanged'")
