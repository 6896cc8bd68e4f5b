"""`tradewarden adjust`: a person records a balance change that no record of the exchange tells."""

import argparse

from ops.cli.command import OK, Command, say, written
from ops.cli.service import ask, configure_access
from web.client import Client
from web.routes.decisions import AdjustmentBody


def command(_name: str) -> Command:
    """The subcommand."""
    return Command(
        "Record that a balance changed. Transfers that the exchange's own statement tells need no help. "
        "Needs the scope operator.",
        'tradewarden adjust binance USDT --amount=-250.5 --reference wd-8f1c2 --reason "withdrawn by hand"',
        configure,
        run,
    )


def configure(parser: argparse.ArgumentParser) -> None:
    """The arguments."""
    parser.add_argument("exchange", metavar="EXCHANGE", help="the exchange account")
    parser.add_argument("asset", metavar="ASSET", help="what changed, such as USDT")
    parser.add_argument("--amount", required=True, help="by how much, signed: --amount=-250.5 for what left")
    parser.add_argument(
        "--reference",
        type=written,
        required=True,
        help="the exchange's id of it, or a name of your own; counts once",
    )
    parser.add_argument("--reason", type=written, required=True, help="why; kept for ever")
    configure_access(parser)


def run(asked: argparse.Namespace) -> int:
    """Record it and say what the account holds now."""

    async def work(client: Client) -> AdjustmentBody:
        return await client.adjust_balance(
            asked.exchange, asked.asset, asked.amount, reference=asked.reference, reason=asked.reason
        )

    now = ask(asked, work)
    say(f"{now.exchange} holds {now.total} {now.asset} as the journal knows it")
    return OK
