"""A request and its answer, as plain data: what handlers see, whichever way the request came in.

Handlers know neither Quart nor ASGI. That lets order entry skip the framework's per-request work, and lets
tests call a handler directly.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

import msgspec
import trio

from web.auth.port import Principal
from web.problems import MEDIA_TYPE, Problem, ProblemError, invalid_field, problem, retry_after

MAX_BODY_BYTES = 64 * 1024
BODY_SECONDS = 10.0
"""How long a body may take to arrive, from its first byte to its last."""

Headers = tuple[tuple[bytes, bytes], ...]

_TRACE_PARENT = re.compile(rb"[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}").match

_encode = msgspec.json.Encoder().encode

_COMMON: Headers = (
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
)


class Answer(NamedTuple):
    """What goes back. `headers` do not include the content length, the correlation id and the common ones."""

    status: int
    body: bytes
    media_type: bytes = b"application/json"
    headers: Headers = ()


class Call:
    """One request. Header values are as received; `principal` is set once the token was accepted.

    `subject` is for the audit: the id of what a handler changed or made. `scope` is that of the task that
    answers, where it has one to itself.
    """

    __slots__ = (
        "authorization",
        "body",
        "client",
        "content_type",
        "correlation_id",
        "idempotency_key",
        "method",
        "origin",
        "params",
        "path",
        "prefer",
        "principal",
        "query_string",
        "read_body",
        "scope",
        "subject",
    )

    authorization: bytes | None
    content_type: bytes | None
    idempotency_key: bytes | None
    prefer: bytes | None
    origin: bytes | None
    principal: Principal
    correlation_id: str
    body: bytes

    def __init__(
        self,
        method: str,
        path: str,
        query_string: bytes,
        client: str,
        headers: "RawHeaders",
        read_body: Callable[[], Awaitable[bytes]],
        params: Mapping[str, str],
        scope: trio.CancelScope | None = None,
    ) -> None:
        self.method = method
        self.path = path
        self.query_string = query_string
        self.client = client
        self.read_body = read_body
        self.params = params
        self.scope = scope
        self.body = b""
        self.subject = ""
        self.authorization = self.content_type = self.idempotency_key = None
        self.prefer = self.origin = None
        request_id = correlation_id = trace_parent = b""
        for name, value in headers:
            if name == b"authorization":
                self.authorization = value
            elif name == b"content-type":
                self.content_type = value
            elif name == b"x-correlation-id":
                correlation_id = value
            elif name == b"x-request-id":
                request_id = value
            elif name == b"idempotency-key":
                # Said twice it is a list, as any header; and a list is no key.
                self.idempotency_key = value if self.idempotency_key is None else b"several keys"
            elif name == b"prefer":
                self.prefer = value
            elif name == b"origin":
                self.origin = value
            elif name == b"traceparent":
                trace_parent = value
        self.correlation_id = (correlation_id or request_id or trace_id_of(trace_parent)).decode("latin-1")

    def query(self, *allowed: str) -> dict[str, str]:
        """The query parameters; one that is not allowed or is given twice is refused, not ignored."""
        if not self.query_string:
            return {}
        try:
            pairs = parse_qsl(
                self.query_string.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=32
            )
        except ValueError:
            raise invalid_field("?", "the query string is malformed") from None
        found: dict[str, str] = {}
        for name, value in pairs:
            if name not in allowed:
                known = ", ".join(allowed) if allowed else "none"
                raise invalid_field(f"?{name[:40]}", f"is no parameter here; there are: {known}")
            if name in found:
                raise invalid_field(f"?{name}", "is given twice")
            found[name] = value
        return found


RawHeaders = Any
"""An iterable of (lower-case name, value) pairs of bytes, as ASGI gives them."""

Handler = Callable[[Any, Call], Awaitable[Answer]]


class Route(NamedTuple):
    """One operation of the contract.

    `scope` None means that it is open. One with a `body` takes JSON (`any_type`: whatever it is said to
    be). A `command` changes something and is never interrupted when its client goes away; a `bounded` one
    counts against the limit of concurrent commands. A `fast` one skips the framework. One that is `urgent` is
    never refused for how often it is asked.
    """

    method: str
    path: str
    name: str
    handler: Handler
    scope: str | None
    action: str
    body: bool = False
    any_type: bool = False
    command: bool = False
    bounded: bool = False
    fast: bool = False
    quiet: bool = False
    urgent: bool = False


def answer_json(body: object, status: int = 200, headers: Headers = ()) -> Answer:
    """An answer whose body is the JSON of `body`."""
    return Answer(status, _encode(body), b"application/json", headers)


def answer_problem(found: Problem, correlation_id: str, headers: Headers = ()) -> Answer:
    """The answer to a request that failed."""
    if correlation_id:
        found = msgspec.structs.replace(found, correlation_id=correlation_id)
    extra = (*headers, *retry_after(found.retry_after_seconds))
    return Answer(found.status, _encode(found), MEDIA_TYPE, extra)


def response_headers(answer: Answer, correlation_id: str) -> list[tuple[bytes, bytes]]:
    """All headers of an answer."""
    return [
        (b"content-type", answer.media_type),
        (b"content-length", b"%d" % len(answer.body)),
        (b"x-correlation-id", correlation_id.encode("latin-1")),
        *_COMMON,
        *answer.headers,
    ]


def trace_id_of(trace_parent: bytes) -> bytes:
    """The id of the trace that the client is in, by W3C's Trace Context; empty when there is none.

    It becomes the correlation id: a caller who traces finds our lines under his own trace.
    """
    found = _TRACE_PARENT(trace_parent) if trace_parent else None
    return b"" if found is None else found.group(1)


class Disconnected(Exception):
    """The client went away before its request was complete."""


def too_large() -> ProblemError:
    """The problem of a body beyond the limit."""
    return ProblemError(problem("PAYLOAD_TOO_LARGE", f"a body may have {MAX_BODY_BYTES} bytes"))


def too_slow() -> ProblemError:
    """The problem of a body that did not arrive in time."""
    return ProblemError(
        problem("REQUEST_TIMEOUT", f"a body must arrive within {BODY_SECONDS:g} seconds; nothing was done")
    )


def require_json(call: Call) -> None:
    """Refuse a body that says it is something else than JSON; one that says nothing is taken."""
    found = call.content_type
    if found is None or found == b"application/json":
        return
    if found.split(b";", 1)[0].strip().lower() != b"application/json":
        raise ProblemError(
            problem(
                "UNSUPPORTED_MEDIA_TYPE",
                f"found {found[:60].decode('latin-1')!r}; send the body with Content-Type: application/json",
            )
        )
