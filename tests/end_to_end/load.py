"""Orders over REST against a running service, timed one by one, and what its processes used of the CPU."""

import os
import threading
import time
from pathlib import Path

import httpx

from tests.fixtures.service import Service

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


class Load:
    """Market orders from a few clients, buying and selling in turns, until stopped.

    `taken` is (when it began, seconds, status) of each; status 0 is an answer that never came.
    """

    def __init__(self, service: Service, *, clients: int = 1, pause: float = 0.0) -> None:
        self.taken: list[tuple[float, float, int]] = []
        self._service = service
        self._pause = pause
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._work, args=(number,)) for number in range(clients)]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def between(self, begin: float, end: float) -> list[float]:
        """The seconds of the orders that began in this stretch, sorted."""
        return sorted(seconds for at, seconds, _ in self.taken if begin <= at < end)

    def failed(self) -> list[int]:
        """The statuses that were no success."""
        return [status for _, _, status in self.taken if not 200 <= status < 300]

    def _work(self, number: int) -> None:
        service = self._service
        with httpx.Client(
            base_url=service.client.base_url, headers=service.client.headers, timeout=30
        ) as client:
            while not self._stop.is_set():
                number += 1
                symbol = "ETH/USDT" if number % 4 < 2 else "BTC/USDT"
                self.taken.append(order(client, "sell" if number % 2 else "buy", symbol))
                time.sleep(self._pause)


def order(client: httpx.Client, side: str, symbol: str = "BTC/USDT") -> tuple[float, float, int]:
    """One market order: when it began, how long it took, its status."""
    body = {"symbol": symbol, "side": side, "type": "market", "qty": "0.01"}
    began = time.monotonic()
    try:
        status = client.post("/orders", json=body).status_code
    except httpx.TransportError:
        status = 0
    return began, time.monotonic() - began, status


def quantile(found: list[float], share: float) -> float:
    """The value that this share of a sorted list does not pass."""
    return found[min(len(found) - 1, int(share * len(found)))]


def cpu_seconds(pid: int) -> float:
    """What a process and everything below it has used of the CPU."""
    own = {}
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            parents[int(entry.name)] = int(fields[1])
            own[int(entry.name)] = (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND
    found, more = {pid}, True
    while more:
        more = {each for each, parent in parents.items() if parent in found} - found
        found |= more
    return sum(own.get(each, 0.0) for each in found)
