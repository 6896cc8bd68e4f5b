"""The audit trail in the database: kept once, read page by page, and never changed."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from persistence.postgres import Database, open_bridge
from persistence.postgres.audit_trail import PostgresAudit
from tests.fixtures.stores import fail_on_error
from web.audit import AuditEntry, AuditStore, MemoryAudit

NOW = 1_792_800_000_000_001


@pytest.fixture(params=["memory", "postgres"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[AuditStore]:
    """An empty store of each kind."""
    if request.param == "memory":
        yield MemoryAudit()
        return
    async with open_bridge(fail_on_error):
        database = Database(request.getfixturevalue("postgres_dsn"))
        yield PostgresAudit(database)
        await database.close()


def entry(number: int, **changes: object) -> AuditEntry:
    """A call of ann's."""
    fields: dict[str, object] = {
        "entry_id": f"{NOW + number:016d}-0a1b2c3d-{number:08x}",
        "at_us": NOW + number,
        "user": "ann",
        "token_id": "t1",
        "client": "::1",
        "action": "revokeToken",
        "method": "DELETE",
        "path": "/operator/tokens/t2",
        "subject": "t2",
        "status": 200,
        "correlation_id": f"c-{number}",
    }
    return AuditEntry(**{**fields, **changes})


async def test_entries_come_back_newest_first_as_they_were_kept(store: AuditStore) -> None:
    """Page by page, with every letter that a path can hold."""
    kept = [entry(number, path="/hooks/ä\"'\\n🙂", unrecorded=number) for number in range(5)]
    await store.append(kept[:3])
    await store.append(kept[3:])
    first = await store.page(before=None, limit=3)
    assert [*first, *await store.page(before=first[-1].entry_id, limit=3)] == kept[::-1]


async def test_an_entry_that_is_sent_twice_is_kept_once(store: AuditStore) -> None:
    """As happens when the answer of the database was lost."""
    await store.append([entry(1), entry(2)])
    await store.append([entry(2, status=500), entry(3)])
    assert [each.status for each in await store.page(before=None, limit=10)] == [200, 200, 200]


@pytest.mark.parametrize(
    "statement", ["UPDATE audit_trail SET status = 200", "DELETE FROM audit_trail", "TRUNCATE audit_trail"]
)
async def test_the_table_only_grows(postgres_dsn: str, statement: str) -> None:
    """Whoever has the service's own rights can't change it in passing."""
    async with open_bridge(fail_on_error):
        database = Database(postgres_dsn)
        await PostgresAudit(database).append([entry(1)])

        async def tamper() -> None:
            connection = await asyncpg.connect(postgres_dsn)
            try:
                await connection.execute(statement)
            finally:
                await connection.close()

        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await database.run(tamper())
        await database.close()


async def test_what_the_database_refuses_for_good_does_not_stop_what_follows(store: AuditStore) -> None:
    """A zero byte is the one thing that a text of PostgreSQL can't hold."""
    await store.append([entry(1, path="/\x00")])
    await store.append([entry(2)])
    assert (await store.page(before=None, limit=1))[0].subject == "t2"
