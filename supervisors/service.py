"""One process of tradewarden: the database, the tree, the web edge, and how all of it ends.

`serve` runs until somebody asks it to stop, another process takes the journal over, or the tree gives up.
The first is an orderly end; after the others the gate is shut, what rests at the exchanges is cancelled as
far as a bounded time allows, the latch says why, and the process exits with a code that makes its keeper
start it again.
"""

import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
import trio

from actors.broker.port import ExchangePort, Unavailable
from actors.kernel import System
from supervisors.otp import Supervisor, format_tree

if TYPE_CHECKING:
    from supervisors.tree import Runtime

EXIT_STOPPED = 0
EXIT_DEPOSED = 75
EXIT_GAVE_UP = 70

LAST_CANCELS_SECONDS = 5.0
"""How long a runtime that gave up may try to cancel what rests, before the process exits."""

_log = structlog.get_logger(room="service")


class Ending:
    """Why the process ends, and the event that says it does. The first reason stays."""

    def __init__(self) -> None:
        self.code = EXIT_STOPPED
        self.why = ""
        self._event = trio.Event()

    def set(self, code: int, why: str) -> None:
        """End the process."""
        if not self._event.is_set():
            self.code, self.why = code, why
            self._event.set()

    async def wait(self) -> None:
        """Return when the process has to end."""
        await self._event.wait()


async def watch_signals(
    ending: Ending,
    show_tree: Callable[[], str],
    kill: Callable[[], Awaitable[object]],
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """SIGTERM and SIGINT end the process in order; SIGUSR1 writes the live tree to standard error; SIGUSR2
    stops trading.
    """
    signals = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2)
    with trio.open_signal_receiver(*signals) as received:
        task_status.started()
        async for number in received:
            if number == signal.SIGUSR1:
                sys.stderr.write(show_tree() + "\n")
                sys.stderr.flush()
            elif number == signal.SIGUSR2:
                await kill()
            else:
                ending.set(EXIT_STOPPED, signal.Signals(number).name)


async def kill_by_signal(runtime: "Runtime") -> None:
    """Pull the kill switch: the kill of who can reach the process and nothing else."""
    await runtime.port.kill(
        level="cancel",
        exchange=None,
        symbol=None,
        reason="the process was sent SIGUSR2",
        by="signal",
        correlation_id="kill-signal",
    )


async def watch_kill_file(runtime: "Runtime", file: Path, look_seconds: float = 1.0) -> None:
    """Look for the kill file for ever: the kill of who has no terminal."""
    while True:
        await trio.sleep(look_seconds)
        await take_kill_file(runtime, file)


async def take_kill_file(runtime: "Runtime", file: Path) -> None:
    """Pull the kill switch if the file is there; its text is the reason.

    It is renamed once the kill is in force, so that a resume is not undone by it.
    """
    path = trio.Path(file)
    try:
        reason = (await path.read_text(encoding="utf-8", errors="replace")).strip()
    except FileNotFoundError:
        return
    except OSError as error:
        reason = f"the kill file can't be read: {error.strerror}"
    await runtime.port.kill(
        level="cancel",
        exchange=None,
        symbol=None,
        reason=reason or "the kill file was there",
        by="kill file",
        correlation_id="kill-file",
    )
    try:
        await path.rename(path.with_name(path.name + ".done"))
    except OSError as error:
        _log.error("kill_file_not_renamed", path=str(path), why=str(error))


async def watch_tree(tree: Supervisor, ending: Ending) -> None:
    """End the process when the root gives up."""
    await tree.gave_up.wait()
    ending.set(EXIT_GAVE_UP, f"the supervision tree gave up: {tree.failure!r}")


async def give_up(runtime: "Runtime", why: str) -> None:
    """Leave the market as safe as can be: kill engaged and latched, resting orders cancelled, time bounded.

    The actors may be gone, so this speaks to the exchanges itself; the kill is automatic and ends by itself
    after the next start has reconciled.
    """
    await runtime.switch(
        level="cancel",
        exchange=None,
        symbol=None,
        reason=why,
        by="supervisor",
        correlation_id="gave-up",
        automatic=True,
    )
    with trio.move_on_after(LAST_CANCELS_SECONDS):
        async with trio.open_nursery() as nursery:
            for name, port in runtime.outside.exchanges.items():
                nursery.start_soon(_cancel_resting, name, port, runtime)


async def _cancel_resting(name: str, port: ExchangePort, runtime: "Runtime") -> None:
    try:
        for report in await port.open_orders():
            if report.venue_id in runtime.log.book.venue_ids:
                await port.cancel(report.symbol, report.venue_id, report.exchange_order_id)
    except Unavailable as error:
        _log.error("resting_orders_not_cancelled", exchange=name, why=str(error))


async def log_dead_letters(system: System, every_seconds: float = 10.0) -> None:
    """Log that there are dead letters, once in a while and summed up."""
    seen = 0
    while True:
        await trio.sleep(every_seconds)
        total = system.dead_letters.total
        if total > seen:
            _log.warning("dead_letters", new=total - seen, by_reason=dict(system.dead_letters.by_reason))
            seen = total


def tree_text(runtime: "Runtime") -> str:
    """The live tree for people."""
    return "the tree is not running" if runtime.tree is None else format_tree(runtime.tree.snapshot())


def banner(addresses: Sequence[str], token_path: Path | None) -> str:
    """What a person who just started the service wants to know."""
    where = ", ".join(addresses)
    make = "tradewarden token create --user NAME --scope trade"
    if token_path is None:
        how = "the token is the one in TRADEWARDEN_TOKEN"
    elif token_path.exists():
        how = f"your token is in {token_path}; another: {make}"
    else:
        how = f"the tokens are those made before; another: {make}"
    return f"tradewarden listens on {where}\n{how}"
