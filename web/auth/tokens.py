"""Making tokens.

A token is `tw_` and 43 characters of 256 random bits: no guess finds it, and scanners know it.
"""

import hashlib
import secrets
import uuid
from collections.abc import Sequence

from web.auth.port import SCOPES, TokenRecord, TokenStore

PREFIX = "tw_"
DEVELOPMENT_USER = "development"
FIRST_USER = "owner"


class UnknownScope(ValueError):
    """A scope that does not exist: what was asked for, and what there is."""

    def __init__(self, asked: str) -> None:
        super().__init__(f"{asked!r} is no scope; there are: {', '.join(SCOPES)}")
        self.asked = asked


def digest_of(token: str | bytes) -> bytes:
    """The SHA-256 under which a token is kept."""
    return hashlib.sha256(token.encode() if isinstance(token, str) else token).digest()


def check_scopes(scopes: Sequence[str]) -> tuple[str, ...]:
    """The scopes without repetition, in their usual order; raise UnknownScope."""
    for scope in scopes:
        if scope not in SCOPES:
            raise UnknownScope(scope)
    return tuple(scope for scope in SCOPES if scope in scopes)


def new_token(
    user: str, scopes: Sequence[str], now_us: int, *, expires_us: int | None = None, note: str = ""
) -> tuple[str, TokenRecord]:
    """A fresh token's text, and the record to keep. Raises UnknownScope."""
    text = PREFIX + secrets.token_urlsafe(32)
    record = TokenRecord(
        token_id=str(uuid.uuid4()),
        user=user,
        scopes=check_scopes(scopes),
        digest=digest_of(text),
        created_us=now_us,
        expires_us=expires_us,
        note=note,
    )
    return text, record


def development_record(token: str) -> TokenRecord:
    """The record of the token given in the settings: every scope, never stored."""
    return TokenRecord(
        token_id="settings",  # noqa: S106 - an id, not a secret
        user=DEVELOPMENT_USER,
        scopes=SCOPES,
        digest=digest_of(token),
        created_us=0,
    )


async def first_token(store: TokenStore, now_us: int) -> str | None:
    """Make a token with every scope if the store holds none at all; its text, or None."""
    if await store.all():
        return None
    text, record = new_token(FIRST_USER, SCOPES, now_us, note="made at the first start")
    await store.add(record)
    return text


async def rotated(
    store: TokenStore, old: TokenRecord, now_us: int, overlap_us: int
) -> tuple[str, TokenRecord] | None:
    """Make a token like this one, which then ends after the overlap; None when it has ended already.

    The new one is kept first: whatever breaks in between, there is a valid token.
    """
    if not old.alive(now_us):
        return None
    text, record = new_token(old.user, old.scopes, now_us, expires_us=old.expires_us, note=old.note)
    await store.add(record)
    await store.revoke(old.token_id, now_us + overlap_us)
    return text, record


async def rotate(store: TokenStore, token_id: str, now_us: int, overlap_us: int) -> str | None:
    """Rotate the token of this id; the new one's text, or None when there is no valid token of this id."""
    old = next((each for each in await store.all() if each.token_id == token_id), None)
    made = None if old is None else await rotated(store, old, now_us, overlap_us)
    return None if made is None else made[0]
