"""The line between service and database: a TCP proxy of our own that can be slow, deaf, silent or cut.

It runs in a thread with a loop of its own, in the process of the test, and leads from a port of the loopback
to the server's Unix socket. What a cut loses is what a real one loses: bytes that were under way, in either
direction, without either side being told how many.
"""

import socket
import struct
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import trio

CHUNK = 65_536
_RESET = struct.pack("ii", 1, 0)


class Link:
    """`delay_seconds` each piece waits; `deaf`: answers vanish; `held`: nothing passes; `is_open`: new
    connections are taken.
    """

    def __init__(self, target: Path) -> None:
        self.delay_seconds = 0.0
        self.deaf = False
        self.held = False
        self.is_open = True
        self.port = 0
        self.connections = 0
        self._target = target
        self._streams: dict[trio.SocketStream, None] = {}
        self._ready = threading.Event()
        self._token: trio.lowlevel.TrioToken | None = None
        self._scope = trio.CancelScope()
        self._thread = threading.Thread(target=trio.run, args=(self._serve,), name="link", daemon=True)

    def start(self) -> None:
        """Listen; returns when `port` is known."""
        self._thread.start()
        self._ready.wait(10.0)

    def stop(self) -> None:
        """Cut everything and end the thread."""
        if self._token is not None:
            self._token.run_sync_soon(self._scope.cancel)
        self._thread.join(10.0)

    def cut(self) -> None:
        """Reset every connection and take no new one until `heal`."""
        self.is_open = False
        self._soon(self._reset)

    def heal(self) -> None:
        """Be a good line again; connections that were held or deafened are reset."""
        if self.deaf or self.held:
            self._soon(self._reset)
        self.delay_seconds, self.deaf, self.held, self.is_open = 0.0, False, False, True

    def _soon(self, what: Callable[[], None]) -> None:
        done = threading.Event()
        if self._token is not None:
            self._token.run_sync_soon(what)
            self._token.run_sync_soon(done.set)
            done.wait(5.0)

    def _reset(self) -> None:
        for stream in tuple(self._streams):
            if stream.socket.family == socket.AF_INET:
                stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            stream.socket.close()

    async def _serve(self) -> None:
        self._token = trio.lowlevel.current_trio_token()
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        self.port = listener.socket.getsockname()[1]
        with self._scope:
            async with trio.open_nursery() as nursery:
                self._ready.set()
                await trio.serve_listeners(self._accept, [listener], handler_nursery=nursery)

    async def _accept(self, client: trio.SocketStream) -> None:
        if not self.is_open:
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            await client.aclose()
            return
        try:
            server = await trio.open_unix_socket(str(self._target))
        except OSError:
            await client.aclose()
            return
        self.connections += 1
        self._streams[client] = self._streams[server] = None
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._until_end, nursery, self._forward, client, server, False)
                nursery.start_soon(self._until_end, nursery, self._forward, server, client, True)
        finally:
            for stream in (client, server):
                self._streams.pop(stream, None)
                with trio.CancelScope(shield=True):
                    await trio.aclose_forcefully(stream)

    async def _until_end(
        self, nursery: trio.Nursery, work: Callable[..., Awaitable[None]], *args: object
    ) -> None:
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError, OSError):
            await work(*args)
        nursery.cancel_scope.cancel()

    async def _forward(self, source: trio.SocketStream, sink: trio.SocketStream, answers: bool) -> None:
        while piece := await source.receive_some(CHUNK):
            if self.delay_seconds:
                await trio.sleep(self.delay_seconds)
            while self.held:  # noqa: ASYNC110 - another thread sets it
                await trio.sleep(0.02)
            if not (answers and self.deaf):
                await sink.send_all(piece)
