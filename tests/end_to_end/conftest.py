"""Services for the tests of the whole: one that a module shares, and fresh ones."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.fixtures.service import Service


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Service]]:
    """Make started services; all are stopped at the end of the module."""
    made: list[Service] = []

    def make(**settings: str) -> Service:
        folder: Path = tmp_path_factory.mktemp("service")
        service = Service(folder, **settings)
        made.append(service)
        return service.start()

    yield make
    for service in made:
        service.client.close()
        service.stop()
