"""The stores' twins in memory: the same ports, for tests and simulation, with faults on demand."""

from persistence.memory.archive import MemoryArchive
from persistence.memory.disk import ConstraintViolated, MemoryDisk
from persistence.memory.journal_store import Faults, MemoryJournalStore, Unknown
from persistence.memory.latch import MemoryLatch

__all__ = [
    "ConstraintViolated",
    "Faults",
    "MemoryArchive",
    "MemoryDisk",
    "MemoryJournalStore",
    "MemoryLatch",
    "Unknown",
]
