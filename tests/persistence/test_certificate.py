"""A certificate of the service's own: TLS 1.3 under it, its key kept, renewed in time, never half written."""

import ssl
import stat
from datetime import UTC, datetime, timedelta

import pytest
import trio
import trio.testing

from persistence.certificate import LASTS, own_certificate

NOW = datetime.now(UTC)
NAMES = ("localhost", "127.0.0.1", "::1", "trader.local")


def test_it_is_made_once_and_kept(tmp_path):
    first = own_certificate(tmp_path / "tls", NAMES, NOW)
    again = own_certificate(tmp_path / "tls", NAMES[:2], NOW + timedelta(days=400))
    assert again == first
    assert first.ends_at - NOW < timedelta(days=825)


def test_the_key_is_its_owners_alone(tmp_path):
    made = own_certificate(tmp_path / "tls", NAMES, NOW)
    assert stat.S_IMODE(made.key.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "tls").stat().st_mode) == 0o700
    assert {each.name for each in (tmp_path / "tls").iterdir()} == {"key.pem", "certificate.pem"}


@pytest.mark.parametrize(
    ("names", "later"), [((*NAMES, "new.example"), timedelta(0)), (NAMES, LASTS - timedelta(days=30))]
)
def test_it_is_renewed_under_the_same_key_when_a_name_is_missing_or_its_end_is_near(tmp_path, names, later):
    first = own_certificate(tmp_path, NAMES, NOW)
    key = first.key.read_bytes()
    second = own_certificate(tmp_path, names, NOW + later)
    assert second.fingerprint != first.fingerprint
    assert second.key.read_bytes() == key


@pytest.mark.parametrize("spoilt", ["key.pem", "certificate.pem"])
@pytest.mark.parametrize("content", [b"", b"nonsense", None])
def test_what_is_spoilt_or_lost_is_made_anew(tmp_path, spoilt, content):
    own_certificate(tmp_path, NAMES, NOW)
    if content is None:
        (tmp_path / spoilt).unlink()
    else:
        (tmp_path / spoilt).write_bytes(content)
    made = own_certificate(tmp_path, NAMES, NOW)
    ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(made.certificate, made.key)
    assert own_certificate(tmp_path, NAMES, NOW) == made


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "trader.local", "stranger.local"])
async def test_a_client_that_trusts_it_is_encrypted_for_its_names_only(tmp_path, name):
    made = own_certificate(tmp_path, NAMES, NOW)
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(made.certificate, made.key)
    client = ssl.create_default_context(cafile=made.certificate)
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    here, there = trio.testing.memory_stream_pair()
    ours = trio.SSLStream(here, server, server_side=True)
    theirs = trio.SSLStream(there, client, server_hostname=name)

    async def shake(stream):
        try:
            await stream.do_handshake()
        except trio.BrokenResourceError as error:
            await trio.aclose_forcefully(stream)
            return type(error.__cause__)
        return None

    found = []

    async def act(stream):
        found.append(await shake(stream))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(act, ours)
        nursery.start_soon(act, theirs)
    assert (ssl.SSLCertVerificationError in found) == (name == "stranger.local")
