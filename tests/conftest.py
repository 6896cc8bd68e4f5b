"""What every test shares: fixtures, the profile of hypothesis, and what is left out without recorded data."""

import os
from pathlib import Path

import pytest
import structlog
from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.fixtures.postgres", "tests.fixtures.redis"]

TEST_DATA = "TRADEWARDEN_TEST_DATA"

settings.register_profile(
    "tradewarden",
    max_examples=100,
    deadline=None,
    print_blob=True,
    # The same examples in every run of the continuous integration, new ones on a desk.
    derandomize="CI" in os.environ,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("tradewarden")

# A traceback with all its local values takes seconds on a busy machine, in the middle of what is tested.
structlog.configure(
    processors=[
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper("%Y-%m-%d %H:%M:%S", utc=False),
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback),
    ]
)

_left_out: list[str] = []


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what needs recorded market data where there are none."""
    folder = os.environ.get(TEST_DATA)
    if folder and Path(folder).is_dir():
        return
    without = [item for item in items if item.get_closest_marker("recorded")]
    if without:
        _left_out.append(
            f"{len(without)} tests left out: {TEST_DATA} names no folder with recorded market data"
        )
        config.hook.pytest_deselected(items=without)
        items[:] = [item for item in items if item not in without]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say in one line that tests were left out, so that nobody takes the run for the whole."""
    for line in _left_out:
        terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def recorded_data() -> Path:
    """The folder with recorded market data; for tests that carry the marker ``recorded``."""
    return Path(os.environ[TEST_DATA])
