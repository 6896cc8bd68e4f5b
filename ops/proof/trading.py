"""Orders at an even pace, timed by a process that does nothing else.

`python -m ops.proof.trading URL --seconds 10 --per-second 10` reads the token from the standard input, buys
and sells in turn, and prints one JSON object: the ids of the orders, and how long each took in seconds.
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from typing import NamedTuple

import httpx


class Traded(NamedTuple):
    """What was placed, and how long each order took."""

    orders: list[str]
    latencies: list[float]


def trade(url: str, token: str, seconds: float, per_second: float) -> Traded:
    """Place orders; raise httpx.HTTPError for one that fails."""
    found = Traded([], [])
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=url, headers=headers, timeout=20) as client:
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            side = "sell" if len(found.orders) % 2 else "buy"
            order = {"symbol": "BTC/USDT", "side": side, "type": "market", "qty": "0.001"}
            began = time.monotonic()
            answer = client.post("/orders", json=order)
            found.latencies.append(time.monotonic() - began)
            found.orders.append(answer.raise_for_status().json()["orderId"])
            time.sleep(max(0.0, began + 1 / per_second - time.monotonic()))
    return found


def main(arguments: Sequence[str]) -> int:
    """Trade and tell."""
    parser = argparse.ArgumentParser(prog="python -m ops.proof.trading")
    parser.add_argument("url")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--per-second", type=float, default=10.0)
    asked = parser.parse_args(arguments)
    found = trade(asked.url, sys.stdin.read().strip(), asked.seconds, asked.per_second)
    print(json.dumps(found._asdict()))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
