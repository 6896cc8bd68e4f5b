"""One order, asked for again and again from many connections at once under one idempotency key.

`python -m ops.proof.retries --requests 2000 --connections 50`: every answer has to be the one order or, while
it is being answered, 409 `IN_PROGRESS`; the journal has to hold one order. Prints one JSON line.
"""

import argparse
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import httpx
import trio

from ops.proof.running import Running, service

ORDER = {"symbol": "BTC/USDT", "side": "buy", "type": "market", "qty": "0.001"}
EXPECTED = {200, 201, 202, 409}


class Found(NamedTuple):
    """What came back, and what is in the journal."""

    statuses: dict[int, int]
    orders_answered: int
    orders_journaled: int
    wrong: list[str]


async def play(running: Running, requests: int, connections: int, key: str = "the-one") -> Found:
    """Ask from all connections at once, then count."""
    statuses: Counter[int] = Counter()
    answered: set[str] = set()
    headers = {"Authorization": f"Bearer {running.token}"}

    async def ask() -> None:
        async with httpx.AsyncClient(base_url=running.url, headers=headers, timeout=30) as client:
            for _ in range(requests // connections):
                answer = await client.post("/orders", json=ORDER, headers={"Idempotency-Key": key})
                statuses[answer.status_code] += 1
                if answer.is_success:
                    answered.add(answer.json()["orderId"])

    async with trio.open_nursery() as nursery:
        for _ in range(connections):
            nursery.start_soon(ask)
    async with httpx.AsyncClient(base_url=running.url, headers=headers, timeout=30) as client:
        page = (await client.get("/orders", params={"limit": "1000"})).json()
    wrong = [f"{count} answers {status}" for status, count in statuses.items() if status not in EXPECTED]
    if len(answered) != 1 or len(page["orders"]) != 1:
        wrong.append("not one order")
    return Found(dict(sorted(statuses.items())), len(answered), len(page["orders"]), wrong)


def main(arguments: Sequence[str]) -> int:
    """Play and judge."""
    parser = argparse.ArgumentParser(prog="python -m ops.proof.retries")
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--connections", type=int, default=50)
    asked = parser.parse_args(arguments)
    with (
        tempfile.TemporaryDirectory(prefix="tradewarden-retries-") as folder,
        service(Path(folder)) as running,
    ):
        found = trio.run(play, running, asked.requests, asked.connections)
    print(json.dumps(found._asdict()))
    return 1 if found.wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
