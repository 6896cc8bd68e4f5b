"""The part of the command port that changes working orders.

An amend names the terms that the order is to have, so asking again for what it has, or is getting, does
nothing twice. With an idempotency key the journal itself is asked whether this order has heard the request
before: a repetition that comes late never brings old terms back.
"""

from decimal import Decimal
from typing import Protocol

import msgspec
import trio

from actors.admission import Admissions, Expected
from actors.decisions import UNREACHABLE, Decisions
from actors.journal.port import StoreUnavailable
from actors.model import messages as m
from actors.model import results as r
from actors.model.amend import AmendState
from actors.model.clock import Ids
from actors.model.events import AmendAccepted, AmendAsked, AmendDenied
from actors.model.order import Order, Submission

NOT_NOW = ("ORDER_CLOSED", "NOT_AMENDABLE", "AMEND_IN_PROGRESS", "QTY_BELOW_FILLED")
"""Refusals that say something of the order, and not of the runtime."""


class Withdrawing(Protocol):
    """What is told that nobody waits for an intent any more."""

    def withdraw(self, order_id: str) -> None: ...


class Waits(msgspec.Struct, frozen=True):
    """By trio's clock: until when the intent has to be durable, until when its outcome is waited for."""

    durable: float
    outcome: float


class Amends(Decisions):
    """`_claims` are the requests that are being answered."""

    _admissions: Admissions
    _halts: Withdrawing
    _ids: Ids
    _claims: dict[tuple[str, str], str]
    _answer_seconds: float
    _read_seconds: float

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
    ) -> r.AmendResult:
        """Give a working limit order another quantity (in all) or price; None leaves a term as it is.

        Waits up to `wait_seconds` for the exchange's answer. Cancelling the wait does not take it back.
        """
        began = trio.current_time()
        waits = Waits(began + self._answer_seconds, began + wait_seconds)
        claim = (f"amend/{order_id}/{token_id}", idempotency_key or "")
        if idempotency_key is not None and claim in self._claims:
            return r.Conflict(code="IN_PROGRESS", detail="the same request is being answered right now")
        if idempotency_key is not None:
            self._claims[claim] = order_id
        try:
            try:
                with trio.fail_after(self._read_seconds):
                    order = await self.order(order_id)
                    earlier = None
                    if order is not None and idempotency_key is not None:
                        earlier = await self._archive.amend_by_key(order_id, token_id, idempotency_key)
            except (StoreUnavailable, trio.TooSlowError):
                return _away("earlier requests can't be looked up now; nothing was done")
            if order is None:
                return m.NoSuchOrder(order_id=order_id)
            if earlier is not None:
                return await self._again(order, earlier, fingerprint, waits)
            asked = AmendAsked(
                amend_id=self._ids.order_id(),
                quantity=order.intent.quantity if quantity is None else quantity,
                limit_price=limit_price or order.intent.limit_price or Decimal(0),
                user=user,
                token_id=token_id,
                idempotency_key=idempotency_key,
                fingerprint=fingerprint,
            )
            if self._is_wanted(order, quantity, limit_price):
                under_way = order.amending
                if under_way is None:
                    return r.Amended(order=order)
                return await self._follow(order, under_way.amend_id, waits)
            return await self._amend(order, asked, correlation_id, waits)
        finally:
            if idempotency_key is not None:
                self._claims.pop(claim, None)

    def _is_wanted(self, order: Order, quantity: Decimal | None, limit_price: Decimal | None) -> bool:
        """Whether the order has these terms already, or is getting them."""
        if not order.is_open or order.intent.limit_price is None:
            return False
        terms = order.amending or order.intent
        return quantity in (None, terms.quantity) and limit_price in (None, terms.limit_price)

    async def _again(
        self, order: Order, earlier: AmendAccepted | AmendDenied, fingerprint: str, waits: Waits
    ) -> r.AmendResult:
        """The answer to a request that the journal has already."""
        if earlier.asked.fingerprint != fingerprint:
            detail = f"another request amended order {order.order_id} under this key"
            return r.Conflict(code="IDEMPOTENCY_MISMATCH", detail=detail)
        if isinstance(earlier, AmendDenied):
            return r.NotAmended(
                order=order,
                code=earlier.code,
                detail=earlier.detail,
                limit=earlier.limit,
                value=earlier.value,
            )
        return await self._follow(order, earlier.asked.amend_id, waits)

    async def _follow(self, order: Order, amend_id: str, waits: Waits) -> r.AmendResult:
        """Wait for an amend that is in the journal."""
        expected = self._admissions.expect(order.order_id, amend_id)
        try:
            expected.set(self._log.book.order(order.order_id) or order)
            return await self._outcome(expected, amend_id, waits)
        finally:
            self._admissions.forget(expected)

    async def _amend(
        self, order: Order, asked: AmendAsked, correlation_id: str, waits: Waits
    ) -> r.AmendResult:
        expected = self._admissions.expect(order.order_id, asked.amend_id)
        try:
            message = m.AmendOrder(order_id=order.order_id, asked=asked, correlation_id=correlation_id)
            try:
                reply = await self._risk.ask(message, timeout=self._answer_seconds)
            except UNREACHABLE as error:
                self._halts.withdraw(asked.amend_id)
                return _away(f"the risk check did not answer: {type(error).__name__}", code="OVERLOADED")
            if isinstance(reply, m.Refused):
                if reply.code not in NOT_NOW:
                    return reply
                now = self._log.book.order(order.order_id) or order
                return r.NotAmended(order=now, code=reply.code, detail=reply.detail)
            durable = await expected.until(lambda _order: expected.amended is not None, waits.durable)
            if isinstance(reply, m.Denied):
                return r.NotAmended(
                    order=expected.order or order,
                    code=reply.code,
                    detail=reply.detail,
                    limit=reply.limit,
                    value=reply.value,
                )
            if not durable:
                self._halts.withdraw(asked.amend_id)
                return _away("the amend could not be made durable in time; it will not be sent")
            return await self._outcome(expected, asked.amend_id, waits)
        finally:
            self._admissions.forget(expected)

    async def _outcome(self, expected: Expected, amend_id: str, waits: Waits) -> r.AmendResult:
        def told(order: Order) -> bool:
            return _result(expected.amended or order, amend_id) is not None

        await expected.until(told, waits.outcome)
        order = expected.amended or expected.order
        if order is None:
            raise RuntimeError(f"amend {amend_id} was durable and its order has no state")
        return _result(order, amend_id) or r.Pending(order=order)


def _result(order: Order, amend_id: str) -> r.AmendResult | None:
    """What became of an amend; None while that is not known. One that others followed since was answered."""
    amend = order.amend
    if amend is None or amend.amend_id != amend_id:
        return r.Amended(order=order)
    if order.amending is not None:
        return None
    if amend.state in (AmendState.REFUSED, AmendState.DENIED):
        return r.NotAmended(order=order, code=amend.code or "AMEND_REFUSED", detail=amend.reason or "")
    if order.terminal is None:
        return r.Amended(order=order) if order.submission is Submission.WORKING else None
    if order.former and order.exchange_order_id is None:
        detail = f"the order was cancelled to be replaced, and its replacement failed: {order.reason}"
        return r.NotAmended(order=order, code="AMEND_REFUSED", detail=detail)
    return r.Amended(order=order)


def _away(detail: str, code: str = "JOURNAL_UNAVAILABLE") -> r.Refused:
    return r.Refused(code=code, detail=detail, retry_after_seconds=1.0)
