"""A histogram that costs one bisect to count with.

`prometheus_client` walks through the buckets and takes locks each time, and several durations are counted for
every order. This one is for values that are counted and collected on one thread, the runtime's.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate

from prometheus_client import CollectorRegistry
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

__all__ = ["Durations"]


class _Series:
    __slots__ = ("_bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, seconds: float) -> None:
        self.counts[bisect_left(self._bounds, seconds)] += 1
        self.total += seconds


class Durations(Collector):
    """Durations in seconds by label. `buckets` are upper bounds, rising; the one without end is added."""

    def __init__(
        self,
        name: str,
        documentation: str,
        labels: Sequence[str],
        buckets: Sequence[float],
        registry: CollectorRegistry,
    ) -> None:
        self._name = name
        self._documentation = documentation
        self._labels = tuple(labels)
        self._buckets = tuple(buckets)
        self._series: dict[tuple[str, ...], _Series] = {}
        registry.register(self)

    def observer(self, *values: str) -> Callable[[float], None]:
        """What counts a duration under these values of the labels; the same one each time."""
        series = self._series.get(values)
        if series is None:
            series = self._series[values] = _Series(self._buckets)
        return series.observe

    def collect(self) -> Iterable[HistogramMetricFamily]:
        """Everything counted so far."""
        family = HistogramMetricFamily(self._name, self._documentation, labels=self._labels)
        bounds = [*map(floatToGoString, self._buckets), "+Inf"]
        for values, series in self._series.items():
            cumulated = zip(bounds, accumulate(series.counts), strict=True)
            family.add_metric(values, list(cumulated), series.total)
        yield family
