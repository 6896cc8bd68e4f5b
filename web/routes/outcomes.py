"""How each outcome of a command is answered: one place for REST, batches and the trading socket."""

from typing import NamedTuple

from actors.model.order import Order
from actors.model.results import (
    AlreadyClosed,
    Amended,
    AmendResult,
    Cancelled,
    CancelResult,
    Conflict,
    Denied,
    NoSuchOrder,
    NotAmended,
    Pending,
    Placed,
    PlaceResult,
    Previewed,
    Refused,
    Replayed,
)
from web.problems import CODES, Problem, problem

REFUSED_STATUS = {
    "VALIDATION": 422,
    "EXCHANGE_NOT_FOUND": 422,
    "SYMBOL_NOT_ALLOWED": 422,
    "RATE_LIMITED": 429,
    "NOT_FOUND": 404,
    "NOT_HALTED": 409,
    "NOT_UNKNOWN": 409,
    "PROOF_PENDING": 409,
    "REFERENCE_USED": 409,
}
"""The status of a refusal by code; any other refusal is a matter of time: 503."""

RETRY_SECONDS = 1.0


class Outcome(NamedTuple):
    """An order with a 2xx status, or a problem."""

    status: int
    order: Order | None = None
    problem: Problem | None = None


def of_place(result: PlaceResult, *, dry_run: bool) -> Outcome:
    """What became of an order that was to be placed, or would have."""
    match result:
        case Placed(order=order):
            return Outcome(201, order)
        case Pending(order=order):
            return Outcome(202, order)
        case Replayed(order=order) | Previewed(order=order):
            return Outcome(200, order)
        case Denied():
            return _failed(denied(result, recorded=not dry_run))
        case Conflict(code=code, detail=detail):
            return _failed(problem(code, detail))
        case Refused():
            return _failed(refused(result))


def of_amend(result: AmendResult) -> Outcome:
    """What became of an amend."""
    match result:
        case Amended(order=order):
            return Outcome(200, order)
        case Pending(order=order):
            return Outcome(202, order)
        case NotAmended(order=order):
            found = problem(
                result.code,
                result.detail,
                order_id=order.order_id,
                limit=result.limit,
                value=result.value,
            )
            return _failed(found)
        case Conflict(code=code, detail=detail):
            return _failed(problem(code, detail))
        case NoSuchOrder(order_id=order_id):
            return _failed(problem("NOT_FOUND", f"there is no order {order_id!r}"))
        case Refused():
            return _failed(refused(result))


def of_cancel(result: CancelResult) -> Outcome:
    """What became of an order that was to be cancelled."""
    match result:
        case Cancelled(order=order):
            return Outcome(200, order)
        case Pending(order=order):
            return Outcome(202, order)
        case AlreadyClosed(order=order):
            detail = f"the order is {order.status}; there is nothing to cancel"
            return _failed(problem("ORDER_CLOSED", detail, order_id=order.order_id))
        case NoSuchOrder(order_id=order_id):
            return _failed(problem("NOT_FOUND", f"there is no order {order_id!r}"))
        case Refused():
            return _failed(refused(result))


def denied(result: Denied, *, recorded: bool) -> Problem:
    """The problem of an order that is over, by its id if it was recorded. A code of the exchange's own is a
    detail.
    """
    known = result.code in CODES
    return problem(
        result.code if known else "EXCHANGE_REJECTED",
        result.detail if known else f"{result.code}: {result.detail}",
        status=422,
        order_id=result.order.order_id if recorded else None,
        limit=result.limit,
        value=result.value,
        headroom=result.headroom,
    )


def refused(result: Refused) -> Problem:
    """The problem of a command that was not taken."""
    status = REFUSED_STATUS.get(result.code, 503)
    wait = result.retry_after_seconds
    if wait is None and status in {429, 503}:
        wait = RETRY_SECONDS
    return problem(result.code, result.detail, status=status, retry_after_seconds=wait)


def _failed(found: Problem) -> Outcome:
    return Outcome(found.status, None, found)
