"""The one door for web, console and simulator into the actors.

A command is routed, made unique and handed to the actor that decides it; the answer then follows the
committed log, not an actor's reply. How an order gets to its answer is in `actors.placings` and
`actors.placing`.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

import trio

from actors.admission import Admissions
from actors.amends import Amends
from actors.decisions import UNREACHABLE
from actors.journal.port import StoreUnavailable
from actors.kernel import System
from actors.model import messages as m
from actors.model import results as r
from actors.model.addresses import position_address
from actors.model.clock import Clock, Ids
from actors.model.journal import CommittedLog
from actors.model.order import Order, OrderIntent, Terminal
from actors.model.stages import NoStages, Stages
from actors.placing import Halts, PortTimings
from actors.placings import Placings
from actors.queries import Archive, TreeNode
from actors.questions import ASK_SECONDS, Held, Prices
from actors.router import misnamed

__all__ = ["CommandPort", "PortTimings"]


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


class CommandPort(Amends):
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
        held: Held | None = None,
    ) -> None:
        super().__init__(
            system=system,
            log=log,
            archive=archive,
            exchanges=exchanges,
            prices=prices,
            tree=tree,
            readiness=readiness,
            held=held,
        )
        self._admissions = admissions
        self._kills = kills
        self._timings = timings
        self._placings = Placings(
            system=system,
            log=log,
            admissions=admissions,
            archive=archive,
            halts=halts,
            exchanges=exchanges,
            ids=ids,
            clock=clock,
            timings=timings,
            stages=stages or NoStages(),
        )
        self._halts = halts
        self._ids = ids
        self._answer_seconds = timings.answer_seconds
        self._read_seconds = timings.read_seconds
        self._claims: dict[tuple[str, str], str] = {}

    # Orders.

    async def place(
        self, intent: OrderIntent, *, wait_seconds: float, correlation_id: str, dry_run: bool = False
    ) -> r.PlaceResult:
        """Place an order and wait up to `wait_seconds` for the exchange's answer.

        The same client order id or idempotency key with the same fingerprint gives the order that it made
        before.
        """
        results: list[r.PlaceResult] = []
        placement = r.Placement(
            intent=intent, wait_seconds=wait_seconds, correlation_id=correlation_id, dry_run=dry_run
        )
        await self._placings.place_all((placement,), lambda _index, result: results.append(result))
        return results[0]

    async def place_all(
        self, placements: Sequence[r.Placement], answer: Callable[[int, r.PlaceResult], None]
    ) -> None:
        """Place many orders with one admission; `answer(index, result)` is called for each when its outcome
        is known, and must neither wait nor raise. Return when all are answered.
        """
        await self._placings.place_all(placements, answer)

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
    ) -> tuple[str, ...] | r.Refused:
        """Request the cancel of every open order that matches; return their ids, oldest first. A scope in
        which nothing can lie is refused.
        """
        refused = misnamed(exchange, symbol, self._exchanges, self._log.book)
        if refused is not None:
            return refused
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
    ) -> r.KillResult | r.Refused:
        """Close the gate and the latch now; journaling and cancelling follow. Passes no mailbox.

        A scope in which nothing can lie is refused, and nothing is stopped.
        """
        refused = misnamed(exchange, symbol, self._exchanges, self._log.book)
        if refused is not None:
            return refused
        return await self._kills(
            level=level, exchange=exchange, symbol=symbol, reason=reason, by=by, correlation_id=correlation_id
        )

    async def resume(
        self,
        *,
        reason: str,
        by: str,
        correlation_id: str,
        kill_ids: Sequence[str] = (),
        exchange: str | None = None,
        symbol: str | None = None,
    ) -> r.ResumeResult:
        """Lift the kills that are named, what holds for exactly a scope, or everything; journaled before the
        gate opens.
        """
        resume = m.Resume(
            reason=reason,
            by=by,
            correlation_id=correlation_id,
            kill_ids=tuple(kill_ids),
            exchange=exchange,
            symbol=symbol,
        )
        try:
            reply = await self._operator.ask(resume, timeout=ASK_SECONDS)
        except UNREACHABLE as error:
            return r.Refused(
                code="OVERLOADED", detail=f"the operator's actor did not answer: {type(error).__name__}"
            )
        if not isinstance(reply, m.Resumed | m.Proposed | m.Refused):
            raise TypeError(f"OperatorActor answered {type(reply).__name__}")
        return reply


def _cancel_outcome(order: Order) -> r.CancelResult:
    if order.is_open:
        return r.Pending(order=order)
    if order.terminal in (Terminal.CANCELED, Terminal.EXPIRED, Terminal.NOT_SENT, Terminal.ABSENT):
        return r.Cancelled(order=order)
    return m.AlreadyClosed(order=order)
