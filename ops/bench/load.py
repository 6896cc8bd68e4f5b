"""A load generator that costs less than what it measures: plain sockets, one selector, no HTTP library.

Run as a process of its own, so that it never shares the interpreter with the server. Each connection keeps
one request in flight; answers are only parsed as far as needed to find their end and their status.
"""

import argparse
import json
import selectors
import socket
import sys
import time
from collections.abc import Callable, Iterator
from itertools import count
from typing import NamedTuple


class Load(NamedTuple):
    """What a run found. Latencies are milliseconds; `errors` counts answers that were not 2xx.

    `answered` counts all requests, those of the warm-up too, and `cpu_seconds` is what this generator used
    for them: it runs on the machine that it loads.
    """

    requests: int
    seconds: float
    per_second: float
    p50_ms: float
    p99_ms: float
    errors: int
    answered: int
    cpu_seconds: float
    first_error: str = ""


class Lane:
    """One connection with one request in flight."""

    __slots__ = ("began", "buffer", "needed", "sock", "status")

    def __init__(self, address: tuple[str, int]) -> None:
        self.sock = socket.create_connection(address)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.setblocking(True)
        self.buffer = b""
        self.needed = -1
        self.status = 0
        self.began = 0.0

    def send(self, request: bytes) -> None:
        """Begin a request."""
        self.buffer, self.needed = b"", -1
        self.began = time.perf_counter()
        self.sock.sendall(request)

    def receive(self) -> bool:
        """Take what arrived; True when the answer is whole.

        Raises ConnectionError when the server hung up.
        """
        data = self.sock.recv(65536)
        if not data:
            raise ConnectionError("the server closed the connection")
        self.buffer += data
        if self.needed < 0:
            end = self.buffer.find(b"\r\n\r\n")
            if end < 0:
                return False
            head = self.buffer[:end].lower()
            self.status = int(head[9:12])
            at = head.find(b"content-length:")
            line_end = head.find(b"\r\n", at)
            length = head[at + 15 : line_end if line_end > 0 else len(head)]
            self.needed = end + 4 + int(length)
        return len(self.buffer) >= self.needed


def run(
    address: tuple[str, int],
    connections: int,
    seconds: float,
    requests: Iterator[bytes],
    warm_up: float = 0.5,
) -> Load:
    """Keep `connections` busy for `seconds` after a warm-up that is not counted."""
    selector = selectors.DefaultSelector()
    lanes = [Lane(address) for _ in range(connections)]
    for lane in lanes:
        selector.register(lane.sock, selectors.EVENT_READ, lane)
        lane.send(next(requests))
    latencies: list[float] = []
    errors = answered = 0
    first_error = ""
    began_cpu = time.process_time()
    begin = time.perf_counter() + warm_up
    end = begin + seconds
    while (now := time.perf_counter()) < end:
        for key, _ in selector.select(timeout=1.0):
            lane = key.data
            if not lane.receive():
                continue
            now = time.perf_counter()
            answered += 1
            if now >= begin:
                latencies.append(now - lane.began)
                if not 200 <= lane.status < 300:
                    errors += 1
                    first_error = first_error or lane.buffer[-300:].decode("latin-1")
            lane.send(next(requests))
    for lane in lanes:
        lane.sock.close()
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


def post(path: str, body: Callable[[int], bytes], token: str = "") -> Iterator[bytes]:
    """An endless stream of POST requests; `body` gets the number of the request."""
    authorization = f"Authorization: Bearer {token}\r\n" if token else ""
    head = f"POST {path} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n{authorization}"
    for number in count(1):
        content = body(number)
        yield f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content


_SIDES = (
    b'{"symbol":"BTC/USDT","side":"buy","type":"market","qty":"0.0002"}',
    b'{"symbol":"BTC/USDT","side":"sell","type":"market","qty":"0.0002"}',
)


def order_body(number: int) -> bytes:
    """A market order of the smallest size, bought and sold in turns so that the position stays small."""
    return _SIDES[number % 2]


def percentile(ordered: list[float], share: float) -> float:
    """A percentile of sorted seconds, in milliseconds."""
    if not ordered:
        return 0.0
    return round(ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000, 3)


def main(arguments: list[str]) -> None:
    """Load one server and print the result as JSON."""
    parser = argparse.ArgumentParser(prog="python -m ops.bench.load")
    parser.add_argument("address", help="host:port")
    parser.add_argument("--path", default="/orders")
    parser.add_argument("--token", default="")
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=3.0)
    asked = parser.parse_args(arguments)
    host, _, port = asked.address.rpartition(":")
    found = run(
        (host, int(port)), asked.connections, asked.seconds, post(asked.path, order_body, asked.token)
    )
    print(json.dumps(found._asdict()))


if __name__ == "__main__":
    main(sys.argv[1:])
