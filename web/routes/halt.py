"""What is halted, why, and how far the work of it is."""

from actors.model.book import Kill
from actors.model.messages import HaltView
from web.call import Answer, Call, answer_json
from web.services import Services
from web.wire import ProposalBody, Wire, proposal_body, time_text


class SweepBody(Wire, frozen=True, kw_only=True):
    """How far the cancelling is at one exchange."""

    exchange: str
    cancelled: int
    remaining: int
    done: bool
    detail: str


class EngagedBody(Wire, frozen=True, kw_only=True):
    """A kill and what came of it."""

    kill_id: str
    level: str
    exchange: str | None
    symbol: str | None
    reason: str
    by: str
    at: str
    automatic: bool
    sweeps: tuple[SweepBody, ...]


class RestrictionBody(Wire, frozen=True, kw_only=True):
    """A trading state that holds for a scope without a kill."""

    exchange: str | None
    symbol: str | None
    state: str
    cause: str


class ClosingBody(Wire, frozen=True, kw_only=True):
    """A position that is being closed."""

    exchange: str
    symbol: str
    detail: str


class HaltBody(Wire, frozen=True, kw_only=True):
    """Everything that holds trading back."""

    trading_state: str
    durable: bool
    problem: str | None
    kills: tuple[EngagedBody, ...]
    restrictions: tuple[RestrictionBody, ...]
    closing: tuple[ClosingBody, ...]
    proposal: ProposalBody | None


async def read(services: Services, call: Call) -> Answer:
    """What is halted."""
    call.query()
    return answer_json(halt_body(await services.port.halt()))


def halt_body(view: HaltView) -> HaltBody:
    """What is halted, for the wire."""
    sweeps: dict[str, list[SweepBody]] = {}
    for each in view.sweeps:
        sweep = SweepBody(
            exchange=each.exchange,
            cancelled=each.cancelled,
            remaining=each.remaining,
            done=each.done,
            detail=each.detail,
        )
        sweeps.setdefault(each.sweep_id, []).append(sweep)
    return HaltBody(
        trading_state=view.trading_state,
        durable=view.durable,
        problem=view.problem,
        kills=tuple(_engaged(kill, tuple(sweeps.get(kill.kill_id, ()))) for kill in view.kills),
        restrictions=tuple(
            RestrictionBody(exchange=each.exchange, symbol=each.symbol, state=each.state, cause=each.cause)
            for each in view.restrictions
        ),
        closing=tuple(
            ClosingBody(exchange=each.exchange, symbol=each.symbol, detail=each.detail)
            for each in view.closing
        ),
        proposal=proposal_body(view.proposed),
    )


def _engaged(kill: Kill, sweeps: tuple[SweepBody, ...]) -> EngagedBody:
    return EngagedBody(
        kill_id=kill.kill_id,
        level=kill.level,
        exchange=kill.exchange,
        symbol=kill.symbol,
        reason=kill.reason,
        by=kill.by,
        at=time_text(kill.at_us),
        automatic=kill.automatic,
        sweeps=sweeps,
    )
