"""The audit trail: every call that was to change something, who made it and from where. It only grows."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

STATEMENTS = (
    """
    CREATE TABLE audit_trail (
        id text COLLATE "C" PRIMARY KEY,
        at timestamptz NOT NULL,
        user_id text NOT NULL,
        token_id text NOT NULL,
        client text NOT NULL,
        action text NOT NULL,
        method text NOT NULL,
        path text NOT NULL,
        subject text NOT NULL,
        status integer NOT NULL,
        correlation_id text NOT NULL,
        unrecorded bigint NOT NULL
    )
    """,
    """
    CREATE FUNCTION audit_trail_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'the audit trail is append-only: % is refused', TG_OP
            USING ERRCODE = 'insufficient_privilege';
    END $$
    """,
    """
    CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_trail
        FOR EACH STATEMENT EXECUTE FUNCTION audit_trail_is_append_only()
    """,
)


def upgrade() -> None:
    """Make the table."""
    for statement in STATEMENTS:
        op.execute(statement)
