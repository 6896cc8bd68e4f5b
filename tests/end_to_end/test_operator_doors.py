"""The doors that an operator has besides REST: the socket, the file, the signal, the metrics."""

import json
import signal
import socket
import time

import pytest


@pytest.fixture(scope="module")
def service(services):
    return services(EXCHANGES="dummy")


def resume(service):
    assert service.post("/operator/resume", {"reason": "tested"}).status_code == 200


def say(service, line: bytes) -> dict:
    with socket.socket(socket.AF_UNIX) as door:
        door.settimeout(10)
        door.connect(str(service.folder / "data" / "kill.sock"))
        door.sendall(line + b"\n")
        return json.loads(door.makefile().readline())


def test_the_kill_socket_stops_trading_without_a_token(service):
    """Who may write to the data folder may stop trading."""
    answer = say(service, b'{"reason":"from the socket"}')
    assert (answer["tradingState"], answer["durable"], answer["error"]) == ("halted", True, None)
    assert service.order().json()["code"] == "TRADING_HALTED"
    resume(service)


def test_the_kill_socket_refuses_rubbish_and_does_nothing(service):
    """A line that can't be read is answered and changes nothing."""
    assert "nothing was done" in say(service, b'{"reasons":"x"}')["error"]
    assert service.get("/risk")["tradingState"] == "active"


def test_a_kill_file_stops_trading_and_is_renamed(service):
    """The kill of who has no terminal: a file in the data folder."""
    file = service.folder / "data" / "KILL"
    file.write_text("the cat is on the keyboard")
    end = time.monotonic() + 10
    while file.exists():
        assert time.monotonic() < end
        time.sleep(0.05)  # a real process has no mock clock
    assert service.order().json()["code"] == "TRADING_HALTED"
    assert file.with_name("KILL.done").exists()
    resume(service)


def test_a_kill_file_that_was_put_while_the_service_was_down_is_in_force_at_once(service):
    """A start reads the file before anything can trade."""
    service.stop()
    (service.folder / "data" / "KILL").write_text("not today")
    service.start()
    assert service.order().json()["code"] == "TRADING_HALTED"
    resume(service)


def test_sigusr1_writes_the_live_tree(service):
    """The tree can be seen from a terminal without a token."""
    service.process.send_signal(signal.SIGUSR1)
    end = time.monotonic() + 10
    while "position/dummy/BTC-USDT" not in service.log.read_text():
        assert time.monotonic() < end
        time.sleep(0.05)  # a real process has no mock clock


def test_metrics_carry_the_promised_names(service):
    """Dashboards rely on these names."""
    service.order()
    found = service.client.get("/metrics").text
    for name in (
        "orders_total",
        "order_latency_seconds_bucket",
        "positions_value_usd",
        "risk_blocks_total",
        "actor_mailbox_depth",
        "actor_handler_seconds_bucket",
        "exchange_state",
    ):
        assert f"\n{name}" in found, name
