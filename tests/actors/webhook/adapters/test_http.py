"""What a receiver may answer with: everything, slowly, for ever, and broken. On simulated time."""

import ipaddress
from collections.abc import Sequence

import httpcore
import pytest
import trio

from actors.webhook.adapters.http import SEND_SECONDS, HttpCarrier
from actors.webhook.port import Answer
from actors.webhook.schedule import succeeded
from actors.webhook.ssrf import Allowed

URL = "http://hooks.example:8080/x"
OK = b"HTTP/1.1 200 OK\r\n"


class Stream(httpcore.AsyncNetworkStream):
    """Says each part after its pause, then nothing; `read` counts what was taken from it."""

    def __init__(self, parts: Sequence[tuple[float, bytes]], *, ends: bool) -> None:
        self.parts = list(parts)
        self.ends = ends
        self.read_bytes = 0
        self.closed = False

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if not self.parts:
            if self.ends:
                return b""
            await trio.sleep_forever()
        pause, part = self.parts.pop(0)
        await trio.sleep(pause)
        said, rest = part[:max_bytes], part[max_bytes:]
        if rest:
            self.parts.insert(0, (0.0, rest))
        self.read_bytes += len(said)
        return said

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        await trio.lowlevel.checkpoint()

    async def aclose(self) -> None:
        self.closed = True

    def get_extra_info(self, info: str) -> object:
        return None


class Connector(httpcore.AsyncNetworkBackend):
    """Gives out one stream."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream

    async def connect_tcp(self, host, port, timeout=None, local_address=None, socket_options=None):
        return self.stream


async def resolve(host: str, port: int) -> Sequence[ipaddress.IPv4Address]:
    return (ipaddress.IPv4Address("192.168.1.9"),)


async def send(*parts: tuple[float, bytes], ends: bool = False) -> tuple[Answer, Stream, float]:
    """Send to a receiver that answers so: the answer, its stream, and the seconds that it took."""
    stream = Stream(parts, ends=ends)
    carrier = HttpCarrier(Allowed.read(["hooks.example:8080"]), resolve=resolve, connector=Connector(stream))
    line, began = carrier.line(), trio.current_time()
    answer = await line.send(URL, [("webhook-id", "msg_1")], b"{}")
    took = trio.current_time() - began
    await line.close()
    return answer, stream, took


async def test_an_answer_is_its_status_and_the_beginning_of_what_it_says(autojump_clock):
    answer, _, _ = await send((0.1, OK + b"content-length: 5\r\n\r\nhello"))
    assert answer == Answer(status=200, body=b"hello")


async def test_of_ten_megabytes_a_few_kilobytes_are_read(autojump_clock):
    answer, stream, took = await send(
        (0.0, OK + b"content-length: 10000000\r\n\r\n"), (0.0, b"x" * 10_000_000)
    )
    assert succeeded(answer)
    assert len(answer.body) == 4096
    assert stream.read_bytes < 200_000
    assert stream.closed
    assert took < 1


@pytest.mark.parametrize("pause", [0.5, 10.0])
async def test_what_is_taken_is_taken_however_slowly_the_rest_is_said(autojump_clock, pause):
    """A receiver that has said 2xx has it; to send it again would only make it come twice."""
    answer, stream, took = await send(
        (1.0, OK + b"content-length: 1000\r\n\r\n"), *((pause, b"x") for _ in range(1000))
    )
    assert succeeded(answer)
    assert took <= 4
    assert stream.closed


async def test_what_is_taken_is_taken_though_the_rest_breaks_off(autojump_clock):
    answer, _, _ = await send((0.0, OK + b"content-length: 1000\r\n\r\nonly this"), ends=True)
    assert succeeded(answer)
    assert answer.body == b"only this"


@pytest.mark.parametrize("where", ["the host", "the resolver"])
async def test_a_name_that_is_none_by_idna_is_a_failure_with_a_reason(monkeypatch, where):
    """Resolvers and libraries raise a UnicodeError for it, which is no OSError."""

    async def unnamed(host: str, port: int) -> Sequence[ipaddress.IPv4Address]:
        raise UnicodeError("label empty or too long")

    url = "https://hooks.example/x" if where == "the resolver" else "https://xn--a/"
    monkeypatch.setattr("actors.webhook.adapters.http.check_url", lambda _url, _allowed: None)
    line = HttpCarrier(Allowed(), resolve=unnamed, connector=Connector(Stream((), ends=True))).line()
    answer = await line.send(url, [], b"{}")
    await line.close()
    assert answer.status is None
    assert answer.error.startswith("UnicodeError" if where == "the resolver" else "InvalidCodepoint")


async def test_headers_that_drip_are_not_waited_for(autojump_clock):
    answer, stream, took = await send(*((1.0, bytes([each])) for each in OK * 10))
    assert not succeeded(answer)
    assert took == pytest.approx(SEND_SECONDS)
    assert stream.closed


@pytest.mark.parametrize(
    "rubbish",
    [
        b"\x16\x03\x01\x00\xa5",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 999999 No\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx: " + b"y" * 300_000,
        b"",
    ],
)
async def test_rubbish_is_a_failure_with_a_reason(autojump_clock, rubbish):
    answer, _, _ = await send((0.0, rubbish), ends=True)
    assert answer.status is None
    assert answer.error
