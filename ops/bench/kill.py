"""How long the kill takes to answer, on the whole service over HTTP, while it has the most to do.

A hundred orders rest at the simulated exchange. Twenty batches of fifty arrive at the same moment and wait in
mailboxes and in the journal's queue, and behind them, on a connection of its own, comes the kill. Measured is
from its first byte to its answer; then it is checked that nothing rests and that orders are refused.
"""

import json
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.request import Request, urlopen

from ops.bench.entry import Frames
from ops.bench.load import Lane
from ops.bench.service import TOKEN, Target, start_service
from persistence.embedded import EmbeddedServer

ROUNDS = 7
RESTING = 100
BATCHES, BATCH = 20, 50
SETTLED_SECONDS = 20.0
_SYMBOL = "BTC/USDT"


class KillFailed(Exception):
    """The kill was answered, and what it promises is not so."""


def measure() -> Iterator[dict[str, object]]:
    """All rows of this module: the median and the worst of several kills."""
    with TemporaryDirectory(prefix="tradewarden-bench-") as name, ExitStack() as stack:
        server = EmbeddedServer(Path(name) / "postgres")
        server.start()
        stack.callback(server.stop)
        target = stack.enter_context(start_service(Path(name), server, TRADEWARDEN_EXCHANGES="sim"))
        resting = _limit_order(_last_price(target))
        found = [_kill_once(target, resting) for _ in range(ROUNDS)]
    taken = [milliseconds for milliseconds, _ in found]
    yield {"name": "kill_ms", "value": round(statistics.median(taken), 1), "unit": "ms"}
    yield {"name": "kill_worst_ms", "value": round(max(taken), 1), "unit": "ms"}
    yield {"name": "kill_behind_orders", "value": min(waiting for _, waiting in found), "unit": "orders"}


def _kill_once(target: Target, resting: str) -> tuple[float, int]:
    """Milliseconds to the answer, and how many orders were not answered when it came."""
    address = ("127.0.0.1", target.port)
    for _ in range(RESTING // BATCH):
        _call(target, "POST", "/orders/batch", {"orders": [json.loads(resting)] * BATCH})
    lanes = [Lane(address) for _ in range(BATCHES)]
    killer = Lane(address)
    for lane in (*lanes, killer):
        lane.send(b"GET /healthz HTTP/1.1\r\nHost: bench\r\n\r\n")
        while not lane.receive():
            pass
    market = {"symbol": _SYMBOL, "side": "buy", "type": "market", "qty": "0.0002"}
    batch = _request("/orders/batch", {"orders": [market] * BATCH})
    kill = _request("/operator/kill", {"reason": "the benchmark's", "level": "cancel"})
    for lane in lanes:
        lane.send(batch)
    killer.send(kill)
    while not killer.receive():
        pass
    taken = time.perf_counter() - killer.began
    waiting = BATCH * sum(not _has_answer(lane) for lane in lanes)
    if killer.status != 200:
        raise KillFailed(f"the kill was answered with {killer.status}")
    for lane in lanes:
        while not _whole(lane):
            lane.receive()
    for lane in (*lanes, killer):
        lane.sock.close()
    _check(target, market)
    _call(target, "POST", "/operator/resume", {"reason": "the next round"})
    return taken * 1000, waiting


def _has_answer(lane: Lane) -> bool:
    lane.sock.setblocking(False)
    try:
        return lane.receive()
    except BlockingIOError:
        return False
    finally:
        lane.sock.setblocking(True)


def _whole(lane: Lane) -> bool:
    return lane.needed >= 0 and len(lane.buffer) >= lane.needed


def _check(target: Target, order: dict[str, str]) -> None:
    """Nothing rests any more, and a new order is refused."""
    deadline = time.monotonic() + SETTLED_SECONDS
    while _call(target, "GET", "/orders?status=open,pending_cancel,submitted,accepted&limit=1")[1]["orders"]:
        if time.monotonic() > deadline:
            raise KillFailed(f"orders rest {SETTLED_SECONDS:g} s after the kill")
        time.sleep(0.05)
    status, answer = _call(target, "POST", "/orders", order)
    if (status, answer.get("code")) != (422, "TRADING_HALTED"):
        raise KillFailed(f"an order after the kill was answered with {status} {answer.get('code')}")


def _limit_order(price: float) -> str:
    return json.dumps(
        {
            "symbol": _SYMBOL,
            "side": "buy",
            "type": "limit",
            "qty": "0.0002",
            "limitPrice": f"{price * 0.95:.2f}",
        }
    )


def _last_price(target: Target) -> float:
    frames = Frames(("127.0.0.1", target.port), "/ws/markets", TOKEN)
    frames.send(b'{"action":"subscribe","channel":"markets","symbols":["BTC/USDT"]}')
    while not (data := json.loads(frames.receive()).get("data")):
        continue
    frames.close()
    return float(data["mark"])


def _request(path: str, body: object) -> bytes:
    content = json.dumps(body).encode()
    return (
        f"POST {path} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {TOKEN}\r\nContent-Length: {len(content)}\r\n\r\n"
    ).encode() + content


def _call(
    target: Target, method: str, path: str, body: object | None = None
) -> tuple[int, dict[str, Sequence[object]]]:
    request = Request(f"http://127.0.0.1:{target.port}{path}", method=method)
    request.add_header("Authorization", f"Bearer {TOKEN}")
    request.add_header("Content-Type", "application/json")
    data = None if body is None else json.dumps(body).encode()
    try:
        with urlopen(request, data, timeout=30) as answer:  # noqa: S310 - our own address
            return answer.status, json.load(answer)
    except OSError as error:
        if getattr(error, "code", None) is None:
            raise
        return error.code, json.load(error)  # type: ignore[attr-defined,arg-type]


def main() -> None:
    """Print one JSON object a line."""
    for row in measure():
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
