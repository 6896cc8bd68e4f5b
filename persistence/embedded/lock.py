"""One owner for a folder: an advisory lock that the kernel gives back however its holder dies.

The lock file keeps the holder's process id as text, for the refusal that the second process prints; the id
decides nothing. The file is never removed: deleting a lock file that somebody else may be opening makes two
owners.
"""

import fcntl
import os
from contextlib import suppress
from pathlib import Path

from persistence.embedded.errors import FolderInUse

LOCK_NAME = "lock"
USERS_NAME = "users"


class FolderLock:
    """The right to work with ``folder``, from :meth:`acquire` to :meth:`release` or the process's end."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / LOCK_NAME
        self._descriptor: int | None = None

    @property
    def held(self) -> bool:
        """Whether this object holds the lock."""
        return self._descriptor is not None

    def acquire(self) -> None:
        """Take the lock at once, or raise :class:`FolderInUse` naming the process that has it."""
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = _holder(descriptor)
            os.close(descriptor)
            who = "another process" if holder is None else f"process {holder}"
            raise FolderInUse(
                asked=f"use the data folder {self._path.parent}",
                found=f"{who} is using it",
                remedy="Stop that process, or give this one a TRADEWARDEN_DATA_DIR of its own.",
                holder=holder,
            ) from None
        self._descriptor = descriptor
        with suppress(OSError):  # A full disk has no room for the number, and the lock needs none.
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Give the lock back; nothing happens when it is not held."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


class Users:
    """Who works with the server of ``folder`` for a while: the last of them stops it, whoever started it.

    Each shares a lock, which the kernel gives back however its holder dies; who has it alone is the last.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / USERS_NAME
        self._descriptor: int | None = None

    def join(self) -> bool:
        """Become one of them; False while the last one is stopping the server."""
        return self._lock(fcntl.LOCK_SH)

    def alone(self) -> bool:
        """Stop being one of many; whether nobody else is left, and nobody joins before :meth:`leave`."""
        return self._lock(fcntl.LOCK_EX)

    def leave(self) -> None:
        """Be none of them any more."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _lock(self, kind: int) -> bool:
        if self._descriptor is None:
            self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def _holder(descriptor: int) -> int | None:
    text = os.pread(descriptor, 32, 0).strip()
    return int(text) if text.isdigit() else None
