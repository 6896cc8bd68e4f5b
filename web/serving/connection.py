"""One TCP connection: its bytes in and out, and the clock that ends it.

One task reads, one watches the clock; whatever the connection is doing, exactly one deadline is running:
for the next request, for the rest of a body, for a sign of life of a WebSocket, or none while an answer is
being made. A write has a deadline of its own, since it can block in the middle of an answer.
"""

import math
import os
from contextlib import suppress
from typing import TYPE_CHECKING, TypeAlias

import trio
from hypercorn.config import Config
from hypercorn.events import Closed, Event, RawData, Updated
from hypercorn.trio.task_group import TaskGroup
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import AppWrapper, ConnectionState
from hypercorn.utils import parse_socket_addr

from web.serving.http import EdgeProtocol
from web.serving.inbox import Inbox

if TYPE_CHECKING:
    from web.serving.http import FastLane

REQUEST_SECONDS = 10.0
"""For the next request to begin, and for its headers to be whole."""

BODY_SECONDS = 12.0
"""For a body to be whole; the application's own limit is shorter and answers with a problem."""

SILENCE_SECONDS = 12.0
"""For a WebSocket that sends nothing, not even an answer to our pings."""

WRITE_SECONDS = 10.0
LINGER_SECONDS = 1.0
LINGER_BYTES = 32 * 1024 * 1024
"""What a client is still sending when it was already refused: taken and dropped, so that it can read why."""

MAX_RECEIVE = 64 * 1024

Stream: TypeAlias = "trio.SocketStream | trio.SSLStream[trio.SocketStream]"


class Connection:
    """Serves one connection until it ends; made and awaited for each one that is accepted."""

    def __init__(
        self,
        app: AppWrapper,
        config: Config,
        context: WorkerContext,
        lane: "FastLane",
        stream: Stream,
    ) -> None:
        self.app = app
        self.config = config
        self.context = context
        self.lane = lane
        self.stream = stream
        self.inbox = Inbox()
        self._due = math.inf
        self._clock = trio.CancelScope()
        self.reading = trio.CancelScope()
        """The scope of the task that reads, which answers what arrives whole as well."""
        self._write_lock = trio.Lock()
        self._silence: float | None = None
        self._protocol: EdgeProtocol
        self._closing = False

    async def run(self) -> None:
        """Serve until either side ends it."""
        try:
            if not await self._shake_hands():
                return
            async with TaskGroup() as tasks, trio.open_nursery() as nursery:
                self._protocol = self._make_protocol(tasks)
                nursery.start_soon(self._watch, nursery.cancel_scope)
                self.expect_request()
                await self._read()
                nursery.cancel_scope.cancel()
        except OSError:
            return
        finally:
            with trio.CancelScope(deadline=trio.current_time() + LINGER_SECONDS, shield=True):
                await self.stream.aclose()

    def expect_request(self) -> None:
        """The next request may take a while to come, but not for ever."""
        self._end_at(trio.current_time() + REQUEST_SECONDS)

    def expect_body(self) -> None:
        """A request has begun; the rest of it must follow."""
        self._end_at(trio.current_time() + BODY_SECONDS)

    def expect_nothing(self) -> None:
        """The request is whole: it is our turn, for as long as it takes."""
        self._due = math.inf

    def expect_frames(self) -> None:
        """From now on this is a WebSocket, which must show a sign of life from time to time."""
        self._silence = SILENCE_SECONDS
        self._end_at(trio.current_time() + SILENCE_SECONDS)

    def _end_at(self, due: float) -> None:
        """Set the deadline. The clock is only moved to go off earlier; too early, it looks here again."""
        self._due = due
        if due < self._clock.deadline:
            self._clock.deadline = due

    async def send(self, event: Event) -> None:
        """What hypercorn's protocols want done. Never raises for a client that is gone."""
        if isinstance(event, RawData):
            if event.data:
                await self.write(event.data)
        elif isinstance(event, Closed):
            await self.close()
        elif isinstance(event, Updated):
            if event.idle:
                self.expect_request()
            else:
                self.expect_body()

    async def write(self, data: bytes) -> None:
        """Send bytes; a client that does not take them in time is cut off. Cancelling does not tear them.

        No checkpoint when the system takes all of them at once, as it does for a client that reads.
        """
        if self._closing:
            await trio.lowlevel.checkpoint()
            return
        data = self._write_now(data)
        if not data:
            return
        try:
            self._write_lock.acquire_nowait()
        except trio.WouldBlock:
            await self._write_lock.acquire()
        try:
            with trio.CancelScope(deadline=trio.current_time() + WRITE_SECONDS, shield=True) as scope:
                await self.stream.send_all(data)
            if scope.cancelled_caught:
                await trio.aclose_forcefully(self.stream)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            self._closing = True
        finally:
            self._write_lock.release()

    def _write_now(self, data: bytes) -> bytes:
        """Write what the system takes at once, unless others wait to write; the rest."""
        if not isinstance(self.stream, trio.SocketStream) or self._write_lock.locked():
            return data
        try:
            return data[os.write(self.stream.socket.fileno(), data) :]
        except BlockingIOError:
            return data
        except OSError:
            self._closing = True
            return b""

    async def close(self) -> None:
        """Send nothing more.

        What the client is still sending is dropped for a moment, so that it can read the answer.
        """
        if self._closing:
            return
        self._closing = True
        self._end_at(trio.current_time() + LINGER_SECONDS)
        if isinstance(self.stream, trio.SocketStream):
            with suppress(trio.BrokenResourceError, trio.ClosedResourceError, trio.BusyResourceError):
                await self.stream.send_eof()

    async def _shake_hands(self) -> bool:
        if isinstance(self.stream, trio.SSLStream):
            try:
                with trio.fail_after(self.config.ssl_handshake_timeout):
                    await self.stream.do_handshake()
            except (trio.BrokenResourceError, trio.TooSlowError):
                return False
        return True

    def _make_protocol(self, tasks: TaskGroup) -> EdgeProtocol:
        secure = isinstance(self.stream, trio.SSLStream)
        plain = self.stream.transport_stream if isinstance(self.stream, trio.SSLStream) else self.stream
        socket = plain.socket
        return EdgeProtocol(
            self.app,
            self.config,
            self.context,
            tasks,
            ConnectionState({"write": self.write, "inbox": self.inbox}),
            secure,
            parse_socket_addr(socket.family, socket.getpeername()),
            parse_socket_addr(socket.family, socket.getsockname()),
            self,
            self.lane,
        )

    async def _read(self) -> None:
        with self.reading:
            await self._take_all()

    async def _take_all(self) -> None:
        dropped = 0
        while dropped < LINGER_BYTES:
            try:
                data = await self._receive()
            except (OSError, trio.BrokenResourceError, trio.ClosedResourceError):
                break
            if self._closing:
                dropped += len(data)
            else:
                if self._silence is not None:
                    self._end_at(trio.current_time() + self._silence)
                if not await self._protocol.take_whole(data):
                    await self._protocol.handle(RawData(data))
            if not data:
                break
        await self._protocol.handle(Closed())

    async def _receive(self) -> bytes:
        """What the client sent next; nothing when it has ended.

        From a plain socket it is read when the system says that it is there: trying first, as streams do, is
        in vain between two requests.
        """
        if not isinstance(self.stream, trio.SocketStream):
            return bytes(await self.stream.receive_some(MAX_RECEIVE))
        socket = self.stream.socket
        while socket.fileno() >= 0:
            await trio.lowlevel.wait_readable(socket)
            try:
                # The number is asked for again: of a socket closed meanwhile, it may be another's by now.
                return os.read(socket.fileno(), MAX_RECEIVE)
            except BlockingIOError:
                continue
        raise trio.ClosedResourceError("this connection was closed on our side")

    async def _watch(self, reading: trio.CancelScope) -> None:
        """End the connection when its deadline passes, or, between two requests, when the service stops."""
        while trio.current_time() < self._due:
            self._clock = trio.CancelScope(deadline=self._due)
            with self._clock:
                await self.context.terminated.wait()
                if not self._protocol.busy:
                    await self.close()
                await trio.sleep_forever()
        with trio.CancelScope(shield=True):
            if not self._closing:
                await self._protocol.expire()
            await self._protocol.handle(Closed())
            await trio.aclose_forcefully(self.stream)
        reading.cancel()
