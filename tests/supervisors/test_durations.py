"""The cheap histogram says what prometheus_client's own would say."""

from prometheus_client import CollectorRegistry, Histogram, disable_created_metrics, generate_latest

from supervisors.durations import Durations

BUCKETS = (0.001, 0.01, 0.1)


def test_it_tells_what_the_library_would_tell():
    """Values on a bound, between bounds and beyond all."""
    disable_created_metrics()
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    durations = Durations("work_seconds", "Work.", ["kind"], BUCKETS, ours)
    histogram = Histogram("work_seconds", "Work.", ["kind"], buckets=BUCKETS, registry=theirs)
    for seconds in (0.0005, 0.001, 0.0011, 0.1, 2.5):
        durations.observer("a")(seconds)
        histogram.labels("a").observe(seconds)
    assert generate_latest(ours) == generate_latest(theirs)
