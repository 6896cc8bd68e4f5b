"""A disk that fills: no new exposure while there is still room to write down how the old one ends.

A full disk stops the journal, and then nothing can be decided but a kill. So the account goes to REDUCING
while a reserve is left: orders that shrink a position, cancels and fills still have room. The operator's
actor journals the cause. A person lifts it, as every restriction that somebody has to look into; lifted too
early, it comes back with the next look.
"""

import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import structlog
import trio
from prometheus_client import CollectorRegistry, Gauge

from actors.halt.gate import Gate
from actors.model.book import scope_key

LOOK_SECONDS = 15.0
ACCOUNT = scope_key(None, None)

_log = structlog.get_logger(room="disk")


class DiskChoice(msgspec.Struct, frozen=True, kw_only=True):
    """The folders that matter, and how many bytes must be left where each lies; 0 switches it off."""

    folders: tuple[Path, ...]
    reserve_bytes: int


class DiskMetrics:
    """What Prometheus is told."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.free = Gauge(
            "disk_free_bytes", "Bytes that are free where a folder lies.", ["folder"], registry=registry
        )
        self.low = Gauge("disk_low", "1 while less than the reserve is free somewhere.", registry=registry)


async def watch_disk(
    choice: DiskChoice,
    gate: Gate,
    metrics: DiskMetrics,
    free_bytes: Callable[[Path], int] = lambda folder: shutil.disk_usage(folder).free,
) -> None:
    """Look for ever. A folder that is not there, or a disk that doesn't answer, is no reason to stop
    trading.
    """
    while True:
        low: list[str] = []
        for folder in choice.folders:
            free = await trio.to_thread.run_sync(_measured, free_bytes, folder, abandon_on_cancel=True)
            if free is None:
                continue
            metrics.free.labels(str(folder)).set(free)
            if free < choice.reserve_bytes:
                low.append(
                    f"{free // 1_000_000} MB of {choice.reserve_bytes // 1_000_000} are left in {folder}"
                )
        metrics.low.set(float(bool(low)))
        if low:
            restrict(gate, f"DISK_LOW: {'; '.join(low)}")
        await trio.sleep(LOOK_SECONDS)


def restrict(gate: Gate, cause: str) -> None:
    """Let the account only reduce, unless something holds it at least as tight."""
    if ACCOUNT not in gate.restrictions:
        _log.error("disk_low", cause=cause)
        gate.restrict(None, None, "reducing", cause)


def _measured(free_bytes: Callable[[Path], int], folder: Path) -> int | None:
    try:
        return free_bytes(folder)
    except OSError:
        return None
