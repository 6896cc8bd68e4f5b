"""`tradewarden limits`: the risk limits and what is used of them."""

import argparse
from collections.abc import Iterator

from ops.cli.command import OK, Command
from ops.cli.service import ask, configure_access
from web.client import Client
from web.wire import RiskBody


def command(_name: str) -> Command:
    """The subcommand."""
    return Command(
        "Show the trading state, the limits in force, and what is used and left of each (USD terms).",
        "tradewarden limits",
        configure_access,
        run,
    )


def run(asked: argparse.Namespace) -> int:
    """Ask and print."""

    async def work(client: Client) -> RiskBody:
        return await client.risk()

    for line in lines(ask(asked, work)):
        print(line)
    return OK


def lines(risk: RiskBody) -> Iterator[str]:
    """The limits as a table."""
    yield f"trading is {risk.trading_state}; equity {risk.equity}, today ({risk.day}) {risk.day_pnl}"
    rows = [("limit", "symbol", "value", "used", "left")]
    rows += [(each.code, each.symbol or "-", each.limit, each.used, each.headroom) for each in risk.limits]
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    for row in rows:
        left = f"{row[0]:<{widths[0]}}  {row[1]:<{widths[1]}}"
        yield f"{left}  {row[2]:>{widths[2]}}  {row[3]:>{widths[3]}}  {row[4]:>{widths[4]}}"
