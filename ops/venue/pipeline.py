"""The way of a request: fault, limits, signature, the dialect's handler, fault again.

A dialect is a table of endpoints and three translators (refusals, limits, its own "unknown" error);
everything that goes wrong with answers is done here, once for all dialects.
"""

import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import trio
from quart import Response, request

from ops.venue.accounts import Account
from ops.venue.clock import VenueClock
from ops.venue.faults import AFTER, BEFORE, Fault, Faults
from ops.venue.limits import Over
from ops.venue.markets import Refused
from ops.venue.serving import cut

_HTML = "<html><head><title>502 Bad Gateway</title></head><body><h1>Bad Gateway</h1></body></html>"


@dataclass(frozen=True, kw_only=True)
class Ask:
    """A request, read: parameters of query and body together, and the raw texts that the signature covers."""

    method: str
    path: str
    query: str
    body: str
    params: Mapping[str, str]
    headers: Mapping[str, str]
    address: str


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What goes back: status, JSON body, headers."""

    body: object
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


Handler = Callable[[Ask, Account], object]


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """One endpoint: its handler, what it costs, and whether it is signed, needs only a key, or is public."""

    handler: Handler
    weight: int = 1
    security: str = "signed"
    places_order: bool = False


class Dialect(Protocol):
    """What a dialect gives to the pipeline."""

    @property
    def endpoints(self) -> Mapping[tuple[str, str], Endpoint]: ...

    @property
    def clock(self) -> VenueClock: ...

    @property
    def nobody(self) -> Account:
        """The account that public endpoints are called with."""
        ...

    def params(self, query: str, body: str, content_type: str) -> Mapping[str, str]: ...

    def authenticate(self, ask: Ask, endpoint: Endpoint) -> Account:
        """The account whose key signed; raise Refused."""
        ...

    def meter(self, ask: Ask, endpoint: Endpoint) -> Over | None: ...

    def headers(self, ask: Ask, endpoint: Endpoint) -> Mapping[str, str]: ...

    def success(self, body: object) -> Answer: ...

    def refusal(self, refused: Refused, ask: Ask) -> Answer: ...

    def over(self, over: Over) -> Answer: ...

    def fault_answer(self, fault: Fault) -> Answer:
        """The exchange's own words for throttle, ban, maintenance, or an outcome that it does not know
        itself.
        """
        ...


async def respond(dialect: Dialect, faults: Faults) -> Response:
    """Answer the current request."""
    ask = await _read(dialect)
    target = f"{ask.method} {ask.path}"
    fault = faults.pick(target, BEFORE)
    if fault is not None:
        return await _before(fault, dialect)
    answer = _carry_out(dialect, ask)
    fault = faults.pick(target, AFTER)
    if fault is not None:
        return await _after(fault, answer, dialect)
    return _response(answer)


async def _read(dialect: Dialect) -> Ask:
    raw = await request.get_data(as_text=True)
    body = raw if isinstance(raw, str) else raw.decode()
    query = request.query_string.decode()
    headers = {name.lower(): value for name, value in request.headers.items()}
    return Ask(
        method=request.method,
        path=request.path,
        query=query,
        body=body,
        params=dialect.params(query, body, headers.get("content-type", "")),
        headers=headers,
        address=request.remote_addr or "",
    )


def _carry_out(dialect: Dialect, ask: Ask) -> Answer:
    endpoint = dialect.endpoints.get((ask.method, ask.path))
    if endpoint is None:
        return Answer(status=404, body={"code": -1, "msg": f"no such endpoint: {ask.method} {ask.path}"})
    over = dialect.meter(ask, endpoint)
    headers = dialect.headers(ask, endpoint)
    if over is not None:
        answer = dialect.over(over)
    else:
        try:
            account = dialect.nobody if endpoint.security == "public" else dialect.authenticate(ask, endpoint)
            found = endpoint.handler(ask, account)
            answer = found if isinstance(found, Answer) else dialect.success(found)
        except Refused as refused:
            answer = dialect.refusal(refused, ask)
    return Answer(body=answer.body, status=answer.status, headers={**headers, **answer.headers})


async def _before(fault: Fault, dialect: Dialect) -> Response:
    if fault.kind == "drop_before":
        await cut()
    if fault.kind == "timeout_before":
        await trio.sleep(fault.seconds)
        await cut()
    if fault.kind == "error_before":
        return _text(_HTML, fault.status, "text/html")
    if fault.kind == "answer":
        return _response(Answer(status=fault.status, body=fault.body))
    return _response(dialect.fault_answer(fault))


async def _after(fault: Fault, answer: Answer, dialect: Dialect) -> Response:
    if fault.kind == "drop_after":
        await cut()
    if fault.kind == "timeout_after":
        await trio.sleep(fault.seconds)
        await cut()
    if fault.kind == "error_after":
        return _text(_HTML, fault.status, "text/html")
    if fault.kind == "html":
        return _text(_HTML, 200, "text/html")
    if fault.kind == "empty":
        return _text("", 200, "application/json")
    if fault.kind == "unknown":
        return _response(dialect.fault_answer(fault))
    if fault.kind == "slow":
        await trio.sleep(fault.seconds)
        return _response(answer)
    whole = json.dumps(answer.body)
    part = whole[: max(1, len(whole) // 2)]
    if fault.kind == "cut":
        return _cut_short(part, answer, len(whole))
    return _text(part, answer.status, "application/json")


def _cut_short(part: str, answer: Answer, length: int) -> Response:
    """Half of the body under the length of the whole, then the connection ends."""

    async def body() -> AsyncIterator[bytes]:
        yield part.encode()
        await cut()

    response = Response(body(), status=answer.status, content_type="application/json")
    response.content_length = length
    return response


def _text(body: str, status: int, content_type: str) -> Response:
    return Response(body, status=status, content_type=content_type)


def _response(answer: Answer) -> Response:
    body = json.dumps(answer.body, separators=(",", ":"))
    return Response(
        body,
        status=answer.status,
        headers=dict(answer.headers),
        content_type="application/json;charset=UTF-8",
    )
