"""What a service does beside trading, from its start to its end: backups, the disk, the last cancels."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import structlog
import trio

from actors.model.addresses import position_address
from actors.model.messages import CancelOpening
from persistence.vault import Pair, Vault
from supervisors.backups import BackupChoice, BackupMetrics, keep_backups
from supervisors.disk import DiskChoice, DiskMetrics, watch_disk
from supervisors.rotation import keep_credentials
from supervisors.seen import keep_seen

if TYPE_CHECKING:
    from supervisors.tree import Runtime

CANCELS_SECONDS = 15.0
"""How long an orderly stop waits for its cancels. What is not cancelled by then is found at the next
start.
"""
AGAIN_SECONDS = 1.0

_log = structlog.get_logger(room="upkeep")


class Upkeep(msgspec.Struct, frozen=True, kw_only=True):
    """What was chosen. `cancel_at_stop`: an orderly end cancels what works at the exchanges."""

    backups: BackupChoice | None = None
    disk: DiskChoice | None = None
    cancel_at_stop: bool = False
    vault: Vault | None = None
    credentials: Mapping[str, Pair] = {}
    """The pairs that the exchanges were made with; new ones in the vault are handed over."""
    seen_file: Path | None = None
    """Where it is kept how far the journal was seen."""


def start_upkeep(upkeep: Upkeep, runtime: "Runtime", nursery: trio.Nursery) -> None:
    """Start what runs for as long as the service does."""
    registry = runtime.metrics.registry
    if upkeep.backups is not None:
        nursery.start_soon(keep_backups, upkeep.backups, runtime.outside.clock, BackupMetrics(registry))
    if upkeep.disk is not None and upkeep.disk.reserve_bytes:
        nursery.start_soon(watch_disk, upkeep.disk, runtime.gate, DiskMetrics(registry))
    if upkeep.vault is not None:
        nursery.start_soon(keep_credentials, upkeep.vault, runtime.outside.exchanges, upkeep.credentials)
    if upkeep.seen_file is not None:
        nursery.start_soon(keep_seen, upkeep.seen_file, runtime.log)


async def cancel_working(runtime: "Runtime") -> None:
    """Cancel every working order and wait until the journal says that none is left, within bounds.

    For an orderly end: nobody places orders any more, the actors still run. A cancel that got lost is told
    again.
    """
    book = runtime.log.book
    with trio.move_on_after(CANCELS_SECONDS) as patience:
        while book.orders:
            places = dict.fromkeys((o.intent.exchange, o.intent.symbol) for o in book.orders.values())
            for exchange, symbol in places:
                message = CancelOpening(all=True, by="stop", correlation_id="stop")
                runtime.system.ref(position_address(exchange, symbol)).tell(message)
            await trio.sleep(AGAIN_SECONDS)
            book = runtime.log.book
    if patience.cancelled_caught:
        _log.error("orders_left_at_the_end", count=len(book.orders))
