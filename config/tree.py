"""The shape of all settings: frozen records with their defaults, and nothing that reads them.

Values have units in their names. The defaults here are a promise to users.
"""

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Literal

from config.secret import Secret
from config.values import Address

ExchangeKind = Literal["sim", "dummy", "ccxt"]
MINUTE, HOUR = 60.0, 3600.0
LOCAL = Address("127.0.0.1", 8085)


@dataclass(frozen=True, slots=True)
class RiskSettings:
    """Limits at the start, None is off; money in US dollars (USDT counts as USD). The journal holds those in
    force.
    """

    symbol_whitelist: tuple[str, ...] = ("BTC/USDT", "ETH/USDT")
    max_pos_usd: Decimal | None = Decimal(50_000)
    max_daily_loss_usd: Decimal | None = Decimal(5_000)
    price_collar: Decimal | None = Decimal("0.1")
    max_price_age_seconds: Decimal | None = Decimal(120)
    margin: bool = True
    max_order_usd: Decimal | None = None
    max_order_quantity: Decimal | None = None
    max_long_usd: Decimal | None = None
    max_short_usd: Decimal | None = None
    max_exchange_usd: Decimal | None = None
    max_gross_usd: Decimal | None = None
    max_net_usd: Decimal | None = None
    max_drawdown_usd: Decimal | None = None
    max_open_orders: int | None = None
    max_open_orders_per_symbol: int | None = None
    max_messages: int | None = None
    message_window_seconds: Decimal = Decimal(1)
    max_repeated_executions: int | None = None
    repeated_window_seconds: Decimal = Decimal(60)
    duplicate_seconds: Decimal | None = None
    max_clock_skew_seconds: Decimal | None = None
    max_seconds_without_stop: Decimal | None = None
    self_match_prevention: bool = False
    post_only_check: bool = False
    flatten_on_daily_loss: bool = False
    flatten_without_stop: bool = False
    reduce_on_stale_price: bool = False
    resume_within_limits: str = "price"


@dataclass(frozen=True, slots=True)
class ExchangeSettings:
    """One exchange account. ``venue`` is the exchange's own name for a ``ccxt`` account, else the kind.

    ``leverage`` and ``margin_mode`` are verified at the start; ``pins`` are checked besides the certificate;
    in ``shadow`` no order leaves. ``dead_man_seconds`` wants a dead-man's switch, ``dead_man`` says whose.
    ``redirect`` leads every name of the exchange to one address, and trusts only ``redirect_ca`` there.
    """

    name: str
    kind: ExchangeKind
    venue: str
    api_key: Secret | None = None
    api_secret: Secret | None = None
    account_type: str = "spot"
    leverage: Decimal | None = None
    margin_mode: str | None = None
    pins: tuple[str, ...] = ()
    shadow: bool = False
    balance_drift: str = "halt"
    dead_man_seconds: float | None = None
    dead_man: str | None = None
    watchdog_key: Secret | None = None
    watchdog_secret: Secret | None = None
    redirect: Address | None = None
    redirect_ca: Path | None = None


@dataclass(frozen=True, slots=True)
class SimSettings:
    """The simulated exchange: a synthetic market without ``market_file``; ``speed`` 0 makes no pauses."""

    market_file: Path | None = None
    symbol: str = "BTC/USDT"
    speed: float = 1.0
    latency_seconds: float = 0.0
    seed: int = 0


@dataclass(frozen=True, slots=True)
class WebSettings:
    """The API: how long an answer waits for the exchange, commands at a time, requests a second a token.

    ``hooks_file`` describes the alerts that become orders.
    """

    wait_seconds: float = 5.0
    max_commands: int = 64
    token_rate_per_second: int = 5_000
    hooks_file: Path | None = None


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """Files of the certificate chain and its private key.

    With ``self_made`` the service makes both, for this machine's names and for ``names``.
    """

    cert: Path
    key: Path
    self_made: bool = False
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class WebhookSettings:
    """Pauses before each attempt of a delivery, the hosts on the local network that may get one, and how many
    go to one webhook at a time.
    """

    schedule_seconds: tuple[float, ...] = (
        0.0,
        5.0,
        5 * MINUTE,
        30 * MINUTE,
        2 * HOUR,
        5 * HOUR,
        10 * HOUR,
        14 * HOUR,
        20 * HOUR,
        24 * HOUR,
    )
    allow_hosts: tuple[str, ...] = ()
    concurrency: int = 8


@dataclass(frozen=True, slots=True)
class NotifySettings:
    """One channel by which a person is told. ``events`` empty: those that concern operators."""

    name: str
    kind: str
    url: Secret | None = None
    token: Secret | None = None
    user: str = ""
    to: tuple[str, ...] = ()
    sender: str = ""
    events: tuple[str, ...] = ()
    pause_seconds: float = MINUTE


@dataclass(frozen=True, slots=True)
class OrderSettings:
    """An accepted order that has not left within ``max_age_to_send_seconds`` is withdrawn."""

    max_age_to_send_seconds: float = 2.0


@dataclass(frozen=True, slots=True)
class JournalSettings:
    """A command whose intent is not durable after ``answer_seconds`` is answered as unavailable.

    Events older than ``archive_days`` are folded into compressed segments after the daily backup; 0 never.
    """

    answer_seconds: float = 0.8
    archive_days: int = 365


@dataclass(frozen=True, slots=True)
class TracingSettings:
    """Traces go to the OTLP receiver at ``otlp_url``, ``ratio`` of them; without one there are none."""

    otlp_url: Secret | None = None
    ratio: float = 1.0


@dataclass(frozen=True, slots=True)
class BackupSettings:
    """Where backups lie and how often they are taken and tried; 0 switches either off.

    Without `folder` and `keys_file` they are in the data folder: `backups` and `backup.key`.
    """

    folder: Path | None = None
    keys_file: Path | None = None
    every_hours: int = 24
    keep_days: int = 30
    drill_days: int = 30


@dataclass(frozen=True, slots=True)
class SecretsSettings:
    """What opens the sealed exchange keys in the data folder: a passphrase, or a file of age keys."""

    passphrase: Secret | None = None
    keys_file: Path | None = None


@dataclass(frozen=True, slots=True)
class DiskSettings:
    """Less than ``reserve_mb`` free where data or backups lie: only orders that reduce; 0 never looks."""

    reserve_mb: int = 500


@dataclass(frozen=True, slots=True)
class StopSettings:
    """What an orderly stop does with ``orders`` that work at the exchanges: ``keep`` or ``cancel``."""

    orders: str = "keep"


@dataclass(frozen=True, slots=True)
class LogSettings:
    """Log lines below ``level`` are not written."""

    level: str = "INFO"


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings; see the documentation for what each does.

    ``exchanges`` keeps the order of configuration: an order that names no exchange goes to the first.
    ``second_person`` names what one person alone can't do: loosen limits, resume after a kill.
    """

    data_dir: Path
    bind: Address = LOCAL
    allow_remote: bool = False
    tls: TlsSettings | None = None
    database_url: Secret | None = None
    redis_url: Secret | None = None
    token: Secret | None = None
    exchanges: tuple[ExchangeSettings, ...] = (ExchangeSettings("sim", "sim", "sim"),)
    risk: RiskSettings = RiskSettings()
    second_person: tuple[str, ...] = ()
    sim: SimSettings = SimSettings()
    web: WebSettings = WebSettings()
    webhooks: WebhookSettings = WebhookSettings()
    notify: tuple[NotifySettings, ...] = ()
    orders: OrderSettings = OrderSettings()
    journal: JournalSettings = JournalSettings()
    backup: BackupSettings = BackupSettings()
    secrets: SecretsSettings = SecretsSettings()
    disk: DiskSettings = DiskSettings()
    stop: StopSettings = StopSettings()
    log: LogSettings = LogSettings()
    tracing: TracingSettings = TracingSettings()
