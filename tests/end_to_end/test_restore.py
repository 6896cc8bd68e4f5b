"""The disk is gone: a backup brings everything back, halted, and trading goes on after a resume."""

import os
import shutil
import subprocess
import sys

from tests.fixtures.service import TOKEN


def tradewarden(service, *arguments):
    """The command line on the folder of a service; its standard output."""
    environ = {key: value for key, value in os.environ.items() if not key.startswith("TRADEWARDEN_")}
    environ |= {
        "TRADEWARDEN_DATA_DIR": str(service.folder / "data"),
        "TRADEWARDEN_BACKUP__FOLDER": str(service.folder / "elsewhere"),
        "TRADEWARDEN_TOKEN": TOKEN,
    }
    ended = subprocess.run(
        [sys.executable, "-m", "ops.cli.main", *arguments],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def seen(service):
    """What must be the same afterwards."""
    orders = service.get("/orders", limit=500)["orders"]
    positions = service.get("/positions")["positions"]
    return (
        {order["orderId"]: order for order in orders},
        [(each["symbol"], each["qty"], each["avgPrice"], each["realizedPnl"]) for each in positions],
        len(service.get("/fills")["fills"]),
    )


def test_load_backup_destroy_restore(services):
    """Under way: taken while it trades. Afterwards: head, orders, positions equal; halted; another
    incarnation.
    """
    service = services()
    for number in range(20):
        assert service.order("buy" if number % 3 else "sell").status_code == 201
    resting = service.order(qty="0.02", limitPrice="39000", clientOrderId="rests").json()
    assert resting["status"] == "open"
    before = seen(service)
    name, head = tradewarden(service, "backup").splitlines()
    key = service.folder / "kept-elsewhere.key"
    key.write_text(tradewarden(service, "backup", "key"))
    old_instance = (service.folder / "data" / "instance").read_text()
    assert service.order().status_code == 201  # after the backup: not in it

    service.kill()
    service.signal_database(9)
    shutil.rmtree(service.folder / "data")

    restored = tradewarden(service, "restore", "--from", name, "--keys", str(key))
    assert head.split()[-1] in restored
    assert (service.folder / "data" / "instance").read_text() == old_instance
    verified = tradewarden(service, "verify", "--manifest", name).splitlines()
    assert verified[1] == head.split()[-1]

    service.start()
    after = seen(service)
    assert after[1:] == before[1:]
    assert after[0].keys() == before[0].keys()
    changed = {key for key in before[0] if before[0][key] != after[0][key]}
    assert changed <= {resting["orderId"]}  # being halted takes away what could open
    refused = service.order()
    assert (refused.status_code, refused.json()["code"]) == (422, "TRADING_HALTED")
    assert service.post("/operator/resume", {"reason": "compared"}).status_code == 200
    assert service.order(clientOrderId="afterwards").status_code == 201
    assert service.order(clientOrderId="rests", qty="0.03").status_code == 422  # taken, for ever
    started = [event for event in service.events() if event["type"] == "RuntimeStarted"]
    assert len({event["payload"]["incarnation"] for event in started}) == len(started) == 2
