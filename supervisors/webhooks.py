"""Webhooks as a part of the tree: under a supervisor of their own that never gives up.

Whatever goes wrong there stays there; with the delays of its backoff a crash loop never uses up the budget
of restarts, so it can't take trading with it.
"""

from collections.abc import Callable, Mapping
from random import Random

import msgspec
from prometheus_client import CollectorRegistry, Counter

from actors.journal.port import StoreUnavailable
from actors.model.clock import Clock, Ids
from actors.model.journal import CommittedLog
from actors.model.messages import BrokerState
from actors.model.shared import Standing
from actors.webhook.actor import WebhookActor
from actors.webhook.desk import WebhookDesk
from actors.webhook.port import BURIED, DELIVERED, RETRY, Carrier, RetrySchedule, WebhookStore
from actors.webhook.rebuild import History
from actors.webhook.roster import Roster
from actors.webhook.shell.channels import Channels
from actors.webhook.shell.courier import CONCURRENCY
from actors.webhook.ssrf import Allowed
from supervisors.otp import Backoff, ChildSpec, SupervisorSpec


class WebhookOutside(msgspec.Struct, frozen=True, kw_only=True):
    """What webhooks need from outside. `entropy` gives random bytes for secrets; `pauses` are the seconds
    before each attempt, `concurrency` how many deliveries go to one endpoint at a time.
    """

    store: WebhookStore
    carrier: Carrier
    entropy: Callable[[int], bytes]
    allowed: Allowed
    pauses: tuple[float, ...]
    concurrency: int = CONCURRENCY
    channels: Channels = Channels()


class WebhookPart:
    """The desk, and the spec of the branch that does the work."""

    def __init__(
        self,
        outside: WebhookOutside,
        *,
        log: CommittedLog,
        history: History,
        clock: Clock,
        ids: Ids,
        rng: Random,
        brokers: Mapping[str, BrokerState],
        retries: RetrySchedule | None = None,
        standing: Callable[[], Standing | None] = lambda: None,
        registry: CollectorRegistry,
    ) -> None:
        self._attempts = attempt_counters(registry)
        self._retries = retries
        self._standing = standing
        self._outside = outside
        self._log = log
        self._history = history
        self._clock = clock
        self._ids = ids
        self._rng = rng
        self._brokers = brokers
        self._actor: WebhookActor | None = None
        self.roster = Roster()
        self.desk = WebhookDesk(
            store=outside.store,
            roster=self.roster,
            log=log,
            clock=clock,
            ids=ids,
            entropy=outside.entropy,
            allowed=outside.allowed,
        )

    def spec(self) -> SupervisorSpec:
        """The branch of the tree."""
        return SupervisorSpec(
            id="webhooks",
            intensity=100,
            period_seconds=60.0,
            backoff=Backoff(initial=1.0, maximum=60.0),
            children=(ChildSpec(id="webhook", address="webhook", start=self._start),),
        )

    def lag(self) -> int:
        """How many records have not become deliveries yet; 0 when nobody wants any."""
        if self._actor is None or not self.roster.endpoints:
            return 0
        return max(0, self._log.head - self._actor.cursor)

    def _start(self) -> WebhookActor:
        self._actor = WebhookActor(
            store=self._outside.store,
            away=StoreUnavailable,
            history=self._history,
            log=self._log,
            roster=self.roster,
            carrier=self._outside.carrier,
            clock=self._clock,
            rng=Random(self._rng.getrandbits(64)),
            incarnation=self._ids.incarnation,
            pauses=self._outside.pauses,
            concurrency=self._outside.concurrency,
            brokers=self._brokers,
            on_attempt=lambda settlement: self._attempts[settlement.outcome].inc(),
            retries=self._retries,
            channels=self._outside.channels,
            standing=self._standing,
        )
        return self._actor


def attempt_counters(registry: CollectorRegistry) -> Mapping[str, Counter]:
    """One counter of attempts for each outcome."""
    attempts = Counter(
        "webhook_attempts_total",
        "Attempts to deliver by what became of them.",
        ["outcome"],
        registry=registry,
    )
    return {outcome: attempts.labels(outcome) for outcome in (DELIVERED, RETRY, BURIED)}
