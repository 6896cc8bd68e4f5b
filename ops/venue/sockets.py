"""One WebSocket connection: what the client says goes to its dialect, what the hub pushes goes to the
client.
"""

import json
from collections.abc import Callable

import trio
from quart import websocket

from ops.venue.faults import BEFORE, Faults
from ops.venue.hub import Hub, Socket
from ops.venue.serving import cut

OnMessage = Callable[[Socket, dict[str, object]], None]
Wrap = Callable[[str, object], object]


def bare(stream: str, frame: object) -> object:
    """The frame as it is."""
    return frame


async def converse(
    hub: Hub,
    faults: Faults,
    on_message: OnMessage,
    *,
    wrap: Wrap = bare,
    on_open: Callable[[Socket], None] | None = None,
) -> None:
    """Serve the current connection until one side ends it. A fault for requests may keep it from opening."""
    if faults.pick(f"CONNECT {websocket.path}", BEFORE) is not None:
        await cut()
    async with trio.open_nursery() as nursery:
        socket = Socket(faults, nursery, wrap)
        hub.add(socket)
        try:
            if on_open is not None:
                on_open(socket)
            nursery.start_soon(_send, socket)
            while True:
                said = json.loads(await websocket.receive())
                if isinstance(said, dict):
                    on_message(socket, said)
        finally:
            hub.remove(socket)
            nursery.cancel_scope.cancel()


async def _send(socket: Socket) -> None:
    async for text in socket.incoming:
        if text is None:
            await cut()
        else:
            await websocket.send(text)
