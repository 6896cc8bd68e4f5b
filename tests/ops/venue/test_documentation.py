"""The program in "test your bot" runs as it stands there."""

import re
import subprocess
import sys
from pathlib import Path

import trio

from ops.venue.faults import KINDS
from ops.venue.main import API_KEY, API_SECRET, BALANCES
from ops.venue.running import Plan, open_venue
from ops.venue.service import EXCHANGES

PAGE = (Path(__file__).parents[3] / "docs" / "test-your-bot.md").read_text()


async def test_the_program_on_the_page_runs_word_by_word(tmp_path):
    """Only the port and the file of this very venue are put in."""
    (program,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    with trio.fail_after(120):
        async with open_venue(Plan(folder=tmp_path / "venue")) as running:
            for exchange in EXCHANGES:
                running.venue.open_account(exchange, API_KEY, API_SECRET, BALANCES)
            here = program.replace("9443", str(running.port)).replace("venue/ca.pem", str(running.ca_file))
            done = await trio.run_process(
                [sys.executable, "-c", here], capture_stdout=True, stderr=subprocess.STDOUT
            )
            said = done.stdout.decode()
            orders = list(running.venue.exchanges["binance-spot"].orders.values())
    assert [order.status for order in orders] == ["canceled"]
    assert said.splitlines() == [
        f"placed {orders[0].order_id}",
        f"open ['{orders[0].order_id}']",
        f"cancelled {orders[0].order_id}",
    ]


def test_every_kind_of_fault_is_on_the_page():
    table = PAGE[PAGE.index("| kind |") : PAGE.index("A partial outage")]
    assert set(re.findall(r"`([a-z_]+)`", table)) - {"seconds", "status", "body"} == KINDS


def test_the_key_on_the_page_is_the_venues():
    assert f"API key {API_KEY}, secret {API_SECRET}" in PAGE
