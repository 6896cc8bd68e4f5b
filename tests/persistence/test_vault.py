"""Sealed key pairs: closed without the passphrase, replaced as a whole, shown nowhere."""

import pytest

from persistence.backup.sealing import add_key, read_keys
from persistence.vault import Pair, Vault, VaultError

PAIR = Pair(api_key="the-key-0123", api_secret="the-secret-4567")


@pytest.fixture(params=["passphrase", "keys"])
def vault(request, tmp_path):
    """A vault opened in either way."""
    path = tmp_path / "secrets.age"
    if request.param == "passphrase":
        return Vault(path, passphrase="correct horse")
    add_key(tmp_path / "keys")
    return Vault(path, keys=read_keys(tmp_path / "keys"))


def test_what_was_sealed_comes_back(vault):
    assert vault.read() == {}
    vault.write({"binance": PAIR})
    assert vault.read() == {"binance": PAIR}


def test_a_vault_that_can_not_be_looked_at_has_no_mark(tmp_path):
    """Its disk is gone, say: whoever watches it goes on with what it has."""
    (tmp_path / "no-folder").write_text("")
    assert Vault(tmp_path / "no-folder" / "secrets.age", passphrase="correct horse").mark() is None


def test_nothing_is_readable_on_the_disk_and_only_its_owner_may_try(vault, tmp_path):
    vault.write({"binance": PAIR})
    sealed = (tmp_path / "secrets.age").read_bytes()
    assert b"the-key" not in sealed
    assert b"binance" not in sealed
    assert (tmp_path / "secrets.age").stat().st_mode & 0o077 == 0
    assert not list(tmp_path.glob("*.new"))


def test_a_pair_is_not_shown():
    assert "the-" not in repr(PAIR)
    assert "the-" not in f"{({'binance': PAIR},)}"


def test_another_passphrase_another_key_and_a_changed_byte_do_not_open_it(vault, tmp_path):
    vault.write({"binance": PAIR})
    path = tmp_path / "secrets.age"
    add_key(tmp_path / "other")
    others = (Vault(path, passphrase="wrong"), Vault(path, keys=read_keys(tmp_path / "other")), Vault(path))
    for other in others:
        with pytest.raises(VaultError) as raised:
            other.read()
        assert "the-" not in str(raised.value)
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(VaultError):
        vault.read()


def test_its_mark_changes_when_it_is_replaced(tmp_path):
    add_key(tmp_path / "keys")
    vault = Vault(tmp_path / "secrets.age", keys=read_keys(tmp_path / "keys"))
    assert vault.mark() is None
    vault.write({})
    first = vault.mark()
    vault.write({"binance": PAIR})
    assert vault.mark() not in {None, first}
