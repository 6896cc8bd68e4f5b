"""The process under test, its database server, and what can be done to both."""

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx

from persistence.embedded import EmbeddedPostgresError, EmbeddedServer
from persistence.embedded.layout import PORT

READY_SECONDS = 90.0
PROGRAM = "ops.proof.crash.points"
ROOT = Path(__file__).parents[3]


class NotReady(Exception):
    """The service did not become ready in time; the end of its log says why."""


class Service:
    """One installation: its folder, its address, and the process that runs now, if any.

    `data` is where its files lie, database and latch among them. It keeps its own PostgreSQL, unless
    `database_url` is set: then the test keeps that one.
    """

    def __init__(self, folder: Path, symbols: tuple[str, ...], *, data: Path | None = None) -> None:
        self.folder = folder
        self.data = data or folder / "data"
        self.token = secrets.token_urlsafe(32)
        self.port = _free_port()
        self.log = folder / "service.log"
        self._symbols = symbols
        self._process: subprocess.Popen[bytes] | None = None
        self.database_url = ""
        self._point = folder / "crash-point"
        self._server = EmbeddedServer(self.data / "postgres")

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def dsn(self) -> str:
        """Its database."""
        return self._server.dsn

    def start(self) -> None:
        """Start the process; it is not ready yet."""
        database = {"TRADEWARDEN_DATABASE_URL": self.database_url} if self.database_url else {}
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                (sys.executable, "-m", PROGRAM),
                cwd=ROOT,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={
                    "PATH": os.environ.get("PATH", ""),
                    "HOME": str(self.folder),
                    "PYTHONPATH": str(ROOT),
                    "CRASH_POINT": str(self._point),
                    "TRADEWARDEN_DATA_DIR": str(self.data),
                    **database,
                    "TRADEWARDEN_BIND": f"127.0.0.1:{self.port}",
                    "TRADEWARDEN_TOKEN": self.token,
                    "TRADEWARDEN_EXCHANGES": "sim",
                    "TRADEWARDEN_RISK__SYMBOL_WHITELIST": ",".join(self._symbols),
                    "TRADEWARDEN_RISK__MAX_POS_USD": "20000",
                    "TRADEWARDEN_WEB__TOKEN_RATE_PER_SECOND": "10000",
                    "TRADEWARDEN_LOG__LEVEL": "warning",
                    # A disk that is full shall find nobody prepared.
                    "TRADEWARDEN_DISK__RESERVE_MB": "0",
                },
            )

    def wait_ready(self) -> float:
        """Wait until it takes orders; how many seconds that took. Raise NotReady."""
        began = time.monotonic()
        while time.monotonic() - began < READY_SECONDS:
            if self._process is not None and self._process.poll() is not None:
                self.start()
            if self.is_ready():
                return time.monotonic() - began
            time.sleep(0.05)
        raise NotReady(f"not ready in {READY_SECONDS:g} s:\n{self.log.read_text()[-3000:]}")

    def is_ready(self) -> bool:
        """Whether it takes orders now."""
        try:
            return httpx.get(f"{self.url}/readyz", timeout=2.0).status_code == 200
        except httpx.HTTPError:
            return False

    def arm(self, point: str, passing: int) -> None:
        """Let the process kill itself at a named point (see `points`), at its so-manieth passing."""
        draft = self._point.with_suffix(".draft")
        draft.write_text(f"{point}:{passing}")
        draft.replace(self._point)

    def disarm(self) -> None:
        """Let it live."""
        self._point.unlink(missing_ok=True)

    def wait_dead(self, seconds: float) -> bool:
        """Whether the process has ended by itself within the time."""
        if self._process is None:
            return True
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def kill(self) -> None:
        """End the process as a power cut would, without a chance to do anything."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def stop(self) -> int:
        """End it in order; its exit code."""
        if self._process is None:
            return 0
        self._process.terminate()
        try:
            return self._process.wait(60.0)
        except subprocess.TimeoutExpired:
            self.kill()
            return -signal.SIGKILL

    # The database server's own process.

    def start_database(self) -> None:
        """Make sure that the server runs, where the service does not do so itself."""
        deadline = time.monotonic() + READY_SECONDS
        while True:
            try:
                self._server.start()
                return
            except EmbeddedPostgresError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.3)

    def stop_database(self) -> None:
        """Stop the server that `start_database` started."""
        self._server.stop()

    @property
    def database_socket(self) -> Path:
        """Where the server listens."""
        return self._server.layout.sockets / f".s.PGSQL.{PORT}"

    def database_pid(self) -> int | None:
        """The process id of the database server, from its own lock file."""
        try:
            return int(self._server.layout.pid_file.read_text().split("\n", 1)[0])
        except (OSError, ValueError):
            return None

    def kill_database(self) -> None:
        """Kill the server and all its backends at once."""
        self._signal(signal.SIGKILL)

    def freeze_database(self, seconds: float, sleep: Callable[[float], None] = time.sleep) -> None:
        """Stop the server's processes for a while, as a machine that swaps does."""
        self._signal(signal.SIGSTOP)
        sleep(seconds)
        self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        server = self.database_pid()
        if server is None:
            return
        for pid in (*_children(server), server):
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue


def _children(pid: int) -> list[int]:
    try:
        return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
