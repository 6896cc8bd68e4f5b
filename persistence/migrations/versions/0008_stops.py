"""Stop orders: the price at which they trigger, and at the simulated exchange whether they have.

The stop price is written by `journal_amend`, in the transaction of `journal_append`, so that an order that is
no stop order costs nothing more.
"""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

TABLES = (
    "ALTER TABLE orders ADD COLUMN stop_price numeric",
    "ALTER TABLE sim.orders ADD COLUMN stop_price numeric",
    "ALTER TABLE sim.orders ADD COLUMN triggered boolean NOT NULL DEFAULT false",
)

AMEND = """
CREATE OR REPLACE FUNCTION journal_amend(amended_orders json) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO former_venue_ids (venue_id, order_id)
        SELECT o.former_venue_id, o.id
        FROM json_to_recordset(amended_orders) AS o (id uuid, former_venue_id text)
        WHERE o.former_venue_id IS NOT NULL
        ON CONFLICT DO NOTHING;

    UPDATE orders SET
            qty = o.qty, limit_price = o.limit_price, reserve_price = o.reserve_price,
            venue_id = nullif(o.venue_id, ''), amends = o.amends, stop_price = o.stop_price
        FROM json_to_recordset(amended_orders) AS o (
            id uuid, qty numeric, limit_price numeric, reserve_price numeric, venue_id text, amends text,
            stop_price numeric)
        WHERE orders.id = o.id;
    RETURN true;
END $$
"""

SIM_WRITE = """
CREATE OR REPLACE FUNCTION sim.write_entry(
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
            post_only, executed, status, reason, created_us, updated_us, revision, stop_price, triggered)
        SELECT exchange_name, o.number, o.account, o.client_id, o.symbol, o.side, o.type, o.quantity,
               o.limit_price, o.time_in_force, o.post_only, o.executed, o.status, o.reason, o.created_us,
               o.updated_us, o.revision, o.stop_price, coalesce(o.triggered, false)
        FROM json_to_recordset(order_rows) AS o (
            number bigint, account text, client_id text, symbol text, side text, type text, quantity numeric,
            limit_price numeric, time_in_force text, post_only boolean, executed numeric, status text,
            reason text, created_us bigint, updated_us bigint, revision bigint, stop_price numeric,
            triggered boolean)
        ON CONFLICT (exchange, number) DO UPDATE SET
            quantity = excluded.quantity, limit_price = excluded.limit_price,
            executed = excluded.executed, status = excluded.status, reason = excluded.reason,
            updated_us = excluded.updated_us, revision = excluded.revision, triggered = excluded.triggered
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
    """Add what stop orders need; there were none."""
    for statement in (*TABLES, AMEND, SIM_WRITE):
        op.execute(statement)
