"""What a person configured, as the parts of the service ask for it: plain values made from settings."""

import socket
import ssl
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from actors.risk.limits import RiskLimits
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
from ops.cli.secret import vault_of
from persistence.vault import NAME as VAULT
from persistence.vault import Pair
from supervisors.backups import BackupChoice
from supervisors.disk import DiskChoice
from supervisors.edge import EdgeChoice
from supervisors.exchanges import (
    BadExchange,
    ExchangeChoice,
    SimulationChoice,
    build_timings,
    check_exchanges,
)
from supervisors.seen import NAME as SEEN
from supervisors.tree import VERSION, Choices
from supervisors.upkeep import Upkeep
from web.audit.port import AuditStore
from web.hooks.desk import HookDesk
from web.hooks.spec import BadHooks, read_hooks
from web.server import ServerSettings
from web.services import EdgeSettings

EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 - not bound: left out of a certificate


def runtime_choices(
    settings: Settings, exchanges: Sequence[ExchangeChoice], halted_because: str | None = None
) -> Choices:
    """What the runtime is told."""
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
    found = [_exchange_choice(each) for each in settings.exchanges]
    try:
        check_exchanges(found)
    except BadExchange as error:
        name = f"TRADEWARDEN_EXCHANGE__{error.name.upper()}"
        raise SettingsError(name, found=error.why, allowed="see docs/connect-your-exchange.md") from None
    return found


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


def simulation_choice(sim: SimSettings) -> SimulationChoice:
    """What the simulated exchange plays."""
    return SimulationChoice(
        market_file=sim.market_file,
        symbol=sim.symbol,
        speed=sim.speed,
        latency_seconds=sim.latency_seconds,
        seed=sim.seed,
    )


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


def edge_choice(settings: Settings, hooks: HookDesk, audit: AuditStore) -> EdgeChoice:
    """What the web edge is told."""
    return EdgeChoice(
        server=server_settings(settings),
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
        audit=audit,
        log=logs.threshold,
    )


def server_settings(settings: Settings) -> ServerSettings:
    """Where the server listens; a certificate of our own is made here when the settings ask for one.

    Raises SettingsError for a certificate and key that are none, or don't belong together.
    """
    if settings.tls is not None and settings.tls.self_made:
        _make_certificate(settings.tls, settings.bind.host)
    elif settings.tls is not None:
        _require_pair(settings.tls)
    return ServerSettings(
        host=settings.bind.host,
        port=settings.bind.port,
        certificate=None if settings.tls is None else settings.tls.cert,
        key=None if settings.tls is None else settings.tls.key,
    )


def _require_pair(tls: TlsSettings) -> None:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(tls.cert, tls.key, password="")
    except OSError as error:
        why = getattr(error, "reason", None) or error.strerror or str(error)
        raise SettingsError(
            "TRADEWARDEN_TLS__CERT",
            found=f"{tls.cert} with {tls.key}, which can't be used: {why}",
            allowed="PEM files: in TLS__CERT a certificate, in TLS__KEY its key, not locked by a passphrase",
        ) from None


def _make_certificate(tls: TlsSettings, host: str) -> None:
    """Make or renew the certificate for this machine's names, and say how to recognise it."""
    from persistence.certificate import own_certificate, utc_now

    machine = socket.gethostname()
    names = ["localhost", "127.0.0.1", "::1", machine, f"{machine}.local", host, *tls.names]
    wanted = [each for each in dict.fromkeys(names) if each and each not in EVERYWHERE]
    found = own_certificate(tls.cert.parent, wanted, utc_now())
    sys.stdout.write(f"TLS with {found.certificate}\nSHA-256 {found.fingerprint}\n")


def hook_desk(file: Path | None, exchanges: Sequence[ExchangeSettings]) -> HookDesk:
    """The alerts that become orders; raises SettingsError."""
    try:
        return HookDesk() if file is None else HookDesk(read_hooks(file, [each.name for each in exchanges]))
    except BadHooks as error:
        allowed = "a file as the documentation of the API describes it"
        raise SettingsError("TRADEWARDEN_WEB__HOOKS", found=str(error), allowed=allowed) from None


def allowed_hosts(chosen: WebhookSettings) -> Allowed:
    """The hosts on the local network that webhooks may reach; raises SettingsError."""
    try:
        return Allowed.read(chosen.allow_hosts)
    except ValueError as error:
        name = "TRADEWARDEN_WEBHOOKS__ALLOW_HOSTS"
        raise SettingsError(name, found=str(error), allowed="host or host:port, several") from None


def upkeep(settings: Settings, dsn: str, instance: str) -> Upkeep:
    """What goes on beside trading: backups, the disk, keys, and how it stops."""
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
