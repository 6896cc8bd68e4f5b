"""The archive's twin: the questions of `actors.queries`, answered from the disk in memory."""

from collections.abc import Sequence

import trio

from actors.journal.port import StoreUnavailable
from actors.model.events import AmendAccepted, AmendDenied, LimitChanged, order_id_of
from actors.model.fill import Fill
from actors.model.journal import Record
from actors.model.order import Order, trade_key
from actors.queries import OrderFilter
from persistence.memory.disk import CLIENT_ORDER_ID, IDEMPOTENCY_KEY, VENUE_ID, MemoryDisk
from persistence.memory.journal_store import Faults


class MemoryArchive:
    """Implements `actors.queries.Archive`; shares disk and faults with the journal's store."""

    def __init__(self, disk: MemoryDisk, faults: Faults | None = None) -> None:
        self._disk = disk
        self._faults = faults if faults is not None else Faults()

    async def order(self, order_id: str) -> Order | None:
        """The order, whatever became of it."""
        await self._reach()
        return self._disk.orders.get(order_id)

    async def order_by_client_id(self, exchange: str, client_order_id: str) -> Order | None:
        """The order that took this client order id."""
        await self._reach()
        return self._found(self._disk.names.get((CLIENT_ORDER_ID, exchange, client_order_id)))

    async def order_by_key(self, token_id: str, idempotency_key: str) -> Order | None:
        """The order that took this idempotency key."""
        await self._reach()
        return self._found(self._disk.names.get((IDEMPOTENCY_KEY, token_id, idempotency_key)))

    async def amend_by_key(
        self, order_id: str, token_id: str, idempotency_key: str
    ) -> AmendAccepted | AmendDenied | None:
        """What was journaled of the amend that took this key."""
        await self._reach()
        for record in self._disk.records:
            event = record.event
            if (
                isinstance(event, AmendAccepted | AmendDenied)
                and event.order_id == order_id
                and (event.asked.token_id, event.asked.idempotency_key) == (token_id, idempotency_key)
            ):
                return event
        return None

    async def orders(self, wanted: OrderFilter) -> Sequence[Order]:
        """Newest first."""
        await self._reach()
        fitting = [
            order
            for order in self._disk.orders.values()
            if (not wanted.statuses or order.status in wanted.statuses)
            and wanted.exchange in (None, order.intent.exchange)
            and wanted.symbol in (None, order.intent.symbol)
            and (wanted.before is None or (order.created_us, order.order_id) < wanted.before)
        ]
        fitting.sort(key=lambda order: (order.created_us, order.order_id), reverse=True)
        return fitting[: wanted.limit]

    async def fills(
        self,
        exchange: str | None,
        symbol: str | None,
        order_id: str | None,
        limit: int,
        before: tuple[int, str] | None,
    ) -> Sequence[Fill]:
        """Newest first."""
        await self._reach()
        fitting = [
            fill
            for fill in self._disk.fills.values()
            if exchange in (None, fill.exchange)
            and symbol in (None, fill.symbol)
            and order_id in (None, fill.order_id)
            and (before is None or (fill.at_us, fill.fill_id) < before)
        ]
        fitting.sort(key=lambda fill: (fill.at_us, fill.fill_id), reverse=True)
        return fitting[:limit]

    async def events(self, after: int, limit: int, order_id: str | None = None) -> Sequence[Record]:
        """Records later than `after`, oldest first; only those about one order if it is named."""
        await self._reach()
        if order_id is None:
            return self._disk.records[after : after + limit]
        fitting = [record for record in self._disk.records[after:] if order_id_of(record.event) == order_id]
        return fitting[:limit]

    async def limit_changes(
        self, name: str | None, limit: int, before: int | None = None
    ) -> Sequence[Record]:
        """The changes of limits, or of one, newest first."""
        await self._reach()
        fitting = [
            record
            for record in reversed(self._disk.records)
            if isinstance(record.event, LimitChanged)
            and name in (None, record.event.name)
            and (before is None or record.seq < before)
        ]
        return fitting[:limit]

    async def recall(
        self, exchange: str, venue_ids: Sequence[str]
    ) -> Sequence[tuple[Order, tuple[str, ...]]]:
        """Orders by our id at the exchange, in the order of the question; unknown ids are left out."""
        await self._reach()
        found = [self._found(self._disk.names.get((VENUE_ID, venue_id))) for venue_id in venue_ids]
        return [
            (
                order,
                tuple(
                    trade_key(order, fill.exchange_order_id, fill.trade_id)
                    for fill in self._disk.fills_of.get(order.order_id, ())
                ),
            )
            for order in found
            if order is not None and order.intent.exchange == exchange
        ]

    def _found(self, order_id: str | None) -> Order | None:
        return None if order_id is None else self._disk.orders[order_id]

    async def _reach(self) -> None:
        await trio.lowlevel.checkpoint()
        if not self._faults.available:
            raise StoreUnavailable("the store in memory was told to be away")
