"""A service of its own for a proof: a process on a free port, with its own folder and database."""

import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx

READY_SECONDS = 90.0
STOP_SECONDS = 20.0


class Running(NamedTuple):
    """Where it is, a token with every scope, and its process."""

    url: str
    token: str
    pid: int

    def resident_mb(self) -> float:
        """The memory that its process holds."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
        raise RuntimeError("the service is gone")


@contextmanager
def service(folder: Path, **settings: str) -> Iterator[Running]:
    """A service on the dummy exchange, unless `settings` (without prefix) say otherwise, for the block."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    token = secrets.token_urlsafe(16)
    chosen = {
        "BIND": f"127.0.0.1:{port}",
        "DATA_DIR": str(folder / "data"),
        "TOKEN": token,
        "EXCHANGES": '["dummy"]',
        **settings,
    }
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TRADEWARDEN_")}
    environment |= {f"TRADEWARDEN_{name}": value for name, value in chosen.items()}
    with (folder / "service.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "ops.cli.main", "run"], env=environment, stdout=log, stderr=log
        )
        try:
            url = f"http://127.0.0.1:{port}"
            _wait_until_ready(url, process, folder / "service.log")
            yield Running(url, token, process.pid)
        finally:
            process.terminate()
            process.wait(STOP_SECONDS)


def _wait_until_ready(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    """Return once the service takes orders; raise RuntimeError with its log when it does not."""
    end = time.monotonic() + READY_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            if httpx.get(f"{url}/readyz", timeout=2).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    raise RuntimeError(f"the service did not become ready:\n{log.read_text()[-3000:]}")
