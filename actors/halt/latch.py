"""What is written into the latch file: the kills in force, always all of them. Pure.

The file has a fixed size, so the content must fit whatever is asked of it. When it would not, it says the
same thing more coarsely: reasons go first, then many scoped kills become one that halts everything.
"""

from collections.abc import Iterable

import msgspec

from actors.model.book import Kill

REASON_KEPT = 200
"""Characters of a reason (and of a name) that go into the file; the journal has the whole."""

MERGED_ID = "merged"
UNREADABLE_ID = "unreadable-latch"

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(tuple[Kill, ...])


def encode(kills: Iterable[Kill], capacity: int) -> bytes:
    """The kills as bytes that fit the capacity (at least 2048)."""
    all_kills = tuple(kills)
    for kept in (REASON_KEPT, 0):
        content = _encoder.encode(tuple(_shortened(kill, kept) for kill in all_kills))
        if len(content) <= capacity:
            return content
    return _encoder.encode((_merged(all_kills),))


def decode(content: bytes | None) -> tuple[Kill, ...]:
    """The kills in a latch file; None is none. Bytes that are no kills are a kill of their own: halted."""
    if content is None:
        return ()
    try:
        return _decoder.decode(content)
    except msgspec.MsgspecError as error:
        return (unreadable(f"the latch file holds no list of kills: {error}"),)


def unreadable(why: str) -> Kill:
    """The kill that stands for a latch that can't be read: everything halted until a person resumes."""
    return Kill(
        kill_id=UNREADABLE_ID, level="halt", exchange=None, symbol=None, reason=why, by="latch", at_us=0
    )


def _shortened(kill: Kill, kept: int) -> Kill:
    return msgspec.structs.replace(kill, reason=kill.reason[:kept], by=kill.by[:REASON_KEPT])


def _merged(kills: tuple[Kill, ...]) -> Kill:
    automatic = all(kill.automatic for kill in kills)
    newest = max(kill.at_us for kill in kills)
    return Kill(
        kill_id=MERGED_ID,
        level="cancel",
        exchange=None,
        symbol=None,
        reason=f"{len(kills)} kills that don't fit into the latch file",
        by="latch",
        at_us=newest,
        automatic=automatic,
    )
