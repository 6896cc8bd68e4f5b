"""What webhooks cost the way of an order: none, a receiver that takes everything, one that hangs.

Blocks of orders alternate between the three in one run, each round beginning with another, so that a busy
machine and what one block leaves behind disturb all alike.

By hand: `python -m tests.end_to_end.hanging --orders 200 --rounds 6`.
"""

import argparse
import json
import socket
import sys
import tempfile
import threading
import time
from pathlib import Path

import httpx

from tests.end_to_end.load import cpu_seconds, order, quantile
from tests.end_to_end.receiver import Receiver
from tests.fixtures.service import Service


class Hanging:
    """Takes connections and what is sent, and never answers."""

    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port = self.socket.getsockname()[1]
        self.connections: list[socket.socket] = []
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    def _accept(self) -> None:
        while True:
            try:
                self.connections.append(self.socket.accept()[0])
            except OSError:
                return

    def close(self) -> None:
        self.socket.close()
        for connection in self.connections:
            connection.close()


def database_pid(service: Service) -> int:
    return int((service.folder / "data" / "postgres" / "data" / "postmaster.pid").read_text().split()[0])


def measure(service: Service, orders: int) -> dict[str, object]:
    """One block of orders, one after the other."""
    assert service.process is not None
    pids = [service.process.pid, database_pid(service)]
    before = [cpu_seconds(pid) for pid in pids]
    seconds = []
    with httpx.Client(base_url=service.client.base_url, headers=service.client.headers, timeout=30) as client:
        for number in range(orders):
            _, took, status = order(client, "sell" if number % 2 else "buy")
            assert 200 <= status < 300, status
            seconds.append(took)
    after = [cpu_seconds(pid) for pid in pids]
    return {
        "seconds": seconds,
        "service_cpu_ms": (after[0] - before[0]) / orders * 1000,
        "database_cpu_ms": (after[1] - before[1]) / orders * 1000,
    }


def compare(folder: Path, *, orders: int, rounds: int) -> dict[str, dict[str, float]]:
    """The three beside each other."""
    receiver, hanging = Receiver(), Hanging()
    service = Service(
        folder,
        SIM__SPEED="1",
        RISK__MAX_DAILY_LOSS_USD="off",
        WEBHOOKS__ALLOW_HOSTS=f"127.0.0.1:{receiver.port},127.0.0.1:{hanging.port}",
    )
    urls = {"none": None, "healthy": receiver.url, "hanging": hanging.url}
    found: dict[str, list[dict[str, object]]] = {name: [] for name in urls}
    try:
        service.start()
        measure(service, orders // 2)
        for number in range(rounds):
            names = list(urls)
            for name in names[number % 3 :] + names[: number % 3]:
                url = urls[name]
                made = service.post("/webhooks", {"url": url}).json() if url else None
                found[name].append(measure(service, orders))
                if made:
                    service.client.delete(f"/webhooks/{made['webhookId']}")
                time.sleep(0.5)
    finally:
        service.client.close()
        service.stop()
        receiver.close()
        hanging.close()
    result = {}
    for name, blocks in found.items():
        seconds = sorted(each for block in blocks for each in block["seconds"])
        result[name] = {
            "p50_ms": round(quantile(seconds, 0.5) * 1000, 2),
            "p99_ms": round(quantile(seconds, 0.99) * 1000, 2),
            **{
                key: round(sum(block[key] for block in blocks) / len(blocks), 2)
                for key in ("service_cpu_ms", "database_cpu_ms")
            },
        }
    result["connections_to_hanging"] = len(hanging.connections)
    return result


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=6)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as made_folder:
        measured = compare(Path(made_folder), orders=asked.orders, rounds=asked.rounds)
    sys.stdout.write(json.dumps(measured, indent=2) + "\n")
