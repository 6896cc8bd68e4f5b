"""An orderly stop does with working orders what was chosen; on a full disk only reducing orders pass."""

import re
import subprocess
import sys

import pytest


@pytest.fixture
def venue(tmp_path):
    """A local exchange in a process of its own: its settings for the service."""
    command = [
        sys.executable,
        "-m",
        "ops.venue",
        "--port",
        "0",
        "--control-port",
        "0",
        "--folder",
        str(tmp_path),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            told = "".join(process.stdout.readline() for _ in range(4))
            port = re.search(r"https://127\.0\.0\.1:(\d+)", told)[1]
            key, secret = re.search(r"API key (\S+), secret (\S+)", told).groups()
            yield {
                "EXCHANGES": "binance",
                "EXCHANGE__BINANCE__API_KEY": key,
                "EXCHANGE__BINANCE__API_SECRET": secret,
                "EXCHANGE__BINANCE__REDIRECT": f"127.0.0.1:{port}",
                "EXCHANGE__BINANCE__REDIRECT_CA": str(tmp_path / "ca.pem"),
                "RISK__SYMBOL_WHITELIST": "BTC/USDT",
            }
        finally:
            process.terminate()


def test_a_stop_closes_the_connections_to_the_exchanges(services, venue):
    """What was left open was told as an error at each orderly stop."""
    service = services(**venue)
    assert service.get("/balances")["balances"]
    assert service.stop() == 0
    assert '"ERROR"' not in service.log.read_text()


def test_a_stop_that_cancels_and_a_start_on_a_full_disk(services):
    service = services(STOP__ORDERS="cancel")
    order = service.order(qty="0.02", limitPrice="39000", clientOrderId="works").json()
    assert order["status"] == "open"
    assert service.order().status_code == 201
    assert service.stop() == 0

    service.settings["DISK__RESERVE_MB"] = "1000000"
    service.start()
    ended = service.get(f"/orders/{order['orderId']}")
    assert ended["status"] == "canceled"
    refused = service.order()
    assert (refused.status_code, refused.json()["code"]) == (422, "TRADING_REDUCING")
    assert service.order("sell").status_code == 201
    causes = [e["payload"]["cause"] for e in service.events() if e["type"] == "TradingStateChanged"]
    assert any(cause.startswith("DISK_LOW: ") for cause in causes)


def test_a_database_that_was_put_back_by_other_means_starts_halted(services):
    """The data folder has seen a record that the journal lacks, as after a snapshot of the volume was
    restored.
    """
    service = services()
    assert service.order().status_code == 201
    head = service.get("/events", limit=1000)["events"][-1]
    assert service.stop() == 0
    (service.folder / "data" / "journal-seen").write_text(
        f'{{"seq": {head["seq"] + 500}, "hash": "{"ab" * 32}"}}'
    )
    service.start()
    refused = service.order()
    assert (refused.status_code, refused.json()["code"]) == (422, "TRADING_HALTED")
    assert service.post("/operator/resume", {"reason": "compared"}).status_code == 200
    assert service.order().status_code == 201
