"""Webhooks of the running service: told of a fill, signed, and none lost when the sender is killed."""

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from standardwebhooks.webhooks import Webhook

from tests.fixtures.service import Service


class Receiver:
    """A receiver on loopback; `status` decides what each request is answered with."""

    def __init__(self) -> None:
        self.taken: dict[str, bytes] = {}
        self.order: list[str] = []
        self.seen: list[tuple[str, dict[str, str], bytes]] = []
        self.lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                status = outer.take(headers, body)
                self.send_response(status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    def status(self, message_id: str) -> int:
        return 204

    def take(self, headers: dict[str, str], body: bytes) -> int:
        message_id = headers["webhook-id"]
        with self.lock:
            status = self.status(message_id)
            self.seen.append((message_id, headers, body))
            if 200 <= status < 300:
                self.taken.setdefault(message_id, body)
                self.order.append(message_id)
        return status

    def events(self) -> list[dict]:
        with self.lock:
            return [json.loads(body) for body in self.taken.values()]

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


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
