"""TLS, pins and where names lead."""

import socket
import ssl

import pytest
import trio
import trio_asyncio

from actors.broker.adapters.ccxt.session import (
    BadPins,
    OneAddress,
    Redirect,
    checked_pins,
    open_session,
    pin_of,
    ssl_context,
)
from ops.venue.running import Plan, open_venue

OTHER = "sha256/" + "A" * 43 + "="


@pytest.mark.parametrize("pins", [["sha256/abc"], ["md5/" + "A" * 43 + "="], ["nonsense", OTHER], [OTHER]])
def test_a_pin_set_needs_the_right_form_and_a_backup(pins):
    with pytest.raises(BadPins):
        checked_pins(pins)


def test_no_pins_are_no_pins():
    assert checked_pins([]) == frozenset()


def test_certificates_are_verified_with_the_public_authorities():
    context = ssl_context(None, [])
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2


async def test_every_name_leads_to_the_one_address():
    (found,) = await OneAddress(Redirect(host="127.0.0.1", port=77, ca_file="")).resolve(
        "api.binance.com", 443
    )
    assert (found["host"], found["port"], found["family"]) == ("127.0.0.1", 77, socket.AF_INET)


async def fetch(redirect, pins=(), url="https://api.binance.com/api/v3/ping"):
    """The status of a request, or the name of what went wrong; and whether anything was written."""
    wrote = []

    async def get():
        session = open_session(redirect, pins, lambda: wrote.append(True))
        try:
            async with session.get(url) as answer:
                return answer.status
        except OSError as error:
            return type(error).__name__
        finally:
            await session.close()

    async with trio_asyncio.open_loop():
        return await trio_asyncio.aio_as_trio(get)(), bool(wrote)


def leaf(running):
    """The pin of the venue's certificate."""
    der = ssl.PEM_cert_to_DER_cert(
        (running.ca_file.parent / "server.pem").read_text().split("-----BEGIN PRIVATE")[0]
    )
    return pin_of(der)


async def test_pins_are_checked_after_the_usual_verification():
    """The right key passes, a wrong one does not; a foreign authority is refused whatever the pins say."""
    with trio.fail_after(120):
        async with open_venue(Plan()) as running:
            here = Redirect(host=running.host, port=running.port, ca_file=str(running.ca_file))
            assert await fetch(here) == (200, True)
            assert await fetch(here, (leaf(running), OTHER)) == (200, True)
            wrong = (OTHER, "sha256/" + "B" * 43 + "=")
            assert await fetch(here, wrong) == ("ClientConnectorCertificateError", False)
            async with open_venue(Plan()) as another:
                mixed = Redirect(host=running.host, port=running.port, ca_file=str(another.ca_file))
                assert await fetch(mixed, (leaf(running), OTHER)) == (
                    "ClientConnectorCertificateError",
                    False,
                )
            assert await fetch(here, url="https://elsewhere.example/") == (
                "ClientConnectorCertificateError",
                False,
            )


async def test_a_refused_connection_writes_nothing():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        nobody = Redirect(
            host="127.0.0.1", port=taken.getsockname()[1], ca_file=__import__("certifi").where()
        )
        assert await fetch(nobody) == ("ClientConnectorError", False)
