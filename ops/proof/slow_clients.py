"""Slow clients against the real service: each is cut off in time while healthy requests go on as if alone.

`python -m ops.proof.slow_clients --clients 500`: a fourth each drips headers, drips a body, sends nothing,
and opens a WebSocket that answers no ping. Prints one JSON line; fails when a client outlives its time or a
healthy request waits.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import trio

from ops.bench.load import percentile
from ops.proof.running import service

MAX_LIFE_SECONDS = 15.0
MAX_P99_MS = 250.0
DRIP_SECONDS = 0.5
HEALTHY_PAUSE_SECONDS = 0.02
PATIENCE_SECONDS = 30.0

Kind = Callable[[trio.SocketStream, str], Awaitable[None]]


async def drip_headers(stream: trio.SocketStream, _token: str) -> None:
    """Headers that never end."""
    await stream.send_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: ")
    await drip(stream)


async def drip_body(stream: trio.SocketStream, token: str) -> None:
    """A body that never ends."""
    await stream.send_all(
        f"POST /orders HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
        "Content-Length: 50000\r\n\r\n".encode()
    )
    await drip(stream)


async def drip(stream: trio.SocketStream) -> None:
    """One byte, and another, and another."""
    while True:
        await stream.send_all(b"a")
        await trio.sleep(DRIP_SECONDS)


async def say_nothing(_stream: trio.SocketStream, _token: str) -> None:
    """A socket that stalls."""
    await trio.sleep_forever()


async def answer_no_ping(stream: trio.SocketStream, token: str) -> None:
    """A WebSocket that follows orders and is silent from then on."""
    await stream.send_all(
        f"GET /ws/orders HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
    )
    await trio.sleep_forever()


KINDS: tuple[Kind, ...] = (drip_headers, drip_body, say_nothing, answer_no_ping)


async def live(address: tuple[str, int], token: str, kind: Kind, lives: dict[str, list[float]]) -> None:
    """One slow client: how long it was suffered."""
    began = trio.current_time()
    async with await trio.open_tcp_stream(*address) as stream, trio.open_nursery() as nursery:

        async def act() -> None:
            with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                await kind(stream, token)

        nursery.start_soon(act)
        with trio.move_on_after(PATIENCE_SECONDS), suppress(trio.BrokenResourceError):
            while await stream.receive_some():
                pass
        nursery.cancel_scope.cancel()
    lives.setdefault(kind.__name__, []).append(trio.current_time() - began)


async def healthy(address: tuple[str, int], token: str, latencies: list[float]) -> None:
    """Ask for the orders again and again, one after the other."""
    request = f"GET /orders?limit=1 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
    async with await trio.open_tcp_stream(*address) as stream:
        while True:
            began = trio.current_time()
            await stream.send_all(request)
            found = b""
            while b'"nextCursor"' not in found:
                found += await stream.receive_some()
            latencies.append(trio.current_time() - began)
            await trio.sleep(HEALTHY_PAUSE_SECONDS)


async def play(
    address: tuple[str, int], token: str, clients: int
) -> tuple[dict[str, list[float]], list[float]]:
    """All slow clients at once, beside a healthy one."""
    lives: dict[str, list[float]] = {}
    latencies: list[float] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(healthy, address, token, latencies)
        async with trio.open_nursery() as slow:
            for number in range(clients):
                slow.start_soon(partial(live, address, token, KINDS[number % len(KINDS)], lives))
        nursery.cancel_scope.cancel()
    return lives, latencies


def main(arguments: Sequence[str]) -> int:
    """Play and judge."""
    parser = argparse.ArgumentParser(prog="python -m ops.proof.slow_clients")
    parser.add_argument("--clients", type=int, default=500)
    asked = parser.parse_args(arguments)
    with (
        tempfile.TemporaryDirectory(prefix="tradewarden-slow-") as folder,
        service(Path(folder)) as running,
    ):
        parts = urlsplit(running.url)
        address = parts.hostname or "", parts.port or 0
        lives, latencies = trio.run(play, address, running.token, asked.clients)
    longest = {kind: round(max(found), 2) for kind, found in sorted(lives.items())}
    p99 = percentile(sorted(latencies), 0.99)
    print(
        json.dumps(
            {"longest_life_seconds": longest, "healthy_requests": len(latencies), "healthy_p99_ms": p99}
        )
    )
    return 0 if max(longest.values()) <= MAX_LIFE_SECONDS and p99 <= MAX_P99_MS else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
