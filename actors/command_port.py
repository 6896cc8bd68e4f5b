"""The one door for web, console and simulator into the actors.

A command is routed, made unique and handed to the actor that decides it; the answer then follows the
committed log, not an actor's reply. What is answered with a refusal is withdrawn first, synchronously, so
that an intent whose commit was still on its way can never be sent after its caller was told no.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec
import trio

from actors.admission import Admissions, Expected
from actors.decisions import UNREACHABLE, Decisions
from actors.journal.port import StoreUnavailable
from actors.kernel import System
from actors.model import messages as m
from actors.model import results as r
from actors.model.addresses import position_address
from actors.model.book import denied_order
from actors.model.clock import Clock, Ids
from actors.model.journal import CommittedLog
from actors.model.order import Order, OrderIntent, Submission, Terminal
from actors.model.stages import NoStages, Stages
from actors.queries import Archive, TreeNode
from actors.questions import ASK_SECONDS, Prices
from actors.router import UnknownExchange, route

UNANSWERED = "OVERLOADED"
"""The refusal of an order of which RiskActor said nothing: its intent may yet reach the journal,
withdrawn.
"""


class Halts(Protocol):
    """What the door needs of the halt room."""

    def withdraw(self, order_id: str) -> None: ...


class Kills(Protocol):
    """Closes the gate and the latch, then tells the operator's actor."""

    async def __call__(
        self,
        *,
        level: str,
        exchange: str | None,
        symbol: str | None,
        reason: str,
        by: str,
        correlation_id: str,
    ) -> r.KillResult: ...


class PortTimings(msgspec.Struct, frozen=True, kw_only=True):
    """`answer_seconds`: how long an intent may take to become durable before its caller is told no."""

    answer_seconds: float = 0.8
    read_seconds: float = 0.8


class CommandPort(Decisions):
    """Commands in, committed outcomes out. Safe to call from any task; cancelling a call never undoes a
    command.
    """

    def __init__(
        self,
        *,
        system: System,
        log: CommittedLog,
        admissions: Admissions,
        archive: Archive,
        halts: Halts,
        kills: Kills,
        exchanges: Sequence[str],
        ids: Ids,
        clock: Clock,
        timings: PortTimings,
        prices: Prices,
        tree: Callable[[], TreeNode],
        readiness: Callable[[], Sequence[r.NotReady]],
        stages: Stages | None = None,
    ) -> None:
        super().__init__(
            system=system,
            log=log,
            archive=archive,
            exchanges=exchanges,
            prices=prices,
            tree=tree,
            readiness=readiness,
        )
        self._admissions = admissions
        self._halts = halts
        self._kills = kills
        self._ids = ids
        self._clock = clock
        self._timings = timings
        self._stages = stages or NoStages()
        self._claims: dict[tuple[str, str], str] = {}

    # Orders.

    async def place(
        self, intent: OrderIntent, *, wait_seconds: float, correlation_id: str, dry_run: bool = False
    ) -> r.PlaceResult:
        """Place an order and wait up to `wait_seconds` for the exchange's answer.

        The same client order id or idempotency key with the same fingerprint gives the order that it made
        before.
        """
        try:
            routed = route(intent, self._exchanges, self._ids.order_id())
        except UnknownExchange as error:
            return r.Refused(code="VALIDATION", detail=str(error))
        if dry_run:
            return await self._preview(routed, correlation_id)
        named = bool(intent.client_order_id)
        claims = self._claims_of(routed, named=named)
        if any(claim in self._claims for claim in claims):
            return r.Conflict(code="IN_PROGRESS", detail="the same request is being answered right now")
        for claim in claims:
            self._claims[claim] = routed.order_id
        expected = self._admissions.expect(routed.order_id)
        handed_over = False
        try:
            if claims:
                earlier = await self._earlier(routed, named=named)
                if earlier is not None:
                    return earlier
            handed_over, began_us = True, self._clock.now_us()
            result = await self._place(routed, expected, wait_seconds, correlation_id)
            ended_us, outcome = self._clock.now_us(), type(result).__name__.lower()
            self._stages.stage("request", correlation_id, routed.order_id, began_us, ended_us, outcome)
            return result
        finally:
            if handed_over:
                expected.when_settled(lambda: self._done(expected, claims))
            else:
                self._done(expected, claims)

    def _done(self, expected: Expected, claims: Sequence[tuple[str, str]]) -> None:
        """The journal has settled the order, or never heard of it: its ids may be looked up or used again."""
        self._admissions.forget(expected)
        for claim in claims:
            self._claims.pop(claim, None)

    async def _preview(self, intent: OrderIntent, correlation_id: str) -> r.PlaceResult:
        reply = await self._ask_risk(m.PlaceOrder(intent=intent, correlation_id=correlation_id, dry_run=True))
        if isinstance(reply, m.Denied):
            return self._denied(intent, reply)
        if isinstance(reply, m.Refused):
            return reply
        now = self._clock.now_us()
        return r.Previewed(order=Order(intent=intent, created_us=now, updated_us=now))

    async def _place(
        self, intent: OrderIntent, expected: Expected, wait_seconds: float, correlation_id: str
    ) -> r.PlaceResult:
        began = trio.current_time()
        durable_by = began + self._timings.answer_seconds
        reply = await self._ask_risk(m.PlaceOrder(intent=intent, correlation_id=correlation_id))
        if isinstance(reply, m.Refused):
            self._halts.withdraw(intent.order_id)
            if reply.code != UNANSWERED:
                expected.fail(reply.code, reply.detail)
            return reply
        durable = await expected.until(_any, durable_by)
        if isinstance(reply, m.Denied):
            return self._denied(intent, reply)
        if not durable:
            self._halts.withdraw(intent.order_id)
            code, detail = expected.failure or (
                "JOURNAL_UNAVAILABLE",
                "the order could not be made durable in time; it will not be sent",
            )
            return r.Refused(code=code, detail=detail, retry_after_seconds=1.0)
        answered = await expected.until(_answered, began + wait_seconds)
        order = expected.order
        if order is None:
            raise RuntimeError(f"order {intent.order_id} was durable and has no state")
        return _outcome(order) if answered else r.Pending(order=order)

    async def _ask_risk(self, message: m.PlaceOrder) -> m.Admitted | m.Denied | m.Refused:
        try:
            reply = await self._risk.ask(message, timeout=self._timings.answer_seconds)
        except UNREACHABLE as error:
            return m.Refused(
                code=UNANSWERED,
                detail=f"the risk check did not answer: {type(error).__name__}; nothing will be sent",
                retry_after_seconds=1.0,
            )
        if not isinstance(reply, m.Admitted | m.Denied | m.Refused):
            raise TypeError(f"RiskActor answered {type(reply).__name__}")
        return reply

    def _denied(self, intent: OrderIntent, reply: m.Denied) -> r.Denied:
        recorded = self._log.book.order(intent.order_id)
        order = recorded or denied_order(intent, reply.code, reply.detail, self._clock.now_us())
        return r.Denied(
            order=order, code=reply.code, detail=reply.detail, limit=reply.limit, value=reply.value
        )

    def _claims_of(self, intent: OrderIntent, *, named: bool) -> tuple[tuple[str, str], ...]:
        claims: list[tuple[str, str]] = []
        if named:
            claims.append(("client/" + intent.exchange, intent.client_order_id))
        if intent.idempotency_key is not None:
            claims.append(("key/" + intent.token_id, intent.idempotency_key))
        return tuple(claims)

    async def _earlier(self, intent: OrderIntent, *, named: bool) -> r.PlaceResult | None:
        try:
            with trio.fail_after(self._timings.read_seconds):
                found = None
                if intent.idempotency_key is not None:
                    found = await self._archive.order_by_key(intent.token_id, intent.idempotency_key)
                if found is None and named:
                    found = await self._archive.order_by_client_id(intent.exchange, intent.client_order_id)
        except (StoreUnavailable, trio.TooSlowError):
            return r.Refused(
                code="JOURNAL_UNAVAILABLE",
                detail="earlier requests can't be looked up now; nothing was done",
                retry_after_seconds=1.0,
            )
        if found is None:
            return None
        if found.intent.fingerprint != intent.fingerprint:
            return r.Conflict(
                code="IDEMPOTENCY_MISMATCH",
                detail=f"another request made order {found.order_id} under this id",
            )
        return r.Replayed(order=self._log.book.order(found.order_id) or found)

    async def cancel(
        self, order_id: str, *, by: str, correlation_id: str, wait_seconds: float
    ) -> r.CancelResult:
        """Cancel an order; wait for the exchange's word. Works while the journal is away."""
        order = self._log.book.order(order_id)
        if order is None:
            return await self._cancel_forgotten(order_id)
        if not order.is_open:
            return m.AlreadyClosed(order=order)
        deadline = trio.current_time() + wait_seconds
        expected = self._admissions.expect(order_id)
        try:
            intent = order.intent
            reply = await self._system.ref(position_address(intent.exchange, intent.symbol)).ask(
                m.CancelOrder(order_id=order_id, by=by, correlation_id=correlation_id), timeout=ASK_SECONDS
            )
            if isinstance(reply, m.AlreadyClosed | m.NoSuchOrder):
                return reply
            requested = False

            def over(state: Order) -> bool:
                nonlocal requested
                refused = requested and not state.cancel_requested
                requested = requested or state.cancel_requested
                return not state.is_open or refused

            await expected.until(over, deadline)
            return _cancel_outcome(expected.order or self._log.book.order(order_id) or order)
        except UNREACHABLE as error:
            return r.Refused(
                code="OVERLOADED",
                detail=f"the order's actor did not answer: {type(error).__name__}",
                retry_after_seconds=1.0,
            )
        finally:
            self._admissions.forget(expected)

    async def _cancel_forgotten(self, order_id: str) -> r.CancelResult:
        try:
            with trio.fail_after(self._timings.read_seconds):
                order = await self._archive.order(order_id)
        except (StoreUnavailable, trio.TooSlowError):
            return r.Refused(
                code="JOURNAL_UNAVAILABLE", detail="the order is not open; its record can't be read now"
            )
        return m.NoSuchOrder(order_id=order_id) if order is None else m.AlreadyClosed(order=order)

    async def cancel_all(
        self, *, exchange: str | None, symbol: str | None, side: str | None, by: str, correlation_id: str
    ) -> tuple[str, ...]:
        """Request the cancel of every open order that matches; return their ids, oldest first."""
        taken: list[str] = []
        for order in tuple(self._log.book.orders.values()):
            intent = order.intent
            wanted = (exchange, symbol, side)
            found = (intent.exchange, intent.symbol, intent.side)
            if any(want is not None and want != have for want, have in zip(wanted, found, strict=True)):
                continue
            result = await self.cancel(order.order_id, by=by, correlation_id=correlation_id, wait_seconds=0)
            if isinstance(result, r.Pending | r.Cancelled):
                taken.append(order.order_id)
        return tuple(taken)

    # The operator.

    async def kill(
        self,
        *,
        level: str,
        exchange: str | None,
        symbol: str | None,
        reason: str,
        by: str,
        correlation_id: str,
    ) -> r.KillResult:
        """Close the gate and the latch now; journaling and cancelling follow. Passes no mailbox."""
        return await self._kills(
            level=level, exchange=exchange, symbol=symbol, reason=reason, by=by, correlation_id=correlation_id
        )

    async def resume(self, *, reason: str, by: str, correlation_id: str) -> r.ResumeResult:
        """Lift all kills; journaled before the gate opens."""
        try:
            reply = await self._operator.ask(
                m.Resume(reason=reason, by=by, correlation_id=correlation_id), timeout=ASK_SECONDS
            )
        except UNREACHABLE as error:
            return r.Refused(
                code="OVERLOADED", detail=f"the operator's actor did not answer: {type(error).__name__}"
            )
        if not isinstance(reply, m.Resumed | m.Refused):
            raise TypeError(f"OperatorActor answered {type(reply).__name__}")
        return reply


def _any(_order: Order) -> bool:
    return True


def _answered(order: Order) -> bool:
    """Whether the exchange has said what became of the order."""
    if order.terminal is not None:
        return True
    return order.submission is Submission.WORKING


def _outcome(order: Order) -> r.PlaceResult:
    if order.terminal in (Terminal.REFUSED, Terminal.NOT_SENT, Terminal.ABSENT):
        return r.Denied(order=order, code=order.code or "EXCHANGE_REJECTED", detail=order.reason or "")
    return r.Placed(order=order)


def _cancel_outcome(order: Order) -> r.CancelResult:
    if order.is_open:
        return r.Pending(order=order)
    if order.terminal in (Terminal.CANCELED, Terminal.EXPIRED, Terminal.NOT_SENT, Terminal.ABSENT):
        return r.Cancelled(order=order)
    return m.AlreadyClosed(order=order)
