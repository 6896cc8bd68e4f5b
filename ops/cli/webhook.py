"""`tradewarden webhook`: who is told what happens, and what could not be delivered."""

import argparse
import json
from collections.abc import Awaitable, Callable

from ops.cli.command import OK, Command, Failed, say, written
from ops.cli.service import ask_as, configure_access
from ops.cli.token import duration
from web.client.webhooks import WebhookClient
from web.routes.webhooks import DeadLetterBody, WebhookBody

ACTIONS = "create|list|rotate|pause|resume|test|delete|dead|show|replay"


def command(_name: str) -> Command:
    """The subcommand."""
    return Command(
        "Tell others what happens. A signing secret is shown once, when it is made.",
        "tradewarden webhook create https://hooks.example.com/x --event order_filled",
        configure,
        lambda asked: asked.act(asked),
    )


def configure(parser: argparse.ArgumentParser) -> None:
    """The actions and their arguments."""
    actions = parser.add_subparsers(required=True, metavar=ACTIONS)
    create = _action(actions, "create", "make a webhook; prints its id and its secret", _create)
    create.add_argument("url", help="https to the open internet, or a host in WEBHOOKS__ALLOW_HOSTS")
    create.add_argument("--event", action="append", default=[], help="only this event; may be repeated")
    create.add_argument("--note", type=written, default="", help="for your own memory")
    _action(actions, "list", "show all webhooks and what their deliveries came to", _list)
    rotate = _one(
        actions, "rotate", "make a new secret and print it; the old one signs too for a while", _rotate
    )
    rotate.add_argument("--overlap", type=duration, default=86400, metavar="1d", help="both sign this long")
    _one(actions, "pause", "send nothing and keep what happens for later", _pause)
    _one(actions, "resume", "send again, also what was kept", _resume)
    _one(actions, "test", "send a message that means nothing", _test)
    _one(actions, "delete", "delete it with everything that it is still owed", _delete)
    dead = _action(actions, "dead", "list what was given up", _dead)
    dead.add_argument("--webhook", help="only of this webhook")
    show = _action(actions, "show", "show one dead letter with its body", _show)
    show.add_argument("id", help="the id that `dead` shows")
    replay = _action(actions, "replay", "send dead letters again", _replay)
    which = replay.add_mutually_exclusive_group(required=True)
    which.add_argument("id", nargs="?", help="the id that `dead` shows")
    which.add_argument("--webhook", help="all of this webhook")
    which.add_argument("--all", action="store_true", help="all")


def _action(
    actions: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    summary: str,
    act: Callable[[WebhookClient, argparse.Namespace], Awaitable[list[str]]],
) -> argparse.ArgumentParser:
    parser = actions.add_parser(name, help=summary)
    configure_access(parser)

    def run(asked: argparse.Namespace) -> int:
        for line in ask_as(WebhookClient, asked, lambda client: act(client, asked)):
            say(line)
        return OK

    parser.set_defaults(act=run)
    return parser


def _one(
    actions: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    summary: str,
    act: Callable[[WebhookClient, argparse.Namespace], Awaitable[list[str]]],
) -> argparse.ArgumentParser:
    parser = _action(actions, name, summary, act)
    parser.add_argument("id", help="the id that `list` shows")
    return parser


async def _create(client: WebhookClient, asked: argparse.Namespace) -> list[str]:
    made = await client.create_webhook(asked.url, asked.event, asked.note)
    return [made.webhook_id, made.secret or ""]


async def _list(client: WebhookClient, _asked: argparse.Namespace) -> list[str]:
    return [line(each) for each in await client.webhooks()]


async def _rotate(client: WebhookClient, asked: argparse.Namespace) -> list[str]:
    return [(await client.rotate_webhook(asked.id, asked.overlap)).secret or ""]


async def _pause(client: WebhookClient, asked: argparse.Namespace) -> list[str]:
    return [line(await client.pause_webhook(asked.id))]


async def _resume(client: WebhookClient, asked: argparse.Namespace) -> list[str]:
    return [line(await client.resume_webhook(asked.id))]


async def _test(client: WebhookClient, asked: argparse.Namespace) -> list[str]:
    return [
        f"{await client.test_webhook(asked.id)} is on its way; `tradewarden webhook list` shows how it went"
    ]


async def _delete(client: WebhookClient, asked: argparse.Namespace) -> list[str]:
    return [f"deleted {(await client.delete_webhook(asked.id)).url}"]


async def _dead(client: WebhookClient, asked: argparse.Namespace) -> list[str]:
    found = [letter_line(each) async for each in client.dead_letters(asked.webhook)]
    if not found and asked.webhook is not None:
        await _known(client, asked.webhook)
    return found


async def _known(client: WebhookClient, webhook_id: str) -> None:
    """Raise Failed for a webhook that there is not: nothing found would say that all is well with it."""
    if webhook_id not in {each.webhook_id for each in await client.webhooks()}:
        raise Failed(f"there is no webhook {webhook_id!r}; `tradewarden webhook list` shows them all")


async def _show(client: WebhookClient, asked: argparse.Namespace) -> list[str]:
    found = await client.dead_letter(asked.id)
    return [letter_line(found), *json.dumps(json.loads(bytes(found.body)), indent=2).splitlines()]


async def _replay(client: WebhookClient, asked: argparse.Namespace) -> list[str]:
    count = await client.replay(asked.id) if asked.id else await client.replay_all(asked.webhook)
    return [f"{count} on their way again"]


def line(webhook: WebhookBody) -> str:
    """A webhook in one line."""
    events = ",".join(webhook.events) or "all events"
    text = f"{webhook.webhook_id}  {webhook.state:<8}  {webhook.kind}  {webhook.url}  {events}"
    counted = webhook.statistics
    if counted is not None:
        more = "" if webhook.behind_seq is None else f" and all after record {webhook.behind_seq}"
        text += f"  delivered {counted.delivered}, pending {counted.pending}{more}, dead {counted.dead}"
        text += ", resting" if counted.resting else ""
        text += f", last error: {counted.last_error}" if counted.last_error else ""
    return f"{text}  {webhook.reason}  {webhook.note}".rstrip()


def letter_line(letter: DeadLetterBody) -> str:
    """A dead letter in one line."""
    return (
        f"{letter.dead_letter_id}  {letter.event}  given up {letter.dead_at} "
        f"after {letter.attempts} attempts: {letter.last_error}"
    )
