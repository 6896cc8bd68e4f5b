"""Processor time of other processes, as Linux counts it: what to steer by on a machine that is shared.

A rate says how fast a server was next to whatever else ran; the processor time that an order takes stays
nearly the same however busy the machine is.
"""

import os
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")
_PARENT, _USER, _SYSTEM, _WAITED_USER, _WAITED_SYSTEM = 1, 11, 12, 13, 14


def cpu_seconds(pid: int) -> float:
    """What the process has used so far, and its children that have ended; 0 when it is gone."""
    fields = _fields(pid)
    if not fields:
        return 0.0
    return sum(int(fields[at]) for at in (_USER, _SYSTEM, _WAITED_USER, _WAITED_SYSTEM)) / _TICK


def family_cpu_seconds(pid: int) -> float:
    """The same of a process and its living children, such as a PostgreSQL server and its backends."""
    children = [
        int(entry.name)
        for entry in Path("/proc").iterdir()
        if entry.name.isdigit() and (fields := _fields(int(entry.name))) and int(fields[_PARENT]) == pid
    ]
    return sum(cpu_seconds(each) for each in (pid, *children))


def _fields(pid: int) -> list[str]:
    """What stands behind the command's name in /proc/PID/stat; nothing when the process is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
