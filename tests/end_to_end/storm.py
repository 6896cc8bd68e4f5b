"""Webhooks under fire: a receiver that fails, a sender that is killed, and a count that must come out even.

The running service trades while it is killed with SIGKILL again and again; its receiver refuses or drops a
share of the deliveries. In the end every record of the journal must have been told exactly as often as this
module says, under ids that follow from the journal, every signature must have been verified by the
reference implementation, and dead letters must all arrive when they are replayed.

By hand: `make webhook-storm`, or `python -m tests.end_to_end.storm --webhooks 10000 --kills 20`.
"""

import argparse
import json
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Collection
from itertools import count
from pathlib import Path
from random import Random

import httpx
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from tests.end_to_end.receiver import Receiver
from tests.fixtures.service import Service

MESSAGES = {
    "OrderAccepted": 1,
    "OrderDenied": 1,
    "OrderAmended": 1,
    "OrderReplaced": 1,
    "OrderNotSent": 1,
    "OrderAbsent": 1,
    "OrderRejected": 1,
    "OrderUnresolved": 1,
    "OrderCanceled": 1,
    "OrderExpired": 1,
    "OrderFilled": 2,
    "KillEngaged": 1,
    "TradingResumed": 1,
    "TradingStateChanged": 1,
}
"""How many messages a record of the journal makes; written down here a second time, on purpose."""

STANDSTILL_SECONDS = 60.0
"""So long nothing may be delivered while something is pending."""


class FailingReceiver(Receiver):
    """Fails a share of the deliveries, half of them with a status and half without any answer."""

    def __init__(self, share: float, seed: int) -> None:
        self.share = share
        self.rng = Random(seed)
        self.secrets: dict[str, str] = {}
        self.unsigned = 0
        self.failed = 0
        super().__init__()

    def status(self, message_id: str) -> int:
        drawn = self.rng.random()
        if drawn >= self.share:
            return 204
        self.failed += 1
        return 500 if drawn < self.share / 2 else 0

    def take(self, headers: dict[str, str], body: bytes) -> int:
        endpoint_id = "ep_" + headers["webhook-id"].rpartition("_ep_")[2]
        try:
            Webhook(self.secrets[endpoint_id]).verify(body, headers)
        except WebhookVerificationError:
            self.unsigned += 1
        return super().take(headers, body)


def expected(service: Service, endpoints: Collection[str], after: int) -> dict[str, int]:
    """The ids that the endpoints are owed, with the seq of their records."""
    return {
        f"msg_{event['seq']}_{index}_{endpoint_id}": event["seq"]
        for event in service.events()
        if event["seq"] > after
        for index in range(MESSAGES.get(event["type"], 0))
        for endpoint_id in endpoints
    }


def trade(service: Service, threads: int, done: threading.Event) -> None:
    """Place orders, buying and selling in turns, through whatever happens to the service, until `done`."""
    numbers = count()
    lock = threading.Lock()

    def work() -> None:
        with httpx.Client(base_url=service.client.base_url, headers=service.client.headers) as client:
            while not done.is_set():
                with lock:
                    number = next(numbers)
                place(client, number)

    def place(client: httpx.Client, number: int) -> None:
        body = {
            "symbol": "BTC/USDT",
            "side": "sell" if number % 2 else "buy",
            "type": "market",
            "qty": "0.001",
            "clientOrderId": f"storm-{number}",
        }
        while not done.is_set():
            try:
                answer = client.post("/orders", json=body, timeout=10)
            except httpx.TransportError:
                time.sleep(0.2)
                continue
            if answer.status_code not in (429, 503):
                return
            time.sleep(0.1)

    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def storm(
    folder: Path, *, webhooks: int, endpoints: int, kills: int, share: float, seed: int, schedule: str
) -> dict[str, object]:
    """Run it until so many are owed; what was counted. Raises AssertionError where it does not come out
    even.
    """
    rng = Random(seed)
    receiver = FailingReceiver(share, seed)
    service = Service(
        folder,
        SIM__SPEED="1",
        WEBHOOKS__ALLOW_HOSTS=f"127.0.0.1:{receiver.port}",
        WEBHOOKS__SCHEDULE_SECONDS=schedule,
    )
    began = time.monotonic()
    done = threading.Event()
    try:
        service.start()
        for _ in range(endpoints):
            made = service.post("/webhooks", {"url": receiver.url}).json()
            receiver.secrets[made["webhookId"]] = made["secret"]
        after = max((event["seq"] for event in service.events()), default=0)
        trader = threading.Thread(target=trade, args=(service, 4, done))
        trader.start()
        killed = 0
        while killed < kills:
            time.sleep(rng.uniform(0.5, 3.0))
            service.kill()
            killed += 1
            service.start()
        while _made(service) < webhooks:
            time.sleep(0.5)
        done.set()
        trader.join()
        counted = _finish(service, receiver, after)
        counted |= {"kills": killed, "seconds": round(time.monotonic() - began)}
        return counted
    finally:
        done.set()
        service.client.close()
        service.stop()
        receiver.close()


def _statistics(service: Service) -> dict[str, int]:
    """What all endpoints' deliveries came to, and how many endpoints have not even got theirs yet."""
    webhooks = service.get("/webhooks")["webhooks"]
    found = [each["statistics"] for each in webhooks]
    counted = {name: sum(each[name] for each in found) for name in ("pending", "dead", "delivered")}
    return {**counted, "behind": sum("behindSeq" in each for each in webhooks)}


def _made(service: Service) -> int:
    found = _statistics(service)
    return found["pending"] + found["dead"] + found["delivered"]


def _finish(service: Service, receiver: FailingReceiver, after: int) -> dict[str, object]:
    buried, moved, last = 0, time.monotonic(), {}
    while True:
        statistics = _statistics(service)
        if statistics != last:
            moved, last = time.monotonic(), statistics
        assert time.monotonic() < moved + STANDSTILL_SECONDS, f"nothing moves: {service.get('/webhooks')}"
        if statistics["pending"] == statistics["behind"] == 0:
            if statistics["dead"] == 0:
                break
            assert service.post("/webhooks/dead-letters/replay", {}).json()["replayed"] == statistics["dead"]
            if not buried:
                # Once, the sender dies with all that it replays under way.
                service.kill()
                service.start()
            buried += statistics["dead"]
        time.sleep(0.3)
    owed = expected(service, receiver.secrets, after)
    taken = receiver.taken
    lost = owed.keys() - taken.keys()
    foreign = [each for each in taken if each not in owed and _seq(each) > after]
    wrong = [each for each in owed.keys() & taken.keys() if json.loads(taken[each])["seq"] != owed[each]]
    bodies: dict[str, bytes] = {}
    unstable = [each for each, _, body in receiver.seen if bodies.setdefault(each, body) != body]
    deliveries = Counter(receiver.order)
    counted: dict[str, object] = {
        "owed": len(owed),
        "taken": len(taken),
        "lost": len(lost),
        "not_owed": len(foreign),
        "wrong_seq": len(wrong),
        "bodies_that_changed": len(unstable),
        "taken_twice": deliveries.total() - len(deliveries),
        "attempts": len(receiver.seen),
        "failed_by_receiver": receiver.failed,
        "bad_signatures": receiver.unsigned,
        "dead_letters_replayed": buried,
    }
    wanted = {"lost", "not_owed", "wrong_seq", "bodies_that_changed", "bad_signatures"}
    assert not any(counted[name] for name in wanted), counted
    return counted


def _seq(message_id: str) -> int:
    """The record that a message is about; 0 for what the journal does not have, such as a breaker's state."""
    part = message_id.split("_")[1]
    return int(part) if part.isdigit() else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--webhooks", type=int, default=10_000)
    parser.add_argument("--endpoints", type=int, default=3)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--share", type=float, default=0.3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--schedule", default="0,0.1,0.2,0.4")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as made_folder:
        found = storm(
            Path(made_folder),
            webhooks=asked.webhooks,
            endpoints=asked.endpoints,
            kills=asked.kills,
            share=asked.share,
            seed=asked.seed,
            schedule=asked.schedule,
        )
    sys.stdout.write(json.dumps(found) + "\n")
