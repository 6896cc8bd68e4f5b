"""How far this installation has seen its journal, kept beside the database and not in it.

A database that was put back by other means than `tradewarden restore` (a snapshot of the NAS, a replica that
lagged and was promoted, a copy) knows nothing of that itself. The data folder does: what was committed once
is in the journal for ever, so a journal that lacks it is an older one, and trading starts halted until a
person has compared.
"""

import os
from pathlib import Path

import msgspec
import structlog
import trio

from actors.journal.tail import CommittedTail

NAME = "journal-seen"
WRITE_SECONDS = 30.0

_log = structlog.get_logger(room="seen")


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """A record that was committed: its sequence, and its hash in hex digits."""

    seq: int
    hash: str


def read_seen(path: Path) -> Seen | None:
    """What was seen, None when nothing is known: a first start, or a file that can't be read."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Seen)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        _log.warning("journal_seen_not_read", why=str(error))
        return None


def write_seen(path: Path, seen: Seen) -> None:
    """Keep it, whole or not at all; an older one does no harm, so it is not forced to the disk."""
    draft = path.with_name(path.name + ".new")
    try:
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(msgspec.json.encode(seen))
        draft.replace(path)
    except OSError as error:
        _log.warning("journal_seen_not_written", why=str(error))


def missing(seen: Seen | None, found: bytes | None) -> str | None:
    """Why trading must start halted: `found` is the hash of the record at the sequence that was seen, if
    any.
    """
    if seen is None or (found is not None and found.hex() == seen.hash):
        return None
    what = "does not reach" if found is None else "has another record at"
    return f"the database was put back: its journal {what} {seen.seq}, which this data folder has seen"


async def keep_seen(path: Path, log: CommittedTail) -> None:
    """Keep what has been seen, for ever."""
    last = 0
    while True:
        await trio.sleep(WRITE_SECONDS)
        if log.head > last:
            last = log.head
            seen = Seen(seq=log.head, hash=log.head_hash.hex())
            await trio.to_thread.run_sync(write_seen, path, seen)
