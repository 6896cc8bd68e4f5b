"""The way of an order through the running service, and what is left of it after a crash."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal

import pytest
from websockets.sync.client import ClientConnection, connect

from tests.fixtures.service import TOKEN, Service


@pytest.fixture(scope="module")
def service(services, request):
    return services(SIM__SPEED="1")


@contextmanager
def follow(service: Service, channel: str) -> Iterator[ClientConnection]:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    with connect(f"ws://{service.address}/ws/{channel}", additional_headers=headers) as socket:
        socket.send(json.dumps({"action": "subscribe", "channel": channel}))
        first = json.loads(socket.recv(10))
        assert first["type"] == "snapshot", first
        yield socket


def until(socket: ClientConnection, wanted) -> dict:
    while True:
        frame = json.loads(socket.recv(10))
        if frame["type"] == "update" and wanted(frame["data"]):
            return frame


def test_a_market_order_fills_moves_the_position_and_is_streamed(service):
    """From REST to the fill and back, with both WebSocket updates."""
    before = {p["symbol"]: p["qty"] for p in service.get("/positions")["positions"]}
    with follow(service, "orders") as orders, follow(service, "positions") as positions:
        answer = service.order(qty="0.01")
        assert answer.status_code == 201, answer.text
        order = answer.json()
        assert order["status"] == "filled"
        assert order["filledQty"] == "0.01"
        wanted = {"orderId": order["orderId"], "status": "filled"}
        update = until(orders, lambda data: wanted.items() <= data.items())
        moved = until(positions, lambda data: data["symbol"] == "BTC/USDT")
        assert moved["seq"] >= update["seq"] - 1
    fills = service.get("/fills", orderId=order["orderId"])["fills"]
    assert [fill["price"] for fill in fills] == [order["avgPrice"]]
    position = next(p for p in service.get("/positions")["positions"] if p["symbol"] == "BTC/USDT")
    assert float(position["qty"]) == pytest.approx(float(before.get("BTC/USDT", "0")) + 0.01)


def test_a_resting_order_is_listed_and_cancelled(service):
    """An order far from the market rests until it is cancelled, once."""
    price = mark_price(service) * 0.95
    order = service.order(limitPrice=f"{price:.2f}", clientOrderId="resting-1").json()
    assert order["status"] == "open"
    listed = service.get("/orders", status="open")["orders"]
    assert [each["orderId"] for each in listed] == [order["orderId"]]
    cancelled = service.client.delete(f"/orders/{order['orderId']}")
    assert (cancelled.status_code, cancelled.json()["status"]) == (200, "canceled")
    assert service.client.delete(f"/orders/{order['orderId']}").status_code == 409


def test_the_same_client_order_id_gives_the_same_order(service):
    """A retry after a lost answer does not trade again; another request under the id is refused."""
    first = service.order(qty="0.02", clientOrderId="retry-1")
    again = service.order(qty="0.02", clientOrderId="retry-1")
    other = service.order(qty="0.03", clientOrderId="retry-1")
    assert (first.status_code, again.status_code, other.status_code) == (201, 200, 422)
    assert again.json()["orderId"] == first.json()["orderId"]


def test_a_killed_process_comes_back_with_the_same_orders_fills_positions_and_state(service):
    """kill -9 and a new start: everything that was answered is there, a kill is still a kill."""
    assert service.order(qty="0.05").status_code == 201
    service.post("/operator/kill", {"reason": "before the crash"})
    before = snapshot(service)
    service.kill()
    service.start()
    assert snapshot(service) == before
    refused = service.order()
    assert (refused.status_code, refused.json()["code"]) == (422, "TRADING_HALTED")
    assert service.post("/operator/resume", {"reason": "tested"}).json()["tradingState"] == "active"
    assert service.order().status_code == 201


def test_an_orderly_stop_exits_with_zero_and_starts_again(service):
    """SIGTERM ends the process in order."""
    assert service.stop() == 0
    service.start()
    assert service.order().status_code == 201


def mark_price(service: Service) -> float:
    """What the market pays, seen through an order that fills."""
    return float(service.order(qty="0.001").json()["avgPrice"])


def snapshot(service: Service) -> dict:
    positions = [
        {key: position[key] for key in ("symbol", "qty", "avgPrice", "realizedPnl")}
        for position in service.get("/positions")["positions"]
    ]
    return {
        "orders": service.get("/orders", limit=500)["orders"],
        "fills": service.get("/fills", limit=500)["fills"],
        "positions": positions,
        "state": service.get("/risk")["tradingState"],
    }


def test_balances_follow_a_fill(service):
    """What was paid is gone from the balance as soon as it is asked for."""

    def usdt() -> Decimal:
        return next(Decimal(b["total"]) for b in service.get("/balances")["balances"] if b["asset"] == "USDT")

    before = usdt()
    order = service.order(qty="0.01").json()
    paid = Decimal(order["qty"]) * Decimal(order["avgPrice"]) + Decimal(order["fee"])
    assert before - usdt() == paid


def test_an_amended_order_is_the_same_order_after_a_crash(service):
    """One id, its versions and its terms; a repeated request is answered by what became of the first."""
    price = mark_price(service) * 0.95
    order = service.order(limitPrice=f"{price:.2f}").json()
    path, key = f"/orders/{order['orderId']}", {"Idempotency-Key": "amend-1"}
    terms = {"qty": "0.02", "limitPrice": f"{price - 100:.2f}"}
    amended = service.client.patch(path, json=terms, headers=key)
    assert (amended.status_code, amended.json()["version"]) == (200, 2), amended.text
    assert amended.json()["qty"] == "0.02"
    service.client.patch(path, json={"qty": "0.03"})
    before = service.get(path)
    service.kill()
    service.start()
    assert service.get(path) == before
    again = service.client.patch(path, json=terms, headers=key)
    assert (again.status_code, again.json()["qty"], again.json()["version"]) == (200, "0.03", 3)
    other = service.client.patch(path, json={"qty": "0.04"}, headers=key)
    assert (other.status_code, other.json()["code"]) == (422, "IDEMPOTENCY_MISMATCH")
    kinds = [event["type"] for event in service.get(f"{path}/events")["events"]]
    assert kinds.count("AmendAccepted") == kinds.count("OrderAmended") == 2
    assert service.client.delete(path).json()["status"] == "canceled"
