"""Every error that the web layer can answer, as problem details (RFC 9457) with a stable code.

One table names each code's HTTP status and title; the contract lists the same codes, and a lint compares
the two. A handler raises `ProblemError`; nothing else decides how an error looks.
"""

from http import HTTPStatus
from typing import NamedTuple

import msgspec

MEDIA_TYPE = b"application/problem+json"


class Kind(NamedTuple):
    """The status and title that go with a code."""

    status: int
    title: str


CODES: dict[str, Kind] = {
    "SYMBOL_NOT_ALLOWED": Kind(422, "The symbol is not on the whitelist"),
    "MAX_POSITION": Kind(422, "The position would be too large"),
    "MAX_DAILY_LOSS": Kind(422, "The day's loss has reached its limit"),
    "ORDER_SIZE": Kind(422, "The order is too large or too small"),
    "INSUFFICIENT_MARGIN": Kind(422, "The account can't cover the order"),
    "PRICE_COLLAR": Kind(422, "The price is too far from the market"),
    "INVALID_TICK": Kind(422, "The price is off the tick grid"),
    "INVALID_LOT": Kind(422, "The quantity is off the lot grid"),
    "MIN_NOTIONAL": Kind(422, "The order's value is below the minimum"),
    "STALE_PRICE": Kind(422, "There is no fresh price to check against"),
    "TRADING_HALTED": Kind(422, "Trading is halted"),
    "TRADING_REDUCING": Kind(422, "Only orders that reduce a position are taken"),
    "EXCHANGE_RECONCILING": Kind(422, "The exchange is being reconciled"),
    "CIRCUIT_OPEN": Kind(422, "The exchange's circuit breaker is open"),
    "MAX_LONG": Kind(422, "The long position would be too large"),
    "MAX_SHORT": Kind(422, "The short position would be too large"),
    "MAX_EXCHANGE_EXPOSURE": Kind(422, "The exposure at the exchange would be too large"),
    "MAX_GROSS_EXPOSURE": Kind(422, "The gross exposure would be too large"),
    "MAX_NET_EXPOSURE": Kind(422, "The net exposure would be too large"),
    "MAX_DRAWDOWN": Kind(422, "The fall from the highest result has reached its limit"),
    "OPEN_ORDERS": Kind(422, "There would be too many open orders"),
    "MESSAGE_RATE": Kind(422, "There were too many orders and cancels lately"),
    "REPEATED_EXECUTION": Kind(422, "Too many orders of one side executed lately"),
    "DUPLICATE_ORDER": Kind(422, "The same order was placed a moment ago"),
    "ORDER_TYPE_UNSUPPORTED": Kind(422, "The exchange does not take this type of order"),
    "STOP_WOULD_TRIGGER": Kind(422, "The stop order would trigger at once"),
    "SELF_MATCH": Kind(422, "The order could trade with an own order"),
    "CLOCK_SKEW": Kind(422, "Our clock and the exchange's are too far apart"),
    "REDUCE_ONLY": Kind(422, "The order would not reduce the position"),
    "POST_ONLY": Kind(422, "The order would take liquidity"),
    "EXCHANGE_NOT_FOUND": Kind(422, "The exchange is not configured"),
    "EXCHANGE_REJECTED": Kind(422, "The exchange refused the order"),
    "NOT_SENT": Kind(422, "The order was withdrawn before it was sent"),
    "ORDER_CLOSED": Kind(409, "The order is over"),
    "NOT_AMENDABLE": Kind(409, "The order can't be amended as it is now"),
    "AMEND_IN_PROGRESS": Kind(409, "The order is being amended"),
    "AMEND_REFUSED": Kind(422, "The amend did not take effect"),
    "QTY_BELOW_FILLED": Kind(422, "More than that has executed"),
    "IDEMPOTENCY_MISMATCH": Kind(422, "The key was used by another request"),
    "IN_PROGRESS": Kind(409, "The same request is not answered yet"),
    "NOT_HALTED": Kind(409, "No kill is in force"),
    "NOT_UNKNOWN": Kind(409, "The order's fate is known"),
    "PROOF_PENDING": Kind(409, "The exchange can still tell"),
    "REFERENCE_USED": Kind(409, "The reference was used before"),
    "VALIDATION": Kind(400, "The request is malformed"),
    "UNAUTHENTICATED": Kind(401, "A valid token is needed"),
    "FORBIDDEN": Kind(403, "The token lacks the scope"),
    "NOT_FOUND": Kind(404, "There is no such thing"),
    "METHOD_NOT_ALLOWED": Kind(405, "The method is not allowed here"),
    "REQUEST_TIMEOUT": Kind(408, "The request did not arrive in time"),
    "PAYLOAD_TOO_LARGE": Kind(413, "The body is too large"),
    "UNSUPPORTED_MEDIA_TYPE": Kind(415, "The body's media type is not supported"),
    "RATE_LIMITED": Kind(429, "Too many requests"),
    "OVERLOADED": Kind(503, "Too many commands at once"),
    "JOURNAL_UNAVAILABLE": Kind(503, "The journal can't take the command now"),
    "HALTED_NOT_DURABLE": Kind(503, "Trading is halted, but not on disk"),
    "NOT_READY": Kind(503, "The service is not ready"),
    "INTERNAL": Kind(500, "The service has a fault"),
}


class FieldError(msgspec.Struct, frozen=True):
    """One wrong field: where it is (`#/qty`, `?limit`) and what is wrong with it."""

    pointer: str
    detail: str


class NotReadyEntry(msgspec.Struct, frozen=True):
    """One thing that is not ready, and why."""

    what: str
    why: str


class Problem(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """The body of an error. Members that do not apply are left out."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    correlation_id: str | None = None
    order_id: str | None = None
    limit: str | None = None
    value: str | None = None
    headroom: str | None = None
    kill_id: str | None = None
    retry_after_seconds: float | None = None
    errors: tuple[FieldError, ...] = ()
    not_ready: tuple[NotReadyEntry, ...] = ()


class ProblemError(Exception):
    """Ends a request with a problem. Knows everything but the correlation id; `headers` go out with it."""

    def __init__(self, problem: Problem, headers: tuple[tuple[bytes, bytes], ...] = ()) -> None:
        super().__init__(f"{problem.status} {problem.code}: {problem.detail}")
        self.problem = problem
        self.headers = headers


def problem(
    code: str,
    detail: str,
    *,
    status: int | None = None,
    order_id: str | None = None,
    limit: str | None = None,
    value: str | None = None,
    headroom: str | None = None,
    kill_id: str | None = None,
    retry_after_seconds: float | None = None,
    errors: tuple[FieldError, ...] = (),
    not_ready: tuple[NotReadyEntry, ...] = (),
) -> Problem:
    """The problem of a code. A code that the table does not know keeps its name and needs a `status`."""
    kind = CODES.get(code) or Kind(status or 422, HTTPStatus(status or 422).phrase)
    return Problem(
        type=f"/docs#{code}",
        title=kind.title,
        status=status or kind.status,
        code=code,
        detail=detail,
        order_id=order_id,
        limit=limit,
        value=value,
        headroom=headroom,
        kill_id=kill_id,
        retry_after_seconds=retry_after_seconds,
        errors=errors,
        not_ready=not_ready,
    )


def invalid(detail: str, *errors: FieldError) -> ProblemError:
    """The problem of a malformed request."""
    return ProblemError(problem("VALIDATION", detail, errors=errors))


def invalid_field(pointer: str, detail: str) -> ProblemError:
    """The problem of a request with one wrong field."""
    return invalid(_placed(pointer, detail), FieldError(pointer, detail))


def unfit(pointer: str, detail: str) -> ProblemError:
    """The problem of a field that is well formed, but that can't be served as it is."""
    errors = (FieldError(pointer, detail),)
    return ProblemError(problem("VALIDATION", _placed(pointer, detail), status=422, errors=errors))


def _placed(pointer: str, detail: str) -> str:
    """The detail with the field's name before it; the whole of a body has none."""
    name = pointer.lstrip("#/?")
    return f"{name}: {detail}" if name else detail


def retry_after(seconds: float | None) -> tuple[tuple[bytes, bytes], ...]:
    """The `Retry-After` header, in whole seconds rounded up; nothing for None."""
    if seconds is None:
        return ()
    return ((b"retry-after", str(max(0, -int(-seconds // 1))).encode()),)
