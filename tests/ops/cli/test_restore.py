"""`tradewarden restore` and whoever else works with the database."""

from pathlib import Path

import pytest

from config import Settings
from ops.cli.restore import _own_database
from persistence.embedded import EmbeddedServer
from persistence.embedded.processes import living_server
from tests.persistence.embedded.test_server import Borrower, end_owner, start_owner


def test_a_restore_leaves_the_database_to_those_who_borrow_it(tmp_path: Path) -> None:
    """A mistaken one finds the database full and ends; a backup that runs must not fail for it."""
    folder = tmp_path / "postgres"
    owner = start_owner(folder)
    borrower = Borrower(folder)
    assert borrower.works()
    end_owner(owner)
    with pytest.raises(RuntimeError), _own_database(Settings(data_dir=tmp_path)):
        raise RuntimeError("it is not empty")
    assert borrower.works()
    borrower.end()
    assert living_server(EmbeddedServer(folder).layout) is None
