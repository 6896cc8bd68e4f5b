"""The latch: the one small file that remembers a kill when nothing else can.

It is preallocated and overwritten in place, so that a full disk can't stop a kill. The room says what it
needs; the file itself and its twin in memory live in `persistence`.
"""

from typing import Protocol


class LatchFailed(Exception):
    """The latch could not be read or written for sure; `detail` says why. The caller stays halted."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class LatchFile(Protocol):
    """Bytes that survive a crash, or nothing. One writer at a time; the caller sees to that.

    Every call gives up waiting when it is cancelled; what a cancelled `write` or `clear` left behind is then
    unknown, but a later `read` gives either the old content or the new, or raises: never a mixture, never
    silence.
    """

    @property
    def capacity(self) -> int:
        """How many bytes `write` takes at most; at least 2048."""
        ...

    async def write(self, content: bytes) -> None:
        """Replace the content and return once it is on the disk (fsync); raise LatchFailed. `content` is
        never empty.
        """
        ...

    async def read(self) -> bytes | None:
        """The content, or None when the latch is clear; raise LatchFailed when it is unreadable or torn."""
        ...

    async def clear(self) -> None:
        """Forget the content, durably; raise LatchFailed."""
        ...
