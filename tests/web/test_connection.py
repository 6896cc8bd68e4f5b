"""One TCP connection's reader, by itself."""

import socket

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from web.serving.connection import Connection


@pytest.mark.parametrize("attempt", range(12))
async def test_a_connection_that_is_closed_never_reads_what_is_for_the_next_one(attempt):
    """The next connection gets the closed one's number, maybe before its reader has run.

    Which task of a turn runs first is a matter of chance, so it is tried several times.
    """
    ours, theirs = socket.socketpair()
    stream = trio.SocketStream(trio.socket.from_stdlib_socket(ours))
    connection = Connection(None, None, None, None, stream)
    read = []

    async def reader():
        try:
            read.append(await connection._receive())
        except (OSError, trio.ClosedResourceError):
            read.append(b"")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(reader)
        await wait_all_tasks_blocked()
        number = ours.fileno()
        theirs.close()
        await trio.lowlevel.checkpoint()
        # No checkpoint from here on: the reader is woken, and may run before us or after all of this.
        stream.socket.close()
        next_one, its_client = socket.socketpair()
        for each in (next_one, its_client):
            each.sendall(b"an order of somebody else")
    with next_one, its_client:
        assert number in (next_one.fileno(), its_client.fileno())
        assert read == [b""]
