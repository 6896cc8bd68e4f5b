"""The risk limits by name: read them, change one, and see every version of them."""

from actors.model.events import LimitChanged
from actors.model.journal import Record
from actors.model.results import LimitResult, LimitSet, Proposed, Refused, Unsettled
from web.asked import LimitRequest, decoder
from web.call import Answer, Call, answer_json
from web.problems import ProblemError, problem
from web.routes import parameters
from web.routes.outcomes import refused
from web.services import Services
from web.wire import ProposalBody, Wire, proposal_body, time_text


class LimitStateBody(Wire, frozen=True, kw_only=True):
    """One limit. Values are texts, `off` when it is off."""

    name: str
    value: str
    settings: str
    allowed: str


class LimitsBody(Wire, frozen=True, kw_only=True):
    """Every limit."""

    limits: tuple[LimitStateBody, ...]
    proposals: tuple[ProposalBody, ...]


class LimitResultBody(Wire, frozen=True, kw_only=True):
    """What became of a change."""

    status: str
    name: str
    value: str
    old: str | None = None
    by: str
    approved_by: str | None = None
    proposal: ProposalBody | None = None
    detail: str | None = None


class LimitChangeBody(Wire, frozen=True, kw_only=True):
    """One version of a limit."""

    seq: int
    at: str
    name: str
    old: str | None
    new: str
    by: str
    approved_by: str | None
    reason: str


class LimitChangePage(Wire, frozen=True, kw_only=True):
    """A page of changes, newest first."""

    changes: tuple[LimitChangeBody, ...]
    next_cursor: str | None


_read = decoder(LimitRequest)


async def listed(services: Services, call: Call) -> Answer:
    """Every limit as it is set."""
    call.query()
    view = await services.port.limits()
    found = tuple(
        LimitStateBody(name=each.name, value=each.value, settings=each.settings, allowed=each.allowed)
        for each in view.limits
    )
    proposals = tuple(body for each in view.proposed if (body := proposal_body(each)) is not None)
    return answer_json(LimitsBody(limits=found, proposals=proposals))


async def change(services: Services, call: Call) -> Answer:
    """Set a limit."""
    call.query()
    asked, name = _read(call.body), call.params["name"]
    if name not in {each.name for each in (await services.port.limits()).limits}:
        raise ProblemError(problem("NOT_FOUND", f"there is no limit {name[:40]!r}; GET /limits names them"))
    result = await services.port.change_limit(
        name=name,
        value=asked.value,
        reason=asked.reason,
        by=call.principal.user,
        correlation_id=call.correlation_id,
    )
    status, body = _outcome(result, name, asked.value, call.principal.user)
    return answer_json(body, status)


def _outcome(result: LimitResult, name: str, value: str, by: str) -> tuple[int, LimitResultBody]:
    match result:
        case LimitSet():
            return 200, LimitResultBody(
                status="set",
                name=name,
                value=result.new,
                old=result.old,
                by=result.by,
                approved_by=result.approved_by,
            )
        case Proposed():
            proposal = proposal_body(result)
            return 202, LimitResultBody(status="proposed", name=name, value=value, by=by, proposal=proposal)
        case Unsettled(detail=detail):
            return 202, LimitResultBody(status="unknown", name=name, value=value, by=by, detail=detail)
        case Refused():
            raise ProblemError(refused(result))


async def changes(services: Services, call: Call) -> Answer:
    """A page of versions, newest first."""
    query = call.query("name", "limit", "cursor")
    limit, cursor = parameters.page_size(query), parameters.read_cursor(query)
    found = await services.port.limit_changes(
        name=parameters.limit_name(query),
        limit=limit + 1,
        before=None if cursor is None else cursor[0],
    )
    page = [body for record in found[:limit] if (body := _change_body(record)) is not None]
    more = parameters.write_cursor(page[-1].seq) if len(found) > limit else None
    return answer_json(LimitChangePage(changes=tuple(page), next_cursor=more))


def _change_body(record: Record) -> LimitChangeBody | None:
    event = record.event
    if not isinstance(event, LimitChanged):
        return None
    return LimitChangeBody(
        seq=record.seq,
        at=time_text(record.at_us),
        name=event.name,
        old=event.old,
        new=event.new,
        by=event.by,
        approved_by=event.approved_by,
        reason=event.reason,
    )
