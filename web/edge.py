"""What happens to every request around its handler: who asks, may they, how often, how many at once, and
the log line.

One function for all routes and both ways in. The order of the checks is part of the contract: token, scope,
rate, body, room for one more command; only then does the handler run, and nothing was done before.
"""

import structlog
import trio

from actors.journal.port import StoreUnavailable
from actors.kernel import ActorDead, AskTimeout, HandlerFailed, MailboxFull
from web.auth.keyring import Holder
from web.auth.port import Principal
from web.call import Answer, Call, Headers, Route, answer_problem, require_json
from web.correlation import Correlations
from web.problems import ProblemError, problem
from web.services import Services

ANYBODY = Principal("", "", frozenset())
"""Who asks an open route."""

_BUSY = (ActorDead, AskTimeout, HandlerFailed, MailboxFull)
_CHALLENGE: Headers = ((b"www-authenticate", b'Bearer realm="tradewarden"'),)

_log = structlog.get_logger(room="web")


class Edge:
    """Runs handlers. `in_flight` counts the bounded commands that are being answered."""

    def __init__(self, services: Services, correlations: Correlations | None = None) -> None:
        self.services = services
        self.in_flight = 0
        self._correlations = correlations or Correlations()
        self._policy = b'"token";q=%d;w=1' % services.keyring.requests_per_second

    async def serve(self, route: Route, call: Call) -> Answer:
        """Answer a request. Never raises but for cancellation, which a command in progress does not feel."""
        began = trio.current_time()
        call.correlation_id = self._correlations.of(call.correlation_id)
        call.principal = ANYBODY
        budget: Headers = ()
        try:
            if route.scope is not None:
                budget = self._admit(route, call, await self._holder(call))
            answer = await self._handle(route, call)
        except ProblemError as error:
            answer = answer_problem(error.problem, call.correlation_id, error.headers)
        except StoreUnavailable as error:
            detail = f"the store can't be read now ({error}); nothing was done"
            answer = self._unavailable("JOURNAL_UNAVAILABLE", detail, call)
        except _BUSY as error:
            _log.warning("actor_did_not_answer", correlation_id=call.correlation_id, why=str(error))
            answer = self._unavailable("OVERLOADED", f"a part of the runtime did not answer ({error})", call)
        except Exception as error:  # noqa: BLE001 - a request ends here, and its fault is logged
            _log.exception("request_failed", correlation_id=call.correlation_id, path=call.path)
            detail = (
                f"a fault of the service ({type(error).__name__}); its log has it under the correlation id"
            )
            answer = answer_problem(problem("INTERNAL", detail), call.correlation_id)
        if budget:
            answer = answer._replace(headers=answer.headers + budget)
        self._account(route, call, answer, trio.current_time() - began)
        return answer

    async def _holder(self, call: Call) -> Holder:
        keyring = self.services.keyring
        holder = keyring.holder(call.authorization) or await keyring.find(call.authorization)
        if holder is None:
            given = "there is no bearer token" if call.authorization is None else "the token is not valid"
            raise ProblemError(
                problem("UNAUTHENTICATED", f"{given}; send Authorization: Bearer TOKEN"), _CHALLENGE
            )
        return holder

    def _admit(self, route: Route, call: Call, holder: Holder) -> Headers:
        call.principal = principal = holder.principal
        if route.scope not in principal.scopes:
            have = ", ".join(holder.record.scopes)
            detail = f"this needs the scope {route.scope}; the token has: {have}"
            raise ProblemError(problem("FORBIDDEN", detail))
        bucket = holder.exits if route.scope == "cancel" else holder.bucket
        now_ns = int(trio.current_time() * 1_000_000_000)
        allowed = bucket.take(now_ns)
        verdict = bucket.verdict(now_ns, allowed=allowed)
        left: Headers = (
            (b"ratelimit-policy", self._policy),
            (b"ratelimit", b'"token";r=%d;t=1' % verdict.remaining),
        )
        if not allowed:
            detail = f"the token may ask {bucket.per_second} times a second; nothing was done"
            raise ProblemError(
                problem("RATE_LIMITED", detail, retry_after_seconds=verdict.retry_after_seconds), left
            )
        return left

    async def _handle(self, route: Route, call: Call) -> Answer:
        if route.body:
            require_json(call)
            call.body = await call.read_body()
        if route.bounded:
            return await self._handle_bounded(route, call)
        with trio.CancelScope(shield=route.command):
            answer = await route.handler(self.services, call)
        return answer  # noqa: RET504 - a cancel scope may swallow, so the type checker wants it here

    async def _handle_bounded(self, route: Route, call: Call) -> Answer:
        services = self.services
        if self.in_flight >= services.settings.max_commands:
            detail = f"{self.in_flight} commands are being answered; nothing was done"
            raise ProblemError(problem("OVERLOADED", detail, retry_after_seconds=1.0))
        self.in_flight += 1
        try:
            with trio.CancelScope(shield=True):
                answer = await route.handler(services, call)
        finally:
            self.in_flight -= 1
        return answer

    def _unavailable(self, code: str, detail: str, call: Call) -> Answer:
        return answer_problem(problem(code, detail, retry_after_seconds=1.0), call.correlation_id)

    def _account(self, route: Route, call: Call, answer: Answer, seconds: float) -> None:
        self.services.metrics.answered(route.name, answer.status)
        if route.quiet and answer.status < 400:
            return
        _log.info(
            route.action,
            correlation_id=call.correlation_id,
            user_id=call.principal.user,
            method=call.method,
            path=call.path,
            status=answer.status,
            ms=round(seconds * 1000, 3),
            client=call.client,
        )
