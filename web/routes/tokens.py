"""Who may use the service: tokens made, listed, rotated and revoked over the API.

A token's text is in the answer that made it and nowhere else. Nobody is made more powerful than whoever
makes it.
"""

from collections.abc import Collection
from typing import Annotated, Literal

from msgspec import Meta

from actors.model.readable import readable
from web.asked import WHOLE, Asked, decoder
from web.auth.port import TokenRecord
from web.auth.tokens import new_token, rotated
from web.call import Answer, Call, answer_json
from web.problems import ProblemError, problem
from web.services import Services
from web.wire import Wire, time_text

YEAR_SECONDS = 366 * 86_400

User = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._@-]{1,64}\Z")]
Scope = Literal["read", "trade", "cancel", "operator"]


class NewToken(Asked, frozen=True, kw_only=True):
    """Who the token is for and what it may do."""

    user: User
    scopes: Annotated[list[Scope], Meta(min_length=1, max_length=4)]
    expires_in_seconds: Annotated[float, Meta(ge=1, le=10 * YEAR_SECONDS), WHOLE] | None = None
    note: Annotated[str, Meta(max_length=200)] = ""


class RotateToken(Asked, frozen=True, kw_only=True):
    """How long the old token stays valid beside the new one."""

    overlap_seconds: Annotated[float, Meta(ge=0, le=YEAR_SECONDS), WHOLE] = 86_400


class TokenBody(Wire, frozen=True, kw_only=True):
    """A token without its text."""

    token_id: str
    user: str
    scopes: tuple[str, ...]
    created_at: str
    expires_at: str | None
    revoked_at: str | None
    note: str


class MadeToken(Wire, frozen=True, kw_only=True):
    """A token that was just made, with its text."""

    token: str
    record: TokenBody


class TokenList(Wire, frozen=True, kw_only=True):
    """All tokens."""

    tokens: list[TokenBody]


_read_new = decoder(NewToken)
_read_rotate = decoder(RotateToken)


async def listed(services: Services, call: Call) -> Answer:
    """Every token, oldest first, ended ones too."""
    call.query()
    return answer_json(TokenList(tokens=[token_body(record) for record in await services.tokens.all()]))


async def made(services: Services, call: Call) -> Answer:
    """Make a token."""
    call.query()
    asked = _read_new(call.body)
    missing = [scope for scope in asked.scopes if scope not in call.principal.scopes]
    if missing:
        raise ProblemError(problem("FORBIDDEN", f"your own token lacks: {', '.join(missing)}"))
    _stay_yourself(services, call, asked.user, asked.scopes)
    now = services.clock.now_us()
    lasts = asked.expires_in_seconds
    expires = None if lasts is None else now + int(lasts) * 1_000_000
    text, record = new_token(asked.user, asked.scopes, now, expires_us=expires, note=readable(asked.note))
    call.subject = record.token_id
    await services.tokens.add(record)
    return answer_json(MadeToken(token=text, record=token_body(record)), 201)


async def rotate(services: Services, call: Call) -> Answer:
    """Make a token like this one, which ends after the overlap."""
    call.query()
    asked = _read_rotate(call.body)
    record = await _known(services, call)
    if not set(record.scopes) <= call.principal.scopes:
        raise ProblemError(problem("FORBIDDEN", "the token may do more than your own"))
    _stay_yourself(services, call, record.user, record.scopes)
    overlap_us = int(asked.overlap_seconds) * 1_000_000
    made = await rotated(services.tokens, record, services.clock.now_us(), overlap_us)
    if made is None:
        raise ProblemError(problem("NOT_FOUND", "the token has ended; make a new one"))
    text, successor = made
    call.subject = successor.token_id
    return answer_json(MadeToken(token=text, record=token_body(successor)), 201)


async def revoke(services: Services, call: Call) -> Answer:
    """Accept a token no longer; its connections are closed."""
    call.query()
    record = await _known(services, call)
    await services.tokens.revoke(record.token_id, services.clock.now_us())
    await services.keyring.refresh()
    return answer_json(token_body(await _known(services, call)))


def _stay_yourself(services: Services, call: Call, user: str, scopes: Collection[str]) -> None:
    """Where something takes two operators, none may come by the token of another one."""
    if services.settings.two_people and "operator" in scopes and user != call.principal.user:
        detail = "a second person is needed for some commands, so tokens of other operators are made on the "
        raise ProblemError(problem("FORBIDDEN", f"{detail}machine: tradewarden token create"))


async def _known(services: Services, call: Call) -> TokenRecord:
    token_id = call.params["token_id"]
    for record in await services.tokens.all():
        if record.token_id == token_id:
            return record
    raise ProblemError(problem("NOT_FOUND", f"there is no token {token_id[:64]!r}"))


def token_body(record: TokenRecord) -> TokenBody:
    """A token for the wire."""
    return TokenBody(
        token_id=record.token_id,
        user=record.user,
        scopes=record.scopes,
        created_at=time_text(record.created_us),
        expires_at=None if record.expires_us is None else time_text(record.expires_us),
        revoked_at=None if record.revoked_us is None else time_text(record.revoked_us),
        note=record.note,
    )
