"""What the watchdog guards, on the disk: small, replaced whole, and never torn."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import msgspec
import structlog
import trio

GUARDED = "watchdog.json"

_log = structlog.get_logger(room="watchdog")


class Memory(Protocol):
    """The exchanges that are guarded and their seconds; survives the process."""

    def read(self) -> dict[str, float]: ...

    async def write(self, guarded: Mapping[str, float]) -> None:
        """Return once it is kept; raise OSError. Cancelled, either the old or the new is kept."""
        ...


class FileMemory:
    """A file in the data folder."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / GUARDED

    def read(self) -> dict[str, float]:
        """What a former process guarded. A file that can't be read is no reason not to guard."""
        try:
            return msgspec.json.decode(self._file.read_bytes(), type=dict[str, float])
        except FileNotFoundError:
            return {}
        except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
            _log.error("guarded_unreadable", path=str(self._file), why=str(error))
            return {}

    async def write(self, guarded: Mapping[str, float]) -> None:
        await trio.to_thread.run_sync(_replace, self._file, msgspec.json.encode(dict(guarded)))


def _replace(path: Path, content: bytes) -> None:
    fresh = path.with_name(path.name + ".new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
