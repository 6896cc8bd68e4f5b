"""What the runtime counts of itself, for Prometheus.

The kernel tells an observer what happens, whoever works on an order tells its stages, the journal is
followed. What can be read at any time is in `supervisors.gauges`.
"""

from collections import Counter as Tally
from collections.abc import Callable, Iterable, Sequence

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector

from actors.kernel import DeadLetter, Exit
from actors.model.clock import Clock
from actors.model.events import PositionAdjusted, TradingStateChanged
from actors.model.journal import CommittedLog, Record
from supervisors.durations import Durations

HANDLER_BUCKETS = (0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.01, 0.05, 0.25, 1.0)
LAG_BUCKETS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 1.0, 5.0)
STAGE_BUCKETS = (0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 10.0)
SECOND_US = 1_000_000
_DIFFERENCES = ("PositionAdjusted", "TradingStateChanged")


class RuntimeMetrics:
    """Implements the kernel's Observer and the order's Stages on a registry that its maker hands in.

    What an alert counts is there at zero before it happens: Prometheus sees no increase where a counter
    begins with one.
    """

    def __init__(self, registry: CollectorRegistry, clock: Clock, exchanges: Iterable[str] = ()) -> None:
        self.registry = registry
        self._clock = clock
        self._handler = Durations(
            "actor_handler_seconds",
            "How long a handler took for a message.",
            ["room", "message"],
            HANDLER_BUCKETS,
            registry,
        )
        self._restarts = Counter(
            "actor_restarts_total", "Restarts by supervisors.", ["address"], registry=registry
        )
        self._dead_letters = Counter(
            "dead_letters_total", "Messages that nobody took.", ["reason"], registry=registry
        )
        self._lag = Histogram(
            "loop_lag_seconds", "How late the event loop was.", buckets=LAG_BUCKETS, registry=registry
        )
        self._stage = Durations(
            "order_stage_seconds",
            "How long an order spent in each stage of its way.",
            ["stage"],
            STAGE_BUCKETS,
            registry,
        )
        self._commit = Histogram(
            "journal_commit_seconds",
            "From the drafting of a batch to its commit.",
            buckets=STAGE_BUCKETS,
            registry=registry,
        )
        self._events = Counter(
            "journal_events_total", "Events committed to the journal, by type.", ["type"], registry=registry
        )
        self._differences = Counter(
            "reconciliation_differences_total",
            "Differences between the journal and an exchange that were mended or that halted it.",
            ["exchange"],
            registry=registry,
        )
        for exchange in exchanges:
            self._differences.labels(exchange)
        ProcessCollector(registry=registry)
        self._observed: dict[tuple[str, str], Callable[[float], None]] = {}
        self._stages: dict[str, Callable[[float], None]] = {}

    def follow(self, log: CommittedLog) -> None:
        """Count what is committed, for as long as the log lives."""
        log.subscribe(self._committed)

    def _committed(self, records: Sequence[Record]) -> None:
        self._commit.observe(max(0, self._clock.now_us() - records[0].at_us) / SECOND_US)
        for kind, count in Tally(record.type for record in records).items():
            self._events.labels(kind).inc(count)
            if kind in _DIFFERENCES:
                self._count_differences(records)

    def _count_differences(self, records: Sequence[Record]) -> None:
        for record in records:
            event = record.event
            if (isinstance(event, PositionAdjusted) and event.cause != "opening") or (
                isinstance(event, TradingStateChanged) and event.new == "halted" and event.exchange
            ):
                self._differences.labels(event.exchange).inc()

    def stage(
        self, name: str, correlation_id: str, order_id: str, began_us: int, ended_us: int, outcome: str
    ) -> None:
        """Take note of a stage of an order's way."""
        observe = self._stages.get(name)
        if observe is None:
            observe = self._stages[name] = self._stage.observer(name)
        observe((ended_us - began_us) / SECOND_US)

    def handled(self, address: str, message_type: str, seconds: float) -> None:
        """Count a handled message; the labelled child is kept, since finding it costs more than counting."""
        key = (address, message_type)
        observe = self._observed.get(key)
        if observe is None:
            room = address.partition("/")[0]
            observe = self._observed[key] = self._handler.observer(room, message_type)
        observe(seconds)

    def dead_letter(self, letter: DeadLetter) -> None:
        """Count a dead letter."""
        self._dead_letters.labels(letter.reason.partition(":")[0]).inc()

    def started(self, address: str, generation: int) -> None:
        """Have its restarts begin at zero. Lives are seen in the tree."""
        self._restarts.labels(address)

    def ended(self, address: str, generation: int, exit_: Exit) -> None:
        """Lives are seen in the tree."""

    def restarted(self, address: str, restarts: int, error: BaseException | None) -> None:
        """Count a restart."""
        self._restarts.labels(address).inc()

    def loop_lag(self, seconds: float) -> None:
        """Take note of a late loop."""
        self._lag.observe(seconds)
