"""The runtime and the web edge in one nursery, from the first actor to the last request."""

import sys
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import structlog
import trio

from actors.journal.port import StoreUnavailable
from persistence.embedded import EmbeddedServer
from persistence.embedded.watch import Notice, watch
from supervisors import service
from supervisors.kill_socket import SOCKET, serve_kill_socket
from supervisors.roster import keep_roster
from supervisors.service import Ending
from supervisors.upkeep import Upkeep, cancel_working, start_upkeep
from web.app import create_app
from web.audit import AuditStore, AuditTrail
from web.auth.keyring import Keyring
from web.auth.port import TokenStore
from web.auth.tokens import first_token
from web.hooks.desk import HookDesk
from web.observability import Metrics
from web.server import ServerSettings, serve
from web.services import EdgeSettings, LogThreshold, Services

if TYPE_CHECKING:
    from supervisors.tree import Runtime

TOKEN_SECONDS = 30.0
KILL_FILE = "KILL"

_log = structlog.get_logger(room="service")


class EdgeChoice(msgspec.Struct, frozen=True, kw_only=True):
    """How the web edge is served, and who may use it. `token_file` is where a first token is written."""

    server: ServerSettings
    settings: EdgeSettings
    development_token: str | None
    requests_per_second: int
    token_file: Path
    hooks: HookDesk
    audit: AuditStore
    log: LogThreshold


async def run_service(
    runtime: "Runtime",
    tokens: TokenStore,
    edge: EdgeChoice,
    ending: Ending,
    data_dir: Path,
    server: EmbeddedServer | None,
    upkeep: Upkeep,
) -> None:
    """Run everything until `ending` is set, then stop in order: requests first, the journal last."""
    async with trio.open_nursery() as nursery:
        await nursery.start(
            service.watch_signals,
            ending,
            partial(service.tree_text, runtime),
            partial(service.kill_by_signal, runtime),
        )
        if server is not None:
            nursery.start_soon(watch, server, _report)
        await service.take_kill_file(runtime, data_dir / KILL_FILE)
        await nursery.start(serve_kill_socket, runtime, data_dir / SOCKET)
        async with runtime.running() as tree:
            nursery.start_soon(service.watch_tree, tree, ending)
            nursery.start_soon(service.watch_kill_file, runtime, data_dir / KILL_FILE)
            nursery.start_soon(service.log_dead_letters, runtime.system)
            nursery.start_soon(keep_roster, runtime, tree)
            start_upkeep(upkeep, runtime, nursery)
            async with trio.open_nursery() as outer:
                token_path = await _first_token(tokens, edge, runtime)
                addresses = await outer.start(_serve_web, runtime, tokens, edge, ending)
                _announce(service.banner(addresses, token_path))
                await ending.wait()
                _log.info("stopping", why=ending.why, code=ending.code)
            if ending.code == service.EXIT_GAVE_UP:
                await service.give_up(runtime, ending.why)
            elif ending.code == service.EXIT_STOPPED and upkeep.cancel_at_stop:
                await cancel_working(runtime)
        nursery.cancel_scope.cancel()


async def _serve_web(
    runtime: "Runtime",
    tokens: TokenStore,
    edge: EdgeChoice,
    ending: Ending,
    task_status: trio.TaskStatus[list[str]] = trio.TASK_STATUS_IGNORED,
) -> None:
    keyring = Keyring(
        tokens,
        runtime.outside.clock,
        development_token=edge.development_token,
        requests_per_second=edge.requests_per_second,
        rates=None if runtime.shared is None else runtime.shared.outside.rates,
    )
    audit = AuditTrail(edge.audit)
    metrics = Metrics(runtime.metrics.registry)
    metrics.follow_positions(runtime.port.position_views)
    app = create_app(
        Services(
            port=runtime.port,
            keyring=keyring,
            tokens=tokens,
            metrics=metrics,
            clock=runtime.outside.clock,
            settings=edge.settings,
            hooks=edge.hooks,
            audit=audit,
            log=edge.log,
            webhooks=None if runtime.webhooks is None else runtime.webhooks.desk,
        )
    )
    async with trio.open_nursery() as nursery:
        await nursery.start(keyring.keep_fresh)
        await nursery.start(audit.keep_written)
        await serve(app, edge.server, shutdown=ending.wait, task_status=task_status)
        nursery.cancel_scope.cancel()


async def _first_token(tokens: TokenStore, edge: EdgeChoice, runtime: "Runtime") -> Path | None:
    """Make a token at the first start, readable by its owner alone; where it is, or None with one of the
    settings.
    """
    if edge.development_token is not None:
        return None
    with suppress(StoreUnavailable), trio.move_on_after(TOKEN_SECONDS):
        text = await first_token(tokens, runtime.outside.clock.now_us())
        if text is not None:
            edge.token_file.touch(mode=0o600)
            edge.token_file.write_text(text + "\n")
    return edge.token_file


def _report(notice: Notice) -> None:
    _log.warning("database_server", notice=repr(notice))


def _announce(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
