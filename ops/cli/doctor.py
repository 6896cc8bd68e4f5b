"""`tradewarden doctor`: looks for what would keep the service from working, and says what to do about it."""

import argparse
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from typing import NamedTuple

from config import Settings, SettingsError
from ops.cli.command import FAILED, OK, Command, Failed, nothing, settings

FREE_BYTES = 500_000_000


class Finding(NamedTuple):
    """One thing that was looked at."""

    what: str
    fine: bool
    detail: str


def command(_name: str) -> Command:
    """The subcommand."""
    return Command(
        "Look at settings, data folder, database and address; exit 1 if one keeps the service from working.",
        "tradewarden doctor",
        nothing,
        run,
    )


def run(_asked: argparse.Namespace) -> int:
    """Look at everything and print what was found."""
    findings = list(look())
    for finding in findings:
        print(f"{'ok  ' if finding.fine else 'BAD '} {finding.what}: {finding.detail}")
    return OK if all(finding.fine for finding in findings) else FAILED


def look() -> Iterator[Finding]:
    """What there is to look at, in the order in which a start needs it."""
    yield Finding("python", sys.version_info >= (3, 11), sys.version.split()[0])
    try:
        chosen = settings()
    except SettingsError as error:
        yield Finding("settings", False, str(error))
        return
    yield Finding("settings", True, f"exchanges {', '.join(each.name for each in chosen.exchanges)}")
    for what, check in (("data folder", _folder), ("database", _database), ("address", _address)):
        yield _checked(what, check, chosen)


def _checked(what: str, check: Callable[[Settings], str], chosen: Settings) -> Finding:
    try:
        return Finding(what, True, check(chosen))
    except Failed as error:
        return Finding(what, False, error.line)
    except OSError as error:
        return Finding(what, False, str(error))


def _folder(chosen: Settings) -> str:
    chosen.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    probe = chosen.data_dir / ".doctor"
    probe.write_bytes(b"x")
    probe.unlink()
    free = shutil.disk_usage(chosen.data_dir).free
    if free < FREE_BYTES:
        raise Failed(f"{chosen.data_dir} has {free // 1_000_000} MB left; at least 500 are wanted")
    return f"{chosen.data_dir}, {free // 1_000_000_000} GB free"


def _database(chosen: Settings) -> str:
    import psycopg

    from ops.cli.database import database
    from persistence.durability import UnsafeServer, require_durability

    with database(chosen) as dsn:
        try:
            require_durability(dsn)
        except (UnsafeServer, psycopg.Error) as error:
            raise Failed(" ".join(str(error).split())) from error
    return "configured server" if chosen.database_url is not None else "embedded server"


def _address(chosen: Settings) -> str:
    family = socket.AF_INET6 if ":" in chosen.bind.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((chosen.bind.host, chosen.bind.port))
        except OSError as error:
            raise Failed(
                f"{chosen.bind} can't be used: {error.strerror} (does the service run already?)"
            ) from error
    return f"{chosen.bind} is free"
