"""The tokens of tests and simulations: kept in memory."""

from collections.abc import Sequence

import msgspec

from web.auth.port import TokenRecord


class MemoryTokens:
    """A TokenStore that lives as long as the process."""

    def __init__(self, *records: TokenRecord) -> None:
        self._records = {record.token_id: record for record in records}

    async def add(self, record: TokenRecord) -> None:
        """Keep a token."""
        self._records[record.token_id] = record

    async def find(self, digest: bytes) -> TokenRecord | None:
        """The token of this digest, or None."""
        return next((each for each in self._records.values() if each.digest == digest), None)

    async def all(self) -> Sequence[TokenRecord]:
        """Every token, oldest first."""
        return sorted(self._records.values(), key=lambda each: (each.created_us, each.token_id))

    async def revoke(self, token_id: str, at_us: int) -> bool:
        """Accept the token no longer than `at_us`."""
        record = self._records.get(token_id)
        if record is None:
            return False
        if record.revoked_us is None or at_us < record.revoked_us:
            self._records[token_id] = msgspec.structs.replace(record, revoked_us=at_us)
        return True
