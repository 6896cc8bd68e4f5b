"""Requests that arrive whole: nearly all orders do, in one segment, head and body together.

Such a request needs no parser that remembers where it was, and its parsing is most of what serving it costs.
What is not whole, not plain, or not well formed is not looked at any closer here: it goes, as it came, to the
parser that serves everything else, which has the last word on what is HTTP and on how it is refused.
"""

from typing import NamedTuple

import httptools

__all__ = ["WholeRequest", "read_whole"]

_NOT_PLAIN = frozenset({b"transfer-encoding", b"expect", b"upgrade", b"trailer", b"te"})


class WholeRequest(NamedTuple):
    """A plain HTTP/1.1 request after which the connection goes on. Names of headers are lower case."""

    method: bytes
    target: bytes
    headers: list[tuple[bytes, bytes]]
    body: bytes


class _Gathered:
    """What the parser found, through its callbacks."""

    __slots__ = ("begun", "bodies", "complete", "headers", "target")

    def __init__(self) -> None:
        self.begun = 0
        self.complete = False
        self.target = b""
        self.headers: list[tuple[bytes, bytes]] = []
        self.bodies: list[bytes] = []

    def on_message_begin(self) -> None:
        self.begun += 1

    def on_url(self, url: bytes) -> None:
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value.strip(b" \t")))

    def on_body(self, body: bytes) -> None:
        self.bodies.append(body)

    def on_message_complete(self) -> None:
        self.complete = True


def read_whole(data: bytes) -> WholeRequest | None:
    """The one request that `data` is, or None when it is anything else than one whole plain request."""
    found = _Gathered()
    parser = httptools.HttpRequestParser(found)
    try:
        parser.feed_data(data)
    except (httptools.HttpParserError, httptools.HttpParserUpgrade):
        return None
    if not found.complete or found.begun != 1:
        return None
    if parser.get_http_version() != "1.1":
        return None
    hosts = 0
    for name, value in found.headers:
        if name in _NOT_PLAIN or (name == b"connection" and value.lower() != b"keep-alive"):
            return None
        hosts += name == b"host"
    if hosts != 1:
        return None
    return WholeRequest(parser.get_method(), found.target, found.headers, b"".join(found.bodies))
