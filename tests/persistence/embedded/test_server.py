"""The launcher against real servers: every way in which an earlier process may have left the folder."""

import asyncio
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import asyncpg
import psycopg
import pytest

from persistence.embedded import Began, BinariesNotFound, EmbeddedServer, FolderInUse, ServerFailed, borrowed
from persistence.embedded import server as server_module
from persistence.embedded.processes import living_server, recorded_pid, works_on

PROJECT = Path(__file__).parents[3]
MakeServer = Callable[[Path], EmbeddedServer]

OWNER = """
import sys
from pathlib import Path
from persistence.embedded import EmbeddedServer
server = EmbeddedServer(Path(sys.argv[1]))
server.start()
print(server.pid, flush=True)
sys.stdin.read()
server.give_back()
"""


def start_owner(folder: Path) -> subprocess.Popen[str]:
    """Another process that owns the server on ``folder`` until its standard input closes."""
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(folder)],
        cwd=PROJECT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert owner.stdout is not None
    assert owner.stdout.readline().strip().isdigit()
    return owner


def end_owner(owner: subprocess.Popen[str], *, kill: bool = False) -> None:
    if kill:
        owner.kill()
    owner.communicate(timeout=60)


def query(dsn: str, statement: str) -> object:
    with psycopg.connect(dsn, autocommit=True) as connection:
        cursor = connection.execute(statement)
        row = cursor.fetchone() if cursor.description else None
        return row[0] if row else None


def kill_server(server: EmbeddedServer) -> int:
    """Kill the server's process and wait for its end, without collecting it: it stays as a zombie."""
    pid = server.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    return pid


def test_a_first_start_makes_a_server_with_our_database(tmp_path: Path, make_server: MakeServer) -> None:
    server = make_server(tmp_path / "home" / "postgres")
    assert server.start() is Began.CREATED
    assert query(server.dsn, "SELECT current_user || '/' || current_database()") == "tradewarden/tradewarden"
    assert query(server.dsn, "SHOW data_checksums") == "on"
    assert query(server.dsn, "SHOW server_encoding") == "UTF8"


def test_the_server_listens_on_its_socket_alone(server: EmbeddedServer) -> None:
    assert query(server.dsn, "SHOW listen_addresses") == ""
    assert stat.S_IMODE(server.layout.sockets.stat().st_mode) == 0o700
    assert stat.S_IMODE(server.layout.data.stat().st_mode) == 0o700
    assert stat.S_IMODE(server.layout.log.stat().st_mode) == 0o600


def test_asyncpg_understands_the_address(server: EmbeddedServer) -> None:
    async def ask() -> object:
        connection = await asyncpg.connect(server.dsn)
        try:
            return await connection.fetchval("SELECT 7")
        finally:
            await connection.close()

    assert asyncio.run(ask()) == 7


def test_a_clean_stop_leaves_no_process_and_no_lock(server: EmbeddedServer) -> None:
    pid = server.pid
    assert pid is not None
    server.stop()
    assert not works_on(pid, server.layout.data)
    assert not server.layout.pid_file.exists()
    assert list(server.layout.sockets.iterdir()) == []
    server.stop()


def test_data_outlive_a_stop(server: EmbeddedServer) -> None:
    query(server.dsn, "CREATE TABLE kept AS SELECT 1 AS one")
    server.stop()
    assert server.start() is Began.STARTED
    assert query(server.dsn, "SELECT one FROM kept") == 1


def test_a_server_whose_owner_was_killed_is_taken_over(folder: Path, make_server: MakeServer) -> None:
    owner = start_owner(folder)
    end_owner(owner, kill=True)
    server = make_server(folder)
    orphan = living_server(server.layout)
    assert orphan is not None
    assert server.start() is Began.ATTACHED
    assert server.pid == orphan
    assert query(server.dsn, "SELECT 1") == 1
    server.stop()
    assert not works_on(orphan, server.layout.data)


def test_a_killed_server_is_started_again_with_its_data(server: EmbeddedServer) -> None:
    query(server.dsn, "CREATE TABLE kept AS SELECT 1 AS one")
    kill_server(server)
    assert server.start() is Began.STARTED
    assert query(server.dsn, "SELECT one FROM kept") == 1


def test_a_zombie_does_not_count_as_a_server(server: EmbeddedServer) -> None:
    """Where nobody collects it, a killed server keeps its process id."""
    pid = kill_server(server)
    assert Path(f"/proc/{pid}").exists()
    assert recorded_pid(server.layout) == pid
    assert living_server(server.layout) is None


def test_a_lock_file_with_the_number_of_another_process_does_not_stop_a_start(
    folder: Path, make_server: MakeServer
) -> None:
    server = make_server(folder)
    server.layout.pid_file.write_text(f"{os.getpid()}\n/proc/self/cwd\n1\n5432\n../run\n\n 1 1\nready   \n")
    server.layout.socket_lock.write_text(f"{os.getpid()}\n")
    assert server.start() is Began.STARTED


def test_an_unreadable_lock_file_does_not_stop_a_start(folder: Path, make_server: MakeServer) -> None:
    server = make_server(folder)
    server.layout.pid_file.write_text("")
    assert server.start() is Began.STARTED


def test_a_second_process_is_refused_and_told_who_has_the_folder(
    folder: Path, make_server: MakeServer
) -> None:
    owner = start_owner(folder)
    try:
        with pytest.raises(FolderInUse, match=f"process {owner.pid} is using it") as caught:
            make_server(folder).start()
        assert caught.value.holder == owner.pid
    finally:
        end_owner(owner)


def test_a_cluster_that_was_never_finished_is_made_anew(tmp_path: Path, make_server: MakeServer) -> None:
    server = make_server(tmp_path / "postgres")
    draft = server.layout.new_draft()
    (draft / "PG_VERSION").write_text("18\n")
    assert server.start() is Began.CREATED
    assert list(server.layout.root.glob("data.draft-*")) == []


def test_something_else_in_the_place_of_the_data_is_left_alone(
    tmp_path: Path, make_server: MakeServer
) -> None:
    server = make_server(tmp_path / "postgres")
    server.layout.data.mkdir()
    (server.layout.data / "holiday.jpg").write_text("a picture")
    with pytest.raises(ServerFailed, match="no PostgreSQL data folder is there"):
        server.start()
    assert (server.layout.data / "holiday.jpg").exists()


def test_data_of_a_version_that_is_not_there_are_refused(folder: Path, make_server: MakeServer) -> None:
    (folder / "data" / "PG_VERSION").write_text("9.6\n")
    server = make_server(folder)
    with pytest.raises(BinariesNotFound, match="PostgreSQL 9, which made the data folder"):
        server.start()


def test_a_failed_start_gives_the_folder_back_and_says_what_the_server_said(
    folder: Path, make_server: MakeServer
) -> None:
    settings = folder / "data" / "postgresql.auto.conf"
    settings.write_text("shared_preload_libraries = 'nothing_of_the_kind'\n")
    server = make_server(folder)
    with pytest.raises(ServerFailed, match="nothing_of_the_kind"):
        server.start()
    settings.write_text("")
    assert make_server(folder).start() is Began.STARTED


def test_a_long_path_gets_a_short_socket(
    tmp_path: Path, stopped_cluster: Path, make_server: MakeServer
) -> None:
    long = tmp_path / ("long" * 20)
    long.mkdir()
    subprocess.run(["cp", "-a", stopped_cluster, long / "postgres"], check=True)
    server = make_server(long / "postgres")
    server.start()
    sockets = server.layout.sockets
    assert sockets.parent == Path("/tmp")
    assert stat.S_IMODE(sockets.stat().st_mode) == 0o700
    assert query(server.dsn, "SELECT 1") == 1
    server.stop()
    sockets.rmdir()


def test_a_server_that_hears_nothing_is_ended_all_the_same(
    server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "STOP_SECONDS", 0.1)
    pid = server.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    server.stop()
    assert not works_on(pid, server.layout.data)


def test_a_large_log_is_put_aside(
    folder: Path, make_server: MakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "LOG_BYTES", 10)
    server = make_server(folder)
    server.start()
    assert "shut down" in (folder / "server.log.1").read_text()
    assert "ready to accept" in (folder / "server.log").read_text()


def test_a_borrowed_server_runs_for_the_length_of_the_block(folder: Path) -> None:
    with borrowed(folder) as dsn:
        assert query(dsn, "SELECT 1") == 1
    assert living_server(EmbeddedServer(folder).layout) is None


def test_a_borrowed_server_of_another_process_is_left_running(folder: Path) -> None:
    owner = start_owner(folder)
    try:
        with borrowed(folder) as dsn:
            assert query(dsn, "SELECT 1") == 1
        with borrowed(folder) as dsn:
            assert query(dsn, "SELECT 1") == 1
    finally:
        end_owner(owner)


BORROWER = """
import sys
from pathlib import Path
import psycopg
from persistence.embedded import borrowed
with borrowed(Path(sys.argv[1])) as dsn:
    for _line in sys.stdin:
        with psycopg.connect(dsn) as connection:
            print(connection.execute("SELECT 1").fetchone(), flush=True)
"""


class Borrower:
    """Another process that borrows the server on ``folder``, and uses it when asked to."""

    def __init__(self, folder: Path) -> None:
        command = [sys.executable, "-c", BORROWER, str(folder)]
        self.process = subprocess.Popen(
            command, cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def works(self) -> bool:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("ask\n")
        self.process.stdin.flush()
        return self.process.stdout.readline() == "(1,)\n"

    def end(self, *, kill: bool = False) -> None:
        end_owner(self.process, kill=kill)


@pytest.mark.parametrize("kill", [False, True])
@pytest.mark.parametrize("first", [0, 1])
def test_the_last_of_two_borrowers_stops_the_server(folder: Path, first: int, kill: bool) -> None:
    """Two offline commands at once: the shorter one must not take the server from under the longer one."""
    two = [Borrower(folder)]
    assert two[0].works()
    two.append(Borrower(folder))
    assert two[1].works()
    layout = EmbeddedServer(folder).layout
    two[first].end(kill=kill)
    assert two[1 - first].works()
    two[1 - first].end()
    assert living_server(layout) is None


def test_an_owner_that_ends_leaves_the_server_to_those_who_borrow_it(folder: Path) -> None:
    """The service is stopped while a backup runs: the backup must not fail for it."""
    owner = start_owner(folder)
    layout = EmbeddedServer(folder).layout
    two = [Borrower(folder), Borrower(folder)]
    assert all(each.works() for each in two)
    end_owner(owner)
    for each in two:
        assert each.works()
        each.end()
    assert living_server(layout) is None


def test_an_owner_whose_server_nobody_borrows_stops_it(folder: Path) -> None:
    owner = start_owner(folder)
    with borrowed(folder):
        pass
    end_owner(owner)
    assert living_server(EmbeddedServer(folder).layout) is None


def test_borrowers_that_come_and_go_at_once_all_find_a_server(folder: Path) -> None:
    """One may come just while the last of the others stops the server; then it starts one."""
    several = [Borrower(folder) for _ in range(4)]
    for each in several:
        assert each.works()
        each.end()
    assert living_server(EmbeddedServer(folder).layout) is None


def test_a_borrower_leaves_the_server_to_an_owner_that_took_it_over(
    folder: Path, make_server: MakeServer
) -> None:
    """The service starts while an offline command whose starter is gone still works."""
    starter = Borrower(folder)
    assert starter.works()
    other = Borrower(folder)
    assert other.works()
    starter.end()
    server = make_server(folder)
    assert server.start() is Began.ATTACHED
    other.end()
    assert query(server.dsn, "SELECT 1") == 1


def test_settings_of_the_environment_do_not_reach_the_server(
    folder: Path, make_server: MakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "PGDATA": "/nowhere",
        "PGPORT": "1",
        "PGDATABASE": "none",
        "PGUSER": "nobody",
    }.items():
        monkeypatch.setenv(name, value)
    server = make_server(folder)
    server.start()
    assert query(server.dsn, "SELECT current_user") == "tradewarden"
