"""`tradewarden kill`: stops trading, over the API or around it.

With `--direct` nothing is asked of the API: the kill switch has a socket of its own in the data folder, and
when nobody answers there, a file is put where a running service looks every second and a starting one looks
first.
"""

import argparse
import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from actors.model.readable import reason_of
from ops.cli.command import OK, Command, Failed, say, settings, written
from ops.cli.service import ask, configure_access
from persistence.embedded import FolderInUse, FolderLock
from supervisors.kill_socket import SOCKET, KillAnswer, KillLine
from web.client import Client
from web.routes.halt import HaltBody
from web.routes.operator import KillBody

KILL_FILE = "KILL"
"""As the service has it; said again here because importing the service would make the kill slower."""

UNSAID = "pulled from the command line"
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
    parser.add_argument("--reason", type=_reason, default=UNSAID, help="why; kept for ever")
    parser.add_argument(
        "--level",
        choices=("halt", "cancel", "flatten"),
        default="cancel",
        help="refuse new orders; also cancel what rests (default); also close the positions",
    )
    parser.add_argument(
        "--show", action="store_true", help="stop nothing; show what is halted and how far the work of it is"
    )
    parser.add_argument("--exchange", type=written, help="only this exchange")
    parser.add_argument("--symbol", type=written, help="only this symbol")
    parser.add_argument(
        "--direct",
        action="store_true",
        help="around the API: works without a token and when the service hangs",
    )
    parser.add_argument(
        "--end-process",
        action="store_true",
        help="with --direct: end the process of a service that does not answer: nothing leaves any more",
    )
    configure_access(parser)


def _reason(given: str) -> str:
    """A reason that the service takes, whatever was given: a kill is not refused for its reason."""
    return reason_of(written(given), UNSAID)


def run(asked: argparse.Namespace) -> int:
    """Kill and say how far it went."""
    if asked.show:
        return _show(asked)
    if asked.direct:
        return _direct(asked)

    async def work(client: Client) -> KillBody:
        return await client.kill(
            asked.reason, level=asked.level, exchange=asked.exchange, symbol=asked.symbol
        )

    result = ask(asked, work)
    say(f"trading is {result.trading_state}; kill {result.kill_id}")
    if result.in_flight:
        say(f"being sent at that moment: {' '.join(result.in_flight)}")
    return OK


def _show(asked: argparse.Namespace) -> int:
    async def work(client: Client) -> HaltBody:
        return await client.halted()

    for line in halt_lines(ask(asked, work)):
        say(line)
    return OK


def halt_lines(halt: HaltBody) -> Iterator[str]:
    """What is halted, for people."""
    yield f"trading is {halt.trading_state}" + ("" if halt.durable else f", not on disk: {halt.problem}")
    for kill in halt.kills:
        scope = " ".join(part for part in (kill.exchange, kill.symbol) if part) or "everything"
        yield f"kill {kill.kill_id} of {scope}, level {kill.level}, {kill.at} by {kill.by}: {kill.reason}"
        for sweep in kill.sweeps:
            state = "confirmed" if sweep.done else f"{sweep.remaining} left {sweep.detail}".rstrip()
            yield f"  {sweep.exchange}: {sweep.cancelled} cancelled, {state}"
    for each in halt.restrictions:
        scope = " ".join(part for part in (each.exchange, each.symbol) if part) or "everything"
        yield f"{scope} is {each.state}: {each.cause}"
    for place in halt.closing:
        yield f"closing {place.symbol} at {place.exchange} {place.detail}".rstrip()
    if halt.proposal is not None:
        yield f"{halt.proposal.by} asked to resume; another person may join until {halt.proposal.until}"


def _direct(asked: argparse.Namespace) -> int:
    folder = settings().data_dir
    answer = _ask_socket(folder / SOCKET, asked)
    if answer is not None:
        return _told(answer)
    if asked.level != "cancel" or asked.exchange or asked.symbol:
        raise Failed(
            "the service does not answer; without it only everything can be stopped: leave the scope out"
        )
    file = folder / KILL_FILE
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        file.write_text(asked.reason, encoding="utf-8")
    except OSError as error:
        raise Failed(f"{file} can't be written: {error.strerror}") from error
    if _taken(file):
        say("the service has stopped trading")
        return OK
    say("the service does not answer; it, or whatever starts next, stops trading when it sees the file")
    say(f"the file: {file}")
    if asked.end_process:
        _end_process(folder)
    return OK


def _ask_socket(path: Path, asked: argparse.Namespace) -> KillAnswer | None:
    """Ask over the kill switch's own door; None when nobody answers there."""
    line = KillLine(reason=asked.reason, level=asked.level, exchange=asked.exchange, symbol=asked.symbol)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as door:
            door.settimeout(TAKEN_SECONDS)
            door.connect(str(path))
            door.sendall(msgspec.json.encode(line) + b"\n")
            received = b""
            while not received.endswith(b"\n") and (part := door.recv(4096)):
                received += part
            return msgspec.json.decode(received, type=KillAnswer)
    except (OSError, msgspec.MsgspecError):
        return None


def _told(answer: KillAnswer) -> int:
    if answer.error is not None:
        raise Failed(answer.error)
    say(f"trading is {answer.trading_state}; kill {answer.kill_id}")
    if not answer.durable:
        raise Failed("the latch could not be written: the halt may not outlive the process")
    return OK


def _taken(file: Path) -> bool:
    """Whether the service renamed the file, which it does once the kill is in force."""
    end = time.monotonic() + TAKEN_SECONDS
    while time.monotonic() < end:
        if not file.exists():
            return True
        time.sleep(LOOK_SECONDS)
    return False


def _end_process(folder: Path) -> None:
    """End the process that holds the data folder: what hangs now could send when it goes on."""
    lock = FolderLock(folder / "postgres")
    try:
        lock.acquire()
    except FolderInUse as error:
        if error.holder is None:
            raise Failed("the service's process is not known; end it yourself") from error
        os.kill(error.holder, signal.SIGKILL)
        say(f"process {error.holder} was ended; start the service again to cancel what rests")
    except OSError as error:
        raise Failed(f"the service's process is not known ({error.strerror}); end it yourself") from error
    else:
        lock.release()
        say("no service is running")
