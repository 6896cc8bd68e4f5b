"""What seeds came to, one JSON line each: a long run appends to a file, and one that was broken off goes on.

A line names the commit that was played. Seeds that a file already holds are not played again, whatever the
commit, so that an evening's seeds add up over the commits of the evening.
"""

import os
import subprocess
from pathlib import Path

import msgspec

from ops.proof.play import Result


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One played seed."""

    commit: str
    result: Result


def read(path: Path) -> list[Line]:
    """All whole lines; a last one that a crash cut short is left out."""
    if not path.exists():
        return []
    lines = path.read_bytes().split(b"\n")[:-1]
    return [msgspec.json.decode(line, type=Line) for line in lines]


class Keeper:
    """Appends results to a file, or to none."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._commit = commit()
        if path is not None:
            _end_last_line(path)

    def add(self, result: Result) -> None:
        """Append one and sync it."""
        if self._path is None:
            return
        with self._path.open("ab") as file:
            file.write(msgspec.json.encode(Line(commit=self._commit, result=result)) + b"\n")
            file.flush()
            os.fsync(file.fileno())


def _end_last_line(path: Path) -> None:
    """Cut off what a crash left of a line."""
    if path.exists():
        whole = path.read_bytes()
        end = whole.rfind(b"\n") + 1
        if end != len(whole):
            os.truncate(path, end)


def commit() -> str:
    """The commit that is checked out, with a + when files differ from it."""
    return _git("rev-parse", "--short", "HEAD") + ("+" if _git("status", "--porcelain", "-uno") else "")


def _git(*arguments: str) -> str:
    done = subprocess.run(("git", *arguments), capture_output=True, text=True, check=False)
    return done.stdout.strip()
