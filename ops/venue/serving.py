"""TLS on loopback with a throw-away authority, and connections that can be cut.

An HTTP server answers every request; an exchange behind a bad network does not. `cut` closes the connection
that carries the request being handled, without another byte. For that the stream is put into the context of
each connection's task, from which hypercorn starts the handlers; its own loop has no seam for it, so the
listeners are served here with hypercorn's connection class.
"""

import datetime
import ipaddress
import ssl
from contextvars import ContextVar
from functools import partial
from pathlib import Path
from typing import Any

import trio
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config
from hypercorn.trio.lifespan import Lifespan
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ConnectionState, LifespanState

_STREAM: ContextVar[trio.abc.Stream | None] = ContextVar("venue_stream", default=None)
_DAYS = datetime.timedelta(days=30)

HOSTS = (
    "api.binance.com",
    "fapi.binance.com",
    "dapi.binance.com",
    "stream.binance.com",
    "fstream.binance.com",
    "dstream.binance.com",
    "ws-api.binance.com",
    "ws-fapi.binance.com",
    "api.bybit.com",
    "stream.bybit.com",
    "localhost",
)


class _Connection(TCPServer):
    """A connection whose handlers can reach it."""

    async def run(self) -> None:
        _STREAM.set(self.stream)
        await super().run()


async def cut() -> None:
    """Close the connection of the request or socket being handled, without an answer; does not return."""
    stream = _STREAM.get()
    transport = getattr(stream, "transport_stream", stream)
    if transport is not None:
        await transport.aclose()
    await trio.sleep_forever()


def write_authority(folder: Path) -> tuple[Path, Path]:
    """Make a new authority and a server certificate for the exchanges' names; the key of the authority is not
    kept.

    Returns the authority's certificate (for clients) and the server's certificate with its key.
    """
    now = datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=1)
    authority_key, server_key = (
        ec.generate_private_key(ec.SECP256R1()),
        ec.generate_private_key(ec.SECP256R1()),
    )
    authority_name = x509.Name(
        [x509.NameAttribute(NameOID.COMMON_NAME, "tradewarden venue, throw-away authority")]
    )
    authority = (
        x509.CertificateBuilder()
        .subject_name(authority_name)
        .issuer_name(authority_name)
        .public_key(authority_key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + _DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(authority_key.public_key()), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    names: list[x509.GeneralName] = [x509.DNSName(host) for host in HOSTS]
    names.append(x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
    server = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tradewarden venue")]))
        .issuer_name(authority_name)
        .public_key(server_key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + _DAYS)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False
        )
        .sign(authority_key, hashes.SHA256())
    )
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    ca_file, server_file = folder / "ca.pem", folder / "server.pem"
    ca_file.write_bytes(authority.public_bytes(Encoding.PEM))
    server_file.touch(mode=0o600)
    server_file.write_bytes(
        server.public_bytes(Encoding.PEM)
        + server_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    return ca_file, server_file


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


async def serve(
    app: Any,
    *,
    host: str,
    port: int,
    control_port: int,
    server_file: Path,
    task_status: trio.TaskStatus[tuple[int, int]] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve the ASGI app with TLS on `port` and without on `control_port` (0: any), until cancelled.

    Reports the two ports once it listens.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(server_file)
    context.set_alpn_protocols(["http/1.1"])
    config = Config()
    config.errorlog = None
    config.accesslog = None
    config.h11_max_incomplete_size = 64 * 1024
    config.keep_alive_timeout = 600.0
    config.graceful_timeout = 0.2
    state: LifespanState = {}
    wrapped = ASGIWrapper(app)
    worker = WorkerContext(None)
    lifespan = Lifespan(wrapped, config, state)
    async with trio.open_nursery() as nursery:
        await nursery.start(lifespan.handle_lifespan)
        await lifespan.wait_for_startup()
        connection = partial(_Connection, wrapped, config, worker, ConnectionState(state))
        secure = await trio.open_tcp_listeners(port, host=host)
        plain = await trio.open_tcp_listeners(control_port, host=host)
        encrypted = [trio.SSLListener(listener, context, https_compatible=True) for listener in secure]
        nursery.start_soon(partial(_serve_all, connection, encrypted))
        nursery.start_soon(partial(_serve_all, connection, plain))
        task_status.started((_port_of(secure[0]), _port_of(plain[0])))
        try:
            await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True):
                await worker.terminated.set()


async def _serve_all(connection: Any, listeners: Any) -> None:
    await trio.serve_listeners(connection, listeners)


def _port_of(listener: trio.SocketListener) -> int:
    port: int = listener.socket.getsockname()[1]
    return port
