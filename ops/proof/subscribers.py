"""Many subscribers on one feed, some of which stall, while orders flow.

`python -m ops.proof.subscribers --subscribers 200 --stalled 10 --seconds 60`: orders are placed so that some
20 updates a second are told. Every healthy subscriber has to get every update of every order, in order, which
is judged by the journal; the service's memory may not grow with what the stalled ones don't take; orders have
to be answered as if nobody listened, which is measured first. A stalled one that is cut off comes back and
stalls again. Prints one JSON line with the first things that are wrong.
"""

import argparse
import base64
import json
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import httpx
import trio

from ops.bench.load import percentile
from ops.proof.running import Running, service
from ops.proof.trading import Traded

UPDATES_PER_SECOND = 20.0
UPDATES_PER_ORDER = 2
MAX_P99_MS = 100.0
MAX_GROWTH_MB = 32.0
SETTLE_SECONDS = 20.0
ALONE_SECONDS = 15.0
_TEXT, _CLOSE, _PING, _PONG = 0x1, 0x8, 0x9, 0xA
_NO_MASK = bytes(4)


class Found(NamedTuple):
    """What a run came to; `wrong` is empty when everything held."""

    orders: int
    updates: int
    subscribers: int
    cut_off: int
    p99_alone_ms: float
    p99_ms: float
    growth_mb: float
    wrong: list[str]


class Subscriber:
    """A WebSocket client that costs less than what it measures: it reads frames and answers pings."""

    def __init__(self, stream: trio.SocketStream, heard: Callable[[], None]) -> None:
        self._stream = stream
        self._heard = heard
        self._buffer = bytearray()
        self.seqs: list[int] = []

    async def open(self, token: str) -> None:
        """Shake hands and subscribe to orders."""
        key = base64.b64encode(b"0123456789abcdef").decode()
        head = (
            f"GET /ws/orders HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n"
        )
        await self._stream.send_all(head.encode())
        while b"\r\n\r\n" not in self._buffer:
            await self._more()
        del self._buffer[: self._buffer.index(b"\r\n\r\n") + 4]
        await self._send(_TEXT, b'{"action":"subscribe","channel":"orders"}')

    async def follow(self, begun: "Callable[[Subscriber], None]") -> None:
        """Note the sequence of every update until the connection ends; `begun` hears of the snapshot."""
        self._begun = begun
        with suppress(trio.EndOfChannel):
            while True:
                for opcode, payload in self._frames():
                    if opcode == _PING:
                        await self._send(_PONG, payload)
                    elif opcode == _CLOSE:
                        return
                    else:
                        self._take(json.loads(payload))
                await self._more()

    def _take(self, frame: dict[str, Any]) -> None:
        if frame["type"] == "gap":
            raise RuntimeError(f"a healthy subscriber was told of a gap: {frame}")
        if frame["type"] == "update":
            self.seqs.append(frame["seq"])
        elif not frame["data"]["more"]:
            self._begun(self)
        self._heard()

    async def _more(self) -> None:
        data = await self._stream.receive_some(65536)
        if not data:
            raise trio.EndOfChannel
        self._buffer += data

    def _frames(self) -> Iterator[tuple[int, bytes]]:
        while len(self._buffer) >= 2:
            size, begins = self._buffer[1], 2
            if size == 126:
                size, begins = int.from_bytes(self._buffer[2:4]), 4
            elif size == 127:
                size, begins = int.from_bytes(self._buffer[2:10]), 10
            if len(self._buffer) < begins + size:
                return
            opcode, payload = self._buffer[0] & 0xF, bytes(self._buffer[begins : begins + size])
            del self._buffer[: begins + size]
            yield opcode, payload

    async def _send(self, opcode: int, payload: bytes) -> None:
        """A masked frame, as clients have to send; the mask of zeros leaves the payload as it is."""
        await self._stream.send_all(bytes([0x80 | opcode, 0x80 | len(payload)]) + _NO_MASK + payload)


class Play:
    """One run against one service."""

    def __init__(self, running: Running) -> None:
        parts = urlsplit(running.url)
        self._address = parts.hostname or "", parts.port or 0
        self._running = running
        self._healthy: list[Subscriber] = []
        self._cut_off = 0
        self._news = trio.Event()

    async def run(self, subscribers: int, stalled: int, seconds: float) -> Found:
        """Trade while nobody listens, then with all subscribers, and compare with the journal."""
        alone = await self._trade(min(seconds, ALONE_SECONDS))
        async with trio.open_nursery() as nursery:
            for number in range(subscribers):
                nursery.start_soon(self._stall if number < stalled else self._listen)
            with trio.fail_after(SETTLE_SECONDS):
                await self._until(lambda: len(self._healthy) == subscribers - stalled)
            before = self._running.resident_mb()
            traded = await self._trade(seconds)
            wanted = await self._journaled(traded.orders)
            with trio.move_on_after(SETTLE_SECONDS):
                await self._until(lambda: all(len(each.seqs) >= len(wanted) for each in self._healthy))
            growth = self._running.resident_mb() - before
            nursery.cancel_scope.cancel()
        p99 = percentile(sorted(traded.latencies), 0.99)
        return Found(
            orders=len(traded.orders),
            updates=len(wanted),
            subscribers=subscribers,
            cut_off=self._cut_off,
            p99_alone_ms=percentile(sorted(alone.latencies), 0.99),
            p99_ms=p99,
            growth_mb=round(growth, 1),
            wrong=list(self._wrong(wanted, p99, growth)),
        )

    def _wrong(self, wanted: list[int], p99: float, growth: float) -> Iterator[str]:
        for number, each in enumerate(self._healthy):
            if each.seqs != wanted:
                yield f"subscriber {number} got {len(each.seqs)} of {len(wanted)} updates, or not in order"
        if p99 > MAX_P99_MS:
            yield f"p99 of orders is {p99} ms"
        if growth > MAX_GROWTH_MB:
            yield f"memory grew by {growth} MB"

    async def _until(self, holds: Callable[[], bool]) -> None:
        while not holds():
            await self._news.wait()
            self._news = trio.Event()

    def _heard(self) -> None:
        self._news.set()

    async def _listen(self) -> None:
        async with await trio.open_tcp_stream(*self._address) as stream:
            subscriber = Subscriber(stream, self._heard)
            await subscriber.open(self._running.token)
            await subscriber.follow(self._healthy.append)

    async def _stall(self) -> None:
        """Subscribe and read nothing, not even pings; come back when cut off."""
        while True:
            async with await trio.open_tcp_stream(*self._address) as stream:
                await Subscriber(stream, self._heard).open(self._running.token)
                with suppress(trio.BrokenResourceError):
                    while True:
                        await trio.sleep(0.5)
                        await stream.send_all(b"")
                        if _hung_up(stream):
                            break
                self._cut_off += 1

    async def _trade(self, seconds: float) -> Traded:
        """Trade from a process of its own: what subscribers cost here is not the service's time."""
        pace = f"--per-second={UPDATES_PER_SECOND / UPDATES_PER_ORDER}"
        command = [sys.executable, "-m", "ops.proof.trading", self._running.url, f"--seconds={seconds}", pace]
        done = await trio.run_process(command, stdin=self._running.token.encode(), capture_stdout=True)
        return Traded(**json.loads(done.stdout))

    async def _journaled(self, orders: Sequence[str]) -> list[int]:
        """The sequence of every event of these orders, as the journal has them."""
        headers = {"Authorization": f"Bearer {self._running.token}"}
        found: list[int] = []
        async with httpx.AsyncClient(base_url=self._running.url, headers=headers, timeout=20) as client:
            for order_id in orders:
                page = (await client.get(f"/orders/{order_id}/events")).json()
                found += [event["seq"] for event in page["events"]]
        return sorted(found)


def _hung_up(stream: trio.SocketStream) -> bool:
    """Whether the other side has ended the connection, without reading what it sent."""
    from select import POLLHUP, POLLRDHUP, poll

    asked = poll()
    asked.register(stream.socket.fileno(), POLLHUP | POLLRDHUP)
    return bool(asked.poll(0))


def main(arguments: Sequence[str]) -> int:
    """Play and judge."""
    parser = argparse.ArgumentParser(prog="python -m ops.proof.subscribers")
    parser.add_argument("--subscribers", type=int, default=200)
    parser.add_argument("--stalled", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=60.0)
    asked = parser.parse_args(arguments)
    with (
        tempfile.TemporaryDirectory(prefix="tradewarden-subscribers-") as folder,
        service(Path(folder)) as running,
    ):
        found = trio.run(Play(running).run, asked.subscribers, asked.stalled, asked.seconds)
    print(json.dumps(found._asdict() | {"wrong": found.wrong[:10]}))
    return 1 if found.wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
