"""The served application against clients that are slow, greedy, rude or gone."""

import json
import ssl
from contextlib import asynccontextmanager, suppress

import pytest
import trio

from persistence.certificate import own_certificate, utc_now
from tests.web.test_orders import LIMIT
from web import server
from web.serving import connection

TOKEN = b"Authorization: Bearer all-scopes-token\r\n"
QUICK = {
    "REQUEST_SECONDS": 0.3,
    "BODY_SECONDS": 0.3,
    "SILENCE_SECONDS": 0.3,
    "WRITE_SECONDS": 0.3,
    "LINGER_SECONDS": 0.2,
}


@pytest.fixture
async def address(app, nursery, monkeypatch):
    for name, seconds in QUICK.items():
        monkeypatch.setattr(connection, name, seconds)
    stop = trio.Event()
    settings = server.ServerSettings(port=0, graceful_seconds=0.5)

    async def run(task_status=trio.TASK_STATUS_IGNORED):
        await server.serve(app, settings, shutdown=stop.wait, task_status=task_status)

    [bound] = await nursery.start(run)
    yield bound.removeprefix("http://").split(":")
    stop.set()


@asynccontextmanager
async def opened(address):
    async with await trio.open_tcp_stream(address[0], int(address[1])) as stream:
        yield stream


def request(method=b"POST", path=b"/orders", body=b"", headers=TOKEN, length=None):
    size = len(body) if length is None else length
    head = b"%s %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n" % (method, path)
    return head + headers + b"Content-Length: %d\r\n\r\n" % size + body


async def everything(stream):
    """All bytes until the server hangs up."""
    found = b""
    with trio.fail_after(30):
        try:
            async for chunk in stream:
                found += chunk
        except trio.BrokenResourceError:
            pass
    return found


async def one_answer(stream):
    """One answer with a content length: its status, headers and body."""
    found = b""
    with trio.fail_after(30):
        while b"\r\n\r\n" not in found:
            chunk = await stream.receive_some()
            assert chunk, found
            found += chunk
        head, _, body = found.partition(b"\r\n\r\n")
        fields = dict(line.split(b": ", 1) for line in head.lower().split(b"\r\n")[1:])
        while len(body) < int(fields[b"content-length"]):
            body += await stream.receive_some()
    return int(head[9:12]), fields, json.loads(body)


ORDER = json.dumps(LIMIT).encode()


async def test_requests_follow_each_other_on_one_connection(address, port):
    async with opened(address) as stream:
        for _ in range(3):
            await stream.send_all(request(body=ORDER))
            status, fields, body = await one_answer(stream)
            assert (status, body["status"]) == (201, "open")
            assert (
                fields[b"location"]
                == f"/orders/{body['orderid' if 'orderid' in body else 'orderId']}".encode()
            )
        await stream.send_all(request(b"GET", b"/orders"))
        assert len((await one_answer(stream))[2]["orders"]) == 3


async def test_a_client_that_wants_to_close_is_let_go(address, port):
    async with opened(address) as stream:
        await stream.send_all(request(body=ORDER, headers=TOKEN + b"Connection: close\r\n"))
        status, fields, _ = await one_answer(stream)
        assert (status, fields[b"connection"]) == (201, b"close")
        assert await everything(stream) == b""


async def test_a_body_in_pieces_is_one_body(address, port):
    async with opened(address) as stream:
        whole = request(body=ORDER)
        for byte in whole:
            await stream.send_all(bytes([byte]))
        assert (await one_answer(stream))[0] == 201
    assert len(port.placed) == 1


async def test_pipelined_requests_are_answered_in_order(address, port):
    async with opened(address) as stream:
        await stream.send_all(request(body=ORDER) + request(b"GET", b"/healthz") + request(body=b"{}"))
        answers = await read_several(stream, 3)
    assert answers == [b"201", b"200", b"400"]


async def read_several(stream, count):
    found = b""
    with trio.fail_after(30):
        while found.count(b"HTTP/1.1 ") < count or not found.endswith(b"}"):
            found += await stream.receive_some()
    return [part[:3] for part in found.split(b"HTTP/1.1 ")[1:]]


@pytest.mark.parametrize("path", [b"/orders", b"/operator/kill"])
async def test_ten_megabytes_are_413_and_can_be_read(address, port, path):
    async with opened(address) as stream, trio.open_nursery() as nursery:

        async def send():
            with suppress(trio.BrokenResourceError):
                await stream.send_all(request(path=path, body=b"x" * 10_000_000))

        nursery.start_soon(send)
        status, _, body = await one_answer(stream)
        nursery.cancel_scope.cancel()
    assert (status, body["code"]) == (413, "PAYLOAD_TOO_LARGE")
    assert (port.placed, port.killed) == ([], [])


async def test_a_connection_ends_only_as_its_last_answer_has_said(address):
    """An answer that comes before its request was read to the end is the last one, and it says so."""
    body = b'{"a": 1}'
    async with opened(address) as stream:
        await stream.send_all(request(path=b"/no-such-thing", body=body).removesuffix(body))
        status, fields, _ = await one_answer(stream)
        assert (status, fields[b"connection"]) == (404, b"close")
        assert await everything(stream) == b""
    async with opened(address) as stream:
        for _ in range(3):
            await stream.send_all(request(b"GET", b"/no-such-thing"))
            status, fields, _ = await one_answer(stream)
            assert (status, fields.get(b"connection")) == (404, None)


async def test_a_body_with_two_lengths_is_refused_and_nothing_after_it_is_read(address, port):
    head = request(length=5).removesuffix(b"\r\n\r\n") + b"\r\nTransfer-Encoding: chunked\r\n\r\n"
    async with opened(address) as stream:
        await stream.send_all(head + b"0\r\n\r\n" + request(b"GET", b"/healthz"))
        answers = await everything(stream)
    assert answers[9:12] == b"400"
    assert b"HTTP/1.1 200" not in answers


async def test_a_chunked_body_is_bounded_too(address, port):
    head = b"POST /orders HTTP/1.1\r\nHost: x\r\n" + TOKEN + b"Transfer-Encoding: chunked\r\n\r\n"
    async with opened(address) as stream:
        await stream.send_all(head + b"11170\r\n" + b"x" * 0x11170 + b"\r\n")
        assert (await one_answer(stream))[0] == 413


SLOW = {
    "nothing at all": b"",
    "half a request line": b"POST /or",
    "headers that never end": b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: ",
    "half a body of an order": request(body=ORDER, length=1000),
    "half a body of a kill": request(path=b"/operator/kill", body=b'{"reason"', length=1000),
}


@pytest.mark.parametrize("kind", SLOW)
async def test_a_client_that_stalls_is_cut_off(address, port, kind):
    async with opened(address) as stream:
        if SLOW[kind]:
            await stream.send_all(SLOW[kind])
        found = await everything(stream)
    assert found == b"" or b"REQUEST_TIMEOUT" in found
    assert (port.placed, port.killed) == ([], [])


@pytest.mark.parametrize("begin", [b"GET /healthz HTTP/1.1\r\n", request(length=10_000)])
async def test_a_client_that_drips_is_cut_off_all_the_same(address, begin):
    async with opened(address) as stream, trio.open_nursery() as nursery:

        async def drip():
            await stream.send_all(begin)
            while True:
                await stream.send_all(b"a")
                await trio.sleep(0.02)

        async def dripping():
            try:
                await drip()
            except trio.BrokenResourceError:
                return

        nursery.start_soon(dripping)
        await everything(stream)
        nursery.cancel_scope.cancel()


async def test_a_websocket_that_answers_no_ping_is_cut_off(address):
    async with opened(address) as stream:
        await stream.send_all(
            b"GET /ws/orders HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" + TOKEN + b"\r\n"
        )
        assert b"101" in await stream.receive_some()
        await everything(stream)


async def test_a_client_that_does_not_read_is_cut_off(address, port):
    for _ in range(900):
        port.accept()
    async with opened(address) as stream:
        with trio.fail_after(30):
            try:
                while True:
                    await stream.send_all(request(b"GET", b"/orders?limit=1000"))
            except trio.BrokenResourceError:
                pass


async def test_what_is_no_http_is_refused_in_the_one_form_of_errors(address):
    for garbage in (
        b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
        b"GET\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ):
        async with opened(address) as stream:
            await stream.send_all(garbage)
            found = await everything(stream)
        assert found[9:12] in {b"400", b"404", b"405", b"505"}
        assert b"application/problem+json" in found


async def test_headers_beyond_their_limit_are_refused(address):
    async with opened(address) as stream:
        await stream.send_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Big: " + b"a" * 20_000 + b"\r\n\r\n")
        assert (await everything(stream))[9:12] == b"431"


async def test_a_command_goes_on_when_its_client_hangs_up(app, address, port, nursery):
    began, proceed, done = trio.Event(), trio.Event(), trio.Event()
    place = port.place

    async def slow_place(intent, **more):
        began.set()
        await proceed.wait()
        result = await place(intent, **more)
        done.set()
        return result

    port.place = slow_place
    async with opened(address) as stream:
        await stream.send_all(request(body=ORDER))
        await began.wait()
    proceed.set()
    with trio.fail_after(30):
        await done.wait()
    assert len(port.book.orders) == 1


@asynccontextmanager
async def slow_server(app, port, *, place_seconds, graceful_seconds):
    """A server whose orders take their time: its address, the event of one begun, and what stops it."""
    stop, began = trio.Event(), trio.Event()
    place = port.place

    async def slow_place(intent, **more):
        began.set()
        await trio.sleep(place_seconds)
        return await place(intent, **more)

    async def run(task_status=trio.TASK_STATUS_IGNORED):
        settings = server.ServerSettings(port=0, graceful_seconds=graceful_seconds)
        await server.serve(app, settings, shutdown=stop.wait, task_status=task_status)

    port.place = slow_place
    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            [bound] = await nursery.start(run)
            yield bound.removeprefix("http://").split(":"), began, stop


async def test_a_stopping_server_answers_what_it_has_begun(app, port):
    slow = slow_server(app, port, place_seconds=0.1, graceful_seconds=2)
    async with slow as (address, began, stop), opened(address) as stream:
        await stream.send_all(request(body=ORDER))
        await began.wait()
        stop.set()
        assert (await one_answer(stream))[0] == 201
        assert await everything(stream) == b""


@pytest.mark.parametrize("pieces", [1, 2], ids=["whole", "in pieces"])
async def test_a_command_under_way_is_not_torn_when_the_time_to_stop_is_over(app, services, port, pieces):
    whole = request(body=ORDER)
    cut = len(whole) // pieces
    slow = slow_server(app, port, place_seconds=0.2, graceful_seconds=0.05)
    async with slow as (address, began, stop), opened(address) as stream:
        await stream.send_all(whole[:cut])
        if pieces > 1:
            await trio.sleep(0.05)
            await stream.send_all(whole[cut:])
        await began.wait()
        stop.set()
    assert len(port.book.orders) == 1
    await services.audit.flush()
    [entry] = await services.audit.store.page(before=None, limit=5)
    assert (entry.action, entry.status) == ("placeOrder", 201)


async def test_many_idle_connections_do_not_outlive_their_time(address, app):
    with trio.fail_after(30):
        streams = [await trio.open_tcp_stream(address[0], int(address[1])) for _ in range(200)]
        async with opened(address) as stream:
            await stream.send_all(request(b"GET", b"/healthz"))
            assert (await one_answer(stream))[0] == 200
        for stream in streams:
            assert await everything(stream) == b""
            await stream.aclose()


async def test_tls_is_version_1_3_or_nothing(app, nursery, tmp_path):
    made = own_certificate(tmp_path, ["127.0.0.1"], utc_now())
    settings = server.ServerSettings(port=0, certificate=made.certificate, key=made.key, graceful_seconds=0.2)
    stop = trio.Event()

    async def run(task_status=trio.TASK_STATUS_IGNORED):
        await server.serve(app, settings, shutdown=stop.wait, task_status=task_status)

    [bound] = await nursery.start(run)
    assert bound.startswith("https://")
    host, port = bound.removeprefix("https://").split(":")
    context = ssl.create_default_context(cafile=made.certificate)
    async with await trio.open_ssl_over_tcp_stream(host, int(port), ssl_context=context) as stream:
        await stream.send_all(request(b"GET", b"/healthz"))
        assert (await one_answer(stream))[0] == 200
        assert stream.version() == "TLSv1.3"
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    async with await trio.open_ssl_over_tcp_stream(host, int(port), ssl_context=context) as stream:
        with pytest.raises(trio.BrokenResourceError):
            await stream.do_handshake()
    stop.set()
