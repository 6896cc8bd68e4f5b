"""The store of tokens, as the web layer and the command line need it, and the records in it.

A token's text is shown once, when it is made; the store holds only its SHA-256. Scopes: `read` (all
questions), `trade` (place orders), `cancel` (cancel, kill), `operator` (resume, tokens, limits).
"""

from collections.abc import Sequence
from typing import Protocol

import msgspec

SCOPES = ("read", "trade", "cancel", "operator")


class TokenRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A token as it is kept. Times are microseconds since 1970 UTC; None means never."""

    token_id: str
    user: str
    scopes: tuple[str, ...]
    digest: bytes
    created_us: int
    expires_us: int | None = None
    revoked_us: int | None = None
    note: str = ""

    def alive(self, now_us: int) -> bool:
        """Whether the token is accepted at this time."""
        if self.revoked_us is not None and self.revoked_us <= now_us:
            return False
        return self.expires_us is None or now_us < self.expires_us


class Principal(msgspec.Struct, frozen=True):
    """Who asks: the token and its user."""

    token_id: str
    user: str
    scopes: frozenset[str]


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """How many requests were granted, how many more the budget has now, and when to ask again if none was."""

    granted: int
    left: int = 0
    retry_after_seconds: float = 0.0


class RateStore(Protocol):
    """Budgets of clients that processes share."""

    async def take(self, client: str, count: int, window_seconds: int, wanted: int) -> Grant:
        """Take up to `wanted` requests out of the budget of `count` in a window. Raises SharedAway; then it
        may have been taken or not.
        """
        ...


class TokenStore(Protocol):
    """Where tokens are kept. Every call raises `actors.journal.port.StoreUnavailable` while the store is
    away.

    Cancelling a call that writes leaves its effect unknown.
    """

    async def add(self, record: TokenRecord) -> None: ...

    async def find(self, digest: bytes) -> TokenRecord | None: ...

    async def all(self) -> Sequence[TokenRecord]:
        """Every token, revoked and expired ones too, oldest first."""
        ...

    async def revoke(self, token_id: str, at_us: int) -> bool:
        """Accept the token no longer than `at_us`; an earlier revocation stays.

        False when there is no such token.
        """
        ...
