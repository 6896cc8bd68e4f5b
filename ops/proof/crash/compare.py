"""Notes, journal and the exchange's ledger, held against each other.

The tables of the journal and those of the simulated exchange live in one server but know nothing of each
other; what is compared are facts: ids, quantities, prices, times.
"""

from collections.abc import Sequence

import psycopg

from ops.proof.checks.found import Violation
from ops.proof.crash.load import Noted

QUESTIONS = {
    "I2": """
        SELECT 'the exchange took ' || count(*) || ' orders as ' || client_id FROM sim.orders
        GROUP BY client_id HAVING count(*) > 1""",
    "I8": """
        SELECT 'the exchange has ' || s.client_id || ', which the journal does not know' FROM sim.orders s
        LEFT JOIN orders o ON o.venue_id = s.client_id WHERE o.id IS NULL""",
    "I3": """
        SELECT 'fill ' || coalesce(f.number::text, '-') || ' of ' || coalesce(f.client_id, j.order_id::text)
            || ': exchange ' || coalesce(f.quantity || ' at ' || f.price, 'none')
            || ', journal ' || coalesce(j.qty || ' at ' || j.price, 'none')
        FROM sim.fills f FULL JOIN fills j
            ON j.exchange = f.exchange AND j.symbol = f.symbol AND j.side = f.side
            AND j.exchange_order_id = f.order_number::text AND j.trade_id = f.number::text
        WHERE j.id IS NULL OR f.number IS NULL
            OR j.qty <> f.quantity OR j.price <> f.price OR j.fee <> f.fee""",
    "I4": """
        SELECT s.symbol || ': the exchange traded ' || s.qty || ', the position is ' || coalesce(p.qty, 0)
        FROM (SELECT exchange, symbol, sum(CASE side WHEN 'buy' THEN quantity ELSE -quantity END) AS qty
              FROM sim.fills GROUP BY exchange, symbol) s
        LEFT JOIN positions p ON p.exchange = s.exchange AND p.symbol = s.symbol
        WHERE coalesce(p.qty, 0) <> s.qty""",
    "live": """
        SELECT 'order ' || o.id || ' is ' || o.status || ' with ' || o.filled_qty || ' in the journal, '
            || coalesce(s.status || ' with ' || s.executed, 'absent') || ' at the exchange'
        FROM orders o LEFT JOIN sim.orders s ON s.client_id = o.venue_id
        WHERE (o.terminal IS NULL AND (s.status IS DISTINCT FROM 'open' OR o.filled_qty <> s.executed))
           OR (o.terminal IS NOT NULL AND s.status = 'open')
           OR (s.number IS NOT NULL AND o.filled_qty <> s.executed)""",
}
SETTLING = ("I3", "I4", "live")
"""What may be on its way for a moment after a start."""

AFTER_KILL = """
    SELECT s.client_id FROM sim.orders s JOIN orders o ON o.venue_id = s.client_id
    WHERE s.created_us > %s AND s.created_us < %s AND NOT o.reduce_only"""


def compare(dsn: str, notes: Sequence[Noted], kills: Sequence[tuple[int, int]]) -> list[Violation]:
    """All that is wrong now. `kills` are (acknowledged, resume asked for) in microseconds."""
    found: list[Violation] = []
    with psycopg.connect(dsn, autocommit=True, connect_timeout=10) as connection:
        for rule, question in QUESTIONS.items():
            found.extend(Violation(rule, str(row[0])) for row in connection.execute(question))
        known = {str(row[0]): row[1] for row in connection.execute("SELECT id, venue_id FROM orders")}
        listed = {row[0] for row in connection.execute("SELECT client_id FROM sim.orders")}
        named = connection.execute("SELECT client_order_id, venue_id FROM orders")
        by_client = {row[0]: row[1] for row in named}
        for acknowledged, resumed in kills:
            found.extend(
                Violation("I6", f"{row[0]} reached the exchange after a kill was acknowledged")
                for row in connection.execute(AFTER_KILL, (acknowledged, resumed))
            )
    for note in notes:
        if note.taken and note.order_id not in known:
            found.append(Violation("I1", f"{note.key} was answered {note.answers}, not in the journal"))
        if note.only_refused and by_client.get(note.body["clientOrderId"]) in listed:
            found.append(Violation("I1", f"{note.key} was refused every time, yet the exchange has it"))
    return found


def unsettled(found: Sequence[Violation]) -> bool:
    """Whether all that is wrong may still be on its way."""
    return all(violation.rule in SETTLING for violation in found)
