"""A client of the feeds, for tests: says frames, hears frames."""

import json
from contextlib import asynccontextmanager

import trio
from trio_websocket import ConnectionClosed, ConnectionRejected, wrap_client_stream

AUTH = [(b"Authorization", b"Bearer all-scopes-token")]


@asynccontextmanager
async def joined(address, path="/ws/orders", headers=AUTH):
    host, port = address.removeprefix("ws://").split(":")
    # The library leaves a stream to the garbage collector when the server ends it first.
    async with await trio.open_tcp_stream(host, int(port)) as stream, trio.open_nursery() as nursery:
        socket = await wrap_client_stream(nursery, stream, address, path, extra_headers=headers)
        yield Talker(socket)
        with trio.CancelScope(deadline=trio.current_time() + 1):
            await socket.aclose()
        nursery.cancel_scope.cancel()


async def refusal(address, path="/ws/orders", headers=AUTH):
    """The status and the body of a handshake that is refused."""
    found = []
    try:
        async with joined(address, path, headers):
            pass
    except* ConnectionRejected as group:
        while isinstance(group, ExceptionGroup):
            group = group.exceptions[0]
        found = [group.status_code, json.loads(group.body)]
    return found


async def close_code(talker):
    """Hear whatever is still said; the code of the close that follows."""
    try:
        while True:
            await talker.hear()
    except ConnectionClosed as closed:
        return closed.reason.code


class Talker:
    def __init__(self, socket):
        self.socket = socket

    async def say(self, **frame):
        await self.socket.send_message(json.dumps(frame))

    async def hear(self):
        with trio.fail_after(30):
            return json.loads(await self.socket.get_message())

    async def quiet(self, seconds=0.1):
        with trio.move_on_after(seconds):
            return await self.hear()
