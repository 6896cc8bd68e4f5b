"""Tokens in the database: found by digest, revoked once, never lost."""

from collections.abc import AsyncIterator

import pytest

from persistence.postgres import Database, PostgresTokenStore, open_bridge
from persistence.postgres.pool import Refused
from tests.fixtures.stores import fail_on_error
from web.auth.port import TokenRecord

NOW = 1_792_800_000_000_001


@pytest.fixture
async def tokens(postgres_dsn: str) -> AsyncIterator[PostgresTokenStore]:
    """An empty store."""
    async with open_bridge(fail_on_error):
        database = Database(postgres_dsn)
        yield PostgresTokenStore(database)
        await database.close()


def token(number: int, **changes: object) -> TokenRecord:
    """A token of ann's."""
    fields: dict[str, object] = {
        "token_id": f"t{number}",
        "user": "ann",
        "scopes": ("read", "trade"),
        "digest": bytes([number]) * 32,
        "created_us": NOW + number,
    }
    return TokenRecord(**{**fields, **changes})


async def test_a_token_comes_back_as_it_was_kept(tokens: PostgresTokenStore) -> None:
    """With and without an end, scopes in their order."""
    endless = token(1, note="for the laptop")
    ending = token(2, scopes=("operator",), expires_us=NOW + 10**12)
    await tokens.add(endless)
    await tokens.add(ending)
    assert await tokens.find(endless.digest) == endless
    assert await tokens.find(ending.digest) == ending
    assert await tokens.find(b"\x09" * 32) is None
    assert list(await tokens.all()) == [endless, ending]


async def test_the_earliest_revocation_stays(tokens: PostgresTokenStore) -> None:
    """Revoking again does not make a token live longer."""
    await tokens.add(token(1))
    assert await tokens.revoke("t1", NOW + 50) is True
    assert await tokens.revoke("t1", NOW + 90) is True
    (found,) = await tokens.all()
    assert found.revoked_us == NOW + 50
    assert await tokens.revoke("t1", NOW + 20) is True
    (found,) = await tokens.all()
    assert found.revoked_us == NOW + 20
    assert await tokens.revoke("unknown", NOW) is False


async def test_two_tokens_never_share_an_id_or_a_digest(tokens: PostgresTokenStore) -> None:
    """The database refuses it, and goes on."""
    await tokens.add(token(1))
    for double in (token(1, digest=b"\x05" * 32), token(2, digest=token(1).digest)):
        with pytest.raises(Refused):
            await tokens.add(double)
    assert len(await tokens.all()) == 1
