"""Who listens to what: sockets by account and by stream, and the faults of streams.

Publishing never waits: a socket that does not keep up loses its connection, as at a real exchange.
"""

import json
from collections.abc import Callable, Iterable

import trio

from ops.venue.faults import STREAM, Faults

_BACKLOG = 10_000


class Socket:
    """One client's socket: frames go in by `push`, and out by the task that holds the connection."""

    def __init__(self, faults: Faults, nursery: trio.Nursery, wrap: Callable[[str, object], object]) -> None:
        self.outgoing, self.incoming = trio.open_memory_channel[str | None](_BACKLOG)
        self.streams: dict[str, object] = {}
        self.owner = ""
        self._faults = faults
        self._nursery = nursery
        self._wrap = wrap
        self._held: str | None = None

    def reply(self, frame: object) -> None:
        """An answer to the client; faults leave it alone."""
        self._send(json.dumps(frame, separators=(",", ":")))

    def push(self, stream: str, frame: object, name: str = "") -> None:
        """A frame of a stream, through the faults; these see its `name` where it has one of its own."""
        text = json.dumps(self._wrap(stream, frame), separators=(",", ":"))
        fault = self._faults.pick(f"STREAM {name or stream}", STREAM)
        kind = "" if fault is None else fault.kind
        if kind == "lose":
            return
        if kind == "disconnect":
            self._send(None)
            return
        if kind == "late" and fault is not None:
            self._nursery.start_soon(self._later, fault.seconds, text)
            return
        if kind == "reorder" and self._held is None:
            self._held = text
            return
        self._send(text)
        if kind == "duplicate":
            self._send(text)
        if self._held is not None:
            held, self._held = self._held, None
            self._send(held)

    async def _later(self, seconds: float, text: str) -> None:
        await trio.sleep(seconds)
        self._send(text)

    def _send(self, text: str | None) -> None:
        try:
            self.outgoing.send_nowait(text)
        except trio.WouldBlock:
            self._nursery.cancel_scope.cancel()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            self.streams.clear()


class Hub:
    """The sockets of one exchange."""

    def __init__(self) -> None:
        self._sockets: list[Socket] = []

    def add(self, socket: Socket) -> None:
        """From now on it can be published to."""
        self._sockets.append(socket)

    def remove(self, socket: Socket) -> None:
        """It is gone."""
        self._sockets.remove(socket)

    def to_owner(self, owner: str, stream: str, frame: object, name: str = "") -> None:
        """To every socket of the account that subscribed to the user stream."""
        for socket in list(self._sockets):
            if socket.owner == owner and stream in socket.streams:
                socket.push(stream, frame, name)

    def to_stream(self, stream: str, make: Callable[[], object]) -> None:
        """To every socket that subscribed to the stream; the frame is made only if there is one."""
        for socket in list(self._sockets):
            if stream in socket.streams:
                socket.push(stream, make())

    def disconnect_all(self) -> None:
        """Every socket loses its connection."""
        for socket in list(self._sockets):
            socket.outgoing.send_nowait(None)

    def sockets(self) -> Iterable[Socket]:
        """Those that are connected."""
        return tuple(self._sockets)
