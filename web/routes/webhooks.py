"""Who is notified, and what could not be delivered.

A secret is in the answer that made it and in no other.
"""

from typing import Annotated

import msgspec
from msgspec import Meta

from actors.model.readable import readable
from actors.webhook.desk import Unfit, WebhookDesk
from actors.webhook.port import Delivery, Endpoint, Statistics
from web.asked import WHOLE, Asked, decoder
from web.call import Answer, Call, answer_json
from web.patterns import DEAD_LETTER_ID
from web.problems import ProblemError, problem, unfit
from web.routes import parameters
from web.services import Services
from web.wire import Wire, time_text

OVERLAP_SECONDS = 86_400
LONGEST_OVERLAP_SECONDS = 30 * 86_400


class NewWebhook(Asked, frozen=True, kw_only=True):
    """An endpoint as a client asks for it."""

    url: Annotated[str, Meta(max_length=2048)]
    events: tuple[str, ...] = ()
    note: Annotated[str, Meta(max_length=200)] = ""


class RotateRequest(Asked, frozen=True, kw_only=True):
    """How long the old secret signs beside the new one."""

    overlap_seconds: Annotated[float, Meta(ge=0, le=LONGEST_OVERLAP_SECONDS), WHOLE] = OVERLAP_SECONDS


class ReplayRequest(Asked, frozen=True, kw_only=True):
    """Which dead letters to send again: those of one endpoint, or all."""

    webhook_id: Annotated[str, Meta(max_length=64)] | None = None

    @property
    def endpoint(self) -> str | None:
        """The endpoint, as the store may be asked for it."""
        return None if self.webhook_id is None else readable(self.webhook_id)


class WebhookStatistics(Wire, frozen=True, kw_only=True):
    """What an endpoint's deliveries came to."""

    pending: int
    dead: int
    delivered: int
    failed_attempts: int
    last_delivered_at: str | None
    last_failed_at: str | None
    last_error: str | None
    resting: bool


class WebhookBody(Wire, frozen=True, kw_only=True, omit_defaults=True):
    """An endpoint; `secret` only where it was just made."""

    webhook_id: str
    kind: str
    url: str
    events: tuple[str, ...]
    note: str
    state: str
    reason: str
    created_at: str
    updated_at: str
    old_secret_until: str | None
    behind_seq: int | None = None
    statistics: WebhookStatistics | None = None
    secret: str | None = None


class WebhookList(Wire, frozen=True, kw_only=True):
    """All endpoints."""

    webhooks: list[WebhookBody]


class TestSent(Wire, frozen=True, kw_only=True):
    """The message that was sent."""

    message_id: str


class DeadLetterBody(Wire, frozen=True, kw_only=True):
    """A delivery that was given up."""

    dead_letter_id: str
    webhook_id: str
    event: str
    body: msgspec.Raw
    attempts: int
    last_status: int | None
    last_error: str
    created_at: str
    dead_at: str


class DeadLetterPage(Wire, frozen=True, kw_only=True):
    """A page of dead letters."""

    dead_letters: list[DeadLetterBody]
    next_cursor: str | None


class Replayed(Wire, frozen=True, kw_only=True):
    """How many are being sent again."""

    replayed: int


_read_new = decoder(NewWebhook)
_read_rotate = decoder(RotateRequest)
_read_replay = decoder(ReplayRequest)


async def create(services: Services, call: Call) -> Answer:
    """Make an endpoint."""
    call.query()
    asked = _read_new(call.body)
    try:
        made = await _desk(services).create(asked.url, asked.events, readable(asked.note))
    except Unfit as error:
        raise unfit(f"#/{error.field}", error.why) from None
    call.subject = made.endpoint_id
    location = (b"location", f"/webhooks/{made.endpoint_id}".encode())
    return answer_json(_body(made, secret=made.secret), 201, (location,))


async def listed(services: Services, call: Call) -> Answer:
    """Every endpoint, oldest first."""
    call.query()
    found = await _desk(services).all()
    return answer_json(WebhookList(webhooks=[_body(each, counted) for each, counted in found]))


async def read(services: Services, call: Call) -> Answer:
    """One endpoint."""
    call.query()
    found = await _desk(services).one(call.params["webhook_id"])
    if found is None:
        raise _no_such(call)
    return answer_json(_body(*found))


async def delete(services: Services, call: Call) -> Answer:
    """Forget an endpoint and what it was owed."""
    call.query()
    found = await _desk(services).one(call.params["webhook_id"])
    if found is None or not await _desk(services).delete(call.params["webhook_id"]):
        raise _no_such(call)
    return answer_json(_body(*found))


async def rotate(services: Services, call: Call) -> Answer:
    """Sign with a new secret, and for a while with the old one too."""
    call.query()
    asked = _read_rotate(call.body)
    try:
        found = await _desk(services).rotate(call.params["webhook_id"], int(asked.overlap_seconds))
    except Unfit as error:
        raise unfit(error.field, error.why) from None
    if found is None:
        raise _no_such(call)
    return answer_json(_body(found, secret=found.secret))


async def pause(services: Services, call: Call) -> Answer:
    """Keep deliveries and send none."""
    call.query()
    return _changed(call, await _desk(services).pause(call.params["webhook_id"]))


async def resume(services: Services, call: Call) -> Answer:
    """Send what was kept."""
    call.query()
    return _changed(call, await _desk(services).resume(call.params["webhook_id"]))


async def test(services: Services, call: Call) -> Answer:
    """Send a message that means nothing."""
    call.query()
    sent = await _desk(services).test(call.params["webhook_id"])
    if sent is None:
        raise _no_such(call)
    return answer_json(TestSent(message_id=sent), 202)


async def dead_letters(services: Services, call: Call) -> Answer:
    """A page of dead letters, newest first."""
    query = call.query("webhookId", "limit", "cursor")
    limit = parameters.page_size(query)
    found = await _desk(services).dead_letters(
        parameters.webhook_id(query), limit + 1, parameters.read_cursor(query, DEAD_LETTER_ID)
    )
    page = found[:limit]
    last = page[-1] if len(found) > limit else None
    cursor = None if last is None else parameters.write_cursor(last.dead_us, last.delivery_id)
    return answer_json(DeadLetterPage(dead_letters=[_letter(each) for each in page], next_cursor=cursor))


async def dead_letter(services: Services, call: Call) -> Answer:
    """One dead letter."""
    call.query()
    found = await _desk(services).dead_letter(call.params["dead_letter_id"])
    if found is None:
        raise _no_letter(call)
    return answer_json(_letter(found))


async def replay(services: Services, call: Call) -> Answer:
    """Send one dead letter again."""
    call.query()
    count = await _desk(services).replay(call.params["dead_letter_id"])
    if not count:
        raise _no_letter(call)
    return answer_json(Replayed(replayed=count), 202)


async def replay_all(services: Services, call: Call) -> Answer:
    """Send all dead letters again, or those of one endpoint."""
    call.query()
    asked = _read_replay(call.body)
    if asked.endpoint is not None and await _desk(services).one(asked.endpoint) is None:
        raise _no_webhook(asked.endpoint)
    count = await _desk(services).replay(None, asked.endpoint)
    return answer_json(Replayed(replayed=count), 202)


def _desk(services: Services) -> WebhookDesk:
    if services.webhooks is None:
        raise ProblemError(problem("NOT_READY", "this process has no webhooks"))
    return services.webhooks


def _changed(call: Call, found: Endpoint | None) -> Answer:
    if found is None:
        raise _no_such(call)
    return answer_json(_body(found))


def _no_such(call: Call) -> ProblemError:
    return _no_webhook(call.params["webhook_id"])


def _no_webhook(webhook_id: str) -> ProblemError:
    detail = f"there is no webhook {webhook_id[:64]!r}; GET /webhooks names those that there are"
    return ProblemError(problem("NOT_FOUND", detail))


def _no_letter(call: Call) -> ProblemError:
    return ProblemError(
        problem("NOT_FOUND", f"there is no dead letter {call.params['dead_letter_id'][:120]!r}")
    )


def _body(endpoint: Endpoint, counted: Statistics | None = None, *, secret: str | None = None) -> WebhookBody:
    until_us = endpoint.previous_until_us if endpoint.previous_secret is not None else 0
    return WebhookBody(
        webhook_id=endpoint.endpoint_id,
        kind=endpoint.kind,
        url=endpoint.url,
        events=endpoint.events,
        note=endpoint.note,
        state=endpoint.state,
        reason=endpoint.reason,
        created_at=time_text(endpoint.created_us),
        updated_at=time_text(endpoint.updated_us),
        old_secret_until=_time(until_us),
        behind_seq=endpoint.behind_seq,
        statistics=None if counted is None else _statistics(counted),
        secret=secret,
    )


def _statistics(counted: Statistics) -> WebhookStatistics:
    return WebhookStatistics(
        pending=counted.pending,
        dead=counted.dead,
        delivered=counted.delivered,
        failed_attempts=counted.failed_attempts,
        last_delivered_at=_time(counted.last_delivered_us),
        last_failed_at=_time(counted.last_failed_us),
        last_error=counted.last_error or None,
        resting=counted.resting,
    )


def _letter(delivery: Delivery) -> DeadLetterBody:
    return DeadLetterBody(
        dead_letter_id=delivery.delivery_id,
        webhook_id=delivery.endpoint_id,
        event=delivery.event,
        body=msgspec.Raw(delivery.body),
        attempts=delivery.attempts,
        last_status=delivery.last_status,
        last_error=delivery.last_error,
        created_at=time_text(delivery.created_us),
        dead_at=time_text(delivery.dead_us),
    )


def _time(at_us: int) -> str | None:
    return time_text(at_us) if at_us else None
