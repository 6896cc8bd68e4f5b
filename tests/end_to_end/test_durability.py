"""A 2xx means durable: what happens to orders while the database does not answer."""

import signal
import time

import pytest


@pytest.fixture(scope="module")
def service(services):
    return services()


def test_with_the_database_frozen_an_order_is_refused_within_a_second_and_never_sent(service):
    """The refusal is a promise: not then and not later does anything reach the exchange."""
    fills = len(service.get("/fills")["fills"])
    service.signal_database(signal.SIGSTOP)
    try:
        began = time.monotonic()
        answers = [service.order(clientOrderId=f"frozen-{number}") for number in range(3)]
        elapsed = (time.monotonic() - began) / len(answers)
        assert [answer.status_code for answer in answers] == [503] * 3
        assert {answer.json()["code"] for answer in answers} == {"JOURNAL_UNAVAILABLE"}
        assert answers[0].headers["content-type"] == "application/problem+json"
        assert elapsed < 1.0
    finally:
        service.signal_database(signal.SIGCONT)
    began = time.monotonic()
    while service.order().status_code != 201:
        assert time.monotonic() - began < 10
        time.sleep(0.1)  # a real process has no mock clock
    refused = [o for o in service.get("/orders")["orders"] if o["clientOrderId"].startswith("frozen-")]
    assert {order["status"] for order in refused} <= {"denied"}
    assert {order["code"] for order in refused} <= {"NOT_SENT"}
    assert len(service.get("/fills")["fills"]) == fills + 1


def test_a_killed_database_server_is_started_again_and_orders_go_on(service):
    """The embedded server is kept up; nothing that was answered is lost."""
    order = service.order().json()
    service.signal_database(signal.SIGKILL)
    began = time.monotonic()
    while service.order().status_code != 201:
        assert time.monotonic() - began < 15
        time.sleep(0.1)  # a real process has no mock clock
    assert service.get(f"/orders/{order['orderId']}")["status"] == "filled"


def test_a_kill_is_acknowledged_and_in_force_while_the_database_is_frozen(service):
    """The kill switch needs no database."""
    service.signal_database(signal.SIGSTOP)
    try:
        answer = service.post("/operator/kill", {"reason": "the disk is dying", "level": "halt"})
        assert (answer.status_code, answer.json()["tradingState"]) == (200, "halted")
    finally:
        service.signal_database(signal.SIGCONT)
    service.wait_until_ready()
    assert service.order().json()["code"] == "TRADING_HALTED"
    assert service.post("/operator/resume", {"reason": "tested"}).status_code == 200
