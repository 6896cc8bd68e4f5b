"""`tradewarden verdict`: a person says what became of an order that no machine can find."""

import argparse

from ops.cli.command import OK, Command, say, written
from ops.cli.service import ask, configure_access
from web.client import Client
from web.wire import OrderBody


def command(_name: str) -> Command:
    """The subcommand."""
    return Command(
        "Record that an exchange never took an order that is unknown, where that can't be proven. "
        "Look at the exchange first. Needs the scope operator.",
        'tradewarden verdict ORDER_ID --absent --reason "not in the order history of the site"',
        configure,
        run,
    )


def configure(parser: argparse.ArgumentParser) -> None:
    """The arguments."""
    parser.add_argument("order_id", metavar="ORDER_ID", help="the order, as the service calls it")
    parser.add_argument(
        "--absent", action="store_true", required=True, help="the exchange does not have it and never had"
    )
    parser.add_argument("--reason", type=written, required=True, help="what was looked at; kept for ever")
    configure_access(parser)


def run(asked: argparse.Namespace) -> int:
    """Judge and say how the order stands."""

    async def work(client: Client) -> OrderBody:
        return await client.judge_absent(asked.order_id, asked.reason)

    order = ask(asked, work)
    say(f"order {order.order_id} is {order.status}")
    return OK
