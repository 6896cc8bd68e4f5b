"""Time and ids as a running process has them; a simulation injects its own."""

import gc
import os
import secrets
import time
from pathlib import Path

import trio

_ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"
INCARNATION_LENGTH = 8
INSTANCE_LENGTH = 4


class SystemClock:
    """The machine's wall clock, in microseconds since 1970 UTC, and the monotonic one of trio's loop, in
    seconds. Made inside the loop; raises RuntimeError outside.
    """

    def __init__(self) -> None:
        # Straight from the loop's clock: an order reads it twenty times, and trio looks itself up each time.
        self.monotonic = trio.lowlevel.current_clock().current_time

    def now_us(self) -> int:
        return time.time_ns() // 1000


def random_name(length: int) -> str:
    """A random text of digits and small letters, from the operating system's generator."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


class ProcessIds:
    """Ids of one process: the instance says which installation, the incarnation which start of it.

    The incarnation is drawn from the operating system at each start, never from the database, so that a
    restored backup can't give an exchange the same id for another order.
    """

    def __init__(self, instance: str) -> None:
        self.incarnation = random_name(INCARNATION_LENGTH)
        self._prefix = f"{instance}{self.incarnation}"
        self._node = secrets.randbits(48)
        self._orders = 0
        self._venue = 0

    def order_id(self) -> str:
        """A version 7 UUID: ordered by time, unique by counter and a random node."""
        self._orders += 1
        milliseconds = time.time_ns() // 1_000_000
        counter = self._orders & 0x3FFFFFF
        return (
            f"{milliseconds >> 16:08x}-{milliseconds & 0xFFFF:04x}-7{counter >> 14:03x}"
            f"-{0x8000 | (counter & 0x3FFF):04x}-{self._node:012x}"
        )

    def venue_id(self) -> str:
        """`<instance><incarnation>-<counter>`: at most 32 of `[a-z0-9-]`, which every exchange takes."""
        self._venue += 1
        return f"{self._prefix}-{self._venue:x}"


def instance_name(data_dir: Path) -> str:
    """The name of this installation: drawn at its first start, then kept in the data folder."""
    path = data_dir / "instance"
    exclusively = 0
    try:
        if name := path.read_text().strip():
            return name
    except FileNotFoundError:
        exclusively = os.O_EXCL
    name = random_name(INSTANCE_LENGTH)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | exclusively, 0o600), "w") as file:
        file.write(name + "\n")
        file.flush()
        os.fsync(file.fileno())
    return name


YOUNG_OBJECTS = 20_000
"""Allocations between two looks of the garbage collector at the young ones. Reference counts free nearly all
of what an order makes; at Python's own 700 the collector took 7 % of the time under load.
"""


def spare_the_collector() -> None:
    """Take what was made by the imports out of the garbage collector's sight, and call it less often.

    Called once, when everything is imported. A full collection then looks at the runtime's own objects alone,
    which is what bounds the pause that it makes.
    """
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, 10, 10)
