"""What a person decides where no machine can: the fate of an unknown order, a correction of a balance."""

from actors.model.money import text
from actors.model.results import AlreadyClosed, Judged, NoSuchOrder, Pending, Refused
from web.asked import AdjustmentRequest, VerdictRequest, decoder, signed
from web.call import Answer, Call, answer_json
from web.problems import ProblemError, problem
from web.routes import parameters
from web.routes.outcomes import refused
from web.services import Services
from web.wire import Wire, order_body


class AdjustmentBody(Wire, frozen=True, kw_only=True):
    """What the account holds now, as the journal knows it."""

    exchange: str
    asset: str
    total: str


_read_verdict = decoder(VerdictRequest)
_read_adjustment = decoder(AdjustmentRequest)


async def judge(services: Services, call: Call) -> Answer:
    """Record that the exchange never took an unknown order."""
    call.query()
    asked = _read_verdict(call.body)
    result = await services.port.judge_absent(
        parameters.path_order_id(call),
        by=call.principal.user,
        reason=asked.reason,
        correlation_id=call.correlation_id,
        wait_seconds=services.settings.wait_seconds,
    )
    match result:
        case Judged(order=order):
            return answer_json(order_body(order))
        case Pending(order=order):
            return answer_json(order_body(order), 202)
        case AlreadyClosed(order=order):
            detail = f"the order is {order.status}; there is nothing to judge"
            raise ProblemError(problem("ORDER_CLOSED", detail, order_id=order.order_id))
        case NoSuchOrder(order_id=order_id):
            raise parameters.no_such_order(order_id)
        case Refused():
            raise ProblemError(refused(result))


async def adjust(services: Services, call: Call) -> Answer:
    """Record that a balance changed for a reason that no record of the exchange tells."""
    call.query()
    asked = _read_adjustment(call.body)
    result = await services.port.adjust_balance(
        exchange=asked.exchange,
        asset=asked.asset,
        amount=signed(asked.amount, "#/amount"),
        reference=asked.reference,
        reason=asked.reason,
        by=call.principal.user,
        correlation_id=call.correlation_id,
    )
    if isinstance(result, Refused):
        raise ProblemError(refused(result))
    return answer_json(AdjustmentBody(exchange=asked.exchange, asset=asked.asset, total=text(result.total)))
