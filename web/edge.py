"""What happens to every request around its handler: who asks, may they, how often, how many at once, and
the log line.

One function for all routes and both ways in. The order of the checks is part of the contract: token, scope,
rate, body, room for one more command; only then does the handler run, and nothing was done before.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import structlog
import trio

from actors.journal.port import StoreUnavailable
from actors.kernel import ActorDead, AskTimeout, HandlerFailed, MailboxFull
from web.auth.keyring import Holder
from web.auth.port import Principal
from web.auth.shared_rate import SharedBucket
from web.call import Answer, Call, Disconnected, Headers, Route, answer_problem, require_json
from web.correlation import Correlations
from web.problems import Problem, ProblemError, problem
from web.routes.outcomes import Outcome
from web.services import Services

ANYBODY = Principal("", "", frozenset())
"""Who asks an open route."""

_BUSY = (ActorDead, AskTimeout, HandlerFailed, MailboxFull)

_log = structlog.get_logger(room="web")


class Caught:
    """What a guarded block came to: its outcome, or the problem that ended it."""

    __slots__ = ("outcome",)

    def __init__(self) -> None:
        self.outcome = Outcome(500, None, None)


class Edge:
    """Runs handlers. `in_flight` counts the bounded commands that are being answered."""

    def __init__(self, services: Services, correlations: Correlations | None = None) -> None:
        self.services = services
        self.in_flight = 0
        self.correlations = correlations or Correlations()
        self._now = services.clock.monotonic
        self._policy = b'"token";q=%d;w=1' % services.keyring.requests_per_second

    async def serve(self, route: Route, call: Call) -> Answer:
        """Answer a request. Never raises but for cancellation, which a command in progress does not feel."""
        began = self._now()
        call.correlation_id = self.correlations.of(call.correlation_id)
        call.principal = ANYBODY
        budget: Headers = ()
        try:
            if route.scope is not None:
                holder = await self._holder(call)
                call.principal = holder.principal
                budget = await self.admitted(holder, route.scope, urgent=route.urgent)
            answer = await self._handle(route, call)
        except ProblemError as error:
            answer = answer_problem(error.problem, call.correlation_id, error.headers)
        except Exception as error:  # noqa: BLE001 - a request ends here, and its fault is logged
            answer = answer_problem(self._fault(error, call.correlation_id), call.correlation_id)
        if budget:
            answer = answer._replace(headers=answer.headers + budget)
        self.services.metrics.answered(route.name, answer.status)
        if route.command:
            self.note(
                route.name,
                call.correlation_id,
                call.principal,
                call.method,
                call.path,
                answer.status,
                call.client,
                call.subject,
            )
            if route.scope == "operator":
                await self.services.audit.settle()
        if not route.quiet or answer.status >= 400:
            seconds = self._now() - began
            user = call.principal.user
            self.log_action(
                route.action,
                call.correlation_id,
                user,
                call.method,
                call.path,
                answer.status,
                seconds,
                call.client,
            )
        return answer

    async def admitted(self, holder: Holder, scope: str, *, urgent: bool) -> Headers:
        """Like `admit`, where budgets may be shared with other processes. Cancels wait for none."""
        if scope != "cancel":
            await self.pay(holder)
        return self.admit(holder, scope, urgent=urgent)

    async def pay(self, holder: Holder) -> None:
        """Settle with the budget that processes share, if they share it: before `admit`, or after it."""
        if isinstance(holder.bucket, SharedBucket):
            await holder.bucket.fill()

    def admit(self, holder: Holder, scope: str, *, urgent: bool = False) -> Headers:
        """Check scope and rate, and count the request; the headers that tell the budget. Raises ProblemError.

        Cancels and kills have a budget of their own, which orders can't use up; what is `urgent`, a kill, is
        counted there and never refused.
        """
        if scope not in holder.principal.scopes:
            detail = f"this needs the scope {scope}; the token has: {', '.join(holder.record.scopes)}"
            raise ProblemError(problem("FORBIDDEN", detail))
        bucket = holder.exits if scope == "cancel" else holder.bucket
        now_ns = int(self._now() * 1_000_000_000)
        allowed = bucket.take(now_ns)
        verdict = bucket.verdict(now_ns, allowed=allowed)
        left: Headers = (
            (b"ratelimit-policy", self._policy),
            (b"ratelimit", b'"token";r=%d;t=1' % verdict.remaining),
        )
        if not (allowed or urgent):
            detail = f"the token may ask {bucket.count} times a second; nothing was done"
            wait = verdict.retry_after_seconds
            raise ProblemError(problem("RATE_LIMITED", detail, retry_after_seconds=wait), left)
        return left

    def take_room(self) -> None:
        """Take one of the places for commands; raise ProblemError when there is none."""
        if self.in_flight >= self.services.settings.max_commands:
            detail = f"{self.in_flight} commands are being answered; nothing was done"
            raise ProblemError(problem("OVERLOADED", detail, retry_after_seconds=1.0))
        self.in_flight += 1

    def leave_room(self) -> None:
        """Give the place back."""
        self.in_flight -= 1

    @contextmanager
    def problems(self, correlation_id: str) -> Iterator[Caught]:
        """Turn what goes wrong in the block into an outcome with a problem."""
        caught = Caught()
        try:
            yield caught
        except Exception as error:  # noqa: BLE001 - a request ends here, and its fault is logged
            caught.outcome = self.failed(error, correlation_id)

    def failed(self, error: Exception, correlation_id: str) -> Outcome:
        """The outcome of a request that ended with this error."""
        found = error.problem if isinstance(error, ProblemError) else self._fault(error, correlation_id)
        return Outcome(found.status, None, found)

    def note(
        self,
        action: str,
        correlation_id: str,
        principal: Principal,
        method: str,
        path: str,
        status: int,
        client: str,
        subject: str,
    ) -> None:
        """The entry in the audit of a call that was to change something."""
        self.services.audit.note(
            at_us=self.services.clock.now_us(),
            user=principal.user,
            token_id=principal.token_id,
            client=client,
            action=action,
            method=method,
            path=path,
            subject=subject,
            status=status,
            correlation_id=correlation_id,
        )

    def log_action(
        self,
        action: str,
        correlation_id: str,
        user: str,
        method: str,
        path: str,
        status: int,
        seconds: float,
        client: str,
    ) -> None:
        """The one log line of a request."""
        _log.info(
            action,
            correlation_id=correlation_id,
            user_id=user,
            method=method,
            path=path,
            status=status,
            ms=round(seconds * 1000, 3),
            client=client,
        )

    async def _holder(self, call: Call) -> Holder:
        keyring = self.services.keyring
        holder = keyring.holder(call.authorization) or await keyring.find(call.authorization)
        if holder is None:
            raise await self.services.guesses.refusal(call.authorization, call.client)
        return holder

    async def _handle(self, route: Route, call: Call) -> Answer:
        if route.body:
            if not route.any_type:
                require_json(call)
            call.body = await call.read_body()
        if not route.command:
            return await route.handler(self.services, call)
        if route.bounded:
            self.take_room()
        scope = call.scope
        try:
            # A command does not feel that its caller is gone or the service ends.
            if scope is None:
                with trio.CancelScope(shield=True):
                    answer = await route.handler(self.services, call)
            else:
                scope.shield = True
                answer = await route.handler(self.services, call)
        finally:
            if scope is not None:
                scope.shield = False
            if route.bounded:
                self.leave_room()
        return answer

    def _fault(self, error: Exception, correlation_id: str) -> Problem:
        """The problem of what no handler foresaw: the store or an actor that is away, or a fault of ours."""
        if isinstance(error, Disconnected):
            raise error
        if isinstance(error, StoreUnavailable):
            detail = f"the store can't be read now ({error}); nothing was done"
            return problem("JOURNAL_UNAVAILABLE", detail, retry_after_seconds=1.0)
        if isinstance(error, _BUSY):
            _log.warning("actor_did_not_answer", correlation_id=correlation_id, why=str(error))
            detail = f"a part of the runtime did not answer ({error})"
            return problem("OVERLOADED", detail, retry_after_seconds=1.0)
        _log.error("request_failed", correlation_id=correlation_id, exc_info=error)
        detail = f"a fault of the service ({type(error).__name__}); its log has it under the correlation id"
        return problem("INTERNAL", detail)
