"""Who runs the server: root gives it to another account and opens no folder for that; a person runs it."""

import os
import pwd
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from persistence.embedded import EmbeddedServer, ServerFailed, binaries
from persistence.embedded.account import Account, server_account
from persistence.embedded.binaries import BinariesNotFound, find_binaries, reachable_binaries

PROJECT = Path(__file__).parents[3]
IS_ROOT = os.geteuid() == 0
NOBODY = pwd.getpwnam("nobody")
# An account that is neither ours nor the owner of anything here, whoever runs the tests.
STRANGER = Account(NOBODY.pw_uid - 1, NOBODY.pw_gid - 1, changes=True)
MakeServer = Callable[[Path], EmbeddedServer]

AS_SOMEBODY = """
import os, sys
from pathlib import Path
import psycopg
from persistence.embedded import EmbeddedServer
folder, uid, gid = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)
server = EmbeddedServer(folder)
server.start()
with psycopg.connect(server.dsn) as connection:
    print(connection.execute("SELECT 'answered'").fetchone()[0], os.stat(f"/proc/{server.pid}").st_uid)
server.stop()
"""


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every account can enter, as a temporary one of pytest is not."""
    folder = Path(tempfile.mkdtemp(prefix="tradewarden-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def ordinary() -> Account:
    """An account that is not root: nobody's for root, otherwise ours."""
    if IS_ROOT:
        return Account(NOBODY.pw_uid, NOBODY.pw_gid, changes=True)
    return Account(os.geteuid(), os.getegid(), changes=False)


def test_an_ordinary_user_runs_the_server_as_itself(open_folder: Path, ordinary: Account) -> None:
    home = open_folder / "home"
    home.mkdir(mode=0o700)
    ordinary.own(home)
    programs = reachable_binaries(find_binaries(os.environ), ordinary)
    answer = subprocess.run(
        [sys.executable, "-c", AS_SOMEBODY, home / "postgres", str(ordinary.uid), str(ordinary.gid)],
        cwd=PROJECT,
        env={**os.environ, "PG_BINDIR": str(programs.folder)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert answer.stdout.split() == ["answered", str(ordinary.uid)], answer.stderr


def test_a_private_home_stays_private(tmp_path: Path, make_server: MakeServer) -> None:
    """Root's home is closed to the server's account, and no launcher may change that."""
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    parents = [home, *home.parents]
    before = [(path.stat().st_mode, path.stat().st_uid) for path in parents]
    server = make_server(home / "postgres")
    server.start()
    with psycopg.connect(server.dsn) as connection:
        connection.execute("SELECT 1")
    assert [(path.stat().st_mode, path.stat().st_uid) for path in parents] == before
    assert server.layout.data.stat().st_uid != 0
    assert server.layout.root.stat().st_uid == os.geteuid()


def test_programs_in_a_private_folder_are_copied_for_another_account(
    open_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    found = find_binaries(os.environ)
    package = found.folder.parents[1]
    shutil.copytree(package, private / package.name)
    if package.with_name(package.name + ".libs").exists():
        shutil.copytree(package.with_name(package.name + ".libs"), private / (package.name + ".libs"))
    hidden = find_binaries({"PG_BINDIR": str(private / package.name / found.folder.parent.name / "bin")})
    monkeypatch.setattr(binaries, "SHARED_COPIES", (open_folder / "shared",))
    copied = reachable_binaries(hidden, STRANGER)
    assert copied.folder.is_relative_to(open_folder)
    assert reachable_binaries(hidden, STRANGER) == copied
    for program in (copied.postgres, copied.initdb):
        said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
        assert f"(PostgreSQL) {found.major}" in said.stdout


def test_a_shared_folder_that_others_can_write_to_is_not_used(
    open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = open_folder / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    monkeypatch.setattr(binaries, "SHARED_COPIES", (shared,))
    private = open_folder / "private" / "pginstall" / "bin"
    private.mkdir(parents=True)
    (open_folder / "private").chmod(0o700)
    for name in ("postgres", "initdb"):
        (private / name).touch(0o755)
    with pytest.raises(BinariesNotFound, match="can't reach it"):
        reachable_binaries(binaries.Binaries(private, 18), STRANGER)
    assert list(shared.iterdir()) == []


def test_what_others_may_enter_decides_what_another_account_reaches(open_folder: Path) -> None:
    program = open_folder / "program"
    program.touch()
    program.chmod(0o755)
    assert STRANGER.can_reach(program)
    program.chmod(0o754)
    assert not STRANGER.can_reach(program)
    program.chmod(0o755)
    open_folder.chmod(0o750)
    assert not STRANGER.can_reach(program)


def test_data_belong_to_one_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = tmp_path / "data"
    data.mkdir()
    monkeypatch.setattr(os, "geteuid", lambda: data.stat().st_uid + 12345)
    with pytest.raises(ServerFailed, match="it belongs to user id"):
        server_account(data)


def test_root_hands_the_server_to_the_owner_of_the_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    data = tmp_path / "data"
    assert server_account(data).uid == NOBODY.pw_uid
    data.mkdir()
    owner = data.stat().st_uid
    assert server_account(data).uid == (owner or NOBODY.pw_uid)


def test_programs_are_looked_for_in_the_named_folder_first(open_folder: Path) -> None:
    fake = open_folder / "bin"
    fake.mkdir()
    for name in ("postgres", "initdb"):
        (fake / name).write_text("#!/bin/sh\necho 'postgres (PostgreSQL) 99.1'\n")
        (fake / name).chmod(0o755)
    assert find_binaries({"PG_BINDIR": str(fake)}) == binaries.Binaries(fake, 99)
    assert find_binaries({"PG_BINDIR": str(fake)}, major=18).major == 18


def test_no_folder_is_more_open_than_it_must_be(tmp_path: Path, make_server: MakeServer) -> None:
    server = make_server(tmp_path / "deep" / "postgres")
    server.start()
    root_mode = stat.S_IMODE(server.layout.root.stat().st_mode)
    assert root_mode == (0o711 if IS_ROOT else 0o700)
