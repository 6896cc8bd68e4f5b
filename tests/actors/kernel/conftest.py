"""Every test of the kernel leaves nothing behind."""

import pytest

from actors.kernel import System
from tests.fixtures.kernel import nothing_left_behind

__all__ = ["nothing_left_behind", "system"]


@pytest.fixture
async def system(nothing_left_behind):
    """A running system under the clock of the test."""
    async with System().running() as running:
        yield running
