"""PostgreSQL's own dump and restore programs, and how they are told where the database is.

A password never becomes an argument, where every user of the machine could read it: it goes by the
environment of the one child process.
"""

import os
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from persistence.backup.errors import BackupError
from persistence.embedded.binaries import all_binaries

CONNECT_SECONDS = 10


def program(name: str, server_version: int) -> Path:
    """The program `name` of the newest PostgreSQL at hand, which must not be older than the server."""
    wanted = server_version // 10_000
    found = max(
        (each for each in all_binaries(os.environ) if os.access(each.folder / name, os.X_OK)),
        key=lambda each: each.major,
        default=None,
    )
    if found is None or found.major < wanted:
        raise BackupError(
            "PROGRAM_MISSING",
            asked=f"find {name} of PostgreSQL {wanted} or newer",
            found="there is none" if found is None else f"version {found.major} in {found.folder}",
            remedy="Install PostgreSQL's client programs, or name their folder in PG_BINDIR.",
        )
    return found.folder / name


def target(dsn: str) -> tuple[str, dict[str, str]]:
    """A database's address for a command line, and the environment with what must not stand there."""
    parts = conninfo_to_dict(dsn)
    password = parts.pop("password", None)
    environ = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8", "TZ": "UTC"}
    environ |= {name: value for name, value in os.environ.items() if name.startswith("PGSSL")}
    if password is not None:
        environ["PGPASSWORD"] = str(password)
    return make_conninfo("", **parts), environ


def connect(dsn: str) -> psycopg.Connection:
    """A connection for questions; raise BackupError when the database can't be reached."""
    try:
        return psycopg.connect(dsn, connect_timeout=CONNECT_SECONDS, application_name="tradewarden backup")
    except psycopg.Error as error:
        raise away(error) from error


def away(error: psycopg.Error) -> BackupError:
    """The error of a database that does not answer."""
    return BackupError(
        "DATABASE_AWAY",
        asked="use the database",
        found=" ".join(str(error).split()) or type(error).__name__,
        remedy="Start it, or correct TRADEWARDEN_DATABASE_URL.",
    )
