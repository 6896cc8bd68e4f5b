"""The frames of the WebSocket side, as the contract states them: what clients say, and what they are told."""

import struct
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from web.patterns import SYMBOL

CHANNELS = ("orders", "positions", "fills", "markets", "risk", "system")
MAX_SYMBOLS = 200
MAX_SEQUENCE = 9_007_199_254_740_991

NOT_UNDERSTOOD = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding a frame of a client's can raise: it may be any bytes."""

Channel = Literal["orders", "positions", "fills", "markets", "risk", "system"]


class Action(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    rename="camel",
    forbid_unknown_fields=True,
    tag_field="action",
):
    """The base of what a client says."""


class Authenticate(Action, frozen=True, kw_only=True, tag="auth"):
    """The first frame of a client that could not send an `Authorization` header."""

    token: Annotated[str, Meta(max_length=512)]


class Subscribe(Action, frozen=True, kw_only=True, tag="subscribe"):
    """Follow a channel. With `from_seq`, everything later than that instead of a snapshot."""

    channel: Channel | None = None
    from_seq: Annotated[int, Meta(ge=0, le=MAX_SEQUENCE)] | None = None
    symbols: Annotated[list[Annotated[str, Meta(pattern=SYMBOL)]], Meta(max_length=MAX_SYMBOLS)] | None = None


class Unsubscribe(Action, frozen=True, kw_only=True, tag="unsubscribe"):
    """Follow a channel no longer."""

    channel: Channel | None = None


class Ping(Action, frozen=True, kw_only=True, tag="ping"):
    """Ask for a sign of life; for clients that can't see WebSocket pings."""


class Frame(msgspec.Struct, frozen=True, kw_only=True):
    """What a subscriber is told. `seq` is the journal's sequence, for markets a counter of its own.

    `snapshot`: the state as of `seq`; `update`: what happened at `seq`; `gap`: updates were missed, a
    snapshot follows.
    """

    channel: str
    type: Literal["snapshot", "update", "gap"]
    seq: int
    data: object


class ErrorFrame(msgspec.Struct, frozen=True, kw_only=True):
    """A frame that was not understood, or a request that failed; `code` as in problem details.

    `id` is that of the request, where it could be read.
    """

    type: str = "error"
    code: str
    detail: str
    channel: str | msgspec.UnsetType = msgspec.UNSET
    id: str | msgspec.UnsetType = msgspec.UNSET


class Named(msgspec.Struct, frozen=True, kw_only=True):
    """What can still be read of a frame that is not understood."""

    id: Annotated[str, Meta(min_length=1, max_length=64)]


_read_name = msgspec.json.Decoder(Named).decode


def name_of(text: str | bytes) -> str | msgspec.UnsetType:
    """The id that a frame has, whatever is wrong with the rest of it."""
    try:
        return _read_name(text).id
    except NOT_UNDERSTOOD:
        return msgspec.UNSET


class PongFrame(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a ping; `seq` is the newest of the journal."""

    type: str
    seq: int


_FINAL_TEXT = 0x81
"""RFC 6455: the first byte of an unfragmented text frame; frames of a server are not masked."""

_encoder = msgspec.json.Encoder()


class Encoded:
    """A frame ready to be sent, however many read it: its text, and the bytes that go over the wire."""

    __slots__ = ("payload", "wire")

    def __init__(self, payload: bytes) -> None:
        self.payload = payload
        size = len(payload)
        if size < 126:
            head = struct.pack("!BB", _FINAL_TEXT, size)
        elif size < 65536:
            head = struct.pack("!BBH", _FINAL_TEXT, 126, size)
        else:
            head = struct.pack("!BBQ", _FINAL_TEXT, 127, size)
        self.wire = head + payload

    @property
    def text(self) -> str:
        """The frame as text."""
        return self.payload.decode()


def encode(frame: object) -> Encoded:
    """A frame ready to be sent."""
    return Encoded(_encoder.encode(frame))
