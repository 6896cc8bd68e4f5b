"""The service under a mixed load while Redis hangs: no order fails, none is much slower, no read is older.

Clients trade two symbols, one of which is held at two exchanges, and others read positions all the time. Then
Redis is stopped (it takes connections and answers nothing, which is worse than being gone), and later
continued.

By hand: `make redis-outage`, or `python -m tests.end_to_end.outage --seconds 60`.
"""

import argparse
import json
import sys
import tempfile
import threading
import time
from pathlib import Path

import httpx

from tests.end_to_end.load import Load, quantile
from tests.fixtures.redis import RedisServer
from tests.fixtures.service import Service

READS_A_SECOND = 20.0


class Reader:
    """Reads positions again and again; `older` are reads that were older than one that had been answered."""

    def __init__(self, service: Service) -> None:
        self.reads = 0
        self.failed: list[int] = []
        self.older: list[str] = []
        self._shown: dict[tuple[str, str], str] = {}
        self._lock = threading.Lock()
        self._service = service
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._work) for _ in range(2)]

    def __enter__(self) -> "Reader":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        service = self._service
        with httpx.Client(
            base_url=service.client.base_url, headers=service.client.headers, timeout=30
        ) as client:
            while not self._stop.is_set():
                with self._lock:
                    before = dict(self._shown)
                answer = client.get("/positions")
                self._judge(answer, before)
                time.sleep(1 / READS_A_SECOND)

    def _judge(self, answer: httpx.Response, before: dict[tuple[str, str], str]) -> None:
        with self._lock:
            self.reads += 1
            if answer.status_code != 200:
                self.failed.append(answer.status_code)
                return
            for each in answer.json()["positions"]:
                place = (each["exchange"], each["symbol"])
                if each["updatedAt"] < before.get(place, ""):
                    self.older.append(f"{place} {each['updatedAt']} after {before[place]}")
                self._shown[place] = max(self._shown.get(place, ""), each["updatedAt"])


def metric(service: Service, name: str) -> float:
    """One number of `/metrics`, by its name with its labels."""
    for line in service.client.get("/metrics").text.splitlines():
        if line.startswith(name + " "):
            return float(line.rpartition(" ")[2])
    return 0.0


def reads_by_result(service: Service) -> dict[str, float]:
    """What reads of positions came to so far."""
    return {
        result: metric(service, f'position_cache_reads_total{{result="{result}"}}')
        for result in ("hit", "missed", "stale", "doubtful", "away")
    }


def figures(taken: list[float]) -> dict[str, float]:
    """What a stretch of orders came to."""
    return {
        "orders": len(taken),
        "p50_ms": round(quantile(taken, 0.5) * 1000, 1),
        "p99_ms": round(quantile(taken, 0.99) * 1000, 1),
        "worst_ms": round(taken[-1] * 1000, 1),
    }


def hit_share(before: dict[str, float], after: dict[str, float]) -> float:
    """The share of reads between two looks that the cache served."""
    grown = {result: after[result] - before[result] for result in after}
    return grown["hit"] / max(1.0, sum(grown.values()))


def outage(folder: Path, *, seconds: float, away_seconds: float, orders_pause: float) -> dict[str, object]:
    """`seconds` with Redis, `away_seconds` without, `seconds` with it again; what was seen."""
    server = RedisServer(folder).start()
    service = Service(
        folder,
        SIM__SPEED="1",
        REDIS_URL=server.url,
        EXCHANGES='["sim","other"]',
        EXCHANGE__OTHER__KIND="sim",
    )
    try:
        service.start()
        assert service.order(exchange="other", qty="0.5").status_code == 201
        with Load(service, clients=2, pause=orders_pause) as load, Reader(service) as reader:
            time.sleep(2.0)
            began, reads = time.monotonic(), reads_by_result(service)
            time.sleep(seconds)
            share = hit_share(reads, reads_by_result(service))
            frozen = time.monotonic()
            server.freeze()
            time.sleep(away_seconds)
            up = metric(service, "redis_up")
            thawed = time.monotonic()
            server.thaw()
            time.sleep(2.5)
            reads = reads_by_result(service)
            time.sleep(seconds)
            after = hit_share(reads, reads_by_result(service))
            losses = metric(service, "redis_losses_total")
        before, without = load.between(began, frozen), load.between(frozen, thawed)
        afterwards = load.between(thawed, thawed + 1e9)
        found: dict[str, object] = {
            "before": figures(before),
            "without": figures(without),
            "after": figures(afterwards),
            # A busy machine changes while this runs: both stretches with Redis are what it is held against.
            "with": figures(sorted(before + afterwards)),
        }
        found |= {
            "failed_orders": len(load.failed()),
            "reads": reader.reads,
            "failed_reads": len(reader.failed),
            "older_reads": len(reader.older),
            "hit_share_before": round(share, 3),
            "hit_share_after": round(after, 3),
            "redis_up_without": up,
            "losses": losses,
            "p99_ratio": round(found["without"]["p99_ms"] / found["with"]["p99_ms"], 2),
        }
        return found
    finally:
        service.client.close()
        service.stop()
        server.thaw()
        server.stop()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--away", type=float, default=60.0)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as made_folder:
        seen = outage(Path(made_folder), seconds=asked.seconds, away_seconds=asked.away, orders_pause=0.2)
    sys.stdout.write(json.dumps(seen, indent=2) + "\n")
    kept = not (seen["failed_orders"] or seen["failed_reads"] or seen["older_reads"])
    sys.exit(0 if kept and seen["p99_ratio"] <= 2 and seen["hit_share_before"] > 0.8 else 1)
