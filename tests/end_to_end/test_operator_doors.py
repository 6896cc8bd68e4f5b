"""The doors that an operator has besides REST: the socket, the file, the signal, the metrics."""

import json
import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from tests.fixtures.service import TOKEN


@pytest.fixture(scope="module")
def service(services):
    return services(EXCHANGES="dummy")


def resume(service):
    assert service.post("/operator/resume", {"reason": "tested"}).status_code == 200


def command(service, *arguments: str) -> str:
    """What a subcommand prints; it has to succeed."""
    environ = {key: value for key, value in os.environ.items() if not key.startswith("TRADEWARDEN_")}
    environ["TRADEWARDEN_BIND"] = service.address
    environ["TRADEWARDEN_TOKEN"] = TOKEN
    done = subprocess.run(
        [sys.executable, "-m", "ops.cli.main", *arguments],
        env=environ,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


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


def test_sigusr2_stops_trading(service):
    """The kill of who can reach the process and nothing else."""
    service.process.send_signal(signal.SIGUSR2)
    end = time.monotonic() + 10
    while service.get("/operator/kill")["tradingState"] != "halted":
        assert time.monotonic() < end
        time.sleep(0.02)  # a real process has no mock clock
    (kill,) = service.get("/operator/kill")["kills"]
    assert (kill["by"], kill["level"], kill["automatic"]) == ("signal", "cancel", False)
    assert service.order().json()["code"] == "TRADING_HALTED"
    resume(service)


def test_a_limit_is_changed_from_the_command_line_and_stays_changed(service):
    """In force for the next order, listed with who and why, and kept over a restart."""
    told = command(service, "limits", "set", "max_order_usd", "100", "--reason", "small steps")
    assert "max_order_usd is 100, it was off" in told
    denied = service.order(qty="0.01").json()
    assert (denied["code"], denied["limit"]) == ("ORDER_SIZE", "100")
    service.kill()
    service.start()
    assert service.order(qty="0.01").json()["code"] == "ORDER_SIZE"
    assert "small steps" in command(service, "limits", "history", "max_order_usd")
    assert "max_order_usd" in command(service, "limits", "list")
    command(service, "limits", "set", "max_order_usd", "off", "--reason", "tested")
    asked = {"symbol": "BTC/USDT", "side": "buy", "type": "market", "qty": "0.01"}
    assert service.post("/orders?dryRun=true", asked).status_code == 200
    versions = service.get("/limits/changes", name="max_order_usd")["changes"]
    assert [(each["old"], each["new"]) for each in versions] == [("100", "off"), ("off", "100")]
    assert "MAX_POSITION" in command(service, "limits")


def test_what_is_halted_is_shown_on_the_command_line(service):
    """Kills with what each exchange has confirmed; and one of them is lifted alone."""
    command(service, "kill", "--reason", "all of it", "--level", "halt")
    command(service, "kill", "--reason", "only here", "--symbol", "BTC/USDT", "--level", "halt")
    shown = command(service, "kill", "--show")
    assert "of everything, level halt" in shown
    assert "of BTC/USDT, level halt" in shown
    command(service, "resume", "--reason", "half of it", "--symbol", "BTC/USDT")
    shown = command(service, "kill", "--show")
    assert "only here" not in shown
    assert "all of it" in shown
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
