"""What processes share through Redis, as a part of the tree: optional, and no reason to stop for anybody.

One actor looks for the server, has the cache of positions forget what changed, and tells the breakers of
this process what others see. Whatever goes wrong there stays there: without it everything is read from what
this process knows.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import ClassVar, Protocol

import msgspec
import trio
from prometheus_client import CollectorRegistry, Counter
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from actors.broker.breaker import Breaker
from actors.broker.sharing import TELL_SECONDS, BreakerBoard, BreakerSharing
from actors.held_positions import RESULTS, HeldPositions
from actors.kernel import TrioActor
from actors.model.clock import Clock
from actors.model.journal import CommittedLog
from actors.model.shared import Standing
from actors.queries import PositionCache
from actors.webhook.port import RetrySchedule
from supervisors.otp import Backoff, ChildSpec, SupervisorSpec
from web.auth.port import RateStore


class LinkStatistics(Protocol):
    """What a link has seen."""

    @property
    def losses(self) -> int: ...

    @property
    def calls(self) -> Mapping[tuple[str, str], int]: ...


class Link(Protocol):
    """The connection that everything shared goes over."""

    @property
    def standing(self) -> Standing: ...

    def statistics(self) -> LinkStatistics: ...

    async def keep(self) -> None: ...


class SharedOutside(msgspec.Struct, frozen=True, kw_only=True):
    """What processes share, all over one link."""

    link: Link
    rates: RateStore
    positions: PositionCache
    retries: RetrySchedule
    breakers: BreakerBoard


class SharedActor(TrioActor):
    """Runs jobs side by side; unranked, asks nobody and is asked by nobody."""

    rank: ClassVar[int | None] = None

    def __init__(self, jobs: Mapping[str, Callable[[], Awaitable[None]]]) -> None:
        super().__init__()
        self._jobs = jobs

    async def on_start(self) -> None:
        """Ready at once: nobody waits for a server that may be away."""
        for name, job in self._jobs.items():
            self.start_task(job, name=name)


class SharedPart:
    """What reads and tells through the link, and the spec of the branch that keeps it going."""

    def __init__(
        self,
        outside: SharedOutside,
        *,
        log: CommittedLog,
        clock: Clock,
        breakers: Mapping[str, Breaker],
        process: str,
        registry: CollectorRegistry,
    ) -> None:
        self.outside = outside
        reads = Counter(
            "position_cache_reads_total",
            "Reads of a symbol's positions by what the cache came to; only a hit was served by it.",
            ["result"],
            registry=registry,
        )
        counters = {result: reads.labels(result) for result in RESULTS}
        registry.register(_LinkMetrics(outside.link))
        self.held = HeldPositions(
            outside.positions,
            log,
            process=process,
            on_read=lambda result, count: counters[result].inc(count),
        )
        self._sharing = BreakerSharing(outside.breakers, breakers, clock=clock, process=process)

    def standing(self) -> Standing:
        """Whether the shared state can be used now."""
        return self.outside.link.standing

    def spec(self) -> SupervisorSpec:
        """The branch of the tree."""
        return SupervisorSpec(
            id="shared",
            intensity=100,
            period_seconds=60.0,
            backoff=Backoff(initial=1.0, maximum=60.0),
            children=(ChildSpec(id="redis", address="shared", start=self._actor),),
        )

    def _actor(self) -> SharedActor:
        return SharedActor(
            {"link": self.outside.link.keep, "positions": self.held.run, "breakers": self._tell_breakers}
        )

    async def _tell_breakers(self) -> None:
        while True:
            await self._sharing.exchange_once()
            await trio.sleep(TELL_SECONDS)


class _LinkMetrics(Collector):
    def __init__(self, link: Link) -> None:
        self._link = link

    def describe(self) -> Iterable[Metric]:
        """No collection at registration."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """How the link is, and what came of calls."""
        seen = self._link.statistics()
        there = float(self._link.standing.there)
        yield GaugeMetricFamily("redis_up", "1 while Redis can be used.", value=there)
        yield CounterMetricFamily(
            "redis_losses", "Times that Redis was lost, slow or full.", value=float(seen.losses)
        )
        calls = CounterMetricFamily(
            "redis_calls", "Calls by part of the program and outcome.", labels=["part", "outcome"]
        )
        for (part, outcome), count in sorted(seen.calls.items()):
            calls.add_metric([part, outcome], float(count))
        yield calls
