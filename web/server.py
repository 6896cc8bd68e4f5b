"""Hypercorn on trio, set up to hold out against slow and greedy clients."""

import logging
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import trio
from hypercorn.config import Config
from hypercorn.trio import serve as hypercorn_serve

from web.app import EdgeApp

KEEP_ALIVE_SECONDS = 10.0
READ_SECONDS = 12.0
"""How long a connection may send nothing while its request is incomplete."""

MAX_HEADER_BYTES = 16 * 1024
MAX_FRAME_BYTES = 64 * 1024
PING_SECONDS = 5.0
BACKLOG = 256


class ServerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where to listen. `certificate` and `key` are PEM files; with them everything is TLS 1.3."""

    host: str = "127.0.0.1"
    port: int = 8085
    certificate: Path | None = None
    key: Path | None = None
    graceful_seconds: float = 3.0

    @property
    def bind(self) -> str:
        """Host and port as hypercorn wants them."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class _ServerConfig(Config):
    """Hypercorn's settings; encrypted connections are TLS 1.3 or nothing."""

    def create_ssl_context(self) -> ssl.SSLContext | None:
        """The context of the configured certificate."""
        context = super().create_ssl_context()
        if context is not None:
            context.minimum_version = ssl.TLSVersion.TLSv1_3
        return context


def server_config(settings: ServerSettings) -> Config:
    """Hypercorn's settings: no access log of its own, every wait and every size bounded."""
    config = _ServerConfig()
    config.bind = [settings.bind]
    config.accesslog = None
    config.errorlog = logging.getLogger("web.server")
    config.include_server_header = False
    config.alpn_protocols = ["http/1.1"]
    config.backlog = BACKLOG
    config.graceful_timeout = settings.graceful_seconds
    config.shutdown_timeout = settings.graceful_seconds
    config.keep_alive_timeout = KEEP_ALIVE_SECONDS
    config.keep_alive_max_requests = 1_000_000_000
    config.read_timeout = READ_SECONDS  # type: ignore[assignment]
    config.h11_max_incomplete_size = MAX_HEADER_BYTES
    config.websocket_max_message_size = MAX_FRAME_BYTES
    config.websocket_ping_interval = PING_SECONDS
    config.ssl_handshake_timeout = 5.0
    if settings.certificate is not None and settings.key is not None:
        config.certfile = str(settings.certificate)
        config.keyfile = str(settings.key)
    return config


async def serve(
    app: EdgeApp,
    settings: ServerSettings,
    *,
    shutdown: Callable[[], Awaitable[None]] = trio.sleep_forever,
    task_status: trio.TaskStatus[list[str]] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve until `shutdown` returns, then let requests finish; `started` gives the addresses (`http://…`).

    Cancelling stops at once. Raises OSError when the address can't be bound.
    """
    await hypercorn_serve(
        app, server_config(settings), shutdown_trigger=shutdown, task_status=task_status, mode="asgi"
    )
