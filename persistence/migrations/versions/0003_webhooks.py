"""Webhooks: endpoints, how far the outbox has come, deliveries and dead letters.

A delivery is a row until its receiver has taken it; a dead letter is a row in another state. `head` marks
the first pending delivery of each subject, so that finding what is due costs the same however much waits
behind it. Every writer of deliveries locks the one row of `webhook_outbox` first: otherwise a new delivery
could miss that the one before it has just gone.
"""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

STATEMENTS = (
    """
    CREATE TABLE webhook_endpoints (
        id text PRIMARY KEY,
        url text NOT NULL,
        kind text NOT NULL,
        events text[] NOT NULL,
        note text NOT NULL,
        state text NOT NULL CHECK (state IN ('active', 'paused', 'disabled')),
        reason text NOT NULL,
        secret text NOT NULL,
        previous_secret text,
        previous_until_us bigint NOT NULL,
        since_seq bigint NOT NULL,
        created_us bigint NOT NULL,
        updated_us bigint NOT NULL,
        delivered bigint NOT NULL DEFAULT 0,
        failed_attempts bigint NOT NULL DEFAULT 0,
        last_delivered_us bigint NOT NULL DEFAULT 0,
        last_failed_us bigint NOT NULL DEFAULT 0,
        last_error text NOT NULL DEFAULT ''
    ) WITH (fillfactor = 50)
    """,
    """
    CREATE TABLE webhook_outbox (
        id smallint PRIMARY KEY DEFAULT 1 CHECK (id = 1),
        seq bigint NOT NULL,
        positions text NOT NULL
    ) WITH (fillfactor = 10)
    """,
    "INSERT INTO webhook_outbox (seq, positions) VALUES (0, '[]')",
    """
    CREATE TABLE webhook_deliveries (
        id text PRIMARY KEY,
        endpoint_id text NOT NULL REFERENCES webhook_endpoints ON DELETE CASCADE,
        number bigint NOT NULL,
        event text NOT NULL,
        subject text NOT NULL,
        body text NOT NULL,
        created_us bigint NOT NULL,
        due_us bigint NOT NULL,
        attempts integer NOT NULL,
        state text NOT NULL CHECK (state IN ('pending', 'dead')),
        head boolean NOT NULL,
        last_status integer,
        last_error text NOT NULL,
        dead_us bigint NOT NULL
    ) WITH (fillfactor = 80)
    """,
    """
    CREATE INDEX webhook_deliveries_in_line ON webhook_deliveries (endpoint_id, subject, number, id)
        WHERE state = 'pending'
    """,
    """
    CREATE INDEX webhook_deliveries_due ON webhook_deliveries (endpoint_id, due_us, number, id)
        WHERE state = 'pending' AND head
    """,
    "CREATE INDEX webhook_deliveries_dead ON webhook_deliveries (dead_us, id) WHERE state = 'dead'",
    "CREATE INDEX webhook_deliveries_of_endpoint ON webhook_deliveries (endpoint_id, state)",
)


def upgrade() -> None:
    """Make the tables; the cursor begins at 0 and jumps to the journal's head while nobody listens."""
    for statement in STATEMENTS:
        op.execute(statement)
