"""User data over WebSocket, and what can happen to it."""

import json

import pytest
import trio

from ops.venue.faults import Faults
from ops.venue.hub import Hub, Socket
from ops.venue.sockets import bare


async def told(kind, frames, **rule):
    """What a socket with one fault rule sends for these frames."""
    import random

    faults = Faults(random.Random(1))
    if kind:
        faults.add({"kind": kind, "where": "STREAM fills", "count": 1, **rule})
    async with trio.open_nursery() as nursery:
        socket = Socket(faults, nursery, bare)
        for frame in frames:
            socket.push("fills", frame)
        await trio.sleep(10)
        socket.outgoing.close()
        return [None if text is None else json.loads(text) async for text in socket.incoming]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("", [1, 2, 3]),
        ("lose", [2, 3]),
        ("duplicate", [1, 1, 2, 3]),
        ("reorder", [2, 1, 3]),
        ("late", [2, 3, 1]),
        ("disconnect", [None, 2, 3]),
    ],
)
async def test_a_stream_fault_does_what_it_is_called(autojump_clock, kind, expected):
    assert await told(kind, [1, 2, 3], seconds=2) == expected


async def test_frames_go_to_their_owner_and_to_who_subscribed(autojump_clock):
    async with trio.open_nursery() as nursery:
        hub = Hub()
        sockets = [Socket(Faults(None), nursery, bare) for _ in range(3)]
        for socket, owner, stream in zip(
            sockets, ("me", "me", "you"), ("user", "other", "user"), strict=True
        ):
            socket.owner, socket.streams = owner, {stream: True}
            hub.add(socket)
        hub.to_owner("me", "user", "mine")
        hub.to_stream("other", lambda: "public")
        hub.to_stream("nobody", lambda: pytest.fail("made a frame for nobody"))
        hub.remove(sockets[0])
        hub.to_owner("me", "user", "lost")
        for socket in sockets:
            socket.outgoing.close()
        assert [[json.loads(text) async for text in socket.incoming] for socket in sockets] == [
            ["mine"],
            ["public"],
            [],
        ]


async def test_a_client_that_does_not_keep_up_loses_its_connection(autojump_clock):
    async with trio.open_nursery() as nursery:
        socket = Socket(Faults(None), nursery, bare)
        for number in range(10_001):
            socket.push("fills", number)
        assert nursery.cancel_scope.cancel_called
