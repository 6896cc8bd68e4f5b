"""The other ways to enter orders: batches of 50 over REST, and 32 in flight on one WebSocket.

Like `ops.bench.load`, a process of its own on plain sockets, so that it costs less than what it measures.
"""

import argparse
import base64
import json
import os
import socket
import struct
import sys
import time
from collections.abc import Iterator

from ops.bench.load import Load, order_body, percentile, post, run

BATCH = 50
IN_FLIGHT = 32
_ORDER = json.loads(order_body(0))


class Frames:
    """A WebSocket on a plain socket: text frames out, text frames in, control frames passed over."""

    def __init__(self, address: tuple[str, int], path: str, token: str) -> None:
        self._socket = socket.create_connection(address)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        key = base64.b64encode(os.urandom(16)).decode()
        self._socket.sendall(
            f"GET {path} HTTP/1.1\r\nHost: bench\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n"
            f"Authorization: Bearer {token}\r\n\r\n".encode()
        )
        self._buffer = b""
        while b"\r\n\r\n" not in self._buffer:
            self._fill()
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 101"):
            raise ConnectionError(head[:200].decode("latin-1"))

    def send(self, payload: bytes) -> None:
        """Send a text frame; its mask is zero, which leaves the payload as it is."""
        size = len(payload)
        head = struct.pack("!BB", 0x81, 0x80 | size) if size < 126 else struct.pack("!BBH", 0x81, 0xFE, size)
        self._socket.sendall(head + b"\0\0\0\0" + payload)

    def receive(self) -> bytes:
        """The next text frame."""
        while True:
            self._need(2)
            kind, size, start = self._buffer[0] & 15, self._buffer[1] & 127, 2
            if size >= 126:
                start = 4 if size == 126 else 10
                self._need(start)
                size = int.from_bytes(self._buffer[2:start], "big")
            self._need(start + size)
            payload, self._buffer = self._buffer[start : start + size], self._buffer[start + size :]
            if kind == 1:
                return payload
            if kind == 8:
                raise ConnectionError("the server closed the connection")

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def _need(self, size: int) -> None:
        while len(self._buffer) < size:
            self._fill()

    def _fill(self) -> None:
        data = self._socket.recv(65536)
        if not data:
            raise ConnectionError("the server closed the connection")
        self._buffer += data


def trade(address: tuple[str, int], token: str, seconds: float, warm_up: float = 0.5) -> Load:
    """Keep 32 orders in flight on one WebSocket."""
    frames = Frames(address, "/ws/trade", token)
    began: dict[str, float] = {}
    number = 0

    def place() -> None:
        nonlocal number
        number += 1
        began[str(number)] = time.perf_counter()
        frames.send(json.dumps({"action": "place", "id": str(number), "order": _ORDER}).encode())

    for _ in range(IN_FLIGHT):
        place()
    latencies: list[float] = []
    errors = answered = 0
    first_error = ""
    began_cpu = time.process_time()
    begin = time.perf_counter() + warm_up
    while (now := time.perf_counter()) < begin + seconds:
        result = json.loads(frames.receive())
        elapsed = time.perf_counter() - began.pop(result["id"])
        answered += 1
        if now >= begin:
            latencies.append(elapsed)
            if not 200 <= result["status"] < 300:
                errors += 1
                first_error = first_error or json.dumps(result)[:300]
        place()
    frames.close()
    latencies.sort()
    return Load(
        requests=len(latencies),
        seconds=seconds,
        per_second=round(len(latencies) / seconds, 1),
        p50_ms=percentile(latencies, 0.50),
        p99_ms=percentile(latencies, 0.99),
        errors=errors,
        answered=answered,
        cpu_seconds=time.process_time() - began_cpu,
        first_error=first_error,
    )


def batches(address: tuple[str, int], token: str, seconds: float) -> Load:
    """Batches of 50, four connections; the rate is that of orders."""
    body = json.dumps({"orders": [_ORDER] * BATCH}).encode()
    requests: Iterator[bytes] = post("/orders/batch", lambda _number: body, token)
    found = run(address, 4, seconds, requests)
    return found._replace(per_second=round(found.per_second * BATCH, 1), answered=found.answered * BATCH)


def main(arguments: list[str]) -> None:
    """Load one server and print the result as JSON."""
    parser = argparse.ArgumentParser(prog="python -m ops.bench.entry")
    parser.add_argument("kind", choices=("batch", "trade"))
    parser.add_argument("address", help="host:port")
    parser.add_argument("--token", required=True)
    parser.add_argument("--seconds", type=float, default=3.0)
    asked = parser.parse_args(arguments)
    host, _, port = asked.address.rpartition(":")
    load = trade if asked.kind == "trade" else batches
    print(json.dumps(load((host, int(port)), asked.token, asked.seconds)._asdict()))


if __name__ == "__main__":
    main(sys.argv[1:])
