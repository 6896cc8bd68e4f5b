"""Only the exchange that is configured is loaded."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from actors.broker.adapters.ccxt.loading import NoSuchExchange, load

ROOT = Path(__file__).parents[5]
SCRIPT = """
import json, sys
from actors.broker.adapters.ccxt.loading import load
made = [load(name) for name in ("binance", "binanceusdm", "bybit")]
prefix = "ccxt.async_support."
exchanges = sorted(name for name in sys.modules if name.startswith(prefix) and name.count(".") == 2)
print(json.dumps([[one.__name__ for one in made], exchanges]))
"""


def test_the_hundred_others_stay_out():
    """Importing ccxt's packages would load them all."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=ROOT, capture_output=True, text=True, check=True
    )
    made, loaded = json.loads(done.stdout)
    assert made == ["binance", "binanceusdm", "bybit"]
    assert set(loaded) <= {
        f"ccxt.async_support.{name}" for name in ("base", "binance", "binanceusdm", "bybit")
    }


def test_an_exchange_that_ccxt_does_not_know_is_told():
    with pytest.raises(NoSuchExchange, match="nowhere"):
        load("nowhere")


def test_loading_twice_gives_the_same_class():
    assert load("bybit") is load("bybit")
