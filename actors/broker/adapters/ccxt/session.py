"""The connections that ccxt is given: verified TLS, optional pins on top of it, and where names lead.

aiohttp's own `Fingerprint` turns certificate verification off. Here a pin set is checked after a handshake
that verified chain and host name as usual, and it needs a backup, so that a renewed key can't cut the account
off. A redirect leads every name to one local address and trusts only the certificate authority that it names:
a test bot then can't reach a real exchange, and ccxt's behaviour that hangs on its URLs stays as it is.
"""

import base64
import hashlib
import socket
import ssl
from collections.abc import Callable, Sequence

import aiohttp
import certifi
import msgspec
from aiohttp.abc import AbstractResolver, ResolveResult
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


class Redirect(msgspec.Struct, frozen=True, kw_only=True):
    """Lead all names to `host` (an address) and `port`; trust the authority in the PEM file `ca_file`
    alone.
    """

    host: str
    port: int
    ca_file: str


class BadPins(ValueError):
    """A pin set that can't be used: what is wrong with it."""


class PinMismatch(ssl.SSLCertVerificationError):
    """The chain is valid, but the server's key is none of the pinned ones."""


def pin_of(certificate_der: bytes) -> str:
    """The pin of a certificate: `sha256/` and the base64 digest of its public key info."""
    key = x509.load_der_x509_certificate(certificate_der).public_key()
    digest = hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest()
    return "sha256/" + base64.b64encode(digest).decode()


def checked_pins(pins: Sequence[str]) -> frozenset[str]:
    """The pin set; raise BadPins when a pin has another form or there is no backup."""
    for pin in pins:
        kind, _, digest = pin.partition("/")
        try:
            usable = (
                kind == "sha256"
                and len(base64.b64decode(digest, validate=True)) == hashlib.sha256().digest_size
            )
        except ValueError:
            usable = False
        if not usable:
            raise BadPins(f"{pin[:60]!r} is not `sha256/` and the base64 of 32 bytes")
    if len(frozenset(pins)) == 1:
        raise BadPins("a single pin locks the account out when the key is renewed: add a backup pin")
    return frozenset(pins)


def ssl_context(redirect: Redirect | None, pins: Sequence[str]) -> ssl.SSLContext:
    """Verifies chain and host name, TLS 1.2 at least; then, if there are pins, the server's key."""
    context = ssl.create_default_context(cafile=certifi.where() if redirect is None else redirect.ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    wanted = checked_pins(pins)
    if wanted:
        context.sslobject_class = _pinned_object(wanted)
    return context


def _pinned_object(wanted: frozenset[str]) -> type[ssl.SSLObject]:
    class PinnedObject(ssl.SSLObject):
        """Checks the key once the usual verification has passed."""

        def do_handshake(self) -> None:
            super().do_handshake()
            certificate = self.getpeercert(binary_form=True)
            if certificate is None or pin_of(certificate) not in wanted:
                raise PinMismatch("the server's key is none of the pinned ones")

    return PinnedObject


class OneAddress(AbstractResolver):
    """Answers one address and port for every name."""

    def __init__(self, redirect: Redirect) -> None:
        self._redirect = redirect

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [
            ResolveResult(
                hostname=host,
                host=self._redirect.host,
                port=self._redirect.port,
                family=socket.AF_INET,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST,
            )
        ]

    async def close(self) -> None:
        """Nothing to close."""


def open_session(
    redirect: Redirect | None, pins: Sequence[str], about_to_write: Callable[[], None]
) -> aiohttp.ClientSession:
    """A session for one exchange; call it on the asyncio side. `about_to_write` runs in the task of a request
    before its first byte leaves, and proves by its absence that nothing was sent."""
    trace = aiohttp.TraceConfig()

    async def headers_sent(*_: object) -> None:
        about_to_write()

    trace.on_request_headers_sent.append(headers_sent)
    trace.on_request_chunk_sent.append(headers_sent)
    connector = aiohttp.TCPConnector(
        ssl=ssl_context(redirect, pins),
        resolver=None if redirect is None else OneAddress(redirect),
        enable_cleanup_closed=True,
        # A pool that can run dry makes cancels wait for whatever hangs; the limiter says who may ask.
        limit=0,
    )
    return aiohttp.ClientSession(connector=connector, trace_configs=[trace], trust_env=False)
