"""A client that is killed and resumes, again and again, while orders flow: each event exactly once.

`python -m ops.proof.resumes --kills 100`: the client is a process that follows `orders` with the Python
client, under asyncio and under trio in turn, and writes down each sequence that it saw. It is killed with
SIGKILL at a moment of chance, and the next one goes on behind the last sequence that was written. What was
written has to be what the journal holds about orders, each once and in order. Prints one JSON line.

Clients are forked from this process, which has imported everything and runs no event loop, so that a life
costs milliseconds.
"""

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, NoReturn

import anyio
import httpx

from ops.proof.running import Running, service
from web.client import Client

ORDERS_PER_SECOND = 20.0
LONGEST_LIFE = 12
"""Updates that a client sees at most before it is killed."""

BACKENDS = ("asyncio", "trio")


class Found(NamedTuple):
    """What a run came to; `wrong` is empty when everything held."""

    kills: int
    orders: int
    updates: int
    missing: int
    repeated: int
    wrong: list[str]


def play(running: Running, kills: int, seed: int) -> Found:
    """Trade, kill and resume, then compare with the journal."""
    chance = random.Random(seed)
    trader = _fork(lambda: _trade(running))
    seen: list[int] = []
    try:
        for number in range(kills):
            life = _live(running, BACKENDS[number % 2], seen, chance.randint(1, LONGEST_LIFE))
            if not life:
                return Found(number, 0, len(seen), 0, 0, [f"client {number} saw nothing"])
    finally:
        os.kill(trader, signal.SIGTERM)
        os.waitpid(trader, 0)
    wanted = _journaled(running, seen[0])
    _live(running, "trio", seen, sum(seq > seen[-1] for seq in wanted))
    return _judged(kills, wanted, seen)


def _judged(kills: int, wanted: list[int], seen: list[int]) -> Found:
    missing = len(set(wanted) - set(seen))
    repeated = len(seen) - len(set(seen))
    wrong = []
    if missing or repeated or set(seen) - set(wanted):
        wrong.append(f"{missing} missing, {repeated} repeated, {len(set(seen) - set(wanted))} unknown")
    if seen != sorted(seen):
        wrong.append("not in order")
    return Found(kills, len(wanted) // 2, len(seen), missing, repeated, wrong)


def _live(running: Running, backend: str, seen: list[int], updates: int) -> bool:
    """One client's life: it resumes, and is killed once it has written so many; whether it wrote any."""
    if updates == 0:
        return True
    read, write = os.pipe()
    place = seen[-1] if seen else None
    client = _fork(lambda: _follow(running, backend, place, write))
    os.close(write)
    before = len(seen)
    with os.fdopen(read, "rb", buffering=0) as written:
        while len(seen) - before < updates:
            line = written.read(17)
            if not line:
                break
            seen.append(int(line))
        os.kill(client, signal.SIGKILL)
        os.waitpid(client, 0)
        # What it wrote before it died counts as seen.
        while line := written.read(17):
            seen.append(int(line))
    return len(seen) > before


def _follow(running: Running, backend: str, place: int | None, write: int) -> NoReturn:
    async def follow() -> None:
        client = Client(running.url, running.token)
        async with client, client.feed("orders", from_seq=place) as frames:
            async for frame in frames:
                if frame.type == "gap":
                    os._exit(3)
                if frame.type == "update":
                    os.write(write, b"%016d\n" % frame.seq)

    anyio.run(follow, backend=backend)
    os._exit(0)


def _trade(running: Running) -> NoReturn:
    headers = {"Authorization": f"Bearer {running.token}"}
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    with httpx.Client(base_url=running.url, headers=headers, timeout=20) as client:
        for number in range(10**9):
            order = {"symbol": "BTC/USDT", "side": "sell" if number % 2 else "buy"}
            client.post("/orders", json=order | {"type": "market", "qty": "0.001"})
            time.sleep(1 / ORDERS_PER_SECOND)
    os._exit(0)


def _journaled(running: Running, first: int) -> list[int]:
    """The sequences of all events about orders from `first` on, as the journal has them."""
    headers = {"Authorization": f"Bearer {running.token}"}
    found: list[int] = []
    with httpx.Client(base_url=running.url, headers=headers, timeout=20) as client:
        query = {"after": str(first - 1), "limit": "1000"}
        while True:
            page = client.get("/events", params=query).json()
            found += [each["seq"] for each in page["events"] if each["type"].startswith("Order")]
            if page["nextCursor"] is None:
                return found
            query = {"cursor": page["nextCursor"], "limit": "1000"}


def _fork(act: Callable[[], NoReturn]) -> int:
    """A child that does this and nothing else; its process id."""
    child = os.fork()
    if child:
        return child
    try:
        act()
    finally:
        os._exit(1)


def main(arguments: Sequence[str]) -> int:
    """Play and judge."""
    parser = argparse.ArgumentParser(prog="python -m ops.proof.resumes")
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--url", help="play against this service; its token is read from the standard input")
    asked = parser.parse_args(arguments)
    if asked.url:
        found = play(Running(asked.url, sys.stdin.read().strip(), 0), asked.kills, asked.seed)
    else:
        with (
            tempfile.TemporaryDirectory(prefix="tradewarden-resumes-") as folder,
            service(Path(folder)) as running,
        ):
            found = play(running, asked.kills, asked.seed)
    print(json.dumps(found._asdict()))
    return 1 if found.wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
