"""New exchange keys without a restart: the sealed file is looked at every few seconds.

A broker never notices: the next request is signed with the new pair. Both pairs have to be valid for these
seconds, so: make the new key at the exchange, put it into the vault, then delete the old one there.
"""

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

import structlog
import trio

from actors.broker.port import ExchangePort
from persistence.vault import Pair, Vault, VaultError

LOOK_SECONDS = 5.0

_log = structlog.get_logger(room="rotation")


@runtime_checkable
class Rotating(Protocol):
    """An exchange's adapter that can change its key pair while it runs."""

    def use_credentials(self, api_key: str, api_secret: str) -> None: ...


async def keep_credentials(
    vault: Vault, exchanges: Mapping[str, ExchangePort], in_use: Mapping[str, Pair]
) -> None:
    """Hand new pairs to their exchanges, for ever. A vault that can't be opened is logged; the old pairs
    stay.
    """
    known, mark = dict(in_use), await trio.to_thread.run_sync(vault.mark)
    while True:
        await trio.sleep(LOOK_SECONDS)
        newest = await trio.to_thread.run_sync(vault.mark)
        if newest == mark:
            continue
        mark = newest
        try:
            found = await trio.to_thread.run_sync(vault.read)
        except VaultError as error:
            _log.error("secrets_not_read", code=error.code, why=str(error))
            continue
        hand_over(found, known, exchanges)
        known.update(found)


def hand_over(
    found: Mapping[str, Pair], known: Mapping[str, Pair], exchanges: Mapping[str, ExchangePort]
) -> None:
    """Give each exchange whose pair is another one the new pair."""
    for name, pair in found.items():
        port = exchanges.get(name)
        if port is None or known.get(name) == pair:
            continue
        if isinstance(port, Rotating):
            port.use_credentials(pair.api_key, pair.api_secret)
            _log.info("credentials_rotated", exchange=name)
        else:
            _log.info("credentials_unused", exchange=name)
