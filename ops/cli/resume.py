"""`tradewarden resume`: trading goes on after a kill."""

import argparse

from ops.cli.command import OK, Command
from ops.cli.service import ask, configure_access
from web.client import Client
from web.routes.operator import ResumeBody


def command(_name: str) -> Command:
    """The subcommand."""
    return Command(
        "Lift every kill in force. Needs the scope operator.",
        'tradewarden resume --reason "the strategy was fixed"',
        configure,
        run,
    )


def configure(parser: argparse.ArgumentParser) -> None:
    """The arguments."""
    parser.add_argument("--reason", required=True, help="why; kept for ever")
    configure_access(parser)


def run(asked: argparse.Namespace) -> int:
    """Resume and say what was lifted."""

    async def work(client: Client) -> ResumeBody:
        return await client.resume(asked.reason)

    result = ask(asked, work)
    print(f"trading is {result.trading_state}; lifted: {' '.join(result.kill_ids) or 'nothing'}")
    return OK
