"""One trace an order, in OpenTelemetry's terms: request, risk, journal, broker and exchange.

Nothing is carried from hand to hand: the trace's id is made from the correlation id that the log lines, the
journal and the answer carry, and a span's id from the trace and the stage. So whoever has a log line can
compute where its trace is, and spans that end out of order, or after a restart, still find their place. A
correlation id of 32 hex digits is itself the trace's id, as W3C's `traceparent` has it.

Spans leave from a thread of OpenTelemetry's in batches; what does not fit into its queue is dropped. An order
never waits for its trace.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from re import fullmatch

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, TraceFlags

from actors.model.clock import Clock
from actors.model.events import OrderAccepted, order_id_of
from actors.model.journal import CommittedLog, Record

PARENTS = {"risk": "request", "journal": "request", "broker": "request", "exchange": "broker"}
"""Which stage another is a part of; the request has none."""

KINDS = {"request": SpanKind.SERVER, "exchange": SpanKind.CLIENT}
FOLLOWED = 10_000
"""How many orders' correlation ids are remembered, for the records that come after their acceptance."""

NANOSECONDS = 1000


def trace_id_of(correlation_id: str) -> int:
    """The trace of a correlation id: itself when it has that form, else the start of its SHA-256."""
    if fullmatch("[0-9a-f]{32}", correlation_id) and int(correlation_id, 16):
        return int(correlation_id, 16)
    return int.from_bytes(sha256(correlation_id.encode()).digest()[:16]) or 1


def span_id_of(trace_id: int, stage: str, order_id: str) -> int:
    """The id of the span of an order's stage."""
    return int.from_bytes(sha256(f"{trace_id:032x}/{stage}/{order_id}".encode()).digest()[:8]) or 1


class Tracer:
    """Implements Stages; hands finished spans to `processor`. `ratio` of all traces are kept, by their id."""

    def __init__(self, processor: SpanProcessor, clock: Clock, *, version: str, ratio: float = 1.0) -> None:
        self._processor = processor
        self._clock = clock
        self._below = int(ratio * 2**64)
        self._resource = Resource.create({"service.name": "tradewarden", "service.version": version})
        self._scope = InstrumentationScope("tradewarden", version)
        self._correlations: OrderedDict[str, str] = OrderedDict()

    def follow(self, log: CommittedLog) -> Callable[[], None]:
        """Make a span of each commit of a traced order's records; return what ends that."""
        return log.subscribe(self._committed)

    def stage(
        self, name: str, correlation_id: str, order_id: str, began_us: int, ended_us: int, outcome: str
    ) -> None:
        """Make a span of a stage."""
        self._emit(name, name, correlation_id, order_id, began_us, ended_us, {"outcome": outcome})

    def close(self, seconds: float) -> None:
        """Send what is waiting, in at most so many seconds. Blocks; call it from a thread."""
        self._processor.force_flush(int(seconds * 1000))
        self._processor.shutdown()

    def _committed(self, records: Sequence[Record]) -> None:
        now_us = self._clock.now_us()
        for record in records:
            order_id = order_id_of(record.event)
            if order_id is None:
                continue
            if isinstance(record.event, OrderAccepted):
                self._remember(order_id, record.correlation_id)
            correlation_id = self._correlations.get(order_id)
            if correlation_id is not None:
                key = f"journal/{record.seq}"
                about: dict[str, str | int] = {"seq": record.seq, "type": record.type}
                self._emit("journal", key, correlation_id, order_id, record.at_us, now_us, about)

    def _remember(self, order_id: str, correlation_id: str) -> None:
        self._correlations[order_id] = correlation_id
        if len(self._correlations) > FOLLOWED:
            self._correlations.popitem(last=False)

    def _emit(
        self,
        name: str,
        key: str,
        correlation_id: str,
        order_id: str,
        began_us: int,
        ended_us: int,
        about: Mapping[str, str | int],
    ) -> None:
        trace_id = trace_id_of(correlation_id)
        if trace_id % 2**64 >= self._below:
            return
        parent = PARENTS.get(name)
        self._processor.on_end(
            ReadableSpan(
                name=name,
                context=_context(trace_id, span_id_of(trace_id, key, order_id)),
                parent=None if parent is None else _context(trace_id, span_id_of(trace_id, parent, order_id)),
                resource=self._resource,
                instrumentation_scope=self._scope,
                kind=KINDS.get(name, SpanKind.INTERNAL),
                attributes={"correlation_id": correlation_id, "order_id": order_id, **about},
                start_time=began_us * NANOSECONDS,
                end_time=max(began_us, ended_us) * NANOSECONDS,
            )
        )


def _context(trace_id: int, span_id: int) -> SpanContext:
    return SpanContext(trace_id, span_id, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))


def open_tracer(endpoint: str, clock: Clock, *, version: str, ratio: float) -> Tracer:
    """A tracer that sends to an OTLP receiver over HTTP, such as `http://127.0.0.1:4318/v1/traces`."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    processor = BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint, timeout=5))
    return Tracer(processor, clock, version=version, ratio=ratio)
