"""The statements of the webhooks' store; what they do together is said there."""

LOCK = "SELECT seq FROM webhook_outbox WHERE id = 1 FOR UPDATE"
LAZY = "SET LOCAL synchronous_commit TO off"

ENDPOINT_COLUMNS = (
    "id AS endpoint_id, url, kind, events, note, state, reason, secret, previous_secret, previous_until_us, "
    "since_seq, behind_seq, created_us, updated_us"
)
ENDPOINTS = f"SELECT {ENDPOINT_COLUMNS} FROM webhook_endpoints ORDER BY created_us, id"
ADD = (
    "INSERT INTO webhook_endpoints (id, url, kind, events, note, state, reason, secret, previous_secret, "
    "previous_until_us, since_seq, created_us, updated_us) "
    "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) ON CONFLICT (id) DO NOTHING"
)
SET_STATE = "UPDATE webhook_endpoints SET state = $2, reason = $3, updated_us = $4 WHERE id = $1 RETURNING id"
BURY_ALL = (
    "UPDATE webhook_deliveries SET state = 'dead', head = false, dead_us = $2, "
    "last_error = CASE WHEN last_error = '' THEN 'the endpoint was disabled' ELSE last_error END "
    "WHERE endpoint_id = $1 AND state = 'pending'"
)
ROTATE = (
    "UPDATE webhook_endpoints SET previous_secret = secret, secret = $2, previous_until_us = $3, "
    "updated_us = $4 WHERE id = $1 RETURNING id"
)
SET_PLACE = (
    "UPDATE webhook_endpoints SET kind = $2, url = $3, events = $4, updated_us = $5 WHERE id = $1 "
    "RETURNING id"
)
DELETE = "DELETE FROM webhook_endpoints WHERE id = $1 RETURNING id"
STATISTICS = """
SELECT e.id AS endpoint_id, e.delivered, e.failed_attempts, e.last_delivered_us, e.last_failed_us,
       e.last_error,
       (SELECT count(*) FROM webhook_deliveries d WHERE d.endpoint_id = e.id AND d.state = 'pending')
           AS pending,
       (SELECT count(*) FROM webhook_deliveries d WHERE d.endpoint_id = e.id AND d.state = 'dead') AS dead
FROM webhook_endpoints e ORDER BY e.created_us, e.id
"""
LEAVE_BEHIND = """
UPDATE webhook_endpoints e SET behind_seq = o.seq, behind_positions = o.positions
FROM webhook_outbox o WHERE o.seq = $1 AND e.id = ANY($2::text[]) AND e.behind_seq IS NULL
"""
BEHIND = (
    "SELECT behind_seq AS seq, behind_positions AS positions FROM webhook_endpoints "
    "WHERE id = $1 AND behind_seq IS NOT NULL"
)
CATCH_UP = """
UPDATE webhook_endpoints e SET
    behind_seq = CASE WHEN $3 < o.seq THEN $3 END, behind_positions = CASE WHEN $3 < o.seq THEN $4 END
FROM webhook_outbox o WHERE e.id = $1 AND e.behind_seq = $2 RETURNING e.id
"""
MOVE = "UPDATE webhook_outbox SET seq = $2, positions = $3 WHERE id = 1 AND seq = $1 RETURNING seq"
INSERT = """
INSERT INTO webhook_deliveries (id, endpoint_id, number, event, subject, body, created_us, due_us, attempts,
                                state, head, last_status, last_error, dead_us)
SELECT n.id, n.endpoint_id, n.number, n.event, n.subject, n.body, n.created_us, n.due_us, 0, 'pending',
       row_number() OVER (PARTITION BY n.endpoint_id, n.subject ORDER BY n.number, n.id) = 1
           AND NOT EXISTS (
               SELECT 1 FROM webhook_deliveries b
               WHERE b.endpoint_id = n.endpoint_id AND b.subject = n.subject AND b.state = 'pending'),
       NULL, '', 0
FROM json_to_recordset($1::text::json) AS n (
    id text, endpoint_id text, number bigint, event text, subject text, body text, created_us bigint,
    due_us bigint)
WHERE EXISTS (
        SELECT 1 FROM webhook_endpoints e WHERE e.id = n.endpoint_id AND ($2 OR e.behind_seq IS NULL))
    AND NOT EXISTS (SELECT 1 FROM webhook_deliveries known WHERE known.id = n.id)
"""
DELIVERY_COLUMNS = (
    "id AS delivery_id, endpoint_id, number, event, subject, body, created_us, due_us, attempts, state, "
    "last_status, last_error, dead_us"
)
HEADS = (
    f"SELECT {DELIVERY_COLUMNS} FROM webhook_deliveries WHERE endpoint_id = $1 AND state = 'pending' "
    "AND head AND id <> ALL($3::text[]) ORDER BY due_us, number, id LIMIT $2"
)
LINE_UP = (
    f"SELECT {DELIVERY_COLUMNS} FROM webhook_deliveries WHERE endpoint_id = $1 AND state = 'pending' "
    "ORDER BY number, id LIMIT $2"
)
IN_LINE = f"""
SELECT line.* FROM unnest($2::text[]) WITH ORDINALITY AS place (subject, nth)
    CROSS JOIN LATERAL (
        SELECT {DELIVERY_COLUMNS} FROM webhook_deliveries w
        WHERE w.endpoint_id = $1 AND w.subject = place.subject AND w.state = 'pending'
        ORDER BY w.number, w.id LIMIT $3) AS line
ORDER BY place.nth, line.number, line.delivery_id
"""
RETRIES = (
    "SELECT endpoint_id, id AS delivery_id, due_us FROM webhook_deliveries "
    "WHERE state = 'pending' AND head AND attempts > 0 ORDER BY due_us, id LIMIT $1"
)
DELIVERED = (
    "DELETE FROM webhook_deliveries WHERE id = ANY($1::text[]) AND state = 'pending' "
    "RETURNING endpoint_id, subject"
)
FAILED = """
UPDATE webhook_deliveries d SET
    attempts = d.attempts + 1, due_us = s.due_us, last_status = s.status, last_error = s.error,
    state = CASE WHEN s.buried THEN 'dead' ELSE 'pending' END,
    head = d.head AND NOT s.buried, dead_us = CASE WHEN s.buried THEN s.at_us ELSE 0 END
FROM json_to_recordset($1::text::json) AS s (
    id text, buried boolean, due_us bigint, at_us bigint, status integer, error text)
WHERE d.id = s.id AND d.state = 'pending' AND d.due_us < s.at_us + 1
RETURNING d.endpoint_id, d.subject, s.at_us, s.error
"""
COUNT_DELIVERED = (
    "UPDATE webhook_endpoints SET delivered = delivered + $2, "
    "last_delivered_us = greatest(last_delivered_us, $3) WHERE id = $1"
)
COUNT_FAILED = (
    "UPDATE webhook_endpoints SET failed_attempts = failed_attempts + $2, "
    "last_failed_us = greatest(last_failed_us, $3), last_error = $4 WHERE id = $1"
)
NEXT_HEADS = """
UPDATE webhook_deliveries d SET head = true
FROM unnest($1::text[], $2::text[]) AS place (endpoint_id, subject)
    CROSS JOIN LATERAL (
        SELECT w.id FROM webhook_deliveries w
        WHERE w.endpoint_id = place.endpoint_id AND w.subject = place.subject AND w.state = 'pending'
        ORDER BY w.number, w.id LIMIT 1) AS first
WHERE d.id = first.id AND NOT d.head
"""
NO_HEADS = """
UPDATE webhook_deliveries d SET head = false
FROM unnest($1::text[], $2::text[]) AS place (endpoint_id, subject)
WHERE d.endpoint_id = place.endpoint_id AND d.subject = place.subject AND d.state = 'pending' AND d.head
"""
DEAD = f"SELECT {DELIVERY_COLUMNS} FROM webhook_deliveries WHERE state = 'dead'"
REPLAY = (
    "UPDATE webhook_deliveries SET state = 'pending', head = false, attempts = 0, due_us = $1, dead_us = 0 "
    "WHERE state = 'dead' AND ($2::text IS NULL OR id = $2) AND ($3::text IS NULL OR endpoint_id = $3) "
    "RETURNING endpoint_id, subject"
)
