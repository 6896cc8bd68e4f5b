"""Sealing exchange keys from the command line: never as an argument, never shown."""

import io
import os

import pytest

from config import load
from ops.cli import main as cli
from ops.cli.choices import with_sealed_keys


@pytest.fixture(autouse=True)
def environment(monkeypatch, tmp_path):
    """A data folder of the test's own, with a passphrase."""
    for name in list(os.environ):
        if name.startswith("TRADEWARDEN_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("TRADEWARDEN_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("TRADEWARDEN_SECRETS__PASSPHRASE", "correct horse")


def put(monkeypatch, exchange, text):
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    return cli.main(["secret", "set", exchange])


def test_a_sealed_pair_is_what_the_service_signs_with(monkeypatch, capsys):
    monkeypatch.setenv("TRADEWARDEN_EXCHANGES", "sim,binance")
    assert put(monkeypatch, "binance", "the-key\nthe-secret\n") == 0
    assert cli.main(["secret", "list"]) == 0
    out = capsys.readouterr()
    assert out.out == "binance\n"
    assert "the-" not in out.err
    binance = with_sealed_keys(load(os.environ)).exchanges[1]
    assert (binance.api_key.reveal(), binance.api_secret.reveal()) == ("the-key", "the-secret")
    assert cli.main(["secret", "remove", "binance"]) == 0
    assert with_sealed_keys(load(os.environ)).exchanges[1].api_key is None


def test_a_pair_of_the_settings_goes_before_that_of_the_vault(monkeypatch):
    monkeypatch.setenv("TRADEWARDEN_EXCHANGES", "binance")
    put(monkeypatch, "binance", "sealed-key\nsealed-secret\n")
    monkeypatch.setenv("TRADEWARDEN_EXCHANGE__BINANCE__API_KEY", "plain-key")
    assert with_sealed_keys(load(os.environ)).exchanges[0].api_key.reveal() == "plain-key"


def test_half_a_pair_is_refused_and_another_passphrase_does_not_open(monkeypatch, capsys, tmp_path):
    assert put(monkeypatch, "binance", "only-the-key\n") == 1
    assert put(monkeypatch, "binance", "the-key\nthe-secret\n") == 0
    (tmp_path / "old").write_text("correct horse\n")
    monkeypatch.setenv("TRADEWARDEN_SECRETS__PASSPHRASE", "battery staple")
    assert cli.main(["secret", "list"]) == 1
    assert "VAULT_CLOSED" in (err := capsys.readouterr().err)
    assert "the-" not in err
    assert cli.main(["secret", "reseal", "--old-passphrase-file", str(tmp_path / "old")]) == 0
    assert cli.main(["secret", "list"]) == 0
