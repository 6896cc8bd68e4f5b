"""Servers for the tests of the launcher: one cluster is made and then copied, which is faster."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from persistence.embedded import EmbeddedServer


@pytest.fixture(scope="session")
def stopped_cluster(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a server that was made, started and cleanly stopped."""
    folder = tmp_path_factory.mktemp("cluster") / "postgres"
    server = EmbeddedServer(folder)
    server.start()
    server.stop()
    return folder


@pytest.fixture
def folder(stopped_cluster: Path, tmp_path: Path) -> Path:
    """A copy of the stopped cluster for this test alone, owners and modes kept."""
    copy = tmp_path / "postgres"
    subprocess.run(["cp", "-a", stopped_cluster, copy], check=True)
    return copy


@pytest.fixture
def make_server() -> Iterator[Callable[[Path], EmbeddedServer]]:
    """Make servers that are stopped after the test, whatever became of them."""
    made: list[EmbeddedServer] = []

    def make(folder: Path) -> EmbeddedServer:
        made.append(EmbeddedServer(folder))
        return made[-1]

    yield make
    for server in made:
        server.stop()


@pytest.fixture
def server(folder: Path, make_server: Callable[[Path], EmbeddedServer]) -> EmbeddedServer:
    """A running server of this test's own."""
    server = make_server(folder)
    server.start()
    return server
