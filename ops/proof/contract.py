"""`make contract`: a running service, attacked from its contract by schemathesis, every check.

Starts the service of this tree on a free port with its own folder, its own database and the dummy exchange,
waits until it is ready, and lets schemathesis send what the contract allows and what it forbids. The exit
code is schemathesis' own.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from ops.proof.running import service

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
        with service(Path(folder)) as running:
            failed = attack(running.url, running.token, Path(folder), asked.examples, asked.seed)
            if failed:
                print(f"the service's warnings:\n{warnings(Path(folder) / 'service.log')}")
            return failed


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
