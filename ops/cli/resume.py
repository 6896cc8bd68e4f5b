"""`tradewarden resume`: trading goes on after a kill."""

import argparse

from ops.cli.command import OK, Command, say, written
from ops.cli.service import ask, configure_access
from web.client import Client
from web.routes.operator import ResumeBody


def command(_name: str) -> Command:
    """The subcommand."""
    return Command(
        "Lift every kill and restriction in force, or some of them. Needs the scope operator.",
        'tradewarden resume --reason "the strategy was fixed"',
        configure,
        run,
    )


def configure(parser: argparse.ArgumentParser) -> None:
    """The arguments."""
    parser.add_argument("--reason", type=written, required=True, help="why; kept for ever")
    parser.add_argument(
        "--kill", action="append", default=[], metavar="ID", help="only this kill; may be repeated"
    )
    parser.add_argument("--exchange", type=written, help="only what holds for exactly this exchange")
    parser.add_argument("--symbol", type=written, help="only what holds for exactly this symbol")
    configure_access(parser)


def run(asked: argparse.Namespace) -> int:
    """Resume and say what was lifted."""

    async def work(client: Client) -> ResumeBody:
        return await client.resume(
            asked.reason, kill_ids=asked.kill, exchange=asked.exchange, symbol=asked.symbol
        )

    result = ask(asked, work)
    if result.proposal is not None:
        say("nothing was lifted yet: another person has to resume the same")
        say(f"until {result.proposal.until}: {result.proposal.what}")
        return OK
    say(f"trading is {result.trading_state}; lifted: {' '.join(result.kill_ids) or 'nothing'}")
    return OK
