"""Order entry and the kill switch over WebSocket: the same requests as REST, each with an id, as many in
flight as a client likes.

Scopes, rate limit, room for commands, validation, risk and idempotency are those of REST; only the envelope
differs. What was asked before the connection was lost is done all the same, unless the client asked for
cancel-on-disconnect.
"""

from collections.abc import Sequence
from typing import Annotated

import msgspec
import structlog
import trio
from msgspec import Meta

from actors.model.results import Placement, PlaceResult
from web.asked import AmendRequest, KillRequest, NewOrder, intent_of, refused, terms_of
from web.auth.keyring import Holder
from web.edge import Edge
from web.feeds.hub import Hub
from web.feeds.protocol import Action, Ping, Subscribe, Unsubscribe
from web.feeds.session import Peer, Session
from web.patterns import UUID
from web.problems import Problem
from web.routes.operator import KillBody, pull
from web.routes.orders import amend_one
from web.routes.outcomes import Outcome, of_cancel, of_place
from web.wire import OrderBody, order_body

_log = structlog.get_logger(room="web")
_read_kill = msgspec.json.Decoder(KillRequest).decode
_read_amend = msgspec.json.Decoder(AmendRequest).decode
_read_order = msgspec.json.Decoder(NewOrder).decode

RequestId = Annotated[str, Meta(min_length=1, max_length=64)]
Key = Annotated[str, Meta(pattern=r"^[\x21-\x7e]{1,64}\Z")]
Seconds = Annotated[float, Meta(ge=0, le=60)]


class Place(Action, frozen=True, kw_only=True, tag="place"):
    """Place an order.

    `order` is the body of `POST /orders`; the other members are its headers and parameters.
    """

    id: RequestId
    order: msgspec.Raw
    idempotency_key: Key | None = None
    wait: Seconds | None = None
    dry_run: bool = False


class Amend(Action, frozen=True, kw_only=True, tag="amend"):
    """Amend an order; `terms` is the body of `PATCH /orders/{orderId}`."""

    id: RequestId
    order_id: Annotated[str, Meta(pattern=UUID)]
    terms: msgspec.Raw
    idempotency_key: Key | None = None
    wait: Seconds | None = None


class Cancel(Action, frozen=True, kw_only=True, tag="cancel"):
    """Cancel an order."""

    id: RequestId
    order_id: Annotated[str, Meta(pattern=UUID)]
    wait: Seconds | None = None


class Kill(Action, frozen=True, kw_only=True, tag="kill"):
    """Stop trading; `kill` is the body of `POST /operator/kill`."""

    id: RequestId
    kill: msgspec.Raw


class CancelOnDisconnect(Action, frozen=True, kw_only=True, tag="cancelOnDisconnect"):
    """Whether the open orders that were placed over this connection are cancelled when it ends."""

    enabled: bool


_OPERATIONS = {
    "order_created": "placeOrder",
    "order_amended": "amendOrder",
    "order_cancelled": "cancelOrder",
    "trading_killed": "kill",
}
"""What an action of the log is called in the contract and in the audit."""

MAX_REMEMBERED = 1000
"""Orders of this connection that are remembered before those that are over are forgotten."""


class ResultFrame(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The answer to the request of this id: an order or a kill with a 2xx status, or a problem."""

    type: str
    id: str
    status: int
    order: OrderBody | None = None
    kill: KillBody | None = None
    problem: Problem | None = None


class Underway:
    """An order that was asked for: by which request, since when, and its outcome once there is one."""

    __slots__ = ("asked", "began", "correlation_id", "outcome")

    def __init__(self, asked: Place, correlation_id: str) -> None:
        self.asked = asked
        self.correlation_id = correlation_id
        self.began = trio.current_time()
        self.outcome: Outcome | None = None


class TradeSession(Session):
    """A session that also takes orders: those that came together are placed together."""

    def __init__(
        self, peer: Peer, edge: Edge, hub: Hub, holder: Holder, correlation_id: str, client: str
    ) -> None:
        services = edge.services
        super().__init__(peer, services.port, hub, services.metrics, None)
        self._edge = edge
        self._services = services
        self._holder = holder
        self._correlation_id = correlation_id
        self._client = client
        self._count = 0
        self._cancel_at_end = False
        self._mine: dict[str, None] = {}
        self._gathered: list[tuple[Underway, Placement]] = []
        self._finished: list[Underway] = []
        self._decode = msgspec.json.Decoder(
            Subscribe | Unsubscribe | Ping | Place | Amend | Cancel | Kill | CancelOnDisconnect
        ).decode

    async def run(self) -> None:
        """Like every session; at the end, cancel what was placed if the client asked for that."""
        try:
            await super().run()
        finally:
            if self._cancel_at_end:
                with trio.CancelScope(shield=True):
                    await self._cancel_mine()

    def act(self, action: Action) -> None:
        """Take one request."""
        if isinstance(action, Place):
            self._gather(action)
        elif isinstance(action, Amend):
            self.nursery.start_soon(self._amend, action)
        elif isinstance(action, Cancel):
            self.nursery.start_soon(self._cancel, action)
        elif isinstance(action, Kill):
            self.nursery.start_soon(self._kill, action)
        elif isinstance(action, CancelOnDisconnect):
            self._cancel_at_end = action.enabled
        elif isinstance(action, Subscribe | Unsubscribe) and "read" not in self._holder.principal.scopes:
            self.mistake("a feed needs the scope read", code="FORBIDDEN")
        else:
            super().act(action)

    def took_all(self) -> None:
        """Place what came together, in a task of its own: its answers must not hold up what comes next."""
        if self._gathered:
            gathered, self._gathered = self._gathered, []
            self.nursery.start_soon(self._place_all, gathered)

    def collect(self) -> None:
        """Answer the orders that are finished."""
        finished, self._finished = self._finished, []
        for each in finished:
            if each.outcome is not None:
                self._answer("order_created", each.asked.id, each.outcome, each.correlation_id, each.began)

    def _gather(self, asked: Place) -> None:
        """Check a request for an order; it is placed with those that came with it."""
        underway = Underway(asked, self._next_correlation())
        try:
            placement = self._check(asked, underway.correlation_id)
        except Exception as error:  # noqa: BLE001 - a request ends here, and its fault is logged
            self._finish(underway, self._edge.failed(error, underway.correlation_id))
        else:
            self._gathered.append((underway, placement))

    def _check(self, asked: Place, correlation_id: str) -> Placement:
        """The order as it is to be placed, with its place among the commands taken; raise ProblemError."""
        self._edge.admit(self._holder, "trade")
        principal = self._holder.principal
        try:
            order = _read_order(asked.order)
        except msgspec.ValidationError as error:
            raise refused(error, "#/order") from None
        intent = intent_of(
            order,
            user=principal.user,
            token_id=principal.token_id,
            idempotency_key=asked.idempotency_key,
            pointer="#/order",
        )
        self._edge.take_room()
        return Placement(
            intent=intent,
            wait_seconds=self._wait(asked.wait),
            correlation_id=correlation_id,
            dry_run=asked.dry_run,
        )

    async def _place_all(self, gathered: Sequence[tuple[Underway, Placement]]) -> None:
        def placed(index: int, result: PlaceResult) -> None:
            underway = gathered[index][0]
            self._placed(underway, of_place(result, dry_run=underway.asked.dry_run))

        with self._edge.problems(self._correlation_id) as caught, trio.CancelScope(shield=True):
            await self.port.place_all([placement for _, placement in gathered], placed)
        for underway, _ in gathered:
            if underway.outcome is None:
                self._placed(underway, caught.outcome)
        await self._edge.pay(self._holder)

    def _placed(self, underway: Underway, outcome: Outcome) -> None:
        """An order has its outcome. Called by whoever committed it, so the answer is left to the teller."""
        self._edge.leave_room()
        if not underway.asked.dry_run:
            self._services.metrics.placed(outcome)
        if outcome.order is not None and outcome.order.is_open:
            self._remember(outcome.order.order_id)
        self._finish(underway, outcome)

    def _finish(self, underway: Underway, outcome: Outcome) -> None:
        underway.outcome = outcome
        self._finished.append(underway)
        self.wake()

    async def _amend(self, asked: Amend) -> None:
        began = trio.current_time()
        correlation_id = self._next_correlation()
        with self._edge.problems(correlation_id) as caught:
            self._edge.admit(self._holder, "trade")
            try:
                body = _read_amend(asked.terms)
            except msgspec.ValidationError as error:
                raise refused(error, "#/terms") from None
            terms = terms_of(body, asked.order_id, "#/terms")
            self._edge.take_room()
            try:
                with trio.CancelScope(shield=True):
                    caught.outcome = await amend_one(
                        self._services,
                        asked.order_id,
                        terms,
                        self._holder.principal,
                        asked.idempotency_key,
                        self._wait(asked.wait),
                        correlation_id,
                    )
            finally:
                self._edge.leave_room()
        self._answer("order_amended", asked.id, caught.outcome, correlation_id, began)

    async def _cancel(self, asked: Cancel) -> None:
        began = trio.current_time()
        correlation_id = self._next_correlation()
        with self._edge.problems(correlation_id) as caught:
            self._edge.admit(self._holder, "cancel")
            with trio.CancelScope(shield=True):
                result = await self.port.cancel(
                    asked.order_id,
                    by=self._holder.principal.user,
                    correlation_id=correlation_id,
                    wait_seconds=self._wait(asked.wait),
                )
            caught.outcome = of_cancel(result)
        self._answer("order_cancelled", asked.id, caught.outcome, correlation_id, began)

    async def _kill(self, asked: Kill) -> None:
        """As over REST: it never waits for room among the orders."""
        began = trio.current_time()
        correlation_id = self._next_correlation()
        body: KillBody | None = None
        with self._edge.problems(correlation_id) as caught:
            self._edge.admit(self._holder, "cancel", urgent=True)
            try:
                kill = _read_kill(asked.kill)
            except msgspec.ValidationError as error:
                raise refused(error, "#/kill") from None
            with trio.CancelScope(shield=True):
                body = await pull(self.port, kill, self._holder.principal.user, correlation_id)
            caught.outcome = Outcome(200)
        self._answer("trading_killed", asked.id, caught.outcome, correlation_id, began, body)

    async def _cancel_mine(self) -> None:
        for order_id in self._open_ones():
            principal, where = self._holder.principal, ("WS", "/ws/trade", 202, self._client)
            self._edge.note("cancelOnDisconnect", self._correlation_id, principal, *where, order_id)
            with self._edge.problems(self._correlation_id):
                await self.port.cancel(
                    order_id,
                    by=self._holder.principal.user,
                    correlation_id=self._correlation_id,
                    wait_seconds=0.0,
                )

    def _remember(self, order_id: str) -> None:
        if len(self._mine) >= MAX_REMEMBERED:
            self._mine = dict.fromkeys(self._open_ones())
        self._mine[order_id] = None

    def _open_ones(self) -> list[str]:
        working = self.port.book.orders
        return [order_id for order_id in self._mine if order_id in working]

    def _wait(self, asked: float | None) -> float:
        most = self._services.settings.wait_seconds
        return most if asked is None else min(asked, most)

    def _next_correlation(self) -> str:
        self._count += 1
        return f"{self._correlation_id}.{self._count:x}"[:64]

    def _answer(
        self,
        action: str,
        request_id: str,
        outcome: Outcome,
        correlation_id: str,
        began: float,
        kill: KillBody | None = None,
    ) -> None:
        seconds = trio.current_time() - began
        if action == "order_created":
            self._services.metrics.order_latency.observe(seconds)
        order = None if outcome.order is None else order_body(outcome.order)
        frame = ResultFrame(
            type="result",
            id=request_id,
            status=outcome.status,
            order=order,
            kill=kill,
            problem=outcome.problem,
        )
        self.reply(frame)
        subject = "" if kill is None else kill.kill_id
        if outcome.order is not None:
            subject = outcome.order.order_id
        elif outcome.problem is not None:
            subject = outcome.problem.order_id or outcome.problem.kill_id or ""
        principal = self._holder.principal
        where = "WS", "/ws/trade", outcome.status
        self._edge.note(_OPERATIONS[action], correlation_id, principal, *where, self._client, subject)
        self._edge.log_action(action, correlation_id, principal.user, *where, seconds, self._client)
