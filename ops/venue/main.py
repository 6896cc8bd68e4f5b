"""The command: `tradewarden venue`, `make venue`."""

import argparse
import signal
import sys
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import trio

from actors.broker.adapters.simulated.recorded import MarketFileError
from ops.venue.running import Plan, Running, open_venue
from ops.venue.service import EXCHANGES, Limits

API_KEY, API_SECRET = "venue-api-key-0001", "venue-api-secret-0001"
BALANCES = {"USDT": Decimal(1_000_000), "BTC": Decimal(10), "ETH": Decimal(100)}

_EXAMPLE = """example:
  tradewarden venue --port 9443 --control-port 9444 --folder ./venue
  curl localhost:9444/_venue/faults -d '{"kind":"drop_after","where":"POST /api","probability":0.2}'
"""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    found = argparse.ArgumentParser(
        prog="tradewarden venue",
        description="A local exchange for testing a bot: it speaks Binance spot, Binance USD-M and Bybit v5.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    found.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    found.add_argument("--port", type=int, default=9443, help="TLS port for bots (%(default)s; 0: any)")
    found.add_argument("--control-port", type=int, default=9444, help="port of the control API (%(default)s)")
    found.add_argument(
        "--folder", type=Path, default=Path("venue"), help="where ca.pem is written (%(default)s)"
    )
    found.add_argument("--seed", type=int, default=0, help="seed of the market and the faults (%(default)s)")
    found.add_argument(
        "--speed", type=float, default=1.0, help="speed of the market (%(default)s; 0: as fast as possible)"
    )
    found.add_argument("--still", action="store_true", help="the market moves only by the control API")
    found.add_argument("--market-file", type=Path, help="replay a recorded market instead of a synthetic one")
    found.add_argument("--market", default="BTCUSDT", help="the market that the file prices (%(default)s)")
    found.add_argument("--no-limits", action="store_true", help="no rate limits and no bans")
    found.add_argument("--empty", action="store_true", help="open no accounts: the control API does")
    return found


def run(argv: Sequence[str]) -> int:
    """Serve until SIGINT or SIGTERM; the exit status."""
    asked = parser().parse_args(list(argv))
    plan = Plan(
        host=asked.host,
        port=asked.port,
        control_port=asked.control_port,
        folder=asked.folder,
        seed=asked.seed,
        speed=None if asked.still else asked.speed,
        market_file=asked.market_file,
        priced=asked.market,
        limits=Limits.none() if asked.no_limits else None,
    )
    status = 0
    try:
        trio.run(_serve, plan, asked.empty)
    except* (OSError, MarketFileError) as group:
        print(f"tradewarden venue: {_first(group)}", file=sys.stderr)
        status = 1
    return status


def _first(error: BaseException) -> BaseException:
    """The error inside the groups that nurseries make."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


async def _serve(plan: Plan, empty: bool) -> None:
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with open_venue(plan) as running:
            if not empty:
                for exchange in EXCHANGES:
                    running.venue.open_account(exchange, API_KEY, API_SECRET, BALANCES)
            print(_greeting(running, empty), flush=True)
            async for _ in signals:
                return


def _greeting(running: Running, empty: bool) -> str:
    lines = [
        f"venue: https://{running.host}:{running.port} for {', '.join(EXCHANGES)}",
        f"venue: control API http://{running.host}:{running.control_port}/_venue/",
        f"venue: trust {running.ca_file.resolve()}",
    ]
    if not empty:
        lines.append(f"venue: API key {API_KEY}, secret {API_SECRET}")
    return "\n".join(lines)
