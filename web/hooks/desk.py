"""The hooks of this process, and what is left of each one's budget."""

from collections.abc import Mapping

from web.auth.rate import Bucket
from web.hooks.spec import Hook
from web.problems import ProblemError, problem

MINUTE_SECONDS = 60


class HookDesk:
    """The hooks of this process, and what is left of each one's budget."""

    def __init__(self, specs: Mapping[str, Hook] | None = None) -> None:
        self.specs = specs or {}
        self._budgets = {
            name: Bucket(hook.per_minute, window_seconds=MINUTE_SECONDS) for name, hook in self.specs.items()
        }

    def admit(self, name: str, now_ns: int) -> None:
        """Count an alert; raise ProblemError when it is one too many."""
        budget = self._budgets[name]
        if not budget.take(now_ns):
            wait = budget.verdict(now_ns, allowed=False).retry_after_seconds
            detail = f"the hook takes {self.specs[name].per_minute} alerts a minute; nothing was done"
            raise ProblemError(problem("RATE_LIMITED", detail, retry_after_seconds=wait))
