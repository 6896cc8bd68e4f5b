"""Webhooks of the running service: told of a fill, signed, and none lost when the sender is killed."""

import json
import time
from collections.abc import Iterator

import pytest
from standardwebhooks.webhooks import Webhook

from tests.end_to_end.receiver import Receiver
from tests.end_to_end.storm import storm
from tests.fixtures.service import Service


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


def until(condition, seconds: float = 20.0):
    """Wait for real processes."""
    limit = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < limit, "it did not happen in time"
        time.sleep(0.05)
    return found


def subscribe(service: Service, url: str, **more: object) -> dict:
    answer = service.post("/webhooks", {"url": url, **more})
    assert answer.status_code == 201, answer.text
    return answer.json()


def test_a_fill_is_delivered_signed_and_no_secret_is_shown_again_or_logged(services, receiver):
    """From an order over REST to a receiver that verifies with the reference implementation."""
    service = services(WEBHOOKS__ALLOW_HOSTS=f"127.0.0.1:{receiver.port}")
    made = subscribe(service, receiver.url)
    order = service.order(qty="0.01").json()
    filled = until(
        lambda: next((each for each in receiver.events() if each["event"] == "order_filled"), None)
    )
    assert filled.items() >= {"orderId": order["orderId"], "symbol": "BTC/USDT", "filledQty": "0.01"}.items()
    assert filled["avgPrice"] == order["avgPrice"]
    verifier = Webhook(made["secret"])
    for _, headers, body in receiver.seen:
        verifier.verify(body, headers)
    listed = service.get("/webhooks")["webhooks"]
    assert [each["webhookId"] for each in listed] == [made["webhookId"]]
    assert made["secret"] not in json.dumps(listed)
    assert made["secret"] not in service.log.read_text()
    until(lambda: service.get("/webhooks")["webhooks"][0]["statistics"]["pending"] == 0)


def test_a_kill_is_told_to_a_webhook_and_to_a_person_whose_channel_stays_secret(services, receiver):
    """ntfy's form at a receiver of ours; the topic is the secret, and stands in no answer, log or table."""
    topic = "topic-that-nobody-guesses"
    service = services(
        WEBHOOKS__ALLOW_HOSTS=f"127.0.0.1:{receiver.port}",
        NOTIFY="phone",
        NOTIFY__PHONE__KIND="ntfy",
        NOTIFY__PHONE__URL=f"http://127.0.0.1:{receiver.port}/{topic}",
    )
    subscribe(service, receiver.url, events=["trading_state_changed"])
    assert service.post("/operator/kill", {"reason": "fire drill"}).status_code == 200
    told = until(lambda: [each for each in receiver.events() if each.get("event") == "trading_state_changed"])
    assert (told[0]["tradingState"], told[0]["cause"]) == ("halted", "fire drill")
    message = until(lambda: next((each for each in receiver.plain if each.get("topic") == topic), None))
    assert message["priority"] == 5
    assert "Trading is halted: fire drill" in message["message"]
    listed = service.get("/webhooks")["webhooks"]
    assert sorted(each["kind"] for each in listed) == ["ntfy", "webhook"]
    assert topic not in json.dumps(listed)
    assert topic not in service.log.read_text()


def test_a_killed_sender_loses_nothing_and_its_dead_letters_all_arrive(tmp_path):
    """A small storm; the large one is started by hand."""
    counted = storm(tmp_path, webhooks=150, endpoints=2, kills=2, share=0.3, seed=3, schedule="0,0.05")
    assert counted["owed"] >= 150
    assert counted["dead_letters_replayed"] > 0


def test_a_paused_webhook_is_told_everything_when_it_is_resumed_after_a_crash(services, receiver):
    """Meanwhile the journal is its queue: nothing is pending, and it is said from where on it is owed."""
    service = services(WEBHOOKS__ALLOW_HOSTS=f"127.0.0.1:{receiver.port}")
    made = subscribe(service, receiver.url)
    service.order(qty="0.01")
    until(lambda: any(each["event"] == "order_filled" for each in receiver.events()))
    until(lambda: service.get("/webhooks")["webhooks"][0]["statistics"]["pending"] == 0)
    assert service.post(f"/webhooks/{made['webhookId']}/pause", {}).status_code == 200
    placed = [service.order(qty="0.01").json()["orderId"] for _ in range(4)]
    behind = until(lambda: service.get("/webhooks")["webhooks"][0].get("behindSeq"))
    assert service.get("/webhooks")["webhooks"][0]["statistics"]["pending"] == 0
    service.kill()
    service.start()
    placed += [service.order(qty="0.01").json()["orderId"] for _ in range(2)]
    assert service.get("/webhooks")["webhooks"][0]["behindSeq"] == behind
    assert service.post(f"/webhooks/{made['webhookId']}/resume", {}).status_code == 200

    def filled() -> list[str]:
        return [each["orderId"] for each in receiver.events() if each["event"] == "order_filled"]

    until(lambda: set(placed) <= set(filled()))
    until(lambda: "behindSeq" not in service.get("/webhooks")["webhooks"][0])
    positions = [each["seq"] for each in receiver.events() if each["event"] == "position_changed"]
    assert positions == sorted(positions)
    assert len(positions) == len(set(positions)) == 7
