"""Every test of supervision leaves nothing behind."""

import random

import pytest

from actors.kernel import System
from tests.fixtures.kernel import nothing_left_behind
from tests.supervisors.otp.workers import Stage

__all__ = ["nothing_left_behind", "stage"]


@pytest.fixture
def stage(nothing_left_behind):
    """A system that does not run yet (`open_tree` starts it) and the script of its workers."""
    return Stage(System(rng=random.Random(1)))
