"""The settings: names and defaults that users rely on, and one clear line for everything that is wrong."""

import dataclasses
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

import pytest

from config import Secret, Settings, SettingsError, load
from config.tree import ExchangeSettings
from config.values import Address

HOME = {"HOME": "/home/ann"}


class FakeFiles:
    """Files by path."""

    def __init__(self, contents: Mapping[str, str]) -> None:
        self._contents = contents

    def read(self, path: Path) -> str:
        if str(path) not in self._contents:
            raise FileNotFoundError(2, "No such file or directory")
        return self._contents[str(path)]

    def is_file(self, path: Path) -> bool:
        return str(path) in self._contents


def load_with(files: Mapping[str, str] | None = None, /, **variables: str) -> Settings:
    environ = HOME | {f"TRADEWARDEN_{name}": value for name, value in variables.items()}
    return load(environ, FakeFiles(files or {}))


def refusal(files: Mapping[str, str] | None = None, /, **variables: str) -> str:
    with pytest.raises(SettingsError) as caught:
        load_with(files, **variables)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_nothing_set_gives_the_promised_defaults() -> None:
    settings = load_with()
    assert settings.bind == Address("127.0.0.1", 8085)
    assert settings.data_dir == Path("/home/ann/.local/share/tradewarden")
    assert settings.database_url is settings.redis_url is settings.token is None
    assert settings.allow_remote is False
    assert settings.risk.max_pos_usd == Decimal(50000)
    assert settings.risk.max_daily_loss_usd == Decimal(5000)
    assert settings.risk.symbol_whitelist == ("BTC/USDT", "ETH/USDT")
    assert settings.exchanges == (ExchangeSettings("sim", "sim", "sim"),)
    assert (settings.sim.market_file, settings.sim.symbol) == (None, "BTC/USDT")
    assert (settings.sim.speed, settings.sim.latency_seconds, settings.sim.seed) == (1.0, 0.0, 0)
    assert (settings.web.wait_seconds, settings.web.max_commands) == (5.0, 64)
    assert settings.web.token_rate_per_second == 5000
    assert settings.orders.max_age_to_send_seconds == 2.0
    assert settings.journal.answer_seconds == 0.8
    assert settings.webhooks.schedule_seconds[:3] == (0.0, 5.0, 300.0)
    assert settings.log.level == "INFO"


def test_every_setting_can_be_set_in_the_environment() -> None:
    settings = load_with(
        {"/m.csv": "", "/c.pem": "", "/k.pem": ""},
        BIND="0.0.0.0:9000",
        DATA_DIR="~/tw",
        DATABASE_URL="postgresql://u:p@db/tw",
        REDIS_URL="redis://cache:6379/0",
        TOKEN="development-token",
        ALLOW_REMOTE="true",
        TLS__CERT="/c.pem",
        TLS__KEY="/k.pem",
        RISK__MAX_POS_USD="1234.50",
        RISK__MAX_DAILY_LOSS_USD="0",
        RISK__SYMBOL_WHITELIST='["SOL/USDT","BTC/USDT:USDT"]',
        RISK__PRICE_COLLAR="0.05",
        RISK__MAX_PRICE_AGE_SECONDS="off",
        RISK__MAX_OPEN_ORDERS="10",
        RISK__MARGIN="off",
        RISK__RESUME_WITHIN_LIMITS="never",
        SECOND_PERSON="limits,resume",
        EXCHANGES="sim, binance",
        EXCHANGE__BINANCE__API_KEY="key",
        EXCHANGE__BINANCE__API_SECRET="secret",
        EXCHANGE__BINANCE__ACCOUNT_TYPE="swap",
        EXCHANGE__BINANCE__LEVERAGE="5",
        EXCHANGE__BINANCE__MARGIN_MODE="isolated",
        EXCHANGE__BINANCE__SHADOW="true",
        EXCHANGE__BINANCE__DEAD_MAN_SECONDS="60",
        SIM__MARKET_FILE="/m.csv",
        SIM__SYMBOL="ETH/USDT",
        SIM__SPEED="0",
        SIM__LATENCY_SECONDS="0.25",
        SIM__SEED="42",
        WEB__WAIT_SECONDS="1.5",
        WEB__MAX_COMMANDS="8",
        WEB__TOKEN_RATE_PER_SECOND="100",
        WEB__HOOKS="/m.csv",
        WEBHOOKS__SCHEDULE_SECONDS="[0, 1.5, 1.5]",
        WEBHOOKS__CONCURRENCY="2",
        WEBHOOKS__ALLOW_HOSTS="nas.local",
        ORDERS__MAX_AGE_TO_SEND_SECONDS="3",
        JOURNAL__ANSWER_SECONDS="0.5",
        LOG__LEVEL="debug",
    )
    assert settings.bind == Address("0.0.0.0", 9000)
    assert settings.risk.max_price_age_seconds is None
    assert (settings.risk.price_collar, settings.risk.max_open_orders) == (Decimal("0.05"), 10)
    assert (settings.risk.margin, settings.risk.resume_within_limits) == (False, "never")
    assert settings.second_person == ("limits", "resume")
    assert settings.data_dir == Path("/home/ann/tw")
    assert settings.database_url == Secret("postgresql://u:p@db/tw")
    assert settings.tls is not None
    assert settings.tls.key == Path("/k.pem")
    assert settings.risk.max_pos_usd == Decimal("1234.50")
    assert settings.risk.symbol_whitelist == ("SOL/USDT", "BTC/USDT:USDT")
    assert settings.exchanges[1] == ExchangeSettings(
        "binance",
        "ccxt",
        "binance",
        Secret("key"),
        Secret("secret"),
        "swap",
        leverage=Decimal(5),
        margin_mode="isolated",
        shadow=True,
        dead_man_seconds=60.0,
    )
    assert settings.sim.market_file == Path("/m.csv")
    assert settings.sim.seed == 42
    assert settings.web.hooks_file == Path("/m.csv")
    assert settings.webhooks.schedule_seconds == (0.0, 1.5, 1.5)
    assert settings.webhooks.concurrency == 2
    assert settings.webhooks.allow_hosts == ("nas.local",)
    assert settings.log.level == "DEBUG"


def test_the_environment_wins_over_the_file() -> None:
    toml = """
        bind = "127.0.0.1:7000"
        exchanges = ["sim", "main"]
        [risk]
        max_pos_usd = 70000.25
        max_daily_loss_usd = 100
        [exchange.main]
        kind = "bybit"
        [sim]
        speed = 0
    """
    settings = load_with({"/etc/tw.toml": toml}, CONFIG="/etc/tw.toml", RISK__MAX_DAILY_LOSS_USD="200")
    assert settings.bind.port == 7000
    assert settings.risk.max_pos_usd == Decimal("70000.25")
    assert settings.risk.max_daily_loss_usd == Decimal(200)
    assert settings.exchanges[1] == ExchangeSettings("main", "ccxt", "bybit")
    assert settings.sim.speed == 0.0


def test_the_kind_ccxt_means_the_exchange_of_that_name() -> None:
    settings = load_with(EXCHANGES="kraken,test", EXCHANGE__KRAKEN__KIND="ccxt", EXCHANGE__TEST__KIND="dummy")
    assert [(each.kind, each.venue) for each in settings.exchanges] == [
        ("ccxt", "kraken"),
        ("dummy", "dummy"),
    ]


@pytest.mark.parametrize("variable", ["TOKEN", "DATABASE_URL", "REDIS_URL"])
def test_an_empty_variable_counts_as_not_set(variable: str) -> None:
    assert load_with(**{variable: ""}) == load_with()


def test_what_the_tests_use_is_not_an_unknown_setting() -> None:
    assert load_with(TEST_DATA="/some/where") == load_with()


def test_a_secret_can_lie_in_a_file() -> None:
    settings = load_with({"/run/secrets/token": "development-token\n"}, TOKEN_FILE="/run/secrets/token")
    assert settings.token == Secret("development-token")


def test_an_exchange_secret_can_lie_in_a_file() -> None:
    settings = load_with({"/key": "abc\n"}, EXCHANGES="binance", EXCHANGE__BINANCE__API_KEY_FILE="/key")
    assert settings.exchanges[0].api_key == Secret("abc")


def test_a_secret_in_two_places_is_refused() -> None:
    message = refusal({"/t": "development-token"}, TOKEN="development-token", TOKEN_FILE="/t")
    assert "TRADEWARDEN_TOKEN_FILE" in message
    assert "either" in message


def test_a_secret_file_that_is_not_there_is_named() -> None:
    assert refusal(TOKEN_FILE="/nowhere").startswith(
        "TRADEWARDEN_TOKEN_FILE: found /nowhere: No such file or directory"
    )


def test_a_secret_file_that_is_empty_is_refused() -> None:
    assert "empty file" in refusal({"/t": " \n"}, TOKEN_FILE="/t")


def test_an_unknown_setting_is_refused_with_the_one_that_was_meant() -> None:
    assert refusal(RISK__MAX_POS="1") == (
        "TRADEWARDEN_RISK__MAX_POS: found an unknown setting; allowed: perhaps TRADEWARDEN_RISK__MAX_POS_USD"
    )


def test_an_unknown_setting_of_the_file_is_named_as_it_stands_there() -> None:
    message = refusal({"/c.toml": "[risk]\nmax_position = 1\n"}, CONFIG="/c.toml")
    assert message.startswith("risk.max_position in /c.toml: found an unknown setting")


def test_a_key_for_an_exchange_that_is_not_configured_is_refused() -> None:
    assert "EXCHANGE__KRAKEN__API_KEY: found an unknown setting" in refusal(EXCHANGE__KRAKEN__API_KEY="k")


@pytest.mark.parametrize(
    ("variable", "value", "allowed"),
    [
        ("BIND", "8085", "host:port"),
        ("BIND", "localhost:99999", "host:port"),
        ("BIND", ":8085", "host:port"),
        ("RISK__MAX_POS_USD", "-1", "0 or more"),
        ("RISK__MAX_POS_USD", "NaN", "0 or more"),
        ("RISK__MAX_POS_USD", "1e400", "0 or more"),
        ("RISK__MAX_POS_USD", "1.123456789", "0 or more"),
        ("RISK__MAX_POS_USD", "-1", "or off"),
        ("RISK__PRICE_COLLAR", "0", "above 0 and below 1"),
        ("RISK__PRICE_COLLAR", "1", "above 0 and below 1"),
        ("RISK__MAX_PRICE_AGE_SECONDS", "86401", "at most 86400"),
        ("RISK__REPEATED_WINDOW_SECONDS", "off", "a number of seconds"),
        ("RISK__MAX_OPEN_ORDERS", "1.5", "a whole number"),
        ("RISK__RESUME_WITHIN_LIMITS", "sometimes", "never or price or always"),
        ("SECOND_PERSON", "kill", "limits or resume"),
        ("RISK__SYMBOL_WHITELIST", '["BTC/USDT"', "a list like"),
        ("RISK__SYMBOL_WHITELIST", "btcusdt", "BTC/USDT"),
        ("RISK__SYMBOL_WHITELIST", '[["BTC/USDT"]]', "a list like"),
        ("RISK__SYMBOL_WHITELIST", "BTC/USDT,BTC/USDT", "each named once"),
        ("EXCHANGES", "[]", "at least 1"),
        ("EXCHANGES", "Binance!", "small letters"),
        ("SIM__SPEED", "inf", "0 or more"),
        ("SIM__LATENCY_SECONDS", "soon", "number of seconds"),
        ("SIM__SEED", "1.5", "whole number"),
        ("SIM__MARKET_FILE", "/not/there.csv", "a file"),
        ("WEB__MAX_COMMANDS", "0", "from 1 to 10000"),
        ("WEBHOOKS__SCHEDULE_SECONDS", "[]", "at least 1"),
        ("ALLOW_REMOTE", "maybe", "true or false"),
        ("LOG__LEVEL", "loud", "DEBUG or INFO"),
        ("EXCHANGE__SIM__ACCOUNT_TYPE", "gold", "spot or margin"),
        ("EXCHANGE__SIM__LEVERAGE", "0.5", "from 1 to 125"),
        ("EXCHANGE__SIM__DEAD_MAN_SECONDS", "2", "from 3 to 300"),
        ("EXCHANGE__SIM__REDIRECT", "127.0.0.1:9443", "both REDIRECT and REDIRECT_CA"),
        ("CONFIG", "/no.toml", "a readable text file"),
    ],
)
def test_a_bad_value_is_refused_with_its_name_and_what_is_allowed(
    variable: str, value: str, allowed: str
) -> None:
    message = refusal(**{variable: value})
    assert message.startswith(f"TRADEWARDEN_{variable}: found ")
    assert allowed in message


def test_a_bad_secret_is_refused_without_being_shown() -> None:
    assert "hunter2" not in refusal(DATABASE_URL="mysql://u:hunter2@db/x")
    assert "hunter2" not in refusal(TOKEN="hunter2")


def test_lists_within_lists_without_end_are_refused_in_one_line() -> None:
    """JSON and TOML readers give up on them in ways of their own, which is no traceback for a person."""
    assert "a list like" in refusal(EXCHANGES="[" * 100_000)
    assert "a TOML file" in refusal({"/c.toml": "bind = " + "[" * 100_000}, CONFIG="/c.toml")


def test_a_number_of_thousands_of_digits_is_refused_in_one_line() -> None:
    """Python itself refuses to read such a number."""
    assert "host:port" in refusal(BIND="127.0.0.1:" + "1" * 5000)
    assert "a TOML file" in refusal({"/c.toml": "bind = " + "1" * 5000}, CONFIG="/c.toml")


def test_a_file_that_is_not_toml_is_refused() -> None:
    assert "a TOML file" in refusal({"/c.toml": "bind ="}, CONFIG="/c.toml")


def test_a_date_is_no_setting() -> None:
    assert refusal({"/c.toml": "bind = 2026-01-01"}, CONFIG="/c.toml").startswith(
        "bind in /c.toml: found date"
    )


def test_a_long_value_is_cut_in_the_message() -> None:
    assert len(refusal(BIND="x" * 5000)) < 250


def test_listening_beyond_loopback_needs_encryption_or_a_word() -> None:
    assert "ALLOW_REMOTE=true" in refusal(BIND="0.0.0.0:8085")
    assert load_with(BIND="0.0.0.0:8085", ALLOW_REMOTE="yes").allow_remote
    assert load_with(BIND="[::1]:8085").bind == Address("::1", 8085)
    assert load_with({"/c": "", "/k": ""}, BIND="[::]:8085", TLS__CERT="/c", TLS__KEY="/k").tls is not None


def test_half_of_the_encryption_is_refused() -> None:
    assert refusal({"/c": ""}, TLS__CERT="/c").startswith("TRADEWARDEN_TLS__KEY: found nothing")


def test_a_certificate_of_the_services_own_opens_the_way_out() -> None:
    tls = load_with(BIND="0.0.0.0:8085", TLS__SELF_MADE="true", TLS__NAMES="nas.local,10.0.0.2").tls
    assert tls is not None
    assert tls.cert == Path("/home/ann/.local/share/tradewarden/tls/certificate.pem")
    assert (tls.self_made, tls.names) == (True, ("nas.local", "10.0.0.2"))
    both = {"TLS__SELF_MADE": "true", "TLS__CERT": "/c", "TLS__KEY": "/k"}
    assert "TLS__CERT too" in refusal({"/c": "", "/k": ""}, **both)


def test_files_are_utf_8_whatever_wrote_and_whoever_reads_them(tmp_path: Path, monkeypatch) -> None:
    """An editor of another system begins a file with a mark that belongs to no key."""
    secret, config = tmp_path / "token", tmp_path / "settings.toml"
    secret.write_bytes("\ufeffa-secret-token\n".encode())
    config.write_bytes("\ufeff# größer\nbind = '127.0.0.1:9000'\n".encode())
    monkeypatch.setattr("locale.getencoding", lambda: "ascii")
    settings = load({"TRADEWARDEN_CONFIG": str(config), "TRADEWARDEN_TOKEN_FILE": str(secret)})
    assert settings.bind.port == 9000
    assert settings.token is not None
    assert settings.token.reveal() == "a-secret-token"


def test_the_real_file_system_is_read(tmp_path: Path) -> None:
    secret = tmp_path / "token"
    secret.write_text("development-token\n")
    assert load({**HOME, "TRADEWARDEN_TOKEN_FILE": str(secret)}).token == Secret("development-token")
    secret.write_bytes(b"x" * 1_000_001)
    with pytest.raises(SettingsError, match="larger than"):
        load({**HOME, "TRADEWARDEN_TOKEN_FILE": str(secret)})


def test_settings_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        load_with().risk.max_pos_usd = Decimal(1)  # type: ignore[misc]
