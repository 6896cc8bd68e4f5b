"""The audit: what it compares, and that nothing that was changed by hand escapes it."""

import psycopg
import pytest
import trio

from ops.proof.history import write_history
from ops.proof.tamper import KINDS, prove
from persistence.postgres.audit import Anchor, audit


@pytest.fixture
def anchor(postgres_dsn: str) -> Anchor:
    """The head of a journal that was written into this test's database."""
    tail = trio.run(write_history, postgres_dsn, 300)
    return Anchor(seq=tail.head, hash=tail.head_hash.hex())


def test_a_whole_database_has_no_findings(postgres_dsn, anchor):
    found = audit(postgres_dsn, anchor)
    assert found.findings == ()
    assert (found.seq, found.hash) == (anchor.seq, anchor.hash)
    assert found.orders > 50
    assert found.fills > 50


def test_an_empty_journal_is_whole(postgres_dsn):
    assert audit(postgres_dsn).findings == ()


def test_every_kind_of_tampering_is_found(postgres_dsn, anchor):
    """A few of each here; `make tamper` does a thousand on a longer journal."""
    assert set(prove(postgres_dsn, anchor, 40, seed=7)) == set(KINDS)


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        ("UPDATE orders SET status = 'open' WHERE id = (SELECT min(id::text)::uuid FROM orders)", "ORDERS"),
        ("UPDATE orders SET qty = qty + 1 WHERE client_order_id = 'client-3'", "ORDERS"),
        ("UPDATE orders SET user_id = 'eve' WHERE client_order_id = 'client-3'", "ORDERS"),
        ("DELETE FROM orders WHERE client_order_id = 'client-5'", "ORDERS"),
        ("UPDATE fills SET price = price * 2 WHERE trade_id = 't-3-1'", "FILLS"),
        ("DELETE FROM fills WHERE trade_id = 't-3-1'", "FILLS"),
        ("UPDATE positions SET realized_pnl = realized_pnl + 1", "POSITIONS"),
        ("UPDATE positions SET avg_price = 1", "POSITIONS"),
        ("UPDATE snapshots SET book = overlay(book placing '9' from 9 for 1)", "SNAPSHOT"),
        ("UPDATE journal_head SET seq = seq + 1", "HEAD"),
    ],
)
def test_a_row_that_is_not_what_the_journal_leads_to_is_found(postgres_dsn, anchor, statement, what):
    with psycopg.connect(postgres_dsn) as connection:
        assert connection.execute(statement).rowcount >= 1
    assert {finding.what for finding in audit(postgres_dsn, anchor).findings} == {what}
