"""Which symbols have actors: those of the start, and those that the whitelist gains later."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import structlog
import trio

from actors.model.addresses import position_address
from actors.model.events import LimitChanged
from actors.model.journal import Record
from supervisors.otp import SupervisionError, Supervisor

if TYPE_CHECKING:
    from supervisors.tree import Runtime

WHITELIST = "symbol_whitelist"

_log = structlog.get_logger(room="roster")


async def keep_roster(runtime: "Runtime", tree: Supervisor) -> None:
    """Give each symbol that is newly allowed its actor, and begin its exchange's broker anew so that it
    follows it.

    The other symbols of that exchange are reconciling for a moment; other exchanges don't notice. Runs
    until cancelled.
    """
    changed = trio.Event()

    def wake(records: Sequence[Record]) -> None:
        for record in records:
            if isinstance(record.event, LimitChanged) and record.event.name == WHITELIST:
                changed.set()

    unsubscribe = runtime.log.subscribe(wake)
    try:
        while True:
            await changed.wait()
            changed = trio.Event()
            for exchange in runtime.outside.exchanges:
                await _grow(runtime, tree, exchange)
    finally:
        unsubscribe()


async def _grow(runtime: "Runtime", tree: Supervisor, exchange: str) -> None:
    place = f"trading/exchanges/{exchange}"
    missing = [
        symbol
        for symbol in runtime.symbols(exchange)
        if not runtime.system.ref(position_address(exchange, symbol)).is_alive()
    ]
    if not missing:
        return
    try:
        for symbol in missing:
            await tree.start_child(place, runtime.position(exchange, symbol))
        await tree.terminate_child(f"{place}/broker")
        await tree.restart_child(f"{place}/broker")
    except SupervisionError as error:
        _log.error("symbols_not_added", exchange=exchange, symbols=missing, why=str(error))
    else:
        _log.info("symbols_added", exchange=exchange, symbols=missing)
