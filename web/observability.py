"""The metrics under their promised names, in a registry of the application's own.

Made once by whoever wires the application and handed to those who count; nothing here is global.
"""

from collections.abc import Callable, Iterable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from actors.model.results import PositionView
from web.routes.outcomes import Outcome

disable_created_metrics()  # type: ignore[no-untyped-call]

LATENCY_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """What is counted at the edge."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        self.orders = Counter(
            "orders_total",
            "Orders by the status that they were answered with.",
            ["status"],
            registry=self.registry,
        )
        self.order_latency = Histogram(
            "order_latency_seconds",
            "From the arrival of an order's request to its answer.",
            buckets=LATENCY_BUCKETS,
            registry=self.registry,
        )
        self.risk_blocks = Counter(
            "risk_blocks_total", "Orders that a limit denied, by its code.", ["code"], registry=self.registry
        )
        self.requests = Counter(
            "http_requests_total",
            "Requests by operation and status.",
            ["operation", "status"],
            registry=self.registry,
        )
        self.commands = Gauge(
            "http_commands_in_flight", "Commands being answered right now.", registry=self.registry
        )
        self.sockets = Gauge("websocket_connections", "Open WebSocket connections.", registry=self.registry)
        self.gaps = Counter(
            "websocket_gaps_total", "Times that a slow consumer was told of a gap.", registry=self.registry
        )
        self._answered: dict[tuple[str, int], Counter] = {}
        self._placed: dict[str, Counter] = {}

    def answered(self, operation: str, status: int) -> None:
        """Count a request; the labelled child is remembered, since looking it up costs more than counting."""
        child = self._answered.get((operation, status))
        if child is None:
            child = self._answered[operation, status] = self.requests.labels(operation, str(status))
        child.inc()

    def placed(self, outcome: Outcome) -> None:
        """Count what became of an order, and the limit that denied it if one did."""
        order, found = outcome.order, outcome.problem
        if order is not None:
            status = order.status
        elif found is not None and found.order_id is not None:
            rejected = found.code == "EXCHANGE_REJECTED"
            status = "rejected" if rejected else "denied"
            if not rejected:
                self.risk_blocks.labels(found.code).inc()
        else:
            status = "refused"
        child = self._placed.get(status)
        if child is None:
            child = self._placed[status] = self.orders.labels(status)
        child.inc()

    def follow_positions(self, read: Callable[[], Iterable[PositionView]]) -> Callable[[], None]:
        """Report the value of each position as `read` gives it when the metrics are asked for; return what
        ends it.
        """
        values = _PositionValues(read)
        self.registry.register(values)
        return lambda: self.registry.unregister(values)

    def text(self) -> bytes:
        """Everything in Prometheus' text format."""
        return generate_latest(self.registry)


class _PositionValues(Collector):
    def __init__(self, read: Callable[[], Iterable[PositionView]]) -> None:
        self._read = read

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """No collection at registration."""
        return ()

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """The value of each position with a price: quantity x mark, USDT counted as USD."""
        family = GaugeMetricFamily(
            "positions_value_usd",
            "Position value at the mark price, USDT counted as USD.",
            labels=["exchange", "symbol"],
        )
        for view in self._read():
            position = view.position
            if view.mark is not None:
                value = float(position.quantity * view.mark)
                family.add_metric([position.exchange, position.symbol], value)
        yield family
