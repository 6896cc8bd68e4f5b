"""Which server processes really work on a data folder.

A process id in ``postmaster.pid`` proves nothing: after a crash or in a new container the number may belong
to anybody, and a killed server may linger as a zombie where nobody collects it. A process counts when its
program is ``postgres`` and it stands in the data folder; a zombie has neither any more.
"""

import os
import signal
import time
from pathlib import Path

from persistence.embedded.layout import Layout

READY = "ready"
_STATUS_LINE = 7
_ORPHANS_SECONDS = 5.0
_LOOK_SECONDS = 0.02


def works_on(pid: int, data: Path) -> bool:
    """Whether process ``pid`` is a living PostgreSQL process of the data folder ``data``."""
    try:
        program = os.readlink(f"/proc/{pid}/exe").removesuffix(" (deleted)")
        place = os.stat(f"/proc/{pid}/cwd")
    except OSError:
        return False
    return Path(program).name == "postgres" and os.path.samestat(place, data.stat())


def recorded_pid(layout: Layout) -> int | None:
    """The process id in ``postmaster.pid``; None when there is no such file or it is unreadable."""
    lines = _pid_file_lines(layout)
    return int(lines[0]) if lines and lines[0].isdigit() else None


def is_ready(layout: Layout) -> bool:
    """Whether the server has noted that it accepts connections."""
    lines = _pid_file_lines(layout)
    return len(lines) > _STATUS_LINE and lines[_STATUS_LINE].strip() == READY


def _pid_file_lines(layout: Layout) -> list[str]:
    try:
        return layout.pid_file.read_text().splitlines()
    except FileNotFoundError:
        return []


def living_server(layout: Layout) -> int | None:
    """The process id of the server that runs on ``layout`` now, or None."""
    pid = recorded_pid(layout)
    return pid if pid is not None and works_on(pid, layout.data) else None


def clear_stale_locks(layout: Layout) -> None:
    """Remove both lock files of a server that is gone, after the last of its children is gone too.

    PostgreSQL protects the data against children that outlive their server with the very files that are
    removed here, so it must not happen before they have ended. They notice by themselves; what has not gone
    within 5 s is killed. Call it only with the folder's lock held and no living server.
    """
    deadline = time.monotonic() + _ORPHANS_SECONDS
    while orphans := _processes_on(layout.data):
        if time.monotonic() > deadline:
            for pid in orphans:
                _kill(pid)
        time.sleep(_LOOK_SECONDS)
    layout.pid_file.unlink(missing_ok=True)
    layout.socket_lock.unlink(missing_ok=True)


def _processes_on(data: Path) -> list[int]:
    return [int(entry) for entry in os.listdir("/proc") if entry.isdigit() and works_on(int(entry), data)]


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
