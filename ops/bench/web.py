"""What the web edge costs: order entry over a runtime that answers at once, beside an echo route of Quart.

Both are served by the same hypercorn in processes of their own, one after the other, and loaded the same way.
"""

import json
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import trio
from hypercorn.trio import serve as hypercorn_serve
from quart import request
from quart_trio import QuartTrio

from actors.model.book import Book
from actors.model.order import Order, OrderIntent, Submission
from actors.model.results import Placed, PlaceResult
from config.logs import configure
from web import server as edge_server
from web.app import EdgeApp, create_app
from web.auth.keyring import Keyring
from web.auth.memory import MemoryTokens
from web.observability import Metrics
from web.server import ServerSettings, server_config
from web.services import EdgeSettings, Services

TOKEN = "bench-token"  # noqa: S105 - of a server that lives for seconds


class InstantPort:
    """Answers every order at once, as if the exchange had it."""

    head = 0
    book = Book()

    def __init__(self) -> None:
        self._count = 0

    def subscribe(self, _listener: object) -> Callable[[], None]:
        """Nothing is ever committed."""
        return lambda: None

    subscribe_market = subscribe

    async def place(self, intent: OrderIntent, **_: object) -> PlaceResult:
        """An open order."""
        self._count += 1
        named = OrderIntent(
            order_id=f"00000000-0000-4000-8000-{self._count:012d}",
            client_order_id=intent.client_order_id or str(self._count),
            exchange="sim",
            symbol=intent.symbol,
            side=intent.side,
            type=intent.type,
            quantity=intent.quantity,
            limit_price=intent.limit_price,
        )
        now = 1_795_348_800_000_000 + self._count
        order = Order(intent=named, submission=Submission.WORKING, created_us=now, updated_us=now)
        return Placed(order=order)


class _Clock:
    def now_us(self) -> int:
        return 1_795_348_800_000_000

    def monotonic(self) -> float:
        return trio.current_time()


def echo_app() -> QuartTrio:
    """The reference: one route that gives back the JSON it was sent."""
    app = QuartTrio("echo")

    @app.post("/orders")
    async def echo() -> Any:
        return await request.get_json()

    return app


def edge_app() -> EdgeApp:
    """The edge over a runtime that answers at once."""
    clock = _Clock()
    tokens = MemoryTokens()
    port: Any = InstantPort()
    keyring = Keyring(tokens, clock, development_token=TOKEN, requests_per_second=1_000_000)
    return create_app(
        Services(
            port=port,
            keyring=keyring,
            tokens=tokens,
            metrics=Metrics(),
            clock=clock,
            settings=EdgeSettings(),
        )
    )


def serve(kind: str, port: int) -> None:
    """Serve one of the two until the process is ended."""
    configure("INFO")
    settings = ServerSettings(port=port)
    if kind == "echo":
        config = server_config(settings)
        trio.run(lambda: hypercorn_serve(echo_app(), config, mode="asgi"))
    else:
        trio.run(edge_server.serve, edge_app(), settings)


@contextmanager
def served(kind: str) -> Iterator[str]:
    """A server in a process of its own; its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "ops.bench.web", "serve", kind, str(port)], stderr=subprocess.DEVNULL
    )
    try:
        for _ in range(200):
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.1):
                break
            with suppress(subprocess.TimeoutExpired):
                process.wait(0.05)
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def load(address: str, connections: int, seconds: float) -> dict[str, float]:
    """Load a server from a process of its own."""
    command = [sys.executable, "-m", "ops.bench.load", address, "--token", TOKEN]
    command += ["--connections", str(connections), "--seconds", str(seconds)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    if found["errors"]:
        raise RuntimeError(f"{found['errors']} answers of {address} were no success")
    return found


def main(arguments: Sequence[str]) -> None:
    """Print the results, one JSON object a line."""
    if arguments and arguments[0] == "serve":
        serve(arguments[1], int(arguments[2]))
        return
    seconds = float(arguments[0]) if arguments else 3.0
    for kind in ("echo", "edge"):
        with served(kind) as address:
            many, one = load(address, 32, seconds), load(address, 1, seconds / 2)
        for name, value, unit in (
            (f"{kind}_32_per_s", many["per_second"], "1/s"),
            (f"{kind}_p99_ms_32", many["p99_ms"], "ms"),
            (f"{kind}_1_per_s", one["per_second"], "1/s"),
            (f"{kind}_p50_ms_1", one["p50_ms"], "ms"),
        ):
            print(json.dumps({"name": name, "value": value, "unit": unit}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
