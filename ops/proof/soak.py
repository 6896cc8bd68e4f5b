"""The real service under a steady load with faults: does it grow, leak or get slower?

`make soak SECONDS=1800`: a hundred orders a second at the simulated exchange, a fault every twenty seconds:
the database frozen, its connections cut, clients that leave in the middle, WebSockets that stall, rubbish.
Each minute prints one JSON line; the last line compares the end with the start after the warm-up. Requests
that overlap a fault are counted apart: a frozen database makes everybody wait, and that is not what is asked
here.
"""

import argparse
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import httpx
import msgspec
import psycopg
import trio

from ops.bench.load import percentile
from ops.proof.crash.service import Service

PER_SECOND = 100
MINUTE = 60.0
FAULT_EVERY_SECONDS = 20.0
AFTER_FAULT_SECONDS = 3.0
"""How long after a fault requests still count as touched by it."""

QUIET_SECONDS = 15.0
MAX_GROWTH_MB = 5.0
MAX_SLOWER = 1.2
SYMBOL = "BTC/USDT"


class Minute(msgspec.Struct, kw_only=True):
    """What a minute was like. Latencies are milliseconds, of requests that no fault touched."""

    answered: int
    touched: int
    failed: dict[str, int]
    p50_ms: float
    p99_ms: float
    rss_mb: float


class Process(msgspec.Struct, frozen=True, kw_only=True):
    """What the process holds while nobody asks it anything."""

    files: int
    tasks: int


class Soak:
    """One run. `began` are monotonic seconds."""

    def __init__(self, service: Service, rng: random.Random) -> None:
        self._service = service
        self._rng = rng
        self._latencies: list[float] = []
        self._touched = 0
        self._failed: dict[str, int] = {}
        self._calm_after = 0.0
        self.minutes: list[Minute] = []

    async def run(self, seconds: float) -> None:
        """Load the service for so long, a line each minute."""
        headers = {"authorization": f"Bearer {self._service.token}"}
        limits = httpx.Limits(max_connections=64, max_keepalive_connections=64)
        async with httpx.AsyncClient(
            base_url=self._service.url, headers=headers, timeout=10.0, limits=limits
        ) as client:
            with trio.move_on_after(seconds):
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._load, client, nursery)
                    nursery.start_soon(self._faults)
                    nursery.start_soon(self._count)

    async def _load(self, client: httpx.AsyncClient, nursery: trio.Nursery) -> None:
        """Begin an order each hundredth of a second, whether the earlier ones are answered or not."""
        due, number = trio.current_time(), 0
        while True:
            nursery.start_soon(self._order, client, number)
            number += 1
            due += 1 / PER_SECOND
            await trio.sleep_until(due)

    async def _order(self, client: httpx.AsyncClient, number: int) -> None:
        side = "buy" if number % 2 else "sell"
        body = {"symbol": SYMBOL, "side": side, "type": "market", "qty": "0.0002"}
        rests = number % 5 == 0
        if rests:
            body |= {"type": "limit", "side": "buy", "limitPrice": "38000"}
        began = trio.current_time()
        try:
            answer = await client.post("/orders", json=body)
            ended = trio.current_time()
            if rests and answer.status_code == 201:
                await client.delete(f"/orders/{answer.json()['orderId']}")
        except httpx.HTTPError as error:
            self._fail(type(error).__name__)
            return
        if answer.status_code >= 400:
            self._fail(answer.json().get("code", str(answer.status_code)))
        elif began < self._calm_after:
            self._touched += 1
        else:
            self._latencies.append(ended - began)

    def _fail(self, what: str) -> None:
        self._failed[what] = self._failed.get(what, 0) + 1

    async def _count(self) -> None:
        while True:
            await trio.sleep(MINUTE)
            ordered = sorted(self._latencies)
            minute = Minute(
                answered=len(ordered),
                touched=self._touched,
                failed=self._failed,
                p50_ms=percentile(ordered, 0.50),
                p99_ms=percentile(ordered, 0.99),
                rss_mb=self._metric("process_resident_memory_bytes") / 1e6,
            )
            self._latencies, self._touched, self._failed = [], 0, {}
            self.minutes.append(minute)
            print(json.dumps({"minute": len(self.minutes), **msgspec.to_builtins(minute)}), flush=True)

    # Faults.

    async def _faults(self) -> None:
        kinds: Sequence[Callable[[], Awaitable[None]]] = (
            self._freeze_database,
            self._cut_connections,
            self._leave_in_the_middle,
            self._stall,
            self._rubbish,
        )
        while True:
            for fault in self._rng.sample(kinds, len(kinds)):
                await trio.sleep(FAULT_EVERY_SECONDS)
                self._calm_after = float("inf")
                await fault()
                self._calm_after = trio.current_time() + AFTER_FAULT_SECONDS

    async def _freeze_database(self) -> None:
        seconds = self._rng.uniform(0.2, 1.0)
        await trio.to_thread.run_sync(self._service.freeze_database, seconds)

    async def _cut_connections(self) -> None:
        def cut() -> None:
            with psycopg.connect(self._service.dsn, autocommit=True) as connection:
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
                )

        await trio.to_thread.run_sync(cut)

    async def _leave_in_the_middle(self) -> None:
        for _ in range(50):
            async with await self._connect() as stream:
                await stream.send_all(self._head("POST", "/orders") + b"Content-Length: 500\r\n\r\n{")

    async def _stall(self) -> None:
        """Follow the orders and read nothing of them."""
        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(self._stalled)

    async def _stalled(self) -> None:
        async with await self._connect() as stream:
            await stream.send_all(
                self._head("GET", "/ws/orders") + b"Upgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            )
            await trio.sleep(FAULT_EVERY_SECONDS / 2)

    async def _rubbish(self) -> None:
        for _ in range(50):
            async with await self._connect() as stream:
                await stream.send_all(self._rng.randbytes(200))

    async def _connect(self) -> trio.SocketStream:
        return await trio.open_tcp_stream("127.0.0.1", self._service.port)

    def _head(self, method: str, path: str) -> bytes:
        return (
            f"{method} {path} HTTP/1.1\r\nHost: soak\r\nAuthorization: Bearer {self._service.token}\r\n"
        ).encode()

    # The process.

    def _metric(self, name: str) -> float:
        text = httpx.get(f"{self._service.url}/metrics", timeout=10.0).text
        return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith(name + " "))

    def process(self) -> Process:
        """What it holds now."""
        return Process(files=int(self._metric("process_open_fds")), tasks=int(self._metric("runtime_tasks")))


def verdict(minutes: Sequence[Minute], before: Process, after: Process) -> dict[str, object]:
    """The end compared with the start: the medians of the first and the last third of the minutes."""
    third = max(1, len(minutes) // 3)
    first, last = minutes[:third], minutes[-third:]
    growth = _median(last, "rss_mb") - _median(first, "rss_mb")
    slower = _median(last, "p99_ms") / _median(first, "p99_ms")
    failed: dict[str, int] = {}
    for minute in minutes:
        for what, count in minute.failed.items():
            failed[what] = failed.get(what, 0) + count
    return {
        "minutes": len(minutes),
        "answered": sum(minute.answered + minute.touched for minute in minutes),
        "failed": failed,
        "growth_mb": round(growth, 1),
        "p99_end_to_start": round(slower, 2),
        "files": [before.files, after.files],
        "tasks": [before.tasks, after.tasks],
        "ok": growth < MAX_GROWTH_MB
        and slower <= MAX_SLOWER
        and after.files <= before.files
        and after.tasks <= before.tasks,
    }


def _median(minutes: Sequence[Minute], field: str) -> float:
    return float(statistics.median(getattr(minute, field) for minute in minutes))


def soak(seconds: float, warm_up: float, seed: int) -> dict[str, object]:
    """Warm the service up, let it rest, load it, let it rest again."""
    with tempfile.TemporaryDirectory(prefix="tradewarden-soak-") as name:
        service = Service(Path(name), (SYMBOL,))
        service.start()
        try:
            service.wait_ready()
            run = Soak(service, random.Random(seed))
            trio.run(run.run, warm_up)
            run.minutes.clear()
            time.sleep(QUIET_SECONDS)
            before = run.process()
            trio.run(run.run, seconds)
            time.sleep(QUIET_SECONDS)
            return verdict(run.minutes, before, run.process())
        finally:
            service.stop()


def main(arguments: Sequence[str]) -> int:
    """Soak and say what came of it; 1 when it grew, leaked or got slower."""
    parser = argparse.ArgumentParser(prog="python -m ops.proof.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=1800.0)
    parser.add_argument("--warm-up", type=float, default=300.0)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args(arguments)
    found = soak(asked.seconds, asked.warm_up, asked.seed)
    print(json.dumps(found))
    return 0 if found["ok"] else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
