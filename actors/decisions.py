"""What a person decides where no machine can: a limit, a verdict on an order, a correction of a balance.

All are journaled with who, why and when before they are answered. Verdict and correction are not believed
blindly: an order that shows up after its verdict is cancelled and halts its exchange, a correction that is
wrong leaves a difference that halts it.
"""

from decimal import Decimal
from typing import Protocol

import trio

from actors.admission import Expected
from actors.kernel import ActorDead, AskTimeout, HandlerFailed, MailboxFull, NoReply
from actors.model import messages as m
from actors.model import results as r
from actors.model.addresses import broker_address
from actors.model.order import Order
from actors.questions import ASK_SECONDS, Questions

UNREACHABLE = (ActorDead, AskTimeout, HandlerFailed, MailboxFull, NoReply)


class Watchers(Protocol):
    """Who waits for an order's committed states; see `actors.admission`."""

    def expect(self, order_id: str) -> Expected: ...

    def forget(self, expected: Expected) -> None: ...


class Decisions(Questions):
    """The part of the command port for what only people can know."""

    _admissions: Watchers

    async def judge_absent(
        self, order_id: str, *, by: str, reason: str, correlation_id: str, wait_seconds: float
    ) -> r.VerdictResult:
        """Record that the exchange never took an unknown order; wait until the journal says so.

        Cancelling the wait does not take the verdict back.
        """
        order = await self.order(order_id)
        if order is None:
            return m.NoSuchOrder(order_id=order_id)
        if not order.is_open:
            return m.AlreadyClosed(order=order)
        expected = self._admissions.expect(order_id)
        try:
            verdict = m.RecordAbsence(order_id=order_id, by=by, reason=reason)
            broker = self._system.ref(broker_address(order.intent.exchange))
            reply = await broker.ask(verdict, timeout=ASK_SECONDS)
            if isinstance(reply, m.Refused):
                return reply
            await expected.until(_over, trio.current_time() + wait_seconds)
            now = expected.order or self._log.book.order(order_id) or order
            return r.Pending(order=now) if now.is_open else r.Judged(order=now)
        except UNREACHABLE as error:
            return _silent("the broker", error)
        finally:
            self._admissions.forget(expected)

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
    ) -> r.AdjustResult:
        """Record that a balance changed by `amount` for a reason that no record of the exchange tells."""
        asked = m.AdjustBalance(
            exchange=exchange,
            asset=asset,
            amount=amount,
            reference=reference,
            reason=reason,
            by=by,
            correlation_id=correlation_id,
        )
        try:
            reply = await self._operator.ask(asked, timeout=ASK_SECONDS)
        except UNREACHABLE as error:
            return _silent("the operator's actor", error)
        if not isinstance(reply, m.BalanceBooked | m.Refused):
            raise TypeError(f"OperatorActor answered {type(reply).__name__}")
        return reply

    async def change_limit(
        self, *, name: str, value: str, reason: str, by: str, correlation_id: str
    ) -> r.LimitResult:
        """Set a limit; answered when the journal has it. `Unsettled` when that was not known in time."""
        change = m.ChangeLimit(name=name, value=value, reason=reason, by=by, correlation_id=correlation_id)
        try:
            reply = await self._risk.ask(change, timeout=ASK_SECONDS)
        except UNREACHABLE as error:
            detail = f"the risk check did not say what became of it: {type(error).__name__}"
            return r.Unsettled(detail=detail)
        if not isinstance(reply, m.LimitSet | m.Proposed | m.Refused):
            raise TypeError(f"RiskActor answered {type(reply).__name__}")
        return reply


def _over(order: Order) -> bool:
    return not order.is_open


def _silent(who: str, error: Exception) -> m.Refused:
    detail = f"{who} did not answer: {type(error).__name__}"
    return m.Refused(code="OVERLOADED", detail=detail, retry_after_seconds=1.0)
