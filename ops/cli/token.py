"""`tradewarden token`: who may use the service.

Works on the database itself, whether or not the service runs.
"""

import argparse
import getpass
import re
import socket
import time
from collections.abc import Sequence
from datetime import UTC, datetime

from ops.cli.command import OK, Command, Failed, say, written
from web.audit import AuditTrail
from web.auth.port import SCOPES, TokenRecord, TokenStore
from web.auth.tokens import new_token, rotate

_DURATION = re.compile(r"(\d{1,6})([smhd])").fullmatch
_UNIT_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def command(_name: str) -> Command:
    """The subcommand."""
    return Command(
        "Make, list, rotate and revoke tokens. A token is shown once, when it is made; its hash is kept.",
        "tradewarden token create --user ann --scope read --scope trade",
        configure,
        lambda asked: asked.act(asked),
    )


def configure(parser: argparse.ArgumentParser) -> None:
    """The actions and their arguments."""
    actions = parser.add_subparsers(required=True, metavar="create|list|rotate|revoke")
    create = actions.add_parser("create", help="make a token and print it, and nothing else")
    create.add_argument(
        "--user", required=True, type=_name, help="who it is for: appears in logs and journal"
    )
    create.add_argument(
        "--scope",
        action="append",
        required=True,
        choices=SCOPES,
        help="what it may do; may be given several times",
    )
    create.add_argument("--expires", type=duration, metavar="30d", help="how long it is valid (s, m, h, d)")
    create.add_argument("--note", type=written, default="", help="for your own memory")
    create.set_defaults(act=_create)
    listing = actions.add_parser("list", help="show all tokens, without their text")
    listing.set_defaults(act=_list)
    rotation = actions.add_parser(
        "rotate", help="make a new token like an old one, which ends after an overlap"
    )
    rotation.add_argument("id", help="the id that `list` shows")
    rotation.add_argument(
        "--overlap", type=duration, default=86400, metavar="1d", help="both are valid this long"
    )
    rotation.set_defaults(act=_rotate)
    revocation = actions.add_parser("revoke", help="accept a token no longer; its connections are closed")
    revocation.add_argument("id", help="the id that `list` shows")
    revocation.set_defaults(act=_revoke)


def duration(text: str) -> int:
    """Seconds of a duration such as 30d."""
    found = _DURATION(text)
    if found is None or int(found[1]) == 0:
        raise argparse.ArgumentTypeError(f"{text!r}: a number and one of s, m, h, d is needed, such as 30d")
    return int(found[1]) * _UNIT_SECONDS[found[2]]


def _name(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._@-]{1,64}", text):
        raise argparse.ArgumentTypeError("1 to 64 of A-Z a-z 0-9 . _ @ - are needed")
    return text


def _now_us() -> int:
    return time.time_ns() // 1000


def _create(asked: argparse.Namespace) -> int:
    from ops.cli.database import with_tokens

    now = _now_us()
    expires = None if asked.expires is None else now + asked.expires * 1_000_000
    text, record = new_token(asked.user, asked.scope, now, expires_us=expires, note=asked.note)

    async def work(store: TokenStore, trail: AuditTrail) -> None:
        await store.add(record)
        _note(trail, "makeToken", record.token_id)

    with_tokens(work)
    say(text)
    return OK


def _list(_asked: argparse.Namespace) -> int:
    from ops.cli.database import with_tokens

    async def work(store: TokenStore, _trail: AuditTrail) -> Sequence[TokenRecord]:
        return await store.all()

    now = _now_us()
    for record in with_tokens(work):
        state = "valid" if record.alive(now) else "ended"
        ends = min(
            (each for each in (record.expires_us, record.revoked_us) if each is not None), default=None
        )
        until = "" if ends is None else f"{' until' if record.alive(now) else ''} {_time(ends)}"
        scopes = ",".join(record.scopes)
        say(f"{record.token_id}  {record.user:<16} {scopes:<28} {state}{until}  {record.note}".rstrip())
    return OK


def _rotate(asked: argparse.Namespace) -> int:
    from ops.cli.database import with_tokens

    async def work(store: TokenStore, trail: AuditTrail) -> str | None:
        made = await rotate(store, asked.id, _now_us(), asked.overlap * 1_000_000)
        _note(trail, "rotateToken", asked.id, 404 if made is None else 201)
        return made

    text = with_tokens(work)
    if text is None:
        raise Failed(f"there is no valid token {asked.id!r}; `tradewarden token list` shows them")
    say(text)
    return OK


def _revoke(asked: argparse.Namespace) -> int:
    from ops.cli.database import with_tokens

    async def work(store: TokenStore, trail: AuditTrail) -> bool:
        known = await store.revoke(asked.id, _now_us())
        _note(trail, "revokeToken", asked.id, 200 if known else 404)
        return known

    if not with_tokens(work):
        raise Failed(f"there is no token {asked.id!r}; `tradewarden token list` shows them")
    say("revoked; a running service refuses it within seconds")
    return OK


def _note(trail: AuditTrail, action: str, token_id: str, status: int = 201) -> None:
    """Who did it here is a user of this machine."""
    trail.note(
        at_us=_now_us(),
        user=getpass.getuser(),
        token_id="",
        client=socket.gethostname(),
        action=action,
        method="CLI",
        path="tradewarden token",
        subject=token_id[:64],
        status=status,
        correlation_id="",
    )


def _time(at_us: int) -> str:
    return datetime.fromtimestamp(at_us / 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
