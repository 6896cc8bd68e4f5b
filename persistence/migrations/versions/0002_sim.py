"""The books of the simulated exchanges, in a schema of their own.

They belong to the exchange and not to the runtime: nothing in `public` refers to them, and nothing here
refers to `public`. `sim.write_entry` writes a whole entry in one round trip. Every row carries a revision
that only grows, so that an entry can be written again, and an older one that lands late changes nothing.
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TABLES = (
    "CREATE SCHEMA sim",
    """
    CREATE TABLE sim.exchanges (
        name text PRIMARY KEY,
        revision bigint NOT NULL,
        next_order bigint NOT NULL,
        next_trade bigint NOT NULL
    )
    """,
    """
    CREATE TABLE sim.balances (
        exchange text NOT NULL,
        account text NOT NULL,
        asset text NOT NULL,
        total numeric NOT NULL,
        revision bigint NOT NULL,
        PRIMARY KEY (exchange, account, asset)
    )
    """,
    """
    CREATE TABLE sim.orders (
        exchange text NOT NULL,
        number bigint NOT NULL,
        account text NOT NULL,
        client_id text NOT NULL,
        symbol text NOT NULL,
        side text NOT NULL CHECK (side IN ('buy', 'sell')),
        type text NOT NULL,
        quantity numeric NOT NULL CHECK (quantity > 0),
        limit_price numeric,
        time_in_force text NOT NULL,
        post_only boolean NOT NULL,
        executed numeric NOT NULL CHECK (executed >= 0 AND executed <= quantity),
        status text NOT NULL CHECK (status IN ('open', 'filled', 'canceled')),
        reason text NOT NULL,
        created_us bigint NOT NULL,
        updated_us bigint NOT NULL,
        revision bigint NOT NULL,
        PRIMARY KEY (exchange, number)
    )
    """,
    "CREATE INDEX orders_by_client_id ON sim.orders (exchange, account, client_id)",
    "CREATE INDEX orders_open ON sim.orders (exchange, number) WHERE status = 'open'",
    """
    CREATE TABLE sim.fills (
        exchange text NOT NULL,
        number bigint NOT NULL,
        order_number bigint NOT NULL,
        account text NOT NULL,
        client_id text NOT NULL,
        market_type text NOT NULL,
        symbol text NOT NULL,
        side text NOT NULL,
        quantity numeric NOT NULL CHECK (quantity > 0),
        price numeric NOT NULL CHECK (price > 0),
        fee numeric NOT NULL,
        fee_currency text NOT NULL,
        liquidity text NOT NULL,
        at_us bigint NOT NULL,
        PRIMARY KEY (exchange, number, order_number)
    )
    """,
    "CREATE INDEX fills_by_time ON sim.fills (exchange, account, symbol, at_us, number)",
)

WRITE_ENTRY = """
CREATE FUNCTION sim.write_entry(
    exchange_name text, entry_revision bigint, order_counter bigint, trade_counter bigint,
    order_rows json, fill_rows json, balance_rows json
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO sim.exchanges AS known (name, revision, next_order, next_trade)
        VALUES (exchange_name, entry_revision, order_counter, trade_counter)
        ON CONFLICT (name) DO UPDATE SET
            revision = excluded.revision, next_order = excluded.next_order, next_trade = excluded.next_trade
        WHERE known.revision < excluded.revision;

    INSERT INTO sim.orders AS known (
            exchange, number, account, client_id, symbol, side, type, quantity, limit_price, time_in_force,
            post_only, executed, status, reason, created_us, updated_us, revision)
        SELECT exchange_name, o.number, o.account, o.client_id, o.symbol, o.side, o.type, o.quantity,
               o.limit_price, o.time_in_force, o.post_only, o.executed, o.status, o.reason, o.created_us,
               o.updated_us, o.revision
        FROM json_to_recordset(order_rows) AS o (
            number bigint, account text, client_id text, symbol text, side text, type text, quantity numeric,
            limit_price numeric, time_in_force text, post_only boolean, executed numeric, status text,
            reason text, created_us bigint, updated_us bigint, revision bigint)
        ON CONFLICT (exchange, number) DO UPDATE SET
            executed = excluded.executed, status = excluded.status, reason = excluded.reason,
            updated_us = excluded.updated_us, revision = excluded.revision
        WHERE known.revision < excluded.revision;

    INSERT INTO sim.fills (
            exchange, number, order_number, account, client_id, market_type, symbol, side, quantity, price,
            fee, fee_currency, liquidity, at_us)
        SELECT exchange_name, f.number, f.order_number, f.account, f.client_id, f.market_type, f.symbol,
               f.side, f.quantity, f.price, f.fee, f.fee_currency, f.liquidity, f.at_us
        FROM json_to_recordset(fill_rows) AS f (
            number bigint, order_number bigint, account text, client_id text, market_type text, symbol text,
            side text, quantity numeric, price numeric, fee numeric, fee_currency text, liquidity text,
            at_us bigint)
        ON CONFLICT DO NOTHING;

    INSERT INTO sim.balances AS known (exchange, account, asset, total, revision)
        SELECT exchange_name, b.account, b.asset, b.total, b.revision
        FROM json_to_recordset(balance_rows) AS b (
            account text, asset text, total numeric, revision bigint)
        ON CONFLICT (exchange, account, asset) DO UPDATE SET
            total = excluded.total, revision = excluded.revision
        WHERE known.revision < excluded.revision;
END $$
"""


def upgrade() -> None:
    """Make the schema; there is nothing older to keep."""
    for statement in TABLES:
        op.execute(statement)
    op.execute(WRITE_ENTRY)
