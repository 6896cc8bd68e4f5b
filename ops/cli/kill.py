"""`tradewarden kill`: stops trading, over the API or around it.

With `--direct` nothing is asked of the API: a file is put where a running service looks for it every
second, and where a starting one finds it.
"""

import argparse
import time
from pathlib import Path

from ops.cli.command import OK, Command, Failed, settings
from ops.cli.service import ask, configure_access
from web.client import Client
from web.routes.operator import KillBody

TAKEN_SECONDS = 3.0
LOOK_SECONDS = 0.05


def command(_name: str) -> Command:
    """The subcommand."""
    return Command(
        "Stop trading, now. New orders are refused until `tradewarden resume`, even after a crash. "
        "Needs the scope cancel, or access to the data folder with --direct.",
        'tradewarden kill --reason "the strategy misbehaves"',
        configure,
        run,
    )


def configure(parser: argparse.ArgumentParser) -> None:
    """The arguments."""
    parser.add_argument("--reason", default="pulled from the command line", help="why; kept for ever")
    parser.add_argument(
        "--level",
        choices=("halt", "cancel", "flatten"),
        default="cancel",
        help="refuse new orders; also cancel what rests (default); also close the positions",
    )
    parser.add_argument("--exchange", help="only this exchange")
    parser.add_argument("--symbol", help="only this symbol")
    parser.add_argument(
        "--direct",
        action="store_true",
        help="around the API: works without a token and when the service hangs",
    )
    configure_access(parser)


def run(asked: argparse.Namespace) -> int:
    """Kill and say how far it went."""
    if asked.direct:
        return _direct(asked)

    async def work(client: Client) -> KillBody:
        return await client.kill(
            asked.reason, level=asked.level, exchange=asked.exchange, symbol=asked.symbol
        )

    result = ask(asked, work)
    print(f"trading is {result.trading_state}; kill {result.kill_id}")
    if result.in_flight:
        print(f"being sent at that moment: {' '.join(result.in_flight)}")
    return OK


def _direct(asked: argparse.Namespace) -> int:
    if asked.level != "cancel" or asked.exchange or asked.symbol:
        raise Failed("--direct stops everything; it takes no --level, --exchange or --symbol", 2)
    folder = settings().data_dir
    file = folder / "KILL"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        file.write_text(asked.reason)
    except OSError as error:
        raise Failed(f"{file} can't be written: {error.strerror}") from error
    if _taken(file):
        print("the service has stopped trading")
        return OK
    print(
        "the service does not answer; it, or whatever starts next, stops trading as soon as it sees the file"
    )
    print(f"the file: {file}")
    return OK


def _taken(file: Path) -> bool:
    """Whether the service renamed the file, which it does once the kill is in force."""
    end = time.monotonic() + TAKEN_SECONDS
    while time.monotonic() < end:
        if not file.exists():
            return True
        time.sleep(LOOK_SECONDS)
    return False
