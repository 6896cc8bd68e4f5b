"""Requests that arrive whole: what is taken on the spot, and what is left to the other parser."""

import pytest

from web.serving.whole import read_whole

PLAIN = (
    b"POST /orders?dryRun=true HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
    b"X-Odd:  spaced \t\r\nContent-Length: 7\r\n\r\n"
    b'{"a":1}'
)


def test_a_plain_request_is_taken_apart():
    """Names in lower case, values without the space around them."""
    found = read_whole(PLAIN)
    assert (found.method, found.target, found.body) == (b"POST", b"/orders?dryRun=true", b'{"a":1}')
    assert found.headers == [
        (b"host", b"a"),
        (b"content-type", b"application/json"),
        (b"x-odd", b"spaced"),
        (b"content-length", b"7"),
    ]


def test_a_request_without_a_body_is_whole_after_its_head():
    """There is nothing to wait for."""
    assert read_whole(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n").body == b""


@pytest.mark.parametrize(
    "data",
    [
        PLAIN[:-1],
        PLAIN[:20],
        PLAIN + PLAIN,
        PLAIN + b"GET",
        PLAIN.replace(b"HTTP/1.1", b"HTTP/1.0"),
        PLAIN.replace(b"HTTP/1.1", b"HTTP/2.0"),
        PLAIN.replace(b"Host: a\r\n", b""),
        PLAIN.replace(b"Host: a\r\n", b"Host: a\r\nHost: b\r\n"),
        PLAIN.replace(b"X-Odd:  spaced \t", b"Connection: close"),
        PLAIN.replace(b"X-Odd:  spaced \t", b"Connection: upgrade\r\nUpgrade: websocket"),
        PLAIN.replace(b"X-Odd:  spaced \t", b"Expect: 100-continue"),
        PLAIN.replace(b"X-Odd:  spaced \t", b"Transfer-Encoding: chunked"),
        PLAIN.replace(b"Content-Length: 7", b"Content-Length: 7\r\nContent-Length: 8"),
        PLAIN.replace(b"Content-Length: 7", b"Content-Length: +7"),
        PLAIN.replace(b"Content-Length: 7", b"Content-Length: 7, 7"),
        PLAIN.replace(b"X-Odd:", b"X Odd:"),
        PLAIN.replace(b"X-Odd:", b"X-Odd :"),
        PLAIN.replace(b" spaced", b"\x00spaced"),
        PLAIN.replace(b"X-Odd:  spaced \t\r\n", b"X-Odd: a\r\n b\r\n"),
        PLAIN.replace(b"\r\n", b"\n"),
        b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"",
    ],
    ids=repr,
)
def test_anything_else_is_left_to_the_other_parser(data):
    """Incomplete, more than one, another version, closing, ambiguous, malformed: no verdict here."""
    assert read_whole(data) is None
