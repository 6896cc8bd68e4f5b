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
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple
from urllib.request import urlopen

import psycopg

from ops.bench.cpu import cpu_seconds, family_cpu_seconds
from ops.bench.reference import TOKEN as REFERENCE_TOKEN
from persistence.embedded import EmbeddedServer

TOKEN = "bench-token-of-this-run"  # noqa: S105 - a token that lives as long as the benchmark
STARTED_SECONDS = 60.0
MEMORY_ORDERS = 100_000
WARM_UP_ORDERS = 20_000


class Target(NamedTuple):
    """Something to load: where it listens, its route, its token, its process and its database server's."""

    name: str
    port: int
    path: str
    token: str
    process: subprocess.Popen[bytes]
    database_pid: int


class Found(NamedTuple):
    """What one round found. Processor time is in microseconds for each request (for a batch: each order)."""

    per_second: float
    p50_ms: float
    p99_ms: float
    cpu_us: float
    database_cpu_us: float
    generator_cpu_us: float


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
    return _measure(
        target, seconds, ["ops.bench.load", "--path", target.path, "--connections", str(connections)]
    )


def enter(target: Target, kind: str, seconds: float) -> Found:
    """Load the target by another entry than one order a request; raise when an answer was an error."""
    return _measure(target, seconds, ["ops.bench.entry", kind])


def _measure(target: Target, seconds: float, generator: list[str]) -> Found:
    command = [sys.executable, "-m", *generator, f"127.0.0.1:{target.port}"]
    command += ["--token", target.token, "--seconds", str(seconds)]
    before = cpu_seconds(target.process.pid), family_cpu_seconds(target.database_pid)
    result = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    used = cpu_seconds(target.process.pid) - before[0], family_cpu_seconds(target.database_pid) - before[1]
    if result["errors"]:
        raise RuntimeError(
            f"{target.name}: {result['errors']} answers were errors, the first: {result['first_error']}"
        )
    each_us = 1e6 / max(1, result["answered"])
    return Found(
        result["per_second"],
        result["p50_ms"],
        result["p99_ms"],
        used[0] * each_us,
        used[1] * each_us,
        result["cpu_seconds"] * each_us,
    )


@contextmanager
def targets(folder: Path) -> Iterator[tuple[Target, Target, Target]]:
    """Service, reference and echo, ready."""
    server = EmbeddedServer(folder / "postgres")
    server.start()
    with ExitStack() as stack:
        stack.callback(server.stop)
        stack.enter_context(_database(server, "reference"))
        service = stack.enter_context(start_service(folder, server))
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
            service._replace(name="reference", port=ports[0], token=REFERENCE_TOKEN, process=reference),
            service._replace(name="echo", port=ports[1], token="", process=echo),
        )


@contextmanager
def _database(server: EmbeddedServer, name: str) -> Iterator[None]:
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    yield


@contextmanager
def start_service(folder: Path, server: EmbeddedServer, **settings: str) -> Iterator[Target]:
    port = free_port()
    if server.pid is None:
        raise RuntimeError("the database server has no process")
    environ = {
        "TRADEWARDEN_DATA_DIR": str(folder / "data"),
        "TRADEWARDEN_DATABASE_URL": server.dsn,
        "TRADEWARDEN_BIND": f"127.0.0.1:{port}",
        "TRADEWARDEN_TOKEN": TOKEN,
        "TRADEWARDEN_EXCHANGES": "dummy",
        "TRADEWARDEN_RISK__MAX_POS_USD": "100000000000",
        "TRADEWARDEN_WEB__TOKEN_RATE_PER_SECOND": "1000000",
        **settings,
    }
    command = [sys.executable, "-m", "ops.cli.main", "run"]
    with process(command, environ, folder / "service.log") as child:
        wait_for(port, "/readyz")
        yield Target("service", port, "/orders", TOKEN, child, server.pid)


def resident_mb(pid: int) -> float:
    """The resident memory of a process, in MB (10^6 bytes)."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def throughput(folder: Path, rounds: int, seconds: float) -> Iterator[dict[str, object]]:
    """Rates, latencies and processor time of the three, medians over alternating rounds."""
    with targets(folder) as (service, reference, echo):
        found: dict[str, list[Found]] = {}
        plan: dict[str, Callable[[], Found]] = {
            "rest_32": lambda: load(service, 32, seconds),
            "reference_32": lambda: load(reference, 32, seconds),
            "echo_32": lambda: load(echo, 32, seconds),
            "rest_1": lambda: load(service, 1, seconds),
            "reference_1": lambda: load(reference, 1, seconds),
            "rest_batch_50": lambda: enter(service, "batch", seconds),
            "ws_trade_32": lambda: enter(service, "trade", seconds),
        }
        for target in (service, reference, echo):
            load(target, 1, 1.0)
            load(target, 32, 1.0)
        for _round in range(rounds):
            for name, measure in plan.items():
                found.setdefault(name, []).append(measure())
    yield from _rows_of({name: _median(each) for name, each in found.items()})


def _median(found: list[Found]) -> Found:
    return Found(*(round(statistics.median(values), 3) for values in zip(*found, strict=True)))


def _rows_of(found: dict[str, Found]) -> Iterator[dict[str, object]]:
    yield _row("rest_orders_1_per_s", found["rest_1"].per_second, "orders/s")
    yield _row("rest_orders_32_per_s", found["rest_32"].per_second, "orders/s")
    yield _row("rest_p50_ms_1", found["rest_1"].p50_ms, "ms")
    yield _row("rest_p50_ms_32", found["rest_32"].p50_ms, "ms")
    yield _row("rest_p99_ms_32", found["rest_32"].p99_ms, "ms")
    yield _row("echo_32_per_s", found["echo_32"].per_second, "requests/s")
    yield _row("reference_32_per_s", found["reference_32"].per_second, "orders/s")
    yield _row("reference_p50_ms_1", found["reference_1"].p50_ms, "ms")
    yield _row("reference_p99_ms_32", found["reference_32"].p99_ms, "ms")
    for name in ("rest_batch_50", "ws_trade_32"):
        yield _row(f"{name}_per_s", found[name].per_second, "orders/s")
        yield _row(f"{name}_p50_ms", found[name].p50_ms, "ms")
        yield _row(f"{name}_p99_ms", found[name].p99_ms, "ms")
    for name, what in (
        ("rest", "rest_32"),
        ("rest_batch_50", "rest_batch_50"),
        ("ws_trade_32", "ws_trade_32"),
        ("reference", "reference_32"),
        ("echo", "echo_32"),
    ):
        each = found[what]
        yield _row(f"{name}_cpu_us_per_order", round(each.cpu_us, 1), "us")
        yield _row(f"{name}_generator_cpu_us_per_order", round(each.generator_cpu_us, 1), "us")
        if name != "echo":
            yield _row(f"{name}_postgres_cpu_us_per_order", round(each.database_cpu_us, 1), "us")


def memory(folder: Path, orders: int = MEMORY_ORDERS) -> Iterator[dict[str, object]]:
    """Resident memory after a warm-up and after many more orders."""
    server = EmbeddedServer(folder / "postgres")
    server.start()
    with ExitStack() as stack:
        stack.callback(server.stop)
        service = stack.enter_context(start_service(folder, server))
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
