"""The task that keeps the server running."""

import os
import signal
import subprocess
from collections.abc import Callable

import psycopg
import pytest
import trio

from persistence.embedded import Began, EmbeddedServer, ServerFailed
from persistence.embedded.watch import Notice, RestartFailed, ServerEnded, ServerRestarted, watch

REAL_SECONDS = 30


class Notices:
    """What was reported, and a way to wait for more."""

    def __init__(self) -> None:
        self.seen: list[Notice] = []
        self._sender, self._receiver = trio.open_memory_channel[Notice](100)

    def __call__(self, notice: Notice) -> None:
        self.seen.append(notice)
        self._sender.send_nowait(notice)

    async def next(self) -> Notice:
        return await self._receiver.receive()


async def test_a_killed_server_comes_back_with_its_data(server: EmbeddedServer) -> None:
    with psycopg.connect(server.dsn) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS one")
    first = server.pid
    assert first is not None
    notices = Notices()
    with trio.fail_after(REAL_SECONDS):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(watch, server, notices)
            os.kill(first, signal.SIGKILL)
            assert await notices.next() == ServerEnded(first)
            assert await notices.next() == ServerRestarted(server.pid, failures=0)
            nursery.cancel_scope.cancel()
    assert server.pid != first
    with psycopg.connect(server.dsn) as connection:
        assert connection.execute("SELECT one FROM kept").fetchone() == (1,)


async def test_a_server_that_dies_again_and_again_is_started_each_time(server: EmbeddedServer) -> None:
    notices = Notices()
    with trio.fail_after(REAL_SECONDS):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(watch, server, notices)
            for _ in range(3):
                pid = server.pid
                assert pid is not None
                os.kill(pid, signal.SIGQUIT)
                assert await notices.next() == ServerEnded(pid)
                assert isinstance(await notices.next(), ServerRestarted)
            nursery.cancel_scope.cancel()


async def test_a_server_that_is_taken_over_is_watched_as_well(
    server: EmbeddedServer, make_server: Callable[..., EmbeddedServer]
) -> None:
    """Nobody but us waits for a process that is not our child."""
    pid = server.pid
    assert pid is not None
    server._lock.release()
    successor = make_server(server.layout.root)
    assert successor.start() is Began.ATTACHED
    notices = Notices()
    with trio.fail_after(REAL_SECONDS):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(watch, successor, notices)
            os.kill(pid, signal.SIGKILL)
            assert await notices.next() == ServerEnded(pid)
            assert isinstance(await notices.next(), ServerRestarted)
            nursery.cancel_scope.cancel()


class FailingServer:
    """A server that has ended and does not start until the given attempt."""

    pid = 7

    def __init__(self, failures: int, error: Exception | None = None) -> None:
        self.failures = failures
        self.error = error or ServerFailed(
            asked="start PostgreSQL", found="the disk is full", remedy="Make room."
        )
        self.attempts = 0

    def exit_descriptor(self) -> int | None:
        return None

    def start(self) -> Began:
        self.attempts += 1
        if self.attempts <= self.failures:
            raise self.error
        return Began.STARTED


def start_without_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mock clock does not wait for threads."""

    async def inline(start: Callable[[], Began]) -> Began:
        await trio.lowlevel.checkpoint()
        return start()

    monkeypatch.setattr("trio.to_thread.run_sync", inline)


async def test_vain_attempts_are_reported_and_their_pauses_grow_to_five_seconds(
    autojump_clock: trio.abc.Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    start_without_threads(monkeypatch)
    notices = Notices()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch, FailingServer(failures=8), notices)
        while not isinstance(await notices.next(), ServerRestarted):
            pass
        nursery.cancel_scope.cancel()
    failed = [notice for notice in notices.seen if isinstance(notice, RestartFailed)]
    assert [notice.pause_seconds for notice in failed] == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]
    assert "the disk is full" in failed[0].reason
    assert notices.seen[9] == ServerRestarted(7, failures=8)


@pytest.mark.parametrize(
    "error", [OSError(28, "No space left on device"), subprocess.TimeoutExpired("postgres --version", 30)]
)
async def test_what_the_system_refuses_to_a_start_is_a_vain_attempt_too(
    error: Exception, autojump_clock: trio.abc.Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk, no memory for a process, programs that take too long: all of it passes."""

    start_without_threads(monkeypatch)
    notices = Notices()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch, FailingServer(1, error), notices)
        while not isinstance(await notices.next(), ServerRestarted):
            pass
        nursery.cancel_scope.cancel()
    assert notices.seen[1:3] == [RestartFailed(str(error), 0.1), ServerRestarted(7, failures=1)]
