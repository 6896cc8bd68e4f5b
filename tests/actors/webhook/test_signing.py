"""Signatures, checked by the reference implementation of Standard Webhooks."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from actors.webhook import signing
from actors.webhook.port import Endpoint


def now_us() -> int:
    """The oracle compares with the machine's clock, so the test needs it too."""
    from time import time_ns

    return time_ns() // 1000


def endpoint(secret: str, **more: object) -> Endpoint:
    return Endpoint(endpoint_id="ep_1", url="https://example.com", secret=secret, **more)


@given(st.binary(min_size=24, max_size=64), st.text(max_size=200))
def test_the_reference_implementation_verifies_what_is_signed(key, text):
    secret = signing.new_secret(key)
    body = msgspec.json.encode({"event": text})
    headers = dict(signing.headers(endpoint(secret), "msg_1", body, now_us()))
    assert Webhook(secret).verify(body, headers) == {"event": text}


def test_a_changed_body_is_not_verified():
    secret = signing.new_secret(bytes(32))
    headers = dict(signing.headers(endpoint(secret), "msg_1", b"{}", now_us()))
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(b"{ }", headers)


def test_during_a_rotation_either_secret_verifies_and_afterwards_only_the_new_one():
    old, new = signing.new_secret(bytes(32)), signing.new_secret(bytes(range(32)))
    now = now_us()
    rotating = endpoint(new, previous_secret=old, previous_until_us=now + 1)
    during = dict(signing.headers(rotating, "msg_1", b"{}", now))
    after = dict(signing.headers(rotating, "msg_1", b"{}", now + 1))
    for secret in (old, new):
        Webhook(secret).verify(b"{}", during)
    Webhook(new).verify(b"{}", after)
    with pytest.raises(WebhookVerificationError):
        Webhook(old).verify(b"{}", after)


@pytest.mark.parametrize(
    "text", ["", "abc", "whsec_", "whsec_!!!!", "whsec_" + "AAAA" * 4, "whsec_" + "AAAA" * 24]
)
def test_a_text_that_is_no_secret_is_refused_without_repeating_it(text):
    with pytest.raises(signing.BadSecret) as refused:
        signing.secret_bytes(text)
    assert not text or len(text) < 7 or text not in str(refused.value)


def test_an_endpoint_shows_no_secret_in_its_text():
    secret = signing.new_secret(bytes(32))
    shown = endpoint(secret, previous_secret=secret)
    assert secret not in f"{shown!r} {shown}"
