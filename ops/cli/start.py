"""From settings to a running service: every part that is outside the runtime, made from what a person
configured.

The one place beside the command line's other commands that reads settings; what it hands on are plain values.
"""

import socket
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from random import SystemRandom
from secrets import token_bytes
from typing import TYPE_CHECKING

import structlog
import trio

from actors.model.clock import Clock
from actors.risk.limits import RiskLimits
from actors.webhook.adapters.http import HttpCarrier
from actors.webhook.shell.channels import Channels
from actors.webhook.ssrf import Allowed
from config import logs
from config.secret import Secret
from config.settings import (
    ExchangeSettings,
    Settings,
    SettingsError,
    SimSettings,
    TlsSettings,
    WebhookSettings,
)
from ops.cli.notify import notify_channels
from ops.cli.secret import vault_of
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
from persistence.vault import NAME as VAULT
from persistence.vault import Pair
from supervisors.backups import BackupChoice
from supervisors.database import database
from supervisors.disk import DiskChoice
from supervisors.edge import EdgeChoice, run_service
from supervisors.exchanges import (
    BadExchange,
    ExchangeChoice,
    SimulationChoice,
    build_exchanges,
    build_limiters,
    build_switches,
    build_timings,
    check_exchanges,
)
from supervisors.process import ProcessIds, SystemClock, instance_name, spare_the_collector
from supervisors.seen import NAME as SEEN
from supervisors.seen import missing, read_seen
from supervisors.service import EXIT_DEPOSED, Ending
from supervisors.shared import SharedOutside
from supervisors.tree import VERSION, Choices, Outside, Runtime
from supervisors.upkeep import Upkeep
from supervisors.webhooks import WebhookOutside
from web.hooks.desk import HookDesk
from web.hooks.spec import BadHooks, read_hooks
from web.server import ServerSettings
from web.services import EdgeSettings

if TYPE_CHECKING:
    from persistence.redis import RedisLink
    from supervisors.tracing import Tracer

LAST_SPANS_SECONDS = 2.0
"""How long the end of the process waits for the last spans to leave."""
EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 - not bound: left out of a certificate

_log = structlog.get_logger(room="start")


def main(settings: Settings) -> int:
    """Run the service with these settings until it is asked to stop; return the process's exit code.

    Raises what keeps it from starting: EmbeddedPostgresError, UnsafeServer, MigrationFailed, VaultError,
    OSError.
    """
    log_output = logs.configure(settings.log.level)
    settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    settings = with_sealed_keys(settings)
    allowed, hooks = allowed_hosts(settings.webhooks), hook_desk(settings.web.hooks_file)
    exchanges, channels = exchange_choices(settings), notify_channels(settings, allowed)
    url = None if settings.database_url is None else settings.database_url.reveal()
    spare_the_collector()
    with database(url, settings.data_dir) as (dsn, server):
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


def make_certificate(tls: TlsSettings, host: str) -> None:
    """Make or renew the certificate for this machine's names, and say how to recognise it."""
    from persistence.certificate import own_certificate, utc_now

    machine = socket.gethostname()
    names = ["localhost", "127.0.0.1", "::1", machine, f"{machine}.local", host, *tls.names]
    wanted = [each for each in dict.fromkeys(names) if each and each not in EVERYWHERE]
    found = own_certificate(tls.cert.parent, wanted, utc_now())
    sys.stdout.write(f"TLS with {found.certificate}\nSHA-256 {found.fingerprint}\n")


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
            exchanges=build_exchanges(
                exchanges,
                clock=clock,
                symbols=settings.risk.symbol_whitelist,
                simulation=_simulation_choice(settings.sim),
                ledgers={each.name: PostgresLedger(base, each.name) for each in settings.exchanges},
                instance=instance,
            ),
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
        runtime = Runtime(outside, _choices(settings, exchanges, halted_because))
        if tracer is not None:
            tracer.follow(runtime.log)
        edge = EdgeChoice(
            server=_server_settings(settings),
            settings=EdgeSettings(
                wait_seconds=settings.web.wait_seconds,
                max_commands=settings.web.max_commands,
                version=VERSION,
                two_people=bool(settings.second_person),
            ),
            development_token=None if settings.token is None else settings.token.reveal(),
            requests_per_second=settings.web.token_rate_per_second,
            token_file=settings.data_dir / "token",
            hooks=hooks,
            audit=PostgresAudit(base),
            log=logs.threshold,
        )
        upkeep = _upkeep(settings, dsn, instance)
        await run_service(runtime, tokens, edge, ending, settings.data_dir, server, upkeep)
        if tracer is not None:
            await trio.to_thread.run_sync(tracer.close, LAST_SPANS_SECONDS)
        if link is not None:
            await link.close()
        await for_webhooks.close()
        await base.close()
    return ending.code


def _tracer(settings: Settings, clock: Clock) -> "Tracer | None":
    """What sends traces; OpenTelemetry is loaded only by those who want them."""
    if settings.tracing.otlp_url is None:
        return None
    from supervisors.tracing import open_tracer

    url = settings.tracing.otlp_url.reveal()
    return open_tracer(url, clock, version=VERSION, ratio=settings.tracing.ratio)


def with_sealed_keys(settings: Settings) -> Settings:
    """The settings, with the pairs of the vault for exchanges that have none there; raises VaultError."""
    if not (settings.data_dir / VAULT).exists():
        return settings
    if all(each.kind != "ccxt" or each.api_key is not None for each in settings.exchanges):
        return settings
    pairs = vault_of(settings).read()
    return replace(
        settings,
        exchanges=tuple(
            replace(
                each,
                api_key=Secret(pairs[each.name].api_key),
                api_secret=Secret(pairs[each.name].api_secret),
            )
            if each.api_key is None and each.name in pairs
            else each
            for each in settings.exchanges
        ),
    )


def _sealed_pairs(settings: Settings) -> dict[str, Pair]:
    return {
        each.name: Pair(api_key=each.api_key.reveal(), api_secret=each.api_secret.reveal())
        for each in settings.exchanges
        if each.api_key is not None and each.api_secret is not None
    }


def _upkeep(settings: Settings, dsn: str, instance: str) -> Upkeep:
    opened = settings.secrets.passphrase is not None or settings.secrets.keys_file is not None
    backups = backup_choice(settings, dsn, instance)
    reserve_bytes = settings.disk.reserve_mb * 1_000_000
    return Upkeep(
        backups=backups,
        disk=DiskChoice(folders=(settings.data_dir, backups.folder), reserve_bytes=reserve_bytes),
        cancel_at_stop=settings.stop.orders == "cancel",
        vault=vault_of(settings) if opened else None,
        credentials=_sealed_pairs(settings),
        seen_file=settings.data_dir / SEEN,
    )


def backup_choice(settings: Settings, dsn: str, instance: str) -> BackupChoice:
    """Where backups lie and when they are due."""
    chosen = settings.backup
    return BackupChoice(
        dsn=dsn,
        folder=chosen.folder or settings.data_dir / "backups",
        keys_file=chosen.keys_file or settings.data_dir / "backup.key",
        data_dir=settings.data_dir,
        every_seconds=chosen.every_hours * 3_600.0,
        keep_days=chosen.keep_days,
        drill_seconds=chosen.drill_days * 86_400.0,
        version=VERSION,
        instance=instance,
        archive_days=settings.journal.archive_days,
    )


def hook_desk(file: Path | None) -> HookDesk:
    """The alerts that become orders; raises SettingsError."""
    try:
        return HookDesk() if file is None else HookDesk(read_hooks(file))
    except BadHooks as error:
        allowed = "a file as the documentation of the API describes it"
        raise SettingsError("TRADEWARDEN_WEB__HOOKS", found=str(error), allowed=allowed) from None


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


def allowed_hosts(chosen: WebhookSettings) -> Allowed:
    """The hosts on the local network that webhooks may reach; raises SettingsError."""
    try:
        return Allowed.read(chosen.allow_hosts)
    except ValueError as error:
        name = "TRADEWARDEN_WEBHOOKS__ALLOW_HOSTS"
        raise SettingsError(name, found=str(error), allowed="host or host:port, several") from None


def _choices(
    settings: Settings, exchanges: Sequence[ExchangeChoice], halted_because: str | None = None
) -> Choices:
    return Choices(
        halted_because=halted_because,
        limits=RiskLimits(**asdict(settings.risk)),
        second_person_for_limits="limits" in settings.second_person,
        second_person_to_resume="resume" in settings.second_person,
        answer_seconds=settings.journal.answer_seconds,
        max_age_to_send_seconds=settings.orders.max_age_to_send_seconds,
        exchange_timings=build_timings(exchanges),
        watchdog=True,
    )


def exchange_choices(settings: Settings) -> list[ExchangeChoice]:
    """The exchange accounts, each of which can be traded as configured; raises SettingsError."""
    choices = [_exchange_choice(each) for each in settings.exchanges]
    try:
        check_exchanges(choices)
    except BadExchange as error:
        name = f"TRADEWARDEN_EXCHANGE__{error.name.upper()}"
        raise SettingsError(name, found=error.why, allowed="see docs/connect-your-exchange.md") from None
    return choices


def _exchange_choice(exchange: ExchangeSettings) -> ExchangeChoice:
    return ExchangeChoice(
        name=exchange.name,
        kind=exchange.kind,
        venue=exchange.venue,
        api_key="" if exchange.api_key is None else exchange.api_key.reveal(),
        api_secret="" if exchange.api_secret is None else exchange.api_secret.reveal(),
        account_type=exchange.account_type,
        leverage=exchange.leverage,
        margin_mode=exchange.margin_mode,
        pins=exchange.pins,
        shadow=exchange.shadow,
        balance_drift=exchange.balance_drift,
        redirect=_redirect(exchange),
        dead_man_seconds=exchange.dead_man_seconds,
        dead_man=exchange.dead_man,
        watchdog_key="" if exchange.watchdog_key is None else exchange.watchdog_key.reveal(),
        watchdog_secret="" if exchange.watchdog_secret is None else exchange.watchdog_secret.reveal(),
    )


def _redirect(exchange: ExchangeSettings) -> tuple[str, int, str] | None:
    if exchange.redirect is None or exchange.redirect_ca is None:
        return None
    return exchange.redirect.host, exchange.redirect.port, str(exchange.redirect_ca)


def _simulation_choice(sim: SimSettings) -> SimulationChoice:
    return SimulationChoice(
        market_file=sim.market_file,
        symbol=sim.symbol,
        speed=sim.speed,
        latency_seconds=sim.latency_seconds,
        seed=sim.seed,
    )


def _server_settings(settings: Settings) -> ServerSettings:
    if settings.tls is not None and settings.tls.self_made:
        make_certificate(settings.tls, settings.bind.host)
    return ServerSettings(
        host=settings.bind.host,
        port=settings.bind.port,
        certificate=None if settings.tls is None else settings.tls.cert,
        key=None if settings.tls is None else settings.tls.key,
    )
