"""Keeping the embedded server running while the runtime runs.

To the runtime a server that is down is a state that passes: appends wait, what opens is refused. This task
makes it pass. It waits on the kernel's own notice of the server's end, so a quiet server costs nothing.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from subprocess import SubprocessError

import trio

from persistence.embedded.errors import EmbeddedPostgresError
from persistence.embedded.server import EmbeddedServer

FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class ServerEnded:
    """The server process ``pid`` is gone without having been asked to go."""

    pid: int | None


@dataclass(frozen=True, slots=True)
class ServerRestarted:
    """The server runs again as process ``pid``, after ``failures`` vain attempts."""

    pid: int | None
    failures: int


@dataclass(frozen=True, slots=True)
class RestartFailed:
    """A restart failed with ``reason``; the next attempt is made in ``pause_seconds``."""

    reason: str
    pause_seconds: float


Notice = ServerEnded | ServerRestarted | RestartFailed


async def watch(server: EmbeddedServer, report: Callable[[Notice], None]) -> None:
    """Restart ``server`` whenever it ends, telling ``report`` of each step; runs until cancelled.

    Attempts are unlimited: the first follows at once, later ones with a pause that doubles up to 5 s.
    Cancellation is taken while waiting and between attempts; an attempt under way (at most 60 s) is
    finished first, so that ``server`` may be stopped safely afterwards.
    """
    while True:
        await _wait_for_end(server)
        report(ServerEnded(server.pid))
        await _restart(server, report)


async def _wait_for_end(server: EmbeddedServer) -> None:
    descriptor = server.exit_descriptor()
    if descriptor is None:
        await trio.lowlevel.checkpoint()
        return
    try:
        await trio.lowlevel.wait_readable(descriptor)
    finally:
        os.close(descriptor)


async def _restart(server: EmbeddedServer, report: Callable[[Notice], None]) -> None:
    failures = 0
    pause = FIRST_PAUSE_SECONDS
    while True:
        try:
            await trio.to_thread.run_sync(server.start)
        except (EmbeddedPostgresError, OSError, SubprocessError) as error:
            failures += 1
            report(RestartFailed(str(error), pause))
            await trio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
        else:
            report(ServerRestarted(server.pid, failures))
            return
