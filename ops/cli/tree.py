"""`tradewarden tree`: the live tree of supervisors and actors."""

import argparse
from collections.abc import Iterator

from ops.cli.command import OK, Command, say
from ops.cli.service import ask, configure_access
from web.client import Client
from web.routes.operator import NodeBody


def command(_name: str) -> Command:
    """The subcommand."""
    return Command(
        "Show the live tree: each supervisor and actor, its state, its restarts, and what waits for it.",
        "tradewarden tree",
        configure_access,
        run,
    )


def run(asked: argparse.Namespace) -> int:
    """Ask and print."""

    async def work(client: Client) -> NodeBody:
        return await client.tree()

    for line in lines(ask(asked, work)):
        say(line)
    return OK


def lines(node: NodeBody, indent: str = "", branch: str = "") -> Iterator[str]:
    """The tree as text."""
    facts = [node.state, f"life {node.generation}"]
    if node.restarts:
        facts.append(f"{node.restarts} restarts")
    if node.mailbox:
        facts.append(f"{node.mailbox} waiting")
    if node.last_error:
        facts.append(f"last error: {node.last_error}")
    yield f"{indent}{branch}{node.address}  ({', '.join(facts)})"
    deeper = indent + {"": "", "├─ ": "│  ", "└─ ": "   "}[branch]
    for number, child in enumerate(node.children, 1):
        yield from lines(child, deeper, "└─ " if number == len(node.children) else "├─ ")
