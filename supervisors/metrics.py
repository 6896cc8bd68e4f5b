"""What the runtime counts of itself, for Prometheus.

The kernel tells an observer what happens; depths and states are read when the metrics are asked for, so
that they cost nothing in between.
"""

from collections.abc import Callable, Iterable, Sequence

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from actors.kernel import DeadLetter, Exit, System
from actors.model.messages import BrokerState

HANDLER_BUCKETS = (0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.01, 0.05, 0.25, 1.0)
LAG_BUCKETS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 1.0, 5.0)
BROKER_STATES = ("connecting", "reconciling", "trading", "reconnecting", "halted")
CIRCUITS = ("closed", "open", "half_open")


class RuntimeMetrics:
    """Implements the kernel's Observer on a registry that its maker hands in."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self._handler = Histogram(
            "actor_handler_seconds",
            "How long a handler took for a message.",
            ["room", "message"],
            buckets=HANDLER_BUCKETS,
            registry=registry,
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
        self._observed: dict[tuple[str, str], Callable[[float], None]] = {}

    def follow(self, system: System, brokers: Callable[[], Sequence[BrokerState]]) -> None:
        """Report mailboxes and exchanges as they are when the metrics are asked for."""
        self.registry.register(_States(system, brokers))

    def handled(self, address: str, message_type: str, seconds: float) -> None:
        """Count a handled message; the labelled child is kept, since finding it costs more than counting."""
        key = (address, message_type)
        observe = self._observed.get(key)
        if observe is None:
            room = address.partition("/")[0]
            observe = self._observed[key] = self._handler.labels(room, message_type).observe
        observe(seconds)

    def dead_letter(self, letter: DeadLetter) -> None:
        """Count a dead letter."""
        self._dead_letters.labels(letter.reason.partition(":")[0]).inc()

    def started(self, address: str, generation: int) -> None:
        """Lives are seen in the tree."""

    def ended(self, address: str, generation: int, exit_: Exit) -> None:
        """Lives are seen in the tree."""

    def restarted(self, address: str, restarts: int, error: BaseException | None) -> None:
        """Count a restart."""
        self._restarts.labels(address).inc()

    def loop_lag(self, seconds: float) -> None:
        """Take note of a late loop."""
        self._lag.observe(seconds)


class _States(Collector):
    def __init__(self, system: System, brokers: Callable[[], Sequence[BrokerState]]) -> None:
        self._system = system
        self._brokers = brokers

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """The gauges of this moment."""
        depth = GaugeMetricFamily("actor_mailbox_depth", "Messages that wait.", labels=["address"])
        age = GaugeMetricFamily(
            "actor_mailbox_age_seconds", "How long the next message has waited.", labels=["address"]
        )
        for actor in self._system.statistics().actors:
            depth.add_metric([actor.address], actor.mailbox.depth)
            age.add_metric([actor.address], actor.oldest_seconds)
        yield from (depth, age)
        yield from self._exchanges()

    def _exchanges(self) -> Iterable[GaugeMetricFamily]:
        state = GaugeMetricFamily(
            "exchange_state", "1 for the state that an exchange is in.", labels=["exchange", "state"]
        )
        circuit = GaugeMetricFamily(
            "exchange_circuit", "1 for the state that its breaker is in.", labels=["exchange", "state"]
        )
        for broker in self._brokers():
            for name in BROKER_STATES:
                state.add_metric([broker.exchange, name], float(broker.state == name))
            for name in CIRCUITS:
                circuit.add_metric([broker.exchange, name], float(broker.circuit == name))
        yield from (state, circuit)
