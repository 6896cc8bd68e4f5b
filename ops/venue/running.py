"""A venue that listens: for the command, and for tests that start one of their own on free ports."""

import contextlib
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import trio

from ops.venue.control import blueprint
from ops.venue.service import Limits, Venue
from ops.venue.serving import serve, write_authority
from ops.venue.tape import play, sources_for


@dataclass(frozen=True, kw_only=True)
class Running:
    """Where it listens:

    TLS on `port`, the control API without TLS on `control_port`, trusted through `ca_file`.
    """

    venue: Venue
    host: str
    port: int
    control_port: int
    ca_file: Path


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How to run it. `speed` None: the market moves only when the control API says so."""

    host: str = "127.0.0.1"
    port: int = 0
    control_port: int = 0
    folder: Path | None = None
    seed: int = 0
    speed: float | None = None
    market_file: Path | None = None
    priced: str = "BTCUSDT"
    limits: Limits | None = None


@contextlib.asynccontextmanager
async def open_venue(plan: Plan) -> AsyncIterator[Running]:
    """Start a venue; it stops when the block is left. Raise OSError when a port is taken, MarketFileError."""
    venue = Venue(seed=plan.seed, limits=plan.limits)
    venue.app.register_blueprint(blueprint(venue))
    with contextlib.ExitStack() as stack:
        folder = plan.folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="venue-")))
        ca_file, server_file = write_authority(folder)
        async with trio.open_nursery() as nursery:
            serving = partial(
                serve,
                venue.app,
                host=plan.host,
                port=plan.port,
                control_port=plan.control_port,
                server_file=server_file,
            )
            port, control_port = await nursery.start(serving)
            nursery.start_soon(venue.run)
            if plan.speed is not None:
                for exchange in venue.exchanges.values():
                    sources = await trio.to_thread.run_sync(
                        sources_for, exchange, plan.seed, plan.market_file, plan.priced
                    )
                    nursery.start_soon(play, exchange, sources, plan.speed)
            yield Running(venue=venue, host=plan.host, port=port, control_port=control_port, ca_file=ca_file)
            nursery.cancel_scope.cancel()
