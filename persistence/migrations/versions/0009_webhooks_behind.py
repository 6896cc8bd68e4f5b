"""Webhooks whose receiver takes nothing are passed over: from where on the journal is their queue.

`behind_positions` are the positions at `behind_seq`, as `webhook_outbox` has them at the cursor.
"""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nobody is behind yet."""
    op.execute("ALTER TABLE webhook_endpoints ADD COLUMN behind_seq bigint, ADD COLUMN behind_positions text")
