"""Signatures as Standard Webhooks describes them: HMAC-SHA256 over id, timestamp and body.

A secret is `whsec_` and the base64 of 24 to 64 bytes. While a secret is rotated every delivery carries one
signature for each, so that a receiver can change over at any moment. Pure; random bytes come from outside.
"""

import base64
import binascii
import hashlib
import hmac

from actors.webhook.port import Endpoint

PREFIX = "whsec_"
SECRET_BYTES = 32
_LEAST, _MOST = 24, 64


class BadSecret(ValueError):
    """A text that is no signing secret; the text itself is not repeated."""


def new_secret(random_bytes: bytes) -> str:
    """The text of a secret made of these bytes; raise BadSecret unless there are 24 to 64."""
    if not _LEAST <= len(random_bytes) <= _MOST:
        raise BadSecret(f"a secret has {_LEAST} to {_MOST} bytes, not {len(random_bytes)}")
    return PREFIX + base64.b64encode(random_bytes).decode("ascii")


def secret_bytes(secret: str) -> bytes:
    """The bytes of a secret's text; raise BadSecret for a text that is none."""
    if not secret.startswith(PREFIX):
        raise BadSecret(f"a secret begins with {PREFIX}")
    try:
        found = base64.b64decode(secret[len(PREFIX) :], validate=True)
    except (binascii.Error, ValueError):
        raise BadSecret("what follows the prefix is not base64") from None
    if not _LEAST <= len(found) <= _MOST:
        raise BadSecret(f"a secret has {_LEAST} to {_MOST} bytes, not {len(found)}")
    return found


def sign(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """One signature; `timestamp` in whole seconds since 1970."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    digest = hmac.new(secret_bytes(secret), signed, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode("ascii")


def secrets_of(endpoint: Endpoint, now_us: int) -> tuple[str, ...]:
    """The secrets in force, newest first."""
    if endpoint.previous_secret is not None and now_us < endpoint.previous_until_us:
        return (endpoint.secret, endpoint.previous_secret)
    return (endpoint.secret,)


def headers(endpoint: Endpoint, message_id: str, body: bytes, now_us: int) -> tuple[tuple[str, str], ...]:
    """The headers of a delivery: the same id at every attempt, a timestamp and signatures of this one."""
    timestamp = now_us // 1_000_000
    signatures = (sign(secret, message_id, timestamp, body) for secret in secrets_of(endpoint, now_us))
    return (
        ("content-type", "application/json"),
        ("user-agent", "tradewarden"),
        ("webhook-id", message_id),
        ("webhook-timestamp", str(timestamp)),
        ("webhook-signature", " ".join(signatures)),
    )
