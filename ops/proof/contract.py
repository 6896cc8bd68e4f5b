"""`make contract`: a running service, attacked from its contract by schemathesis, every check.

Starts the service of this tree on a free port with its own folder, its own database and the dummy exchange,
waits until it is ready, and lets schemathesis send what the contract allows and what it forbids. The exit
code is schemathesis' own.
"""

import argparse
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx

READY_SECONDS = 90.0
STOP_SECONDS = 20.0

CONFIG = """
[checks.positive_data_acceptance]
# A well-formed order can be denied by a limit, a cursor can be none of ours: that is 422 and in the contract.
expected-statuses = ["2xx", "401", "403", "404", "409", "422", "429", "503"]
"""

NOT_OURS = "use_after_free"
"""Takes DELETE for the end of a resource; a cancelled order stays readable, and that is the point of it."""


def main(arguments: Sequence[str]) -> int:
    """Start, attack, stop; the exit code."""
    parser = argparse.ArgumentParser(prog="make contract")
    parser.add_argument("--examples", type=int, default=100, help="cases for each operation and phase")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--url", help="attack this service instead of starting one (needs --token-file)")
    parser.add_argument("--token-file", type=Path)
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="tradewarden-contract-") as folder:
        if asked.url:
            return attack(
                asked.url, asked.token_file.read_text().strip(), Path(folder), asked.examples, asked.seed
            )
        with service(Path(folder)) as (url, token):
            failed = attack(url, token, Path(folder), asked.examples, asked.seed)
            if failed:
                print(f"the service's warnings:\n{warnings(Path(folder) / 'service.log')}")
            return failed


@contextmanager
def service(folder: Path) -> Iterator[tuple[str, str]]:
    """A service of its own: where it is, and a token with every scope."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    token = secrets.token_urlsafe(16)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TRADEWARDEN_")}
    environment |= {
        "TRADEWARDEN_BIND": f"127.0.0.1:{port}",
        "TRADEWARDEN_DATA_DIR": str(folder / "data"),
        "TRADEWARDEN_TOKEN": token,
        "TRADEWARDEN_EXCHANGES": '["dummy"]',
    }
    with (folder / "service.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "ops.cli.main", "run"], env=environment, stdout=log, stderr=log
        )
        try:
            url = f"http://127.0.0.1:{port}"
            wait_until_ready(url, process, folder / "service.log")
            yield url, token
        finally:
            process.terminate()
            process.wait(STOP_SECONDS)


def wait_until_ready(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    """Return once the service takes orders; raise RuntimeError with its log when it does not."""
    end = time.monotonic() + READY_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            if httpx.get(f"{url}/readyz", timeout=2).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    raise RuntimeError(f"the service did not become ready:\n{log.read_text()[-3000:]}")


def warnings(log: Path) -> str:
    """The newest lines of the service's log that tell of trouble."""
    found = [line for line in log.read_text().splitlines() if '"level":"INFO"' not in line]
    return "\n".join(found[-40:])


def attack(url: str, token: str, folder: Path, examples: int, seed: int | None) -> int:
    """Run schemathesis against a service."""
    (folder / "schemathesis.toml").write_text(CONFIG)
    command = [
        str(Path(sys.executable).with_name("schemathesis")),
        "--config-file",
        str(folder / "schemathesis.toml"),
        "run",
        f"{url}/openapi.json",
        "--header",
        f"Authorization: Bearer {token}",
        "--checks=all",
        f"--exclude-checks={NOT_OURS}",
        f"--max-examples={examples}",
        "--continue-on-failure",
        "--request-timeout=15",
    ]
    if seed is not None:
        command.append(f"--seed={seed}")
    return subprocess.run(command, cwd=folder, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
