"""The embedded PostgreSQL: start it, find it again, stop it.

Plain synchronous code, called before the runtime's loop starts; :mod:`persistence.embedded.watch` keeps it
running afterwards. A start and a recovery are one path: whatever an earlier process left (a living server,
stale locks, half a cluster), :meth:`EmbeddedServer.start` makes of it a server that answers.
"""

import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import sql

from persistence.embedded.account import Account, server_account
from persistence.embedded.binaries import Binaries, find_binaries, reachable_binaries
from persistence.embedded.cluster import (
    USER,
    cluster_version,
    create_cluster,
    last_lines,
    server_command,
    server_environment,
)
from persistence.embedded.errors import FolderInUse, ServerFailed
from persistence.embedded.layout import PORT, Layout, make_layout
from persistence.embedded.lock import FolderLock, Users
from persistence.embedded.processes import clear_stale_locks, is_ready, living_server, works_on

DATABASE = "tradewarden"
READY_SECONDS = 60.0
STOP_SECONDS = 30.0
LOG_BYTES = 10_000_000
_LOOK_SECONDS = 0.01


class Began(Enum):
    """How a start came to a running server."""

    CREATED = "created"
    STARTED = "started"
    ATTACHED = "attached"


class EmbeddedServer:
    """One PostgreSQL server on one folder, owned by this process.

    ``folder`` becomes the server's home (see :mod:`persistence.embedded.layout`). Nothing happens before
    :meth:`start`. The object is not thread-safe: one caller at a time.
    """

    def __init__(self, folder: Path) -> None:
        self._layout = make_layout(folder)
        self._lock = FolderLock(self._layout.root)
        self._child: subprocess.Popen[bytes] | None = None
        self._pid: int | None = None

    @property
    def dsn(self) -> str:
        """The address of the database ``tradewarden``, for psycopg and asyncpg alike; it never changes."""
        return self.dsn_of(DATABASE)

    @property
    def pid(self) -> int | None:
        """The server's process id, None while it is not known to run."""
        return self._pid

    @property
    def layout(self) -> Layout:
        """Where the server's things lie."""
        return self._layout

    def dsn_of(self, database: str) -> str:
        """The address of another database of this server."""
        host = quote(str(self._layout.sockets), safe="")
        return f"postgresql://{USER}@/{quote(database, safe='')}?host={host}&port={PORT}"

    def start(self) -> Began:
        """Make sure that the server runs and answers; returns how that came about.

        Takes the folder's lock, makes the cluster where there is none, takes over a server that a killed
        process left running, clears the locks of one that died. Blocks until the server accepts
        connections, at most 60 s. Raises :class:`FolderInUse`, :class:`BinariesNotFound` or
        :class:`ServerFailed`; then nothing is held.
        """
        if not self._lock.held:
            self._lock.acquire()
        try:
            return self._start()
        except BaseException:
            self.stop()
            raise

    def _start(self) -> Began:
        self._reap()
        self._pid = living_server(self._layout)
        began = self._launch() if self._pid is None else Began.ATTACHED
        self._wait_until_ready()
        self._ensure_database()
        return began

    def stop(self) -> None:
        """Stop the server cleanly and give the folder back; harmless when it does not run.

        Sessions are ended and everything is written (PostgreSQL's fast shutdown). After 30 s the server is
        stopped at once, which costs a recovery at the next start and no committed data.
        """
        if self._pid is not None:
            for request in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
                if self._end_with(request):
                    break
        self._reap()
        self._pid = None
        self._lock.release()

    def give_back(self) -> bool:
        """End what :meth:`start` began, as its owner does; returns whether the server was stopped.

        One that others borrow is left running, and the last of them stops it. Nobody begins to borrow it
        while it is being stopped.
        """
        users = Users(self._layout.root)
        try:
            alone = users.alone()
            if alone:
                self.stop()
            else:
                self.let_go()
        finally:
            users.leave()
        return alone

    def let_go(self) -> None:
        """Give the folder back and leave the server running; harmless when the folder is not held."""
        self._pid = None
        self._lock.release()

    def stop_unowned(self) -> None:
        """Stop the server unless another process owns the folder."""
        try:
            self._lock.acquire()
        except FolderInUse:
            return
        self._pid = living_server(self._layout)
        self.stop()

    def _launch(self) -> Began:
        version = cluster_version(self._layout)
        account = server_account(self._layout.data)
        binaries = reachable_binaries(find_binaries(os.environ, major=version), account)
        self._layout.prepare(account)
        if version is None:
            create_cluster(self._layout, binaries, account)
        else:
            clear_stale_locks(self._layout)
        self._spawn(binaries, account)
        return Began.CREATED if version is None else Began.STARTED

    def _spawn(self, binaries: Binaries, account: Account) -> None:
        log = self._layout.log
        if log.exists() and log.stat().st_size > LOG_BYTES:
            log.replace(log.with_suffix(".log.1"))
        with open(log, "ab", opener=_open_private) as output:
            self._child = subprocess.Popen(
                server_command(self._layout, binaries),
                cwd=self._layout.data,
                env=server_environment(os.environ),
                umask=0o077,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                **account.identity(),
            )
        self._pid = self._child.pid

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while not is_ready(self._layout):
            if self.has_ended():
                raise self._failure("it ended")
            if time.monotonic() > deadline:
                raise self._failure(f"it was not ready within {READY_SECONDS:.0f} s")
            time.sleep(_LOOK_SECONDS)

    def _ensure_database(self) -> None:
        try:
            with psycopg.connect(
                self.dsn_of("postgres"), autocommit=True, connect_timeout=int(READY_SECONDS)
            ) as connection:
                found = connection.execute(
                    "SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]
                ).fetchone()
                if found is None:
                    connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
        except psycopg.Error as error:
            raise self._failure(f"it did not answer ({error})") from error

    def has_ended(self) -> bool:
        """Whether the server that was started or taken over is gone; collects it if it was our child."""
        self._reap()
        return living_server(self._layout) is None and self._child is None

    def exit_descriptor(self) -> int | None:
        """A descriptor that turns readable when the server ends; the caller closes it. None: it has ended."""
        if self._pid is None:
            return None
        try:
            return os.pidfd_open(self._pid)
        except ProcessLookupError:
            return None

    def _end_with(self, request: signal.Signals) -> bool:
        descriptor = self.exit_descriptor()
        if descriptor is None or self._pid is None:
            return True
        try:
            if not works_on(self._pid, self._layout.data):
                return True
            signal.pidfd_send_signal(descriptor, request)
            ended, _, _ = select.select([descriptor], [], [], STOP_SECONDS)
            return bool(ended)
        finally:
            os.close(descriptor)

    def _reap(self) -> None:
        if self._child is not None and self._child.poll() is not None:
            self._child = None

    def _failure(self, found: str) -> ServerFailed:
        said = (
            last_lines(self._layout.log.read_text(errors="replace"))
            if self._layout.log.exists()
            else "no log"
        )
        return ServerFailed(
            asked=f"start PostgreSQL on {self._layout.data}",
            found=f"{found}; its log says: {said}",
            remedy=f"Read {self._layout.log}.",
        )


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


@contextmanager
def borrowed(folder: Path, *, make: Callable[[Path], EmbeddedServer] = EmbeddedServer) -> Iterator[str]:
    """Give the address of the server on ``folder`` whether or not the service runs.

    A server that another process owns is used as it is and left running; otherwise one is started. Of several
    processes that borrow it at a time, the last one stops it, also where its owner ended before them. Blocks
    like :meth:`EmbeddedServer.start`.
    """
    server = make(folder)
    users = Users(server.layout.root)
    try:
        _reach(server, users)
        yield server.dsn
    finally:
        server.let_go()
        if users.alone():
            server.stop_unowned()
        users.leave()


def _reach(server: EmbeddedServer, users: Users) -> None:
    """Start the server, or wait until its owner's answers for our database, which it may only be making.

    Once we are one of its users, no other borrower stops it.
    """
    deadline = time.monotonic() + READY_SECONDS
    error: Exception | None = None
    while True:
        if users.join():
            try:
                server.start()
                return
            except FolderInUse as in_use:
                error = in_use
            try:
                psycopg.connect(server.dsn, connect_timeout=int(READY_SECONDS)).close()
                return
            except psycopg.OperationalError as away:
                error = away
        if time.monotonic() > deadline:
            raise ServerFailed(
                asked=f"use the PostgreSQL server of {server.layout.root}",
                found=f"the process that owns the folder has no server that answers ({error})",
                remedy="Look at its log, or stop it.",
            ) from error
        time.sleep(_LOOK_SECONDS)
