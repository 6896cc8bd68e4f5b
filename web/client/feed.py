"""Following a channel over connections that break.

The place of the last update is remembered; a new connection resumes behind it, so that each update of the
journal comes exactly once. Only a refusal by the service ends the feed.
"""

import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import TypeVar

import anyio
import msgspec
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from web.client.errors import ClientError
from web.client.sockets import Closed, Rejected, Socket, Untrusted, connect
from web.wire import EventBody, FillBody, MarkBody, OrderBody, PositionBody

RowT = TypeVar("RowT", OrderBody, PositionBody, FillBody, MarkBody, EventBody)

FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 5.0
RESUMABLE = frozenset({"orders", "positions", "fills", "risk", "system"})
REFUSED = 1008
BUFFER = 64


class FeedFrame(msgspec.Struct, frozen=True, kw_only=True):
    """What the service told; see the contract for `data`, and below for how to read it typed.

    `code` and `detail` are set for an error frame.
    """

    type: str
    channel: str = ""
    seq: int = 0
    data: msgspec.Raw = msgspec.Raw(b"null")
    code: str = ""
    detail: str = ""

    def orders(self) -> Sequence[OrderBody]:
        """What a frame of `orders` tells: those that are open, or the one that changed."""
        return _rows(self, OrderBody)

    def positions(self) -> Sequence[PositionBody]:
        """What a frame of `positions` tells: all, or the one that changed."""
        return _rows(self, PositionBody)

    def fills(self) -> Sequence[FillBody]:
        """What a frame of `fills` tells: none in a snapshot, or the one that came."""
        return _rows(self, FillBody)

    def prices(self) -> Sequence[MarkBody]:
        """What a frame of `markets` tells: the newest prices of one instrument; none when there are none."""
        return _rows(self, MarkBody)

    def events(self) -> Sequence[EventBody]:
        """What an update of `risk` or `system` tells; their snapshots are in `data`."""
        return _rows(self, EventBody) if self.type == "update" else ()


def _rows(frame: FeedFrame, kind: type[RowT]) -> Sequence[RowT]:
    if frame.type not in {"snapshot", "update"}:
        return ()
    found: dict[str, msgspec.Raw] = msgspec.json.decode(frame.data, type=dict[str, msgspec.Raw])
    if frame.type == "snapshot" and frame.channel in found:
        rows: list[RowT] = msgspec.json.decode(found[frame.channel], type=list[kind])  # type: ignore[valid-type]
        return rows
    return [msgspec.json.decode(frame.data, type=kind)] if found else ()


class FeedRefused(ClientError):
    """The service does not let this token follow the channel."""


_decode = msgspec.json.Decoder(FeedFrame).decode


class Frames:
    """The frames of a channel, one after the other, for ever. Raises FeedRefused."""

    def __init__(self, received: MemoryObjectReceiveStream[FeedFrame]) -> None:
        self._received = received
        self.refused: FeedRefused | None = None

    def __aiter__(self) -> "Frames":
        return self

    async def __anext__(self) -> FeedFrame:
        """The next frame. Cancelling loses none."""
        try:
            return await self._received.receive()
        except anyio.EndOfStream:
            raise self.refused or StopAsyncIteration from None


@asynccontextmanager
async def follow(
    base_url: str,
    token: str,
    channel: str,
    *,
    from_seq: int | None,
    symbols: Sequence[str] | None,
    trust: ssl.SSLContext | None = None,
) -> AsyncIterator[Frames]:
    """Follow a channel for the length of the block. What the block raises comes out as it is, in no group."""
    sender, receiver = anyio.create_memory_object_stream[FeedFrame](BUFFER)
    frames = Frames(receiver)
    failure: Exception | None = None

    async def keep_connected() -> None:
        with sender:
            try:
                await _keep_connected(
                    partial(connect, socket_url(base_url, channel), token, trust),
                    channel,
                    from_seq,
                    symbols,
                    sender,
                )
            except FeedRefused as error:
                frames.refused = error

    with receiver:
        async with anyio.create_task_group() as group:
            group.start_soon(keep_connected)
            try:
                yield frames
            except Exception as error:  # noqa: BLE001 - raised again, outside of the group
                failure = error
            group.cancel_scope.cancel()
    if failure is not None:
        raise failure


async def _keep_connected(
    open_socket: Callable[[], AbstractAsyncContextManager[Socket]],
    channel: str,
    place: int | None,
    symbols: Sequence[str] | None,
    sender: MemoryObjectSendStream[FeedFrame],
) -> None:
    pause = FIRST_PAUSE_SECONDS
    while True:
        try:
            async with open_socket() as socket:
                await _subscribe(socket, channel, place, symbols)
                while True:
                    frame = _decode(await socket.receive())
                    pause = FIRST_PAUSE_SECONDS
                    await sender.send(frame)
                    if frame.type in {"update", "snapshot"} and channel in RESUMABLE:
                        place = frame.seq
        except Rejected as error:
            if error.status in {401, 403, 404}:
                raise FeedRefused(f"{error.status}: {error.detail}") from None
        except Untrusted as error:
            raise FeedRefused(str(error)) from None
        except Closed as error:
            if error.code == REFUSED:
                raise FeedRefused(error.reason) from None
        await anyio.sleep(pause)
        pause = min(pause * 2, LONGEST_PAUSE_SECONDS)


def socket_url(base_url: str, channel: str) -> str:
    """Where a channel is followed."""
    return "ws" + base_url.removeprefix("http") + f"/ws/{channel}"


async def _subscribe(socket: Socket, channel: str, place: int | None, symbols: Sequence[str] | None) -> None:
    asked: dict[str, object] = {"action": "subscribe", "channel": channel}
    if place is not None and channel in RESUMABLE:
        asked["fromSeq"] = place
    if symbols is not None:
        asked["symbols"] = list(symbols)
    await socket.send(msgspec.json.encode(asked).decode())
