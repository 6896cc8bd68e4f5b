"""What survives a crash: the committed state that the twins in memory share.

It stands for the database: its constraints are those of the real tables, so that a fault in the runtime shows
in simulation as it would against PostgreSQL. A batch is written whole or not at all.
"""

from actors.journal.chain import GENESIS
from actors.journal.port import Batch, StoredSnapshot
from actors.model.events import OrderAccepted, OrderDenied
from actors.model.fill import Fill
from actors.model.journal import Record
from actors.model.order import Order
from actors.model.position import Position


class ConstraintViolated(Exception):
    """A batch breaks a rule of the tables; nothing of it was written."""


CLIENT_ORDER_ID = "client order id"
IDEMPOTENCY_KEY = "idempotency key"
VENUE_ID = "venue id"


def _unique_names(order: Order) -> list[tuple[str, ...]]:
    """What no other order may be called."""
    intent = order.intent
    names: list[tuple[str, ...]] = [(CLIENT_ORDER_ID, intent.exchange, intent.client_order_id)]
    if intent.idempotency_key is not None:
        names.append((IDEMPOTENCY_KEY, intent.token_id, intent.idempotency_key))
    if intent.venue_id:
        names.append((VENUE_ID, intent.venue_id))
    return names


class MemoryDisk:
    """The tables. Everything here is committed; a process that dies loses nothing of it.

    `names` leads from what an order is called to its id.
    """

    def __init__(self) -> None:
        self.epoch = 0
        self.records: list[Record] = []
        self.orders: dict[str, Order] = {}
        self.fills: dict[str, Fill] = {}
        self.positions: dict[tuple[str, str], Position] = {}
        self.snapshots: list[StoredSnapshot] = []
        self.names: dict[tuple[str, ...], str] = {}
        self.fills_of: dict[str, list[Fill]] = {}

    @property
    def seq(self) -> int:
        """The newest committed sequence."""
        return len(self.records)

    @property
    def hash(self) -> bytes:
        """The hash at `seq`."""
        return self.records[-1].hash if self.records else GENESIS

    def write(self, batch: Batch) -> None:
        """Commit the batch, or raise ConstraintViolated and change nothing."""
        if batch.previous_seq != self.seq or batch.records[0].previous_hash != self.hash:
            raise ConstraintViolated(
                f"the batch follows {batch.previous_seq}, the journal stands at {self.seq}"
            )
        new = {
            record.event.intent.order_id
            for record in batch.records
            if isinstance(record.event, OrderAccepted | OrderDenied)
        }
        taken: set[tuple[str, ...]] = set()
        for order in batch.orders:
            self._check_order(order, taken, is_new=order.order_id in new)
        known = self.orders.keys() | new
        for fill in batch.fills:
            key = ("fill", fill.fill_id)
            if fill.fill_id in self.fills or key in taken:
                raise ConstraintViolated(f"fill {fill.fill_id} is there already")
            if fill.order_id not in known:
                raise ConstraintViolated(f"fill {fill.fill_id} belongs to an unknown order {fill.order_id}")
            taken.add(key)
        self._store(batch)

    def _check_order(self, order: Order, taken: set[tuple[str, ...]], *, is_new: bool) -> None:
        """`taken` collects what the new orders of this batch take for themselves."""
        if is_new is (order.order_id in self.orders):
            raise ConstraintViolated(f"order {order.order_id}: {'already' if is_new else 'not'} there")
        for kind, *name in _unique_names(order):
            key = (kind, *name)
            if not is_new and self.names.get(key) == order.order_id:
                continue
            if key in taken or key in self.names:
                raise ConstraintViolated(f"{kind} {name[-1]} is taken")
            taken.add(key)

    def _store(self, batch: Batch) -> None:
        self.records.extend(batch.records)
        for order in batch.orders:
            self.orders[order.order_id] = order
            for name in _unique_names(order):
                self.names[name] = order.order_id
        for fill in batch.fills:
            self.fills[fill.fill_id] = fill
            self.fills_of.setdefault(fill.order_id, []).append(fill)
        for position in batch.positions:
            self.positions[position.exchange, position.symbol] = position
