"""A link in use: the bridge around it, its keeper beside it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from persistence.postgres import open_bridge
from persistence.redis import Patience, RedisLink
from supervisors.process import SystemClock
from tests.fixtures.redis import RedisServer
from tests.fixtures.stores import fail_on_error

PATIENT = Patience(call_seconds=10.0, slow_seconds=10.0, probe_seconds=10.0)
"""For tests in which the server is well: a busy machine is no slow server."""


@asynccontextmanager
async def linked(
    server: RedisServer, owner: str = "test", patience: Patience = PATIENT
) -> AsyncIterator[RedisLink]:
    """A link that was looked for once."""
    async with open_bridge(fail_on_error):
        link = RedisLink(server.url, owner=owner, clock=SystemClock(), patience=patience)
        async with trio.open_nursery() as nursery:
            await nursery.start(link.keep)
            try:
                yield link
            finally:
                nursery.cancel_scope.cancel()
                await link.close()


async def until(condition, seconds: float = 10.0) -> None:
    """Wait for a real server."""
    with trio.fail_after(seconds):
        while not condition():  # noqa: ASYNC110 - a real server has no event
            await trio.sleep(0.01)
