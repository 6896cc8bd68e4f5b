"""`tradewarden limits`: the risk limits, what is used of them, and how they came about."""

import argparse
from collections.abc import Iterator, Sequence

from ops.cli.command import OK, Command, Failed, say, written
from ops.cli.service import ask, configure_access
from web.client import Client
from web.routes.limits import LimitChangeBody, LimitResultBody, LimitsBody
from web.wire import RiskBody

ACTIONS = "used|list|set|history"


def command(_name: str) -> Command:
    """The subcommand."""
    return Command(
        "Show what is used and left of the limits (USD terms), every limit by name, or its history; "
        "change one while trading goes on (scope operator).",
        'tradewarden limits set max_pos_usd 60000 --reason "more room for the new strategy"',
        configure,
        run,
    )


def configure(parser: argparse.ArgumentParser) -> None:
    """The actions and their arguments; without one it shows what is used."""
    configure_access(parser)
    actions = parser.add_subparsers(dest="action", metavar=ACTIONS)
    _action(actions, "used", "the trading state, and what is used and left of each limit (default)")
    _action(actions, "list", "every limit by name, what the settings say, and what it may be")
    change = _action(actions, "set", "change a limit; in force for the next order")
    change.add_argument("name", help="as `list` names it")
    change.add_argument("value", help="as `list` describes it; off turns it off")
    change.add_argument("--reason", type=written, required=True, help="why; kept for ever")
    history = _action(actions, "history", "every version: when, who, why")
    history.add_argument("name", nargs="?", help="only of this limit")


def _action(
    actions: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, summary: str
) -> argparse.ArgumentParser:
    parser = actions.add_parser(name, help=summary)
    configure_access(parser, again=True)
    return parser


def run(asked: argparse.Namespace) -> int:
    """Ask and print."""

    async def work(client: Client) -> list[str]:
        if asked.action == "list":
            return list(named(await client.limits()))
        if asked.action == "set":
            return list(changed(await client.change_limit(asked.name, asked.value, asked.reason)))
        if asked.action == "history":
            return list(versions(await history(client, asked.name)))
        return list(lines(await client.risk()))

    for line in ask(asked, work):
        say(line)
    return OK


async def history(client: Client, name: str | None) -> list[LimitChangeBody]:
    """Every version of the limits, or of one; raises Failed for one that there never was."""
    found = [each async for each in client.limit_changes(name)]
    if name is not None and not found and name not in {each.name for each in (await client.limits()).limits}:
        raise Failed(f"there is no limit {name!r}; `tradewarden limits list` names them")
    return found


def lines(risk: RiskBody) -> Iterator[str]:
    """What is used of the limits, as a table."""
    yield f"trading is {risk.trading_state}; equity {risk.equity}, today ({risk.day}) {risk.day_pnl}"
    rows = [("limit", "of", "value", "used", "left")]
    rows += [
        (each.code, each.symbol or each.exchange or "-", each.limit, each.used, each.headroom)
        for each in risk.limits
    ]
    yield from table(rows, "<<>>>")


def named(limits: LimitsBody) -> Iterator[str]:
    """Every limit by name."""
    rows = [("limit", "value", "settings", "may be")]
    rows += [(each.name, each.value, each.settings, each.allowed) for each in limits.limits]
    yield from table(rows, "<<<<")
    for each in limits.proposals:
        yield f"waits for a second person until {each.until}: {each.what} (by {each.by}: {each.reason})"


def changed(result: LimitResultBody) -> Iterator[str]:
    """What became of a change."""
    if result.status == "set":
        people = result.by if result.approved_by is None else f"{result.by} and {result.approved_by}"
        yield f"{result.name} is {result.value}, it was {result.old}; by {people}"
    elif result.proposal is not None:
        yield "nothing has changed yet: this is looser, so another person has to ask for the same"
        yield f"until {result.proposal.until}: {result.proposal.what}"
    else:
        yield f"it is not known whether it changed ({result.detail}); look with `tradewarden limits list`"


def versions(changes: Sequence[LimitChangeBody]) -> Iterator[str]:
    """Every version of the limits."""
    rows = [("when", "limit", "was", "is", "by", "why")]
    for each in changes:
        people = each.by if each.approved_by is None else f"{each.by} and {each.approved_by}"
        rows.append((each.at, each.name, each.old or "-", each.new, people, each.reason))
    yield from table(rows, "<<<<<<")


def table(rows: Sequence[Sequence[str]], alignment: str) -> Iterator[str]:
    """Rows in columns, `<` to the left and `>` to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(alignment))]
    for row in rows:
        cells = [f"{cell:{side}{width}}" for cell, side, width in zip(row, alignment, widths, strict=True)]
        yield "  ".join(cells).rstrip()
