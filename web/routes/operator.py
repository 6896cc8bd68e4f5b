"""Stop, go on, and look inside."""

from actors.model.results import Proposed, Refused
from actors.queries import TreeNode
from web.asked import KillRequest, LogLevelRequest, ResumeRequest, decoder
from web.call import Answer, Call, answer_json
from web.port import CommandPort
from web.problems import ProblemError, problem, unfit
from web.routes.outcomes import refused
from web.services import Services
from web.wire import ProposalBody, Wire, proposal_body


class KillBody(Wire, frozen=True, kw_only=True):
    """A kill in force."""

    trading_state: str
    kill_id: str
    durable: bool
    in_flight: tuple[str, ...]


class ResumeBody(Wire, frozen=True, kw_only=True):
    """What was lifted, or waits for a second person."""

    trading_state: str
    kill_ids: tuple[str, ...]
    proposal: ProposalBody | None = None


class NodeBody(Wire, frozen=True, kw_only=True):
    """A supervisor or an actor."""

    address: str
    state: str
    generation: int
    restarts: int
    mailbox: int
    last_error: str | None
    children: tuple["NodeBody", ...]


class TreeBody(Wire, frozen=True, kw_only=True):
    """The live tree."""

    root: NodeBody


class LogLevelBody(Wire, frozen=True, kw_only=True):
    """What is written to the log."""

    level: str


_read_kill = decoder(KillRequest)
_read_resume = decoder(ResumeRequest)
_read_log_level = decoder(LogLevelRequest)


async def kill(services: Services, call: Call) -> Answer:
    """Pull the kill switch."""
    call.query()
    asked = _read_kill(call.body)
    killed = await pull(services.port, asked, call.principal.user, call.correlation_id)
    call.subject = killed.kill_id
    return answer_json(killed)


async def pull(port: CommandPort, asked: KillRequest, by: str, correlation_id: str) -> KillBody:
    """Pull the kill switch; raise ProblemError when it would not outlive the process, or stop nothing."""
    result = await port.kill(
        level=asked.level,
        exchange=asked.exchange,
        symbol=asked.symbol,
        reason=asked.reason,
        by=by,
        correlation_id=correlation_id,
    )
    if isinstance(result, Refused):
        raise ProblemError(refused(result))
    if not result.durable:
        detail = "trading is halted, but the latch could not be written: the halt may not outlive the process"
        found = problem("HALTED_NOT_DURABLE", detail, kill_id=result.kill_id, retry_after_seconds=1.0)
        raise ProblemError(found)
    return KillBody(
        trading_state=result.trading_state,
        kill_id=result.kill_id,
        durable=result.durable,
        in_flight=result.in_flight,
    )


async def resume(services: Services, call: Call) -> Answer:
    """Lift what is in force."""
    call.query()
    asked = _read_resume(call.body)
    if asked.kill_ids and (asked.exchange or asked.symbol):
        raise unfit("#/killIds", "name kills or a scope, not both")
    result = await services.port.resume(
        reason=asked.reason,
        by=call.principal.user,
        correlation_id=call.correlation_id,
        kill_ids=asked.kill_ids,
        exchange=asked.exchange,
        symbol=asked.symbol,
    )
    if isinstance(result, Refused):
        raise ProblemError(refused(result))
    now = (await services.port.halt()).trading_state
    if isinstance(result, Proposed):
        body = ResumeBody(trading_state=now, kill_ids=(), proposal=proposal_body(result))
        return answer_json(body, 202)
    return answer_json(ResumeBody(trading_state=now, kill_ids=result.kill_ids))


async def tree(services: Services, call: Call) -> Answer:
    """The live tree of supervisors and actors."""
    call.query()
    return answer_json(TreeBody(root=node_body(services.port.tree())))


async def log_level(services: Services, call: Call) -> Answer:
    """The level of the log."""
    call.query()
    return answer_json(LogLevelBody(level=services.log.level))


async def set_log_level(services: Services, call: Call) -> Answer:
    """Move the level of the log until the process ends."""
    call.query()
    services.log.set(_read_log_level(call.body).level)
    return answer_json(LogLevelBody(level=services.log.level))


def node_body(node: TreeNode) -> NodeBody:
    """A node of the tree with everything below it."""
    return NodeBody(
        address=node.address,
        state=str(node.state),
        generation=node.generation,
        restarts=node.restarts,
        mailbox=node.mailbox,
        last_error=None if node.last_error is None else str(node.last_error),
        children=tuple(node_body(child) for child in node.children),
    )
