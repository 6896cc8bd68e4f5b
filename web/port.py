"""What the web layer needs from the runtime: the one door that it knocks at.

Everything here is a Protocol over the vocabulary of `actors.model`; the implementation is behind it and can
be in this process or in another. Cancelling the caller's wait never cancels a command that was handed over.
"""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Protocol

from actors.model.book import Book, Change
from actors.model.fill import Fill
from actors.model.journal import Record
from actors.model.messages import Balance, HaltView, LimitsView, Mark, RiskView
from actors.model.order import Order, OrderIntent
from actors.model.results import (
    AdjustResult,
    AmendResult,
    CancelResult,
    KillResult,
    LimitResult,
    NotReady,
    Placement,
    PlaceResult,
    PositionView,
    Refused,
    ResumeResult,
    VerdictResult,
)
from actors.queries import OrderFilter, TreeNode

Unsubscribe = Callable[[], None]
CommitListener = Callable[[Sequence[Record], Sequence[Change]], None]
"""Called synchronously with each committed batch; `changes[i]` is what `records[i]` did. Must not raise."""

MarkListener = Callable[[Mark], None]
"""Called synchronously with each new price. Must not raise."""


class Commands(Protocol):
    """What changes something. Every call answers with data; an exception is a fault of the runtime."""

    async def place(
        self, intent: OrderIntent, *, wait_seconds: float, correlation_id: str, dry_run: bool = False
    ) -> PlaceResult:
        """Take an order.

        The caller leaves `order_id` and `venue_id` empty (they are drawn behind the port), may leave
        `client_order_id` (becomes the order id) and `exchange` (the router picks) empty, and sets user, token
        id, idempotency key and fingerprint.
        """
        ...

    async def place_all(
        self, placements: Sequence[Placement], answer: Callable[[int, PlaceResult], None]
    ) -> None:
        """Place many orders with one admission; `answer(index, result)` is called for each when its outcome
        is known, and must neither wait nor raise. Return when all are answered.
        """
        ...

    async def amend(
        self,
        order_id: str,
        *,
        quantity: Decimal | None,
        limit_price: Decimal | None,
        user: str,
        token_id: str,
        idempotency_key: str | None,
        fingerprint: str,
        wait_seconds: float,
        correlation_id: str,
    ) -> AmendResult:
        """Give a working limit order another quantity (in all) or price; None leaves a term as it is."""
        ...

    async def cancel(
        self, order_id: str, *, by: str, correlation_id: str, wait_seconds: float
    ) -> CancelResult: ...

    async def cancel_all(
        self, *, exchange: str | None, symbol: str | None, side: str | None, by: str, correlation_id: str
    ) -> Sequence[str] | Refused:
        """Ask to cancel every open order in scope; the ids of those asked for."""
        ...

    async def kill(
        self,
        *,
        level: str,
        exchange: str | None,
        symbol: str | None,
        reason: str,
        by: str,
        correlation_id: str,
    ) -> KillResult | Refused: ...

    async def resume(
        self,
        *,
        reason: str,
        by: str,
        correlation_id: str,
        kill_ids: Sequence[str] = (),
        exchange: str | None = None,
        symbol: str | None = None,
    ) -> ResumeResult:
        """Lift the kills that are named, what holds for exactly a scope, or everything."""
        ...

    async def change_limit(
        self, *, name: str, value: str, reason: str, by: str, correlation_id: str
    ) -> LimitResult: ...

    async def judge_absent(
        self, order_id: str, *, by: str, reason: str, correlation_id: str, wait_seconds: float
    ) -> VerdictResult:
        """Record a person's verdict that the exchange never took an unknown order."""
        ...

    async def adjust_balance(
        self,
        *,
        exchange: str,
        asset: str,
        amount: Decimal,
        reference: str,
        reason: str,
        by: str,
        correlation_id: str,
    ) -> AdjustResult:
        """Record a person's correction of a balance."""
        ...


class Queries(Protocol):
    """What only reads. A call that needs the store raises StoreUnavailable while the store is away."""

    async def order(self, order_id: str) -> Order | None: ...

    async def orders(self, wanted: OrderFilter) -> Sequence[Order]:
        """Newest first."""
        ...

    async def fills(
        self,
        *,
        exchange: str | None,
        symbol: str | None,
        order_id: str | None,
        limit: int,
        before: tuple[int, str] | None,
    ) -> Sequence[Fill]:
        """Newest first; `before` is (at_us, fill_id) of the last one of the page before."""
        ...

    async def events(self, *, after: int, limit: int, order_id: str | None = None) -> Sequence[Record]:
        """Committed records later than `after`, oldest first."""
        ...

    async def positions(self) -> Sequence[PositionView]: ...

    async def balances(self) -> Sequence[Balance]: ...

    async def risk(self, *, reservations: bool = False) -> RiskView: ...

    async def limits(self) -> LimitsView: ...

    async def limit_changes(self, *, name: str | None, limit: int, before: int | None) -> Sequence[Record]:
        """Records of `LimitChanged`, newest first; `before` is the sequence of the last one seen."""
        ...

    async def halt(self) -> HaltView: ...

    async def marks(self) -> Sequence[Mark]: ...

    def tree(self) -> TreeNode: ...

    def readiness(self) -> Sequence[NotReady]:
        """What keeps the runtime from taking orders; empty when it is ready."""
        ...


class Feed(Protocol):
    """What is followed. Subscriptions live until they are ended by the function that was returned."""

    @property
    def head(self) -> int:
        """The newest committed sequence number."""
        ...

    @property
    def book(self) -> Book:
        """The fold of everything up to `head`. Only to be read."""
        ...

    def subscribe(self, listener: CommitListener) -> Unsubscribe: ...

    def subscribe_market(self, listener: MarkListener) -> Unsubscribe: ...


class CommandPort(Commands, Queries, Feed, Protocol):
    """The whole door."""
