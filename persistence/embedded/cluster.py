"""Making the data folder of the embedded server, and the way its programs are called.

A cluster is made beside its final place and renamed when it is complete: a folder ``data`` is always a
whole one. What protects the data (``fsync``, ``full_page_writes``, ``synchronous_commit``) keeps
PostgreSQL's own defaults and is checked, not forced, at every start: see :mod:`persistence.durability`.
"""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from persistence.embedded.account import Account
from persistence.embedded.binaries import Binaries
from persistence.embedded.errors import ServerFailed
from persistence.embedded.layout import HERE, Layout

USER = "tradewarden"
INITDB_SECONDS = 120.0

_INITDB_OPTIONS = (
    "--encoding=UTF8",
    "--locale=C.UTF-8",
    "--data-checksums",
    "--auth-local=trust",
    "--auth-host=reject",
    f"--username={USER}",
)
_SERVER_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "50",
    "shared_buffers": "64MB",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "logging_collector": "off",
    "log_checkpoints": "off",
    "max_wal_size": "256MB",
}


def cluster_version(layout: Layout) -> int | None:
    """The major version of PostgreSQL that made the data, or None when there are no data yet."""
    try:
        return int((layout.data / "PG_VERSION").read_text().split(".")[0])
    except FileNotFoundError:
        return None


def create_cluster(layout: Layout, binaries: Binaries, account: Account) -> None:
    """Make the data folder with ``initdb``, whole or not at all; blocks for about a second.

    Raises :class:`ServerFailed` with what ``initdb`` said.
    """
    draft = layout.new_draft()
    account.own(draft)
    command = [str(binaries.initdb), "--pgdata", HERE, *_INITDB_OPTIONS]
    outcome = subprocess.run(
        command,
        cwd=draft,
        env=server_environment(os.environ),
        umask=0o077,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=INITDB_SECONDS,
        check=False,
        **account.identity(),
    )
    if outcome.returncode != 0:
        raise ServerFailed(
            asked=f"make a PostgreSQL data folder in {layout.data}",
            found=f"initdb ended with status {outcome.returncode}: {last_lines(outcome.stderr)}",
            remedy="Mend what it names, then start again: nothing was kept.",
        )
    try:
        draft.rename(layout.data)
    except OSError as error:
        raise ServerFailed(
            asked=f"put a new PostgreSQL data folder at {layout.data}",
            found=f"something that is no PostgreSQL data folder is there ({error.strerror})",
            remedy="Move it away.",
        ) from error
    _make_durable(layout.root)


def server_command(layout: Layout, binaries: Binaries) -> list[str]:
    """The command that runs the server in the foreground; its working folder must be ``layout.data``."""
    settings = {**_SERVER_SETTINGS, "unix_socket_directories": layout.socket_setting}
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    return [str(binaries.postgres), "-D", HERE, *options]


def server_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """A small environment: nothing that PostgreSQL or the dynamic loader would take settings from."""
    return {"PATH": environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8", "TZ": "UTC"}


def last_lines(text: str, count: int = 5) -> str:
    """The last ``count`` lines of ``text`` in one, for an error message."""
    return (
        " | ".join(line.strip() for line in text.splitlines()[-count:] if line.strip()) or "nothing was said"
    )


def _make_durable(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
