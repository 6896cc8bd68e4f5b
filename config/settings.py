"""Every setting of the program, read once at the start into one frozen tree.

Names are ``TRADEWARDEN_`` plus the path with ``__`` between the parts; they are a promise to users. Whoever
needs a setting is handed it by the tree of the application; nothing reads the environment later. What lives
here is the list of names; how a text becomes a value is in :mod:`config.values`, where texts come from in
:mod:`config.sources`.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from config.errors import SettingsError
from config.secret import Secret
from config.sources import Files, Reader, RealFiles, open_sources
from config.tree import (
    BackupSettings,
    DiskSettings,
    ExchangeKind,
    ExchangeSettings,
    JournalSettings,
    LogSettings,
    NotifySettings,
    OrderSettings,
    RiskSettings,
    SecretsSettings,
    Settings,
    SimSettings,
    StopSettings,
    TlsSettings,
    TracingSettings,
    WebhookSettings,
    WebSettings,
)
from config.values import (
    Address,
    Raw,
    Unfit,
    address,
    channel_name,
    choice,
    dead_man_seconds,
    factor,
    host,
    in_order,
    level,
    leverage,
    money,
    name,
    or_off,
    ratio,
    seconds,
    several,
    share,
    span,
    switch,
    symbol,
    text,
    url,
    whole,
)

__all__ = [
    "Address",
    "BackupSettings",
    "ExchangeSettings",
    "JournalSettings",
    "LogSettings",
    "NotifySettings",
    "OrderSettings",
    "RiskSettings",
    "Secret",
    "Settings",
    "SettingsError",
    "SimSettings",
    "TlsSettings",
    "TracingSettings",
    "WebSettings",
    "WebhookSettings",
    "load",
    "setting_names",
]

KINDS_WITHOUT_VENUE: dict[str, ExchangeKind] = {"sim": "sim", "dummy": "dummy"}
CHANNEL_KINDS = ("ntfy", "telegram", "slack", "discord", "email")
ACCOUNT_TYPES = ("spot", "margin", "swap", "future")
SHORTEST_TOKEN = 8
NO_NAMES: tuple[str, ...] = ()


def load(environ: Mapping[str, str], files: Files | None = None) -> Settings:
    """Read all settings from ``environ`` and the files it names.

    Raises :class:`SettingsError` for the first setting that is unknown or bad.
    """
    reader = open_sources(environ, files or RealFiles())
    settings = _settings(reader)
    reader.require_all_known()
    _require_safe_binding(reader, settings)
    return settings


def setting_names() -> tuple[str, ...]:
    """The names of all settings without the prefix; those of the exchange ``sim`` and of the
    channel ``phone`` stand for any other's.
    """
    reader = open_sources({}, RealFiles())
    _settings(reader)
    _channel(reader, "phone")
    return tuple(sorted(reader.asked))


def _settings(reader: Reader) -> Settings:
    default = Settings(data_dir=reader.home / ".local" / "share" / "tradewarden")
    return Settings(
        data_dir=reader.path("DATA_DIR", default.data_dir) or default.data_dir,
        bind=reader.take("BIND", address, default.bind),
        allow_remote=reader.take("ALLOW_REMOTE", switch, default.allow_remote),
        tls=_tls(reader, default.data_dir),
        database_url=reader.secret("DATABASE_URL", url("postgresql", "postgres")),
        redis_url=reader.secret("REDIS_URL", url("redis", "rediss", "unix")),
        token=reader.secret("TOKEN", _token),
        exchanges=_exchanges(reader, default.exchanges),
        risk=_risk(reader, default.risk),
        second_person=reader.take(
            "SECOND_PERSON", several(choice("limits", "resume")), default.second_person
        ),
        sim=_sim(reader, default.sim),
        web=_web(reader, default.web),
        webhooks=_webhooks(reader, default.webhooks),
        notify=_notify(reader),
        orders=OrderSettings(
            reader.take("ORDERS__MAX_AGE_TO_SEND_SECONDS", seconds, default.orders.max_age_to_send_seconds)
        ),
        journal=JournalSettings(
            answer_seconds=reader.take("JOURNAL__ANSWER_SECONDS", seconds, default.journal.answer_seconds),
            archive_days=reader.take("JOURNAL__ARCHIVE_DAYS", whole(0, 36_500), default.journal.archive_days),
        ),
        backup=_backup(reader, default.backup),
        secrets=SecretsSettings(
            passphrase=reader.secret("SECRETS__PASSPHRASE"),
            keys_file=reader.path("SECRETS__KEYS", default.secrets.keys_file),
        ),
        disk=DiskSettings(reader.take("DISK__RESERVE_MB", whole(0, 1_000_000), default.disk.reserve_mb)),
        stop=StopSettings(reader.take("STOP__ORDERS", choice("keep", "cancel"), default.stop.orders)),
        log=LogSettings(reader.take("LOG__LEVEL", level, default.log.level)),
        tracing=TracingSettings(
            reader.secret("TRACING__OTLP_URL", url("http", "https")),
            reader.take("TRACING__RATIO", ratio, default.tracing.ratio),
        ),
    )


_count = whole(0, 999_999_999)

_LIMITS: dict[str, Callable[[Raw], Any]] = {
    "symbol_whitelist": several(symbol),
    "max_pos_usd": or_off(money),
    "max_daily_loss_usd": or_off(money),
    "price_collar": or_off(share),
    "max_price_age_seconds": or_off(span),
    "margin": switch,
    "max_order_usd": or_off(money),
    "max_order_quantity": or_off(money),
    "max_long_usd": or_off(money),
    "max_short_usd": or_off(money),
    "max_exchange_usd": or_off(money),
    "max_gross_usd": or_off(money),
    "max_net_usd": or_off(money),
    "max_drawdown_usd": or_off(money),
    "max_open_orders": or_off(_count),
    "max_open_orders_per_symbol": or_off(_count),
    "max_messages": or_off(_count),
    "message_window_seconds": span,
    "max_repeated_executions": or_off(_count),
    "repeated_window_seconds": span,
    "duplicate_seconds": or_off(span),
    "max_clock_skew_seconds": or_off(span),
    "max_seconds_without_stop": or_off(span),
    "self_match_prevention": switch,
    "post_only_check": switch,
    "flatten_on_daily_loss": switch,
    "flatten_without_stop": switch,
    "reduce_on_stale_price": switch,
    "resume_within_limits": choice("never", "price", "always"),
}


def _risk(reader: Reader, default: RiskSettings) -> RiskSettings:
    return RiskSettings(
        **{
            name: reader.take(f"RISK__{name.upper()}", parse, getattr(default, name))
            for name, parse in _LIMITS.items()
        }
    )


def _sim(reader: Reader, default: SimSettings) -> SimSettings:
    return SimSettings(
        market_file=reader.file("SIM__MARKET_FILE"),
        symbol=reader.take("SIM__SYMBOL", symbol, default.symbol),
        speed=reader.take("SIM__SPEED", factor, default.speed),
        latency_seconds=reader.take("SIM__LATENCY_SECONDS", seconds, default.latency_seconds),
        seed=reader.take("SIM__SEED", whole(0, 2**63 - 1), default.seed),
    )


def _web(reader: Reader, default: WebSettings) -> WebSettings:
    return WebSettings(
        wait_seconds=reader.take("WEB__WAIT_SECONDS", seconds, default.wait_seconds),
        max_commands=reader.take("WEB__MAX_COMMANDS", whole(1, 10_000), default.max_commands),
        token_rate_per_second=reader.take(
            "WEB__TOKEN_RATE_PER_SECOND", whole(1, 1_000_000), default.token_rate_per_second
        ),
        hooks_file=reader.file("WEB__HOOKS"),
    )


def _webhooks(reader: Reader, default: WebhookSettings) -> WebhookSettings:
    return WebhookSettings(
        schedule_seconds=reader.take(
            "WEBHOOKS__SCHEDULE_SECONDS", in_order(seconds), default.schedule_seconds
        ),
        allow_hosts=reader.take("WEBHOOKS__ALLOW_HOSTS", several(text), default.allow_hosts),
        concurrency=reader.take("WEBHOOKS__CONCURRENCY", whole(1, 64), default.concurrency),
    )


def _backup(reader: Reader, default: BackupSettings) -> BackupSettings:
    return BackupSettings(
        folder=reader.path("BACKUP__FOLDER", default.folder),
        keys_file=reader.path("BACKUP__KEYS", default.keys_file),
        every_hours=reader.take("BACKUP__EVERY_HOURS", whole(0, 8_760), default.every_hours),
        keep_days=reader.take("BACKUP__KEEP_DAYS", whole(1, 36_500), default.keep_days),
        drill_days=reader.take("BACKUP__DRILL_DAYS", whole(0, 3_650), default.drill_days),
    )


def _notify(reader: Reader) -> tuple[NotifySettings, ...]:
    nobody: tuple[str, ...] = ()
    names = reader.take("NOTIFY", several(channel_name), nobody)
    return tuple(_channel(reader, each) for each in names)


def _channel(reader: Reader, channel: str) -> NotifySettings:
    """The channel ``channel``; its name is its kind unless said otherwise."""
    prefix = f"NOTIFY__{channel.upper()}__"
    default = NotifySettings(channel, channel)
    return NotifySettings(
        name=channel,
        kind=reader.take(prefix + "KIND", choice(*CHANNEL_KINDS), default.kind),
        url=reader.secret(prefix + "URL"),
        token=reader.secret(prefix + "TOKEN"),
        user=reader.take(prefix + "USER", text, default.user),
        to=reader.take(prefix + "TO", several(text), default.to),
        sender=reader.take(prefix + "FROM", text, default.sender),
        events=reader.take(prefix + "EVENTS", several(text), default.events),
        pause_seconds=reader.take(prefix + "PAUSE_SECONDS", seconds, default.pause_seconds),
    )


def _exchanges(reader: Reader, default: tuple[ExchangeSettings, ...]) -> tuple[ExchangeSettings, ...]:
    names = reader.take("EXCHANGES", several(name, at_least=1), tuple(exchange.name for exchange in default))
    return tuple(_exchange(reader, each) for each in names)


def _exchange(reader: Reader, exchange: str) -> ExchangeSettings:
    """The account ``exchange``; its name is its kind, or ccxt's word for it, unless said otherwise."""
    prefix = f"EXCHANGE__{exchange.upper()}__"
    said = reader.take(prefix + "KIND", name, exchange)
    redirect = reader.take(prefix + "REDIRECT", address, None)
    redirect_ca = reader.file(prefix + "REDIRECT_CA")
    if (redirect is None) != (redirect_ca is None):
        raise SettingsError(
            reader.full_name(prefix + "REDIRECT"),
            found="one of the two",
            allowed="both REDIRECT and REDIRECT_CA, or neither",
        )
    kind = KINDS_WITHOUT_VENUE.get(said, "ccxt")
    return ExchangeSettings(
        name=exchange,
        kind=kind,
        venue=exchange if said == "ccxt" else said,
        api_key=reader.secret(prefix + "API_KEY"),
        api_secret=reader.secret(prefix + "API_SECRET"),
        account_type=reader.take(prefix + "ACCOUNT_TYPE", choice(*ACCOUNT_TYPES), "spot"),
        leverage=reader.take(prefix + "LEVERAGE", leverage, None),
        margin_mode=reader.take(prefix + "MARGIN_MODE", choice("cross", "isolated"), None),
        pins=reader.take(prefix + "PINS", several(text), ()),
        shadow=reader.take(prefix + "SHADOW", switch, False),
        balance_drift=reader.take(prefix + "BALANCE_DRIFT", choice("halt", "ignore"), "halt"),
        dead_man_seconds=reader.take(prefix + "DEAD_MAN_SECONDS", dead_man_seconds, None),
        dead_man=reader.take(prefix + "DEAD_MAN", choice("exchange", "watchdog"), None),
        watchdog_key=reader.secret(prefix + "WATCHDOG_KEY"),
        watchdog_secret=reader.secret(prefix + "WATCHDOG_SECRET"),
        redirect=redirect,
        redirect_ca=redirect_ca,
    )


def _token(raw: Raw) -> str:
    value = text(raw)
    if len(value) < SHORTEST_TOKEN or not (value.isascii() and value.isprintable()) or " " in value:
        raise Unfit(f"at least {SHORTEST_TOKEN} printable ASCII characters without spaces")
    return value


def _tls(reader: Reader, default_dir: Path) -> TlsSettings | None:
    cert, key = reader.file("TLS__CERT"), reader.file("TLS__KEY")
    self_made = reader.take("TLS__SELF_MADE", switch, False)
    names = reader.take("TLS__NAMES", several(host), NO_NAMES)
    if self_made and (cert or key):
        allowed = "either a certificate of your own, or one that the service makes"
        raise SettingsError(reader.full_name("TLS__SELF_MADE"), found="TLS__CERT too", allowed=allowed)
    if self_made:
        folder = (reader.path("DATA_DIR", default_dir) or default_dir) / "tls"
        return TlsSettings(folder / "certificate.pem", folder / "key.pem", self_made=True, names=names)
    if cert is None and key is None:
        return None
    if cert is None or key is None:
        missing = "TLS__KEY" if key is None else "TLS__CERT"
        raise SettingsError(
            reader.full_name(missing), found="nothing", allowed="both TLS__CERT and TLS__KEY, or neither"
        )
    return TlsSettings(cert, key)


def _require_safe_binding(reader: Reader, settings: Settings) -> None:
    """Beyond this machine tokens travel over the network: that needs encryption or the user's own word."""
    if not (settings.bind.is_loopback or settings.tls or settings.allow_remote):
        raise SettingsError(
            reader.full_name("BIND"),
            found=str(settings.bind),
            allowed="a loopback address, or TLS__SELF_MADE=true, or TLS__CERT with TLS__KEY, "
            "or ALLOW_REMOTE=true behind a proxy",
        )
