"""One trace an order, found by its correlation id, and sent in OpenTelemetry's own form."""

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import trio
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from structlog.testing import capture_logs

from supervisors.tracing import Tracer, open_tracer, trace_id_of
from tests.fixtures.runtime import Machine, SimulatedClock, intent

OF_A_CALLER = "4bf92f3577b34da6a3ce929d0e0e4736"


class Receiver:
    """A local OTLP receiver: keeps the requests it was sent."""

    def __init__(self) -> None:
        self.requests: list[ExportTraceServiceRequest] = []
        self.arrived = threading.Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                request = ExportTraceServiceRequest()
                request.ParseFromString(self.rfile.read(int(self.headers["Content-Length"])))
                receiver.requests.append(request)
                receiver.arrived.set()
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1/traces"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)

    @property
    def spans(self) -> list[object]:
        return [
            span
            for request in self.requests
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    made.thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()
    made.thread.join(10)


@pytest.fixture
def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def tracer(exporter) -> Tracer:
    return Tracer(SimpleSpanProcessor(exporter), SimulatedClock(), version="1")


async def place(machine: Machine, tracer: Tracer, correlation_id: str) -> None:
    machine.stages = (tracer,)
    async with machine.boot() as runtime:
        tracer.follow(runtime.log)
        await runtime.port.place(intent(), wait_seconds=5, correlation_id=correlation_id)


async def test_an_order_is_one_trace_from_request_to_exchange(tracer, exporter, autojump_clock):
    await place(Machine(), tracer, "c-1")
    spans = {span.name: span for span in exporter.get_finished_spans()}
    assert {"request", "risk", "journal", "broker", "exchange"} == set(spans)
    assert {span.context.trace_id for span in spans.values()} == {trace_id_of("c-1")}
    assert spans["request"].parent is None
    assert spans["risk"].parent.span_id == spans["request"].context.span_id
    assert spans["exchange"].parent.span_id == spans["broker"].context.span_id
    for span in spans.values():
        assert span.end_time >= span.start_time
    assert spans["request"].end_time >= spans["exchange"].end_time


async def test_the_log_line_of_the_order_carries_the_traces_correlation_id(tracer, exporter, autojump_clock):
    with capture_logs() as lines:
        await place(Machine(), tracer, "c-7")
    told = [line for line in lines if line["event"] == "order_answered"]
    assert [line["correlation_id"] for line in told] == ["c-7"]
    assert {span.attributes["correlation_id"] for span in exporter.get_finished_spans()} == {"c-7"}


async def test_every_event_of_the_order_has_a_span_of_its_own_in_the_journal(
    tracer, exporter, autojump_clock
):
    await place(Machine(), tracer, "c-1")
    journal = [span for span in exporter.get_finished_spans() if span.name == "journal"]
    types = [span.attributes["type"] for span in journal]
    assert (types[0], types[-1]) == ("OrderAccepted", "OrderFilled")
    assert len({span.context.span_id for span in journal}) == len(journal)


def test_a_caller_who_traces_finds_the_order_in_his_own_trace():
    assert trace_id_of(OF_A_CALLER) == int(OF_A_CALLER, 16)


@pytest.mark.parametrize("not_an_id", ["", "0" * 32, OF_A_CALLER.upper(), OF_A_CALLER + "0"])
def test_any_other_correlation_id_gives_a_trace_that_is_no_zero(not_an_id):
    assert trace_id_of(not_an_id) not in {0, int(OF_A_CALLER, 16)}


def test_a_ratio_keeps_the_same_orders_whole(exporter):
    tracer = Tracer(SimpleSpanProcessor(exporter), SimulatedClock(), version="1", ratio=0.25)
    for number in range(400):
        for name in ("request", "risk", "broker"):
            tracer.stage(name, f"c-{number}", f"o-{number}", 1, 2, "placed")
    kept: dict[int, int] = {}
    for span in exporter.get_finished_spans():
        kept[span.context.trace_id] = kept.get(span.context.trace_id, 0) + 1
    assert 60 < len(kept) < 140
    assert set(kept.values()) == {3}


async def test_an_orders_spans_arrive_at_a_receiver_under_the_correlation_id_of_its_log_line(
    receiver, autojump_clock
):
    tracer = open_tracer(receiver.url, SimulatedClock(), version="1", ratio=1.0)
    with capture_logs() as lines:
        await place(Machine(), tracer, "c-9")
    await trio.to_thread.run_sync(tracer.close, 5.0)
    logged = {line["correlation_id"] for line in lines if line["event"] == "order_answered"}
    assert {span.name for span in receiver.spans} == {"request", "risk", "journal", "broker", "exchange"}
    for span in receiver.spans:
        attributes = {each.key: each.value.string_value for each in span.attributes}
        assert {attributes["correlation_id"]} == logged == {"c-9"}
        assert int.from_bytes(span.trace_id) == trace_id_of("c-9")
        assert span.end_time_unix_nano >= span.start_time_unix_nano


async def test_a_receiver_that_is_not_there_costs_an_order_nothing(autojump_clock, unused_port):
    tracer = open_tracer(
        f"http://127.0.0.1:{unused_port}/v1/traces", SimulatedClock(), version="1", ratio=1.0
    )
    await place(Machine(), tracer, "c-1")
    await trio.to_thread.run_sync(tracer.close, 0.1)
