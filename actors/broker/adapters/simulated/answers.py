"""What the simulated exchange says, in the words of the broker's port."""

from actors.broker.adapters.simulated.ledger import OrderRow
from actors.broker.adapters.simulated.line import CallFailed
from actors.broker.port import NotSent, OrderReport, Outcome, Rejected, Unavailable, Unresolved

_KINDS = {"refused": "network", "throttled": "throttled", "late": "exchange", "lost": "timeout"}


def unavailable(failure: CallFailed) -> Unavailable:
    """A question that got no answer."""
    return Unavailable(_KINDS[failure.kind], failure.reason, failure.retry_after_seconds)


def outcome(failure: CallFailed, signed_us: int) -> Outcome:
    """A submit or a cancel that got no answer, signed at `signed_us`."""
    if failure.kind == "refused":
        return NotSent(reason=failure.reason)
    if failure.kind == "throttled":
        return Rejected(
            code="RATE_LIMITED",
            reason=failure.reason,
            throttled=True,
            retry_after_seconds=failure.retry_after_seconds,
        )
    if failure.kind == "late":
        return Rejected(code="TIMESTAMP", reason=failure.reason)
    return Unresolved(reason=failure.reason, signed_at_us=signed_us)


def report(order: OrderRow) -> OrderReport:
    """An order as the exchange reports it."""
    return OrderReport(
        symbol=order.symbol,
        venue_id=order.client_id,
        exchange_order_id=str(order.number),
        side=order.side,
        type=order.type,
        quantity=order.quantity,
        limit_price=order.limit_price,
        executed=order.executed,
        status=order.status,
        reason=order.reason,
        at_us=order.updated_us,
    )
