"""The journal, the tables that are derived from it, and the tokens.

`events` is the truth and only grows. `orders`, `fills` and `positions` are written in the same transaction by
`journal_append`, in one round trip; they could be rebuilt from the events. Money is NUMERIC without limits,
so that the database never rounds.

`journal_append` takes rows as JSON, because a driver encodes one long text many times faster than thirty
arrays. The payload of an event travels as a nested value of the type `json`, which keeps its bytes as they
are.
"""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

JOURNAL = """
CREATE TABLE events (
    seq bigint PRIMARY KEY,
    at timestamptz NOT NULL,
    stream text NOT NULL,
    type text NOT NULL,
    version integer NOT NULL,
    payload bytea NOT NULL,
    correlation_id text NOT NULL,
    causation_id text NOT NULL,
    hash bytea NOT NULL CHECK (length(hash) = 32),
    order_id uuid
);
CREATE INDEX events_of_order ON events (order_id, seq) WHERE order_id IS NOT NULL;

CREATE FUNCTION events_are_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the journal is append-only: % of events is refused', TG_OP
        USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON events
    FOR EACH STATEMENT EXECUTE FUNCTION events_are_append_only();

CREATE TABLE journal_head (
    id smallint PRIMARY KEY DEFAULT 1 CHECK (id = 1),
    seq bigint NOT NULL,
    hash bytea NOT NULL CHECK (length(hash) = 32),
    epoch bigint NOT NULL,
    owner text NOT NULL
) WITH (fillfactor = 10);
INSERT INTO journal_head (seq, hash, epoch, owner) VALUES (0, decode(repeat('00', 32), 'hex'), 0, '');

CREATE TABLE snapshots (
    fold_version integer NOT NULL,
    seq bigint NOT NULL,
    hash bytea NOT NULL,
    book bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (fold_version, seq)
);
"""

PROJECTIONS = """
CREATE TABLE orders (
    id uuid PRIMARY KEY,
    client_order_id text NOT NULL,
    exchange text NOT NULL,
    symbol text NOT NULL,
    side text NOT NULL,
    type text NOT NULL,
    qty numeric NOT NULL,
    limit_price numeric,
    time_in_force text NOT NULL,
    post_only boolean NOT NULL,
    reduce_only boolean NOT NULL,
    venue_id text,
    user_id text NOT NULL,
    token_id text NOT NULL,
    idempotency_key text,
    fingerprint text NOT NULL,
    status text NOT NULL,
    submission text NOT NULL,
    cancel_requested boolean NOT NULL,
    terminal text,
    filled_qty numeric NOT NULL,
    filled_cost numeric NOT NULL,
    fees numeric NOT NULL,
    fee_currency text,
    exchange_order_id text,
    code text,
    reason text,
    reserve_price numeric NOT NULL,
    accepted_seq bigint NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT orders_client_order_id UNIQUE (exchange, client_order_id),
    CONSTRAINT orders_venue_id UNIQUE (venue_id)
) WITH (fillfactor = 80);
CREATE UNIQUE INDEX orders_idempotency_key ON orders (token_id, idempotency_key)
    WHERE idempotency_key IS NOT NULL;
CREATE INDEX orders_newest ON orders (created_at, id);
CREATE INDEX orders_newest_by_symbol ON orders (symbol, created_at, id);
CREATE INDEX orders_newest_by_status ON orders (status, created_at, id);

CREATE TABLE fills (
    id uuid PRIMARY KEY,
    order_id uuid NOT NULL REFERENCES orders,
    exchange text NOT NULL,
    market_type text NOT NULL,
    symbol text NOT NULL,
    exchange_order_id text NOT NULL,
    trade_id text NOT NULL,
    side text NOT NULL,
    qty numeric NOT NULL,
    price numeric NOT NULL,
    fee numeric NOT NULL,
    fee_currency text NOT NULL,
    liquidity text NOT NULL,
    timestamp timestamptz NOT NULL
);
CREATE INDEX fills_newest ON fills (timestamp, id);
CREATE INDEX fills_of_order ON fills (order_id);

CREATE TABLE positions (
    exchange text NOT NULL,
    symbol text NOT NULL,
    qty numeric NOT NULL,
    cost numeric NOT NULL,
    avg_price numeric,
    realized_pnl numeric NOT NULL,
    fees text NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (exchange, symbol)
) WITH (fillfactor = 50);
"""

TOKENS = """
CREATE TABLE tokens (
    id text PRIMARY KEY,
    user_id text NOT NULL,
    scopes text[] NOT NULL,
    hash bytea NOT NULL UNIQUE CHECK (length(hash) = 32),
    note text NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz,
    revoked_at timestamptz
);
"""

# Immutable in every part, or PostgreSQL would call them row by row instead of inlining them.
TIMES = """
CREATE FUNCTION from_us(us bigint) RETURNS timestamptz LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (timestamp '1970-01-01' + us * interval '1 microsecond') AT TIME ZONE 'UTC';
CREATE FUNCTION to_us(at timestamptz) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (extract(epoch FROM at AT TIME ZONE 'UTC') * 1000000)::bigint;
"""

APPEND = """
CREATE FUNCTION journal_append(
    new_seq bigint, new_hash bytea, previous_seq bigint, my_epoch bigint, me text,
    new_events json, new_orders json, changed_orders json, new_fills json, changed_positions json
) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    touched bigint;
BEGIN
    UPDATE journal_head SET seq = new_seq, hash = new_hash
        WHERE id = 1 AND seq = previous_seq AND epoch = my_epoch AND owner = me;
    IF NOT FOUND THEN
        RETURN false;
    END IF;

    INSERT INTO events
            (seq, at, stream, type, version, payload, correlation_id, causation_id, hash, order_id)
        SELECT e.seq, from_us(e.at), e.stream, e.type, e.version, convert_to(e.payload::text, 'UTF8'),
               e.correlation, e.causation, decode(e.hash, 'base64'), e.order_id
        FROM json_to_recordset(new_events) AS e (
            seq bigint, at bigint, stream text, type text, version integer, payload json,
            correlation text, causation text, hash text, order_id uuid);

    IF new_orders IS NOT NULL THEN
        INSERT INTO orders
                (id, client_order_id, exchange, symbol, side, type, qty, limit_price, time_in_force,
                 post_only, reduce_only, venue_id, user_id, token_id, idempotency_key, fingerprint, status,
                 submission, cancel_requested, terminal, filled_qty, filled_cost, fees, fee_currency,
                 exchange_order_id, code, reason, reserve_price, accepted_seq, created_at, updated_at)
            SELECT o.id, o.client_order_id, o.exchange, o.symbol, o.side, o.type, o.qty, o.limit_price,
                   o.time_in_force, o.post_only, o.reduce_only, o.venue_id, o.user_id, o.token_id,
                   o.idempotency_key, o.fingerprint, o.status, o.submission, o.cancel_requested, o.terminal,
                   o.filled_qty, o.filled_cost, o.fees, o.fee_currency, o.exchange_order_id, o.code,
                   o.reason, o.reserve_price, o.accepted_seq, from_us(o.created), from_us(o.updated)
            FROM json_to_recordset(new_orders) AS o (
                id uuid, client_order_id text, exchange text, symbol text, side text, type text, qty numeric,
                limit_price numeric, time_in_force text, post_only boolean, reduce_only boolean,
                venue_id text, user_id text, token_id text, idempotency_key text, fingerprint text,
                status text, submission text, cancel_requested boolean, terminal text, filled_qty numeric,
                filled_cost numeric, fees numeric, fee_currency text, exchange_order_id text, code text,
                reason text, reserve_price numeric, accepted_seq bigint, created bigint, updated bigint);
    END IF;

    IF changed_orders IS NOT NULL THEN
        UPDATE orders SET
                status = o.status, submission = o.submission, cancel_requested = o.cancel_requested,
                terminal = o.terminal, filled_qty = o.filled_qty, filled_cost = o.filled_cost,
                fees = o.fees, fee_currency = o.fee_currency, exchange_order_id = o.exchange_order_id,
                code = o.code, reason = o.reason, updated_at = from_us(o.updated)
            FROM json_to_recordset(changed_orders) AS o (
                id uuid, status text, submission text, cancel_requested boolean, terminal text,
                filled_qty numeric, filled_cost numeric, fees numeric, fee_currency text,
                exchange_order_id text, code text, reason text, updated bigint)
            WHERE orders.id = o.id;
        GET DIAGNOSTICS touched = ROW_COUNT;
        IF touched <> json_array_length(changed_orders) THEN
            RAISE EXCEPTION '% of % changed orders are in the table',
                touched, json_array_length(changed_orders) USING ERRCODE = 'foreign_key_violation';
        END IF;
    END IF;

    IF new_fills IS NOT NULL THEN
        INSERT INTO fills
                (id, order_id, exchange, market_type, symbol, exchange_order_id, trade_id, side, qty, price,
                 fee, fee_currency, liquidity, timestamp)
            SELECT f.id, f.order_id, f.exchange, f.market_type, f.symbol, f.exchange_order_id, f.trade_id,
                   f.side, f.qty, f.price, f.fee, f.fee_currency, f.liquidity, from_us(f.at)
            FROM json_to_recordset(new_fills) AS f (
                id uuid, order_id uuid, exchange text, market_type text, symbol text,
                exchange_order_id text, trade_id text, side text, qty numeric, price numeric, fee numeric,
                fee_currency text, liquidity text, at bigint);
    END IF;

    IF changed_positions IS NOT NULL THEN
        INSERT INTO positions (exchange, symbol, qty, cost, avg_price, realized_pnl, fees, updated_at)
            SELECT p.exchange, p.symbol, p.qty, p.cost, p.avg_price, p.realized_pnl, p.fees,
                   from_us(p.updated)
            FROM json_to_recordset(changed_positions) AS p (
                exchange text, symbol text, qty numeric, cost numeric, avg_price numeric,
                realized_pnl numeric, fees text, updated bigint)
            ON CONFLICT (exchange, symbol) DO UPDATE SET
                qty = excluded.qty, cost = excluded.cost, avg_price = excluded.avg_price,
                realized_pnl = excluded.realized_pnl, fees = excluded.fees,
                updated_at = excluded.updated_at;
    END IF;

    RETURN true;
END $$;
"""


def upgrade() -> None:
    """Create everything."""
    for script in (TIMES, JOURNAL, PROJECTIONS, TOKENS, APPEND):
        for statement in _statements(script):
            op.execute(statement)


def _statements(script: str) -> list[str]:
    """Statements end with a semicolon at the end of a line that is not inside a function's body."""
    statements, current, in_body = [], [], False
    for line in script.splitlines():
        current.append(line)
        in_body ^= line.count("$$") % 2 == 1
        if line.endswith(";") and not in_body:
            statements.append("\n".join(current))
            current = []
    return statements
