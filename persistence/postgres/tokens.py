"""The tokens in PostgreSQL; of each only the SHA-256 of its text."""

from collections.abc import Sequence

from persistence.postgres.pool import Database, Row
from web.auth.port import TokenRecord

_COLUMNS = (
    "id, user_id, scopes, hash, note, to_us(created_at) AS created_us, to_us(expires_at) AS expires_us, "
    "to_us(revoked_at) AS revoked_us"
)
_ADD = (
    "INSERT INTO tokens (id, user_id, scopes, hash, note, created_at, expires_at, revoked_at) "
    "VALUES ($1, $2, $3, $4, $5, from_us($6), from_us($7), from_us($8))"
)
_FIND = f"SELECT {_COLUMNS} FROM tokens WHERE hash = $1"
_ALL = f"SELECT {_COLUMNS} FROM tokens ORDER BY created_at, id"
_REVOKE = "UPDATE tokens SET revoked_at = least(revoked_at, from_us($2)) WHERE id = $1 RETURNING id"


class PostgresTokenStore:
    """Implements `web.auth.port.TokenStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, record: TokenRecord) -> None:
        """Keep a new token."""
        await self._database.read(
            lambda connection: connection.execute(
                _ADD,
                record.token_id,
                record.user,
                list(record.scopes),
                record.digest,
                record.note,
                record.created_us,
                record.expires_us,
                record.revoked_us,
            )
        )

    async def find(self, digest: bytes) -> TokenRecord | None:
        """The token whose text has this SHA-256, whatever its state."""
        row: Row | None = await self._database.read(lambda connection: connection.fetchrow(_FIND, digest))
        return None if row is None else _record(row)

    async def all(self) -> Sequence[TokenRecord]:
        """Every token, revoked and expired ones too, oldest first."""
        rows: list[Row] = await self._database.read(lambda connection: connection.fetch(_ALL))
        return [_record(row) for row in rows]

    async def revoke(self, token_id: str, at_us: int) -> bool:
        """Accept the token no longer than `at_us`; an earlier revocation stays."""
        found = await self._database.read(lambda connection: connection.fetchval(_REVOKE, token_id, at_us))
        return found is not None


def _record(row: Row) -> TokenRecord:
    return TokenRecord(
        token_id=row["id"],
        user=row["user_id"],
        scopes=tuple(row["scopes"]),
        digest=bytes(row["hash"]),
        created_us=row["created_us"],
        expires_us=row["expires_us"],
        revoked_us=row["revoked_us"],
        note=row["note"],
    )
