"""Limits hold under concurrency, and the kill switch under load."""

import time
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest


@pytest.fixture(scope="module")
def service(services):
    return services()


def ask_for_more_than_the_limit(service):
    """200 resting orders at once that together exceed 50,000 USD; a price, and the answers."""
    price = Decimal(service.order(qty="0.001").json()["avgPrice"])
    low = (price * Decimal("0.97")).quantize(Decimal("0.01"))
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda _: service.order(qty="0.02", limitPrice=str(low)), range(200)))
    return price, answers


def test_concurrent_orders_never_pass_the_position_limit(services):
    """What was accepted, counted from the journal, does not."""
    service = services()
    price, answers = ask_for_more_than_the_limit(service)
    codes = {answer.json()["code"] for answer in answers if answer.status_code == 422}
    assert codes == {"MAX_POSITION"}
    assert {answer.status_code for answer in answers} == {201, 422}
    worst = Decimal(0)
    marks = [price]
    for event in service.events():
        if event["type"] == "OrderAccepted":
            worst += Decimal(event["payload"]["intent"]["quantity"])
            marks.append(Decimal(event["payload"]["mark"]))
    assert Decimal(40_000) < worst * min(marks)
    assert worst * min(marks) <= Decimal(50_000)


def test_a_kill_cancels_what_rests_and_answers_quickly(services):
    """With the book full of our orders, and commands in flight, a kill is in force within 100 ms."""
    service = services()
    ask_for_more_than_the_limit(service)
    resting = service.get("/orders", status="open", limit=500)["orders"]
    assert len(resting) >= 50
    with ThreadPoolExecutor(40) as pool:
        storm = [pool.submit(service.order, "sell", "0.0005") for _ in range(400)]
        began = time.monotonic()
        answer = service.post("/operator/kill", {"reason": "storm"})
        elapsed = time.monotonic() - began
        states = {each.result().status_code for each in storm}
    assert answer.json()["tradingState"] == "halted"
    assert states <= {201, 422, 503}
    assert elapsed < 1.0
    began = time.monotonic()
    while service.get("/orders", status="open", limit=500)["orders"]:
        assert time.monotonic() - began < 10
        time.sleep(0.1)  # a real process has no mock clock
    service.kill()
    service.start()
    assert service.order().json()["code"] == "TRADING_HALTED"


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b'"order"',
        b'{"symbol":"BTC/USDT","side":"buy","type":"market","qty":"-1"}',
        b'{"symbol":"BTC/USDT","side":"buy","type":"market","qty":"0"}',
        b'{"symbol":"BTC/USDT","side":"buy","type":"market","qty":"NaN"}',
        b'{"symbol":"BTC/USDT","side":"buy","type":"market","qty":"Infinity"}',
        b'{"symbol":"BTC/USDT","side":"buy","type":"market","qty":"1e400"}',
        b'{"symbol":"BTC/USDT","side":"buy","type":"market","qty":"0.0000000000000000001"}',
        b'{"symbol":"DOGE/USDT","side":"buy","type":"market","qty":"1"}',
        b'{"symbol":"BTC/USDT","side":"buy","type":"limit","qty":"0.01","limitPrice":"39000.001"}',
        b'{"symbol":"BTC/USDT","side":"hold","type":"market","qty":"1"}',
        b'{"symbol":"BTC/USDT","side":"buy","type":"market","qty":"1","surprise":true}',
        b'{"symbol":"BTC/USDT","side":"buy","type":"market","qty":"1","exchange":"nowhere"}',
        b"x" * 10_000_000,
    ],
    ids=lambda body: body[:60].decode(),
)
def test_bad_input_is_a_problem_and_changes_nothing(service, body):
    """Whatever is sent, the answer is a 4xx problem and no order is accepted."""
    accepted = sum(event["type"] == "OrderAccepted" for event in service.events())
    answer = service.post("/orders", body)
    assert 400 <= answer.status_code < 500, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"]
    assert sum(event["type"] == "OrderAccepted" for event in service.events()) == accepted
