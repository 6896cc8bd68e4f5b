"""Hypercorn on trio, set up to hold out against slow and greedy clients."""

import logging
import ssl
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import TypeAlias

import msgspec
import trio
from hypercorn.config import Config
from hypercorn.trio.lifespan import Lifespan
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.utils import repr_socket_addr, wrap_app

from web.app import EdgeApp
from web.serving.connection import Connection, Stream
from web.serving.http import MAX_HEADER_BYTES, FastLane

MAX_FRAME_BYTES = 64 * 1024
PING_SECONDS = 5.0
BACKLOG = 256


Listener: TypeAlias = "trio.SocketListener | trio.SSLListener[trio.SocketStream]"


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
    config.keep_alive_max_requests = 1_000_000_000
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
    config = server_config(settings)
    wrapped = wrap_app(app, config.wsgi_max_body_size, "asgi")
    context = WorkerContext(None)
    lifespan = Lifespan(wrapped, config, {})
    lane = FastLane(app.edge, app.lane)

    async def connect(stream: Stream) -> None:
        await Connection(wrapped, config, context, lane, stream).run()

    async with trio.open_nursery() as around:
        await around.start(lifespan.handle_lifespan)
        await lifespan.wait_for_startup()
        listeners, addresses = _listen(config)
        async with trio.open_nursery() as connections:
            try:
                async with trio.open_nursery() as accepting:
                    accepting.start_soon(
                        partial(trio.serve_listeners, connect, listeners, handler_nursery=connections)
                    )
                    task_status.started(addresses)
                    await shutdown()
                    accepting.cancel_scope.cancel()
            finally:
                await context.terminated.set()
                connections.cancel_scope.deadline = trio.current_time() + settings.graceful_seconds
        await lifespan.wait_for_shutdown()
        around.cancel_scope.cancel()


def _listen(config: Config) -> tuple[list[Listener], list[str]]:
    """Listening sockets and their addresses; raise OSError."""
    sockets = config.create_sockets()
    context = config.create_ssl_context()
    listeners: list[Listener] = []
    addresses: list[str] = []
    for each in (*sockets.secure_sockets, *sockets.insecure_sockets):
        each.listen(config.backlog)
        listener = trio.SocketListener(trio.socket.from_stdlib_socket(each))
        where = repr_socket_addr(each.family, each.getsockname())
        if context is None:
            listeners.append(listener)
            addresses.append(f"http://{where}")
        else:
            listeners.append(trio.SSLListener(listener, context, https_compatible=True))
            addresses.append(f"https://{where}")
    return listeners, addresses
