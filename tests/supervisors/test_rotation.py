"""New exchange keys reach a running adapter; everything else stays as it was."""

import pytest
import trio

from persistence.backup.sealing import add_key, read_keys
from persistence.vault import Pair, Vault
from supervisors import rotation
from supervisors.rotation import keep_credentials

OLD, NEW = (Pair(api_key=f"key-{word}", api_secret=f"secret-{word}") for word in ("old", "new"))


class Exchange:
    """An adapter as far as rotation knows it."""

    def __init__(self):
        self.given = []

    def use_credentials(self, api_key, api_secret):
        self.given.append((api_key, api_secret))


@pytest.fixture
def at_once(monkeypatch):
    async def run(work):
        # A mock clock would not wait for a thread.
        await trio.lowlevel.checkpoint()
        return work()

    monkeypatch.setattr(rotation.trio.to_thread, "run_sync", run)


def keyed(path):
    """A vault that opens with a key: a passphrase takes a second each time."""
    add_key(path.with_name("keys"))
    return Vault(path, keys=read_keys(path.with_name("keys")))


async def play(vault, exchanges, *steps):
    """Let time pass after each step."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(keep_credentials, vault, exchanges, {"binance": OLD, "bybit": OLD})
        await trio.sleep(1)
        for step in steps:
            step()
            await trio.sleep(rotation.LOOK_SECONDS)
        nursery.cancel_scope.cancel()


async def test_a_new_pair_is_handed_to_its_exchange_once(tmp_path, at_once, autojump_clock):
    vault = keyed(tmp_path / "secrets.age")
    vault.write({"binance": OLD, "bybit": OLD})
    binance, bybit = Exchange(), Exchange()
    change = [lambda: vault.write({"binance": NEW, "bybit": OLD}), lambda: None]
    await play(vault, {"binance": binance, "bybit": bybit, "sim": object()}, *change)
    assert binance.given == [("key-new", "secret-new")]
    assert bybit.given == []


async def test_a_vault_that_can_not_be_opened_leaves_the_old_pair_and_is_tried_again(
    tmp_path, at_once, autojump_clock
):
    path = tmp_path / "secrets.age"
    vault = keyed(path)
    vault.write({"binance": OLD})
    binance = Exchange()
    await play(
        vault,
        {"binance": binance},
        lambda: path.write_bytes(b"rubbish"),
        lambda: vault.write({"binance": NEW}),
    )
    assert binance.given == [("key-new", "secret-new")]
