"""What is asked for and what comes back: filters, the store that answers history and lists, the cache of
positions that processes may share, the live tree.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from actors.model.events import AmendAccepted, AmendDenied
from actors.model.fill import Fill
from actors.model.journal import Record
from actors.model.order import Order
from actors.model.position import Position


class OrderFilter(msgspec.Struct, frozen=True, kw_only=True):
    """None matches everything. `before` is (created_us, order_id) of the last row of the page before."""

    statuses: tuple[str, ...] = ()
    exchange: str | None = None
    symbol: str | None = None
    limit: int = 100
    before: tuple[int, str] | None = None


class TreeNode(Protocol):
    """One supervisor or actor of the live tree, with those below it."""

    @property
    def address(self) -> str: ...
    @property
    def state(self) -> str: ...
    @property
    def generation(self) -> int: ...
    @property
    def restarts(self) -> int: ...
    @property
    def mailbox(self) -> int: ...
    @property
    def last_error(self) -> str | None: ...
    @property
    def children(self) -> Sequence["TreeNode"]: ...


class Archive(Protocol):
    """Reads of the tables; each raises `actors.journal.port.StoreUnavailable` while the store is away."""

    async def order(self, order_id: str) -> Order | None: ...

    async def order_by_client_id(self, exchange: str, client_order_id: str) -> Order | None: ...

    async def order_by_key(self, token_id: str, idempotency_key: str) -> Order | None: ...

    async def amend_by_key(
        self, order_id: str, token_id: str, idempotency_key: str
    ) -> AmendAccepted | AmendDenied | None:
        """What was journaled of the amend of this order that took this idempotency key."""
        ...

    async def orders(self, wanted: OrderFilter) -> Sequence[Order]:
        """Newest first."""
        ...

    async def fills(
        self,
        exchange: str | None,
        symbol: str | None,
        order_id: str | None,
        limit: int,
        before: tuple[int, str] | None,
    ) -> Sequence[Fill]:
        """Newest first; `before` is (at_us, fill_id)."""
        ...

    async def events(self, after: int, limit: int, order_id: str | None = None) -> Sequence[Record]: ...

    async def limit_changes(
        self, name: str | None, limit: int, before: int | None = None
    ) -> Sequence[Record]:
        """The changes of limits, or of one, newest first; `before` is the sequence of the last one seen."""
        ...

    async def recall(
        self, exchange: str, venue_ids: Sequence[str]
    ) -> Sequence[tuple[Order, tuple[str, ...]]]:
        """Orders by an id that they have or had at the exchange, each with the trades applied to it."""
        ...


class CachedPosition(msgspec.Struct, frozen=True, kw_only=True):
    """What the cache holds of one symbol. `result`: hit; missed; stale (it held something older).

    `version` is a place of the journal: the positions, of all exchanges, are those at it or later than their
    last change before it. `leased`: nothing is held, and who asked may fill it in.
    """

    result: str
    version: int = 0
    positions: tuple[Position, ...] = ()
    leased: bool = False


class PositionCache(Protocol):
    """Positions by symbol, to be read without asking who has the journal. Every call raises SharedAway.

    What is filled in stays for five minutes at most.
    """

    async def look(self, floors: Mapping[str, int], token: str) -> Mapping[str, CachedPosition]:
        """What is held of each symbol; what is older than its floor is dropped, not given.

        For a symbol of which nothing is held, `token` is given a lease, if no other has one.
        """
        ...

    async def fill(self, symbol: str, token: str, version: int, positions: Sequence[Position]) -> bool:
        """Put in what was read after the lease was given; False when that is gone: somebody forgot the symbol
        meanwhile, or it took too long.
        """
        ...

    async def renew(self, version: int, positions: Mapping[str, Sequence[Position]]) -> None:
        """These symbols have changed: put this in where something older is held, and drop what is not older.

        Leases end, and a symbol of which nothing is held stays so: nobody has asked for it.
        """
        ...
