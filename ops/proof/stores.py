"""What a process can reach of the disk: journal store, archive and latch, each able to die with it.

The stores themselves are the runtime's own twins. Around them stands the process: when it is over, a call
that was under way is never answered, and one that would begin does nothing. What a commit had already handed
to the database may land all the same.
"""

from collections.abc import Awaitable, Callable, Sequence
from random import Random
from typing import TypeVar

import trio

from actors.halt.port import LatchFailed
from actors.journal.port import Batch, Head, StoredSnapshot
from actors.model.events import AmendAccepted, AmendDenied
from actors.model.fill import Fill
from actors.model.journal import Record
from actors.model.order import Order
from actors.queries import OrderFilter
from ops.proof.life import Life
from persistence.memory import Faults, MemoryArchive, MemoryDisk, MemoryJournalStore

T = TypeVar("T")


class Mortal:
    """The way of every call: begin only if alive, and be answered only if still alive."""

    def __init__(self, life: Life) -> None:
        self._life = life

    async def _through(self, where: str, call: Callable[[], Awaitable[T]]) -> T:
        life = self._life
        life.passed(f"{where} begins")
        await life.reach()
        try:
            return await call()
        finally:
            life.passed(f"{where} ends")
            if not life.alive:
                await trio.sleep_forever()


class MortalStore(Mortal):
    """`actors.journal.port.JournalStore` of one process."""

    def __init__(self, life: Life, disk: MemoryDisk, faults: Faults) -> None:
        super().__init__(life)
        self._inner = MemoryJournalStore(disk, faults)

    async def take_over(self) -> Head:
        return await self._through("take_over", self._inner.take_over)

    async def append(self, batch: Batch, epoch: int) -> None:
        await self._through("commit", lambda: self._inner.append(batch, epoch))

    async def resolve(self, batch: Batch, epoch: int) -> bool:
        return await self._through("resolve", lambda: self._inner.resolve(batch, epoch))

    async def read(self, after: int, limit: int) -> Sequence[Record]:
        return await self._through("read", lambda: self._inner.read(after, limit))

    async def latest_snapshot(self, fold_version: int) -> StoredSnapshot | None:
        return await self._through("load snapshot", lambda: self._inner.latest_snapshot(fold_version))

    async def save_snapshot(self, snapshot: StoredSnapshot) -> None:
        await self._through("save snapshot", lambda: self._inner.save_snapshot(snapshot))

    async def close(self) -> None:
        await self._through("close", self._inner.close)


class MortalArchive(Mortal):
    """`actors.queries.Archive` of one process."""

    def __init__(self, life: Life, disk: MemoryDisk, faults: Faults) -> None:
        super().__init__(life)
        self._inner = MemoryArchive(disk, faults)

    async def order(self, order_id: str) -> Order | None:
        return await self._through("archive", lambda: self._inner.order(order_id))

    async def order_by_client_id(self, exchange: str, client_order_id: str) -> Order | None:
        return await self._through(
            "archive", lambda: self._inner.order_by_client_id(exchange, client_order_id)
        )

    async def order_by_key(self, token_id: str, idempotency_key: str) -> Order | None:
        return await self._through("archive", lambda: self._inner.order_by_key(token_id, idempotency_key))

    async def amend_by_key(
        self, order_id: str, token_id: str, idempotency_key: str
    ) -> AmendAccepted | AmendDenied | None:
        return await self._through(
            "archive", lambda: self._inner.amend_by_key(order_id, token_id, idempotency_key)
        )

    async def orders(self, wanted: OrderFilter) -> Sequence[Order]:
        return await self._through("archive", lambda: self._inner.orders(wanted))

    async def fills(
        self,
        exchange: str | None,
        symbol: str | None,
        order_id: str | None,
        limit: int,
        before: tuple[int, str] | None,
    ) -> Sequence[Fill]:
        return await self._through(
            "archive", lambda: self._inner.fills(exchange, symbol, order_id, limit, before)
        )

    async def events(self, after: int, limit: int, order_id: str | None = None) -> Sequence[Record]:
        return await self._through("archive", lambda: self._inner.events(after, limit, order_id))

    async def limit_changes(
        self, name: str | None, limit: int, before: int | None = None
    ) -> Sequence[Record]:
        return await self._through("archive", lambda: self._inner.limit_changes(name, limit, before))

    async def recall(
        self, exchange: str, venue_ids: Sequence[str]
    ) -> Sequence[tuple[Order, tuple[str, ...]]]:
        return await self._through("archive", lambda: self._inner.recall(exchange, venue_ids))


class LatchDisk:
    """The latch file's place: what a process left there is what the next one reads.

    `failing`: writes raise. `seconds`: how long a write takes.
    """

    def __init__(self, rng: Random) -> None:
        self.content: bytes | None = None
        self.failing = False
        self.seconds = 0.002
        self._rng = rng

    async def put(self, content: bytes | None) -> None:
        """Write; a caller that vanishes in between leaves the old or the new content, as chance has it."""
        before = self.content
        if self._rng.random() < 0.5:
            self.content = content
        try:
            await trio.sleep(self.seconds)
        finally:
            if self.failing:
                self.content = before
        if self.failing:
            raise LatchFailed("the disk refuses to write")
        self.content = content


class MortalLatch(Mortal):
    """`actors.halt.port.LatchFile` of one process."""

    capacity = 4096

    def __init__(self, life: Life, disk: LatchDisk) -> None:
        super().__init__(life)
        self._disk = disk

    async def write(self, content: bytes) -> None:
        await self._through("latch", lambda: self._disk.put(content))

    async def clear(self) -> None:
        await self._through("latch", lambda: self._disk.put(None))

    async def read(self) -> bytes | None:
        async def content() -> bytes | None:
            await trio.lowlevel.checkpoint()
            return self._disk.content

        return await self._through("latch", content)
