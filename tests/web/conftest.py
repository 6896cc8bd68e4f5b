"""An application over the fake runtime, its tokens, and a clock that stands."""

import pytest
import trio

from tests.web.fake_port import START_US, FakePort
from tests.web.validating import ValidatingClient
from web.app import create_app
from web.auth.keyring import Keyring
from web.auth.memory import MemoryTokens
from web.auth.tokens import new_token
from web.observability import Metrics
from web.server import ServerSettings, serve
from web.services import EdgeSettings, Services


class StandingClock:
    """The wall clock stands; the monotonic one is trio's."""

    def __init__(self) -> None:
        self.us = START_US

    def now_us(self) -> int:
        return self.us

    def monotonic(self) -> float:
        return trio.current_time()


@pytest.fixture
def clock():
    return StandingClock()


@pytest.fixture
def port():
    return FakePort()


@pytest.fixture
def tokens():
    return MemoryTokens()


@pytest.fixture
def keyring(tokens, clock):
    return Keyring(tokens, clock, development_token="all-scopes-token")


@pytest.fixture
def services(port, tokens, keyring, clock):
    return Services(
        port=port,
        keyring=keyring,
        tokens=tokens,
        metrics=Metrics(),
        clock=clock,
        settings=EdgeSettings(max_commands=4),
    )


@pytest.fixture
def app(services):
    return create_app(services)


@pytest.fixture
def client(app):
    return ValidatingClient(app.test_client())


@pytest.fixture
def auth():
    return {"Authorization": "Bearer all-scopes-token"}


@pytest.fixture
def make_token(tokens, clock):
    """Make a token in the store; its text."""

    async def make(*scopes: str, user: str = "ann", **more: object) -> str:
        text, record = new_token(user, scopes, clock.now_us(), **more)
        await tokens.add(record)
        return text

    return make


@pytest.fixture
async def address(app, nursery):
    """The application served on a free port of this machine."""
    stop = trio.Event()
    settings = ServerSettings(port=0, graceful_seconds=0.2)

    async def run(task_status=trio.TASK_STATUS_IGNORED):
        await serve(app, settings, shutdown=stop.wait, task_status=task_status)

    bound = await nursery.start(run)
    yield bound[0].replace("http://", "ws://")
    stop.set()
