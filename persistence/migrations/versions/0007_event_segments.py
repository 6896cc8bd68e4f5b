"""Old events, folded into segments: 512 records in one row that PostgreSQL compresses.

Nothing is thrown away. A segment holds its records word for word, so the chain goes on through it; `events`
keeps the newest. `archived_events` shows the records of segments as rows, with the columns of the segment
that finds them. `fold_events` is the only way in: it writes the next segment, compares every column of every
record with what it would delete, and only then deletes, all in the transaction of its caller.
"""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

STATEMENTS = (
    """
    CREATE TABLE event_segments (
        first_seq bigint PRIMARY KEY,
        last_seq bigint NOT NULL UNIQUE,
        previous_hash bytea NOT NULL CHECK (length(previous_hash) = 32),
        last_hash bytea NOT NULL CHECK (length(last_hash) = 32),
        order_ids uuid[] NOT NULL,
        types text[] NOT NULL,
        body json NOT NULL,
        CHECK (last_seq >= first_seq)
    )
    """,
    "CREATE INDEX event_segments_of_order ON event_segments USING gin (order_ids)",
    """
    CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON event_segments
        FOR EACH STATEMENT EXECUTE FUNCTION events_are_append_only()
    """,
    """
    CREATE VIEW archived_events AS
        SELECT s.first_seq, s.last_seq, s.order_ids, s.types, r.seq, from_us(r.at) AS at, r.stream, r.type,
               r.version, convert_to(r.payload::text, 'UTF8') AS payload, r.correlation AS correlation_id,
               r.causation AS causation_id, r.hash, r.order_id, r.previous_hash
        FROM event_segments AS s CROSS JOIN LATERAL (
            SELECT e.seq, e.at, e.stream, e.type, e.version, e.payload, e.correlation, e.causation,
                   decode(e.hash, 'base64') AS hash, e.order_id,
                   lag(decode(e.hash, 'base64'), 1, s.previous_hash) OVER (ORDER BY e.seq) AS previous_hash
            FROM json_to_recordset(s.body) AS e (
                seq bigint, at bigint, stream text, type text, version integer, payload json,
                correlation text, causation text, hash text, order_id uuid)
        ) AS r
    """,
    """
    CREATE OR REPLACE FUNCTION events_are_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'DELETE' AND TG_TABLE_NAME = 'events'
                AND current_setting('tradewarden.folding', true) = 'on' THEN
            RETURN NULL;
        END IF;
        RAISE EXCEPTION 'the journal is append-only: % of % is refused', TG_OP, TG_TABLE_NAME
            USING ERRCODE = 'insufficient_privilege';
    END $$
    """,
    """
    CREATE FUNCTION fold_events(records integer, newest_seq bigint, before timestamptz)
    RETURNS bigint LANGUAGE plpgsql AS $$
    DECLARE
        base bigint;
        base_hash bytea;
        final bigint;
        differing bigint;
    BEGIN
        LOCK TABLE event_segments IN SHARE ROW EXCLUSIVE MODE;
        SELECT last_seq, last_hash INTO base, base_hash
            FROM event_segments ORDER BY last_seq DESC LIMIT 1;
        base := coalesce(base, 0);
        base_hash := coalesce(base_hash, decode(repeat('00', 32), 'hex'));
        final := base + records;
        IF final > newest_seq
                OR NOT EXISTS (SELECT 1 FROM events WHERE seq = final AND at < before) THEN
            RETURN NULL;
        END IF;

        INSERT INTO event_segments (first_seq, last_seq, previous_hash, last_hash, order_ids, types, body)
            SELECT base + 1, final, base_hash, (SELECT hash FROM events WHERE seq = final),
                   coalesce(array_agg(DISTINCT e.order_id) FILTER (WHERE e.order_id IS NOT NULL), '{}'),
                   array_agg(DISTINCT e.type),
                   json_agg(json_build_object(
                       'seq', e.seq, 'at', to_us(e.at), 'stream', e.stream, 'type', e.type,
                       'version', e.version, 'payload', convert_from(e.payload, 'UTF8')::json,
                       'correlation', e.correlation_id, 'causation', e.causation_id,
                       'hash', translate(encode(e.hash, 'base64'), E'\\n', ''), 'order_id', e.order_id)
                       ORDER BY e.seq)
            FROM events AS e WHERE e.seq > base AND e.seq <= final;

        SELECT count(*) INTO differing
            FROM (SELECT * FROM events WHERE seq > base AND seq <= final) AS e
            FULL JOIN (SELECT * FROM archived_events WHERE first_seq = base + 1) AS a USING (seq)
            WHERE (e.at, e.stream, e.type, e.version, e.payload, e.correlation_id, e.causation_id, e.hash)
                IS DISTINCT FROM
                (a.at, a.stream, a.type, a.version, a.payload, a.correlation_id, a.causation_id, a.hash)
                OR e.order_id IS DISTINCT FROM a.order_id;
        IF differing <> 0 OR (SELECT count(*) FROM archived_events WHERE first_seq = base + 1) <> records THEN
            RAISE EXCEPTION '% records do not come back from the segment as they went in', differing
                USING ERRCODE = 'data_corrupted';
        END IF;

        PERFORM set_config('tradewarden.folding', 'on', true);
        DELETE FROM events WHERE seq > base AND seq <= final;
        PERFORM set_config('tradewarden.folding', 'off', true);
        RETURN final;
    END $$
    """,
)


def upgrade() -> None:
    """Make the table, its view and the way in; nothing is folded yet."""
    for statement in STATEMENTS:
        op.execute(statement)
