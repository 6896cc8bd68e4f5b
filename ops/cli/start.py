"""From settings to a running service: every part that is outside the runtime, made from what a person
configured.

The one place beside the command line's other commands that reads settings; what it hands on are plain values.
"""

from collections.abc import Sequence
from functools import partial
from random import SystemRandom
from secrets import token_bytes
from typing import TYPE_CHECKING

import structlog
import trio

from actors.broker.adapters.simulated.recorded import MarketFileError
from actors.broker.port import ExchangePort
from actors.model.clock import Clock
from actors.webhook.adapters.http import HttpCarrier
from actors.webhook.shell.channels import Channels
from actors.webhook.ssrf import Allowed
from config import logs
from config.settings import (
    Settings,
    SettingsError,
)
from ops.cli.address import require_free, require_short
from ops.cli.choices import (
    allowed_hosts,
    edge_choice,
    exchange_choices,
    hook_desk,
    runtime_choices,
    simulation_choice,
    upkeep,
    with_sealed_keys,
)
from ops.cli.notify import notify_channels
from persistence.embedded import EmbeddedServer
from persistence.latch import FileLatch
from persistence.postgres.archive import PostgresArchive
from persistence.postgres.audit_trail import PostgresAudit
from persistence.postgres.journal_store import PostgresJournalStore
from persistence.postgres.pool import Database, open_bridge
from persistence.postgres.segments import hash_at
from persistence.postgres.sim_ledger import PostgresLedger
from persistence.postgres.tokens import PostgresTokenStore
from persistence.postgres.webhooks import PostgresWebhookStore
from supervisors.database import database
from supervisors.edge import run_service
from supervisors.exchanges import (
    ExchangeChoice,
    build_exchanges,
    build_limiters,
    build_switches,
)
from supervisors.process import ProcessIds, SystemClock, instance_name, spare_the_collector
from supervisors.seen import NAME as SEEN
from supervisors.seen import missing, read_seen
from supervisors.service import EXIT_DEPOSED, Ending
from supervisors.shared import SharedOutside
from supervisors.tree import VERSION, Outside, Runtime
from supervisors.webhooks import WebhookOutside
from web.hooks.desk import HookDesk

if TYPE_CHECKING:
    from persistence.redis import RedisLink
    from supervisors.tracing import Tracer

LAST_SPANS_SECONDS = 2.0
"""How long the end of the process waits for the last spans to leave."""

_log = structlog.get_logger(room="start")


def main(settings: Settings) -> int:
    """Run the service with these settings until it is asked to stop; return the process's exit code.

    Raises what keeps it from starting: EmbeddedPostgresError, UnsafeServer, MigrationFailed, VaultError,
    SettingsError, Failed, OSError; the last three also out of groups of the nurseries.
    """
    log_output = logs.configure(settings.log.level)
    require_short(settings.data_dir)
    settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    settings = with_sealed_keys(settings)
    allowed = allowed_hosts(settings.webhooks)
    hooks = hook_desk(settings.web.hooks_file, settings.exchanges)
    exchanges, channels = exchange_choices(settings), notify_channels(settings, allowed)
    url = None if settings.database_url is None else settings.database_url.reveal()
    spare_the_collector()
    with database(url, settings.data_dir) as (dsn, server):
        require_free(settings.bind)
        put_back = _put_back(settings, dsn)
        serve = partial(_serve, settings, exchanges, dsn, server, allowed, hooks, channels, put_back)
        return trio.run(serve, instruments=[log_output])


def _put_back(settings: Settings, dsn: str) -> str | None:
    """Why trading starts halted, when the database is older than what this data folder has seen."""
    seen = read_seen(settings.data_dir / SEEN)
    why = missing(seen, None if seen is None else hash_at(dsn, seen.seq))
    if why is not None:
        _log.error("database_put_back", why=why)
    return why


async def _serve(
    settings: Settings,
    exchanges: Sequence[ExchangeChoice],
    dsn: str,
    server: EmbeddedServer | None,
    allowed: Allowed,
    hooks: HookDesk,
    channels: Channels,
    halted_because: str | None,
) -> int:
    ending = Ending()
    clock = SystemClock()
    async with open_bridge(lambda what, error: _log.error("asyncio_error", what=what, error=repr(error))):
        base, for_webhooks = Database(dsn), Database(dsn, readers=2)
        tokens = PostgresTokenStore(base)
        instance = instance_name(settings.data_dir)
        link = redis_link(settings, instance, clock)
        tracer = _tracer(settings, clock)
        outside = Outside(
            clock=clock,
            ids=ProcessIds(instance),
            rng=SystemRandom(),
            store=PostgresJournalStore(base),
            archive=PostgresArchive(base),
            latch=FileLatch(settings.data_dir / "latch"),
            exchanges=_exchanges(settings, exchanges, base, clock, instance),
            limiters=build_limiters(exchanges),
            switches=build_switches(exchanges, settings.data_dir),
            on_deposed=partial(ending.set, EXIT_DEPOSED),
            stages=() if tracer is None else (tracer,),
            webhooks=WebhookOutside(
                store=PostgresWebhookStore(for_webhooks),
                carrier=HttpCarrier(allowed),
                entropy=token_bytes,
                allowed=allowed,
                pauses=settings.webhooks.schedule_seconds,
                concurrency=settings.webhooks.concurrency,
                channels=channels,
            ),
            shared=None if link is None else _shared(link),
        )
        runtime = Runtime(outside, runtime_choices(settings, exchanges, halted_because))
        if tracer is not None:
            tracer.follow(runtime.log)
        edge = edge_choice(settings, hooks, PostgresAudit(base))
        kept = upkeep(settings, dsn, instance)
        await run_service(runtime, tokens, edge, ending, settings.data_dir, server, kept)
        async with trio.open_nursery() as nursery:
            for exchange in outside.exchanges.values():
                nursery.start_soon(exchange.close)
        if tracer is not None:
            await trio.to_thread.run_sync(tracer.close, LAST_SPANS_SECONDS)
        if link is not None:
            await link.close()
        await for_webhooks.close()
        await base.close()
    return ending.code


def _exchanges(
    settings: Settings, exchanges: Sequence[ExchangeChoice], base: Database, clock: Clock, instance: str
) -> dict[str, ExchangePort]:
    """The adapters; raises SettingsError for a recorded market that can't be played."""
    try:
        return build_exchanges(
            exchanges,
            clock=clock,
            symbols=settings.risk.symbol_whitelist,
            simulation=simulation_choice(settings.sim),
            ledgers={each.name: PostgresLedger(base, each.name) for each in settings.exchanges},
            instance=instance,
        )
    except MarketFileError as error:
        found = f"{error.path}, line {error.line}: {error.found[:80]!r}"
        raise SettingsError("TRADEWARDEN_SIM__MARKET_FILE", found=found, allowed=error.expected) from None


def _tracer(settings: Settings, clock: Clock) -> "Tracer | None":
    """What sends traces; OpenTelemetry is loaded only by those who want them."""
    if settings.tracing.otlp_url is None:
        return None
    from supervisors.tracing import open_tracer

    url = settings.tracing.otlp_url.reveal()
    return open_tracer(url, clock, version=VERSION, ratio=settings.tracing.ratio)


def redis_link(settings: Settings, instance: str, clock: Clock) -> "RedisLink | None":
    """The link to the Redis of the settings, if they have one; raises SettingsError."""
    if settings.redis_url is None:
        return None
    from persistence.redis import BadAddress, RedisLink

    try:
        return RedisLink(settings.redis_url.reveal(), owner=instance, clock=clock)
    except BadAddress as error:
        raise SettingsError("TRADEWARDEN_REDIS_URL", found="hidden", allowed=str(error)) from None


def _shared(link: "RedisLink") -> SharedOutside:
    from persistence.redis import RedisBreakers, RedisPositions, RedisRates, RedisRetries

    return SharedOutside(
        link=link,
        rates=RedisRates(link),
        positions=RedisPositions(link),
        retries=RedisRetries(link),
        breakers=RedisBreakers(link),
    )
