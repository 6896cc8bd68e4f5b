"""`tradewarden audit`: who asked the service to change something, from where, and what it answered."""

import argparse
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from ops.cli.command import OK, Command, Failed, at_least_one, say
from ops.cli.limits import table
from ops.cli.service import ask, configure_access
from ops.cli.token import duration
from web.client import Client
from web.routes.audit import AuditBody

SHOWN = 20


def command(_name: str) -> Command:
    """The subcommand."""
    return Command(
        "Show the calls that were to change something, newest first, whatever came of them.",
        "tradewarden audit --user ann --since 1d",
        configure,
        run,
    )


def configure(parser: argparse.ArgumentParser) -> None:
    """The arguments."""
    parser.add_argument("--user", help="only calls of this user; '' for those without a valid token")
    parser.add_argument("--action", help="only this action, such as placeOrder")
    parser.add_argument("--since", type=duration, help="only of so long: 30m, 12h, 7d")
    parser.add_argument(
        "--limit", type=at_least_one, default=SHOWN, help=f"at most so many (default {SHOWN})"
    )
    configure_access(parser)


def run(asked: argparse.Namespace) -> int:
    """Ask and print."""
    since = "" if asked.since is None else ago(asked.since)

    async def work(client: Client) -> list[AuditBody]:
        found: list[AuditBody] = []
        async for entry in client.audit():
            if entry.at < since or len(found) >= asked.limit:
                break
            if asked.user in (None, entry.user) and asked.action in (None, entry.action):
                found.append(entry)
        return found

    for line in lines(ask(asked, work)):
        say(line)
    return OK


def ago(seconds: int) -> str:
    """A time as the service writes it; such texts sort as the times do."""
    try:
        since = datetime.now(UTC) - timedelta(seconds=seconds)
    except OverflowError as error:
        raise Failed("--since reaches back beyond the first year; leave it out to see everything") from error
    return since.isoformat(timespec="microseconds").replace("+00:00", "Z")


def lines(entries: Sequence[AuditBody]) -> Iterator[str]:
    """The entries as a table."""
    rows = [("when", "who", "from", "action", "status", "what", "correlation id")]
    rows += [
        (
            each.at,
            each.user or "-",
            each.client or "-",
            each.action,
            str(each.status),
            each.subject or each.path,
            each.correlation_id,
        )
        for each in entries
    ]
    yield from table(rows, "<<<<><<")
    unrecorded = sum(each.unrecorded for each in entries)
    if unrecorded:
        yield f"{unrecorded} more could not be recorded"
