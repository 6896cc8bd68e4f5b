"""The latch on disk: one small preallocated file that is overwritten in place.

Overwriting needs no free space and no new name, so that neither a full disk nor a folder that can't be
written stops a kill. The header says how long the content is and what its SHA-256 is: a torn write is
recognised and never taken for an empty latch. The file is made complete under another name first, so a crash
leaves none or a whole one.

File work runs in threads, because fsync can take long. A call that was given up goes on in its thread; calls
take effect in the order in which they were made, and one that was overtaken does nothing any more.

A write holds up the loop until it is done, but for a moment at most. On a healthy disk that is a few
milliseconds, in which nothing can get between a kill and its acknowledgement. To give the loop away instead
means to wait until everything else that is ready has had its turn, twice, and to fight it for the
interpreter.
"""

import os
from collections.abc import Callable
from contextlib import suppress
from errno import ENOSPC
from hashlib import sha256
from itertools import count
from pathlib import Path
from threading import Event, Lock
from typing import TypeVar

import trio
from outcome import Outcome

from actors.halt.port import LatchFailed

T = TypeVar("T")

PROMPT_SECONDS = 0.1
"""For how long a write may hold up the loop. A disk that takes longer is waited for like anything else."""

FILE_BYTES = 8192
_MARK = b"tradewarden latch 1"
_HEADER_BYTES = 128


class FileLatch:
    """Implements `actors.halt.port.LatchFile` on the file at `path`, which is made when first needed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._order = Lock()
        self._serials = count(1)
        self._newest = 0
        # Of its own: a kill must not queue behind other work in trio's common threads.
        self._threads = trio.CapacityLimiter(8)

    @property
    def capacity(self) -> int:
        """How many bytes `write` takes."""
        return FILE_BYTES - _HEADER_BYTES

    async def write(self, content: bytes) -> None:
        """Replace the content; return when it is on the disk and was read back. Raise LatchFailed."""
        if not content or len(content) > self.capacity:
            raise LatchFailed(f"a latch holds 1 to {self.capacity} bytes, not {len(content)}")
        await self._promptly(lambda: self._replace(content))

    async def read(self) -> bytes | None:
        """The content, None when the latch is clear; raise LatchFailed when it is torn or unreadable."""
        return await self._in_turn(self._content)

    async def clear(self) -> None:
        """Forget the content, durably; raise LatchFailed."""
        await self._in_turn(lambda: self._replace(b""))

    async def _promptly(self, work: Callable[[], None]) -> None:
        """Do it in a thread, and hold up the loop for it; not where an earlier one still hangs."""
        if self._threads.borrowed_tokens:
            await self._in_turn(work)
            return
        borrower, token = object(), trio.lowlevel.current_trio_token()
        done, seen = Event(), trio.Event()
        found: list[Outcome[None]] = []

        def finish() -> None:
            self._threads.release_on_behalf_of(borrower)
            seen.set()

        def deliver(outcome: Outcome[None]) -> None:
            found.append(outcome)
            done.set()
            with suppress(trio.RunFinishedError):
                token.run_sync_soon(finish)

        self._threads.acquire_on_behalf_of_nowait(borrower)
        trio.lowlevel.start_thread_soon(self._turn(work), deliver, name="latch")
        if not done.wait(PROMPT_SECONDS):
            await seen.wait()
        found[0].unwrap()

    async def _in_turn(self, work: Callable[[], T]) -> T:
        run = self._turn(work)
        return await trio.to_thread.run_sync(run, abandon_on_cancel=True, limiter=self._threads)

    def _turn(self, work: Callable[[], T]) -> Callable[[], T]:
        """The work as a thread does it: after those that were asked for before, or not at all."""
        serial = next(self._serials)

        def run() -> T:
            with self._order:
                if serial < self._newest:
                    raise LatchFailed("a later call has overtaken this one")
                self._newest = serial
                try:
                    return work()
                except OSError as error:
                    raise LatchFailed(f"{self._path}: {error.strerror or error}") from error

        return run

    def _content(self) -> bytes | None:
        if not self._path.exists():
            self._create()
        return _unpacked(self._path.read_bytes()) or None

    def _replace(self, content: bytes) -> None:
        if not self._path.exists():
            self._create()
        image = _packed(content)
        descriptor = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
        try:
            written = os.pwrite(descriptor, image, 0)
            os.fsync(descriptor)
            if written != FILE_BYTES or os.pread(descriptor, FILE_BYTES, 0) != image:
                raise LatchFailed(f"{self._path}: what was written does not read back")
        finally:
            os.close(descriptor)

    def _create(self) -> None:
        new = self._path.with_suffix(".new")
        descriptor = os.open(new, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            if os.pwrite(descriptor, _packed(b""), 0) != FILE_BYTES:
                raise OSError(ENOSPC, os.strerror(ENOSPC))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        new.replace(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _packed(content: bytes) -> bytes:
    header = b"%s %d %s\n" % (_MARK, len(content), sha256(content).hexdigest().encode())
    return (header.ljust(_HEADER_BYTES, b"\0") + content).ljust(FILE_BYTES, b"\0")


def _unpacked(image: bytes) -> bytes:
    """The content of a file's image; raise LatchFailed when it is not a whole one."""
    header = image[:_HEADER_BYTES].rstrip(b"\0").split()
    if (
        len(image) != FILE_BYTES
        or len(header) != 5
        or b" ".join(header[:3]) != _MARK
        or not header[3].isdigit()
    ):
        raise LatchFailed("the latch file is not a whole latch")
    content = image[_HEADER_BYTES : _HEADER_BYTES + int(header[3])]
    if sha256(content).hexdigest().encode() != header[4]:
        raise LatchFailed("the latch file is torn: its content is not what its header says")
    return content
