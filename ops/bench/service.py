"""Orders over REST, whole: the service, the reference service and an echo route, side by side on one
PostgreSQL.

Each runs as a process of its own, the load generator too. Rounds alternate between the three, because this
kind of machine is noisy: what counts is the ratio of medians of the same run.
"""

import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple
from urllib.request import urlopen

import psycopg

from ops.bench.reference import TOKEN as REFERENCE_TOKEN
from persistence.embedded import EmbeddedServer

TOKEN = "bench-token-of-this-run"  # noqa: S105 - a token that lives as long as the benchmark
STARTED_SECONDS = 60.0
MEMORY_ORDERS = 100_000
WARM_UP_ORDERS = 20_000


class Target(NamedTuple):
    """Something to load: where it listens, its route, its token and its process."""

    name: str
    port: int
    path: str
    token: str
    process: subprocess.Popen[bytes]


class Found(NamedTuple):
    """What one round found."""

    per_second: float
    p50_ms: float
    p99_ms: float


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def process(command: Sequence[str], environ: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A child process for the length of the block, ended by its id."""
    with log.open("wb") as output:
        child = subprocess.Popen(command, env={**os.environ, **environ}, stdout=output, stderr=output)
        try:
            yield child
        finally:
            child.send_signal(signal.SIGTERM)
            try:
                child.wait(20)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


def wait_for(port: int, path: str | None) -> None:
    """Wait until the port answers: 200 for the path, or a connection when there is none to ask."""
    deadline = time.monotonic() + STARTED_SECONDS
    while True:
        try:
            if path is None:
                socket.create_connection(("127.0.0.1", port), 1).close()
            else:
                urlopen(f"http://127.0.0.1:{port}{path}", timeout=1).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


def load(target: Target, connections: int, seconds: float) -> Found:
    """Load the target once; raise when an answer was an error."""
    command = [sys.executable, "-m", "ops.bench.load", f"127.0.0.1:{target.port}"]
    command += ["--path", target.path, "--token", target.token]
    command += ["--connections", str(connections), "--seconds", str(seconds)]
    printed = subprocess.run(command, check=True, capture_output=True).stdout
    result = json.loads(printed)
    if result["errors"]:
        raise RuntimeError(f"{target.name}: {result['errors']} answers were errors")
    return Found(result["per_second"], result["p50_ms"], result["p99_ms"])


@contextmanager
def targets(folder: Path) -> Iterator[tuple[Target, Target, Target]]:
    """Service, reference and echo, ready."""
    server = EmbeddedServer(folder / "postgres")
    server.start()
    with ExitStack() as stack:
        stack.callback(server.stop)
        stack.enter_context(_database(server, "reference"))
        service = stack.enter_context(_service(folder, server.dsn))
        ports = free_port(), free_port()
        reference = stack.enter_context(
            process(
                [sys.executable, "-m", "ops.bench.reference", server.dsn_of("reference"), str(ports[0])],
                {},
                folder / "reference.log",
            )
        )
        echo = stack.enter_context(
            process(
                [sys.executable, "-m", "ops.bench.web", "serve", "echo", str(ports[1])],
                {},
                folder / "echo.log",
            )
        )
        wait_for(ports[0], "/docs")
        wait_for(ports[1], None)
        yield (
            service,
            Target("reference", ports[0], "/orders", REFERENCE_TOKEN, reference),
            Target("echo", ports[1], "/orders", "", echo),
        )


@contextmanager
def _database(server: EmbeddedServer, name: str) -> Iterator[None]:
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    yield


@contextmanager
def _service(folder: Path, dsn: str) -> Iterator[Target]:
    port = free_port()
    environ = {
        "TRADEWARDEN_DATA_DIR": str(folder / "data"),
        "TRADEWARDEN_DATABASE_URL": dsn,
        "TRADEWARDEN_BIND": f"127.0.0.1:{port}",
        "TRADEWARDEN_TOKEN": TOKEN,
        "TRADEWARDEN_EXCHANGES": "dummy",
        "TRADEWARDEN_RISK__MAX_POS_USD": "100000000000",
        "TRADEWARDEN_WEB__TOKEN_RATE_PER_SECOND": "1000000",
    }
    command = [sys.executable, "-m", "ops.cli.main", "run"]
    with process(command, environ, folder / "service.log") as child:
        wait_for(port, "/readyz")
        yield Target("service", port, "/orders", TOKEN, child)


def resident_mb(pid: int) -> float:
    """The resident memory of a process, in MB (10^6 bytes)."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def throughput(folder: Path, rounds: int, seconds: float) -> Iterator[dict[str, object]]:
    """Rates and latencies of the three, medians over alternating rounds."""
    with targets(folder) as (service, reference, echo):
        found: dict[tuple[str, int], list[Found]] = {}
        plan = [(service, 32), (reference, 32), (echo, 32), (service, 1), (reference, 1)]
        for target in (service, reference, echo):
            load(target, 1, 1.0)
            load(target, 32, 1.0)
        for _round in range(rounds):
            for target, connections in plan:
                found.setdefault((target.name, connections), []).append(load(target, connections, seconds))

        def median(name: str, connections: int, field: str) -> float:
            values = [float(getattr(each, field)) for each in found[name, connections]]
            return round(statistics.median(values), 3)

        yield _row("rest_orders_1_per_s", median("service", 1, "per_second"), "orders/s")
        yield _row("rest_orders_32_per_s", median("service", 32, "per_second"), "orders/s")
        yield _row("rest_p50_ms_1", median("service", 1, "p50_ms"), "ms")
        yield _row("rest_p99_ms_32", median("service", 32, "p99_ms"), "ms")
        yield _row("echo_32_per_s", median("echo", 32, "per_second"), "requests/s")
        yield _row("reference_32_per_s", median("reference", 32, "per_second"), "orders/s")
        yield _row("reference_p50_ms_1", median("reference", 1, "p50_ms"), "ms")
        yield from other_entries(service, seconds)


def other_entries(service: Target, seconds: float) -> Iterator[dict[str, object]]:
    """Orders a second in batches of 50, and with 32 in flight on one WebSocket."""
    for kind, name in (("batch", "rest_batch_50"), ("trade", "ws_trade_32")):
        command = [sys.executable, "-m", "ops.bench.entry", kind, f"127.0.0.1:{service.port}"]
        command += ["--token", service.token, "--seconds", str(seconds)]
        result = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
        if result["errors"]:
            raise RuntimeError(f"{name}: {result['errors']} answers were errors")
        yield _row(f"{name}_per_s", result["per_second"], "orders/s")
        yield _row(f"{name}_p99_ms", result["p99_ms"], "ms")


def memory(folder: Path, orders: int = MEMORY_ORDERS) -> Iterator[dict[str, object]]:
    """Resident memory after a warm-up and after many more orders."""
    server = EmbeddedServer(folder / "postgres")
    server.start()
    with ExitStack() as stack:
        stack.callback(server.stop)
        service = stack.enter_context(_service(folder, server.dsn))
        _place(service, WARM_UP_ORDERS)
        time.sleep(3)
        yield _row("rss_idle_mb", round(resident_mb(service.process.pid), 1), "MB")
        _place(service, orders)
        time.sleep(3)
        yield _row("rss_100k_mb", round(resident_mb(service.process.pid), 1), "MB")


def _place(service: Target, orders: int) -> None:
    placed = 0.0
    while placed < orders:
        seconds = 10.0
        placed += load(service, 32, seconds).per_second * seconds


def _row(name: str, value: float, unit: str) -> dict[str, object]:
    return {"name": name, "value": value, "unit": unit}


def run(*, rounds: int = 3, seconds: float = 4.0, with_memory: bool = True) -> Iterator[dict[str, object]]:
    """All rows of this module."""
    with TemporaryDirectory(prefix="tradewarden-bench-") as name:
        yield from throughput(Path(name), rounds, seconds)
    if with_memory:
        with TemporaryDirectory(prefix="tradewarden-bench-") as name:
            yield from memory(Path(name))
