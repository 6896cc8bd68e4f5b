"""`tradewarden watch`: what happens, as it happens, one line each; ends with Ctrl+C.

Orders, fills, positions and the state of trading are feeds. The tree of actors is asked for once a second;
the nodes that changed are told, so that a restart, its reason and the recovery are seen beside the orders.
"""

import argparse
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

import msgspec
import trio

from ops.cli.command import OK, Command, Failed, at_least_one, say
from ops.cli.service import ask, configure_access
from web.client import Client, FeedFrame, FeedRefused, Unreachable
from web.routes.operator import NodeBody

TREE = "tree"
CHANNELS = ("orders", "fills", "positions", "markets", "risk", "system", TREE)
DEFAULT = ("orders", "fills", "positions", "system", TREE)
TREE_SECONDS = 1.0


def command(_name: str) -> Command:
    """The subcommand."""
    return Command(
        "Show live orders, fills, positions and the tree of actors; a lost connection is taken up again.",
        "tradewarden watch --channel orders --symbol BTC/USDT",
        configure,
        run,
    )


def configure(parser: argparse.ArgumentParser) -> None:
    """The arguments."""
    parser.add_argument(
        "--channel", action="append", choices=CHANNELS, help="what to follow (default: all but prices)"
    )
    parser.add_argument("--symbol", action="append", help="only this symbol; may be given several times")
    parser.add_argument(
        "--json", action="store_true", help="print the frames as they come, one JSON object a line"
    )
    parser.add_argument("--count", type=at_least_one, help="end after so many lines")
    configure_access(parser)


def run(asked: argparse.Namespace) -> int:
    """Follow and print."""

    async def work(client: Client) -> None:
        await client.risk()
        async with trio.open_nursery() as nursery:
            watching = _Watching(client, asked, nursery.cancel_scope)
            for channel in asked.channel or DEFAULT:
                if channel == TREE:
                    nursery.start_soon(watching.follow_tree)
                else:
                    nursery.start_soon(watching.follow, channel)

    try:
        ask(asked, work)
    except* FeedRefused as group:
        raise Failed(str(group.exceptions[0])) from None
    return OK


class _Watching:
    """Prints what is followed; after so many lines as were asked for, everything ends."""

    def __init__(self, client: Client, asked: argparse.Namespace, ends: trio.CancelScope) -> None:
        self._client = client
        self._symbols = asked.symbol
        self._json = asked.json
        self._left = asked.count
        self._ends = ends

    async def follow(self, channel: str) -> None:
        """Print the frames of a channel."""
        async with self._client.feed(channel, symbols=self._symbols) as frames:
            async for frame in frames:
                self._show([encoded(frame)] if self._json else lines(frame))

    async def follow_tree(self) -> None:
        """Print the nodes of the tree that changed. While the service is away the feeds look for it."""
        before: Mapping[str, NodeBody] = {}
        while True:
            with suppress(Unreachable):
                now = nodes(await self._client.tree())
                changed = [node for address, node in now.items() if differs(before.get(address), node)]
                gone = [node for address, node in before.items() if address not in now]
                told = [*changed, *(msgspec.structs.replace(node, state="gone") for node in gone)]
                self._show([encoded_node(node) if self._json else node_line(node) for node in told])
                before = now
            await trio.sleep(TREE_SECONDS)

    def _show(self, found: Iterable[str]) -> None:
        for line in found:
            if self._left is not None:
                if self._left <= 0:
                    return
                self._left -= 1
            say(line)
            if self._left == 0:
                self._ends.cancel()


def encoded(frame: FeedFrame) -> str:
    """A frame as JSON again, with the members that the contract gives it."""
    if frame.type == "error":
        told: dict[str, object] = {"type": frame.type, "code": frame.code, "detail": frame.detail}
    else:
        told = {"channel": frame.channel, "type": frame.type, "seq": frame.seq, "data": frame.data}
    return msgspec.json.encode(told).decode()


def nodes(root: NodeBody) -> dict[str, NodeBody]:
    """The tree as a list, parents first, each without those below it."""
    found = {root.address: msgspec.structs.replace(root, children=())}
    for child in root.children:
        found.update(nodes(child))
    return found


def differs(before: NodeBody | None, now: NodeBody) -> bool:
    """Whether there is news of a node; how much waits for it changes all the time and is none."""
    return before is None or msgspec.structs.replace(before, mailbox=now.mailbox) != now


def encoded_node(node: NodeBody) -> str:
    """A node as JSON, in the form of a feed's frame."""
    return msgspec.json.encode({"channel": TREE, "type": "update", "data": node}).decode()


def node_line(node: NodeBody) -> str:
    """A node for people."""
    facts = [node.state, f"life {node.generation}"]
    if node.restarts:
        facts.append(f"{node.restarts} restarts")
    if node.last_error:
        facts.append(f"last error: {node.last_error}")
    return f"{'':>8}  {TREE:<9} {node.address}  {', '.join(facts)}"


def lines(frame: FeedFrame) -> list[str]:
    """A frame for people: one line, or one for each row of a snapshot."""
    if frame.type == "error":
        return [f"error {frame.code}: {frame.detail}"]
    if frame.type == "gap":
        return [f"{frame.channel}: updates were missed; what follows is the state as of {frame.seq}"]
    data: dict[str, Any] = msgspec.json.decode(frame.data)
    if frame.type == "snapshot" and isinstance(data.get(frame.channel), list):
        return [_line(frame, row, "now") for row in data[frame.channel]]
    return [_line(frame, data, str(frame.seq))] if data else []


def _line(frame: FeedFrame, row: Mapping[str, Any], seq: str) -> str:
    text = _TEXTS.get(frame.channel, _other)(row)
    return f"{seq:>8}  {frame.channel:<9} {text}"


def _order(row: Mapping[str, Any]) -> str:
    price = f" @ {row['limitPrice']}" if row["limitPrice"] else ""
    price += f" from {row['stopPrice']}" if row.get("stopPrice") else ""
    why = f"  {row['code'] or ''} {row['reason'] or ''}".rstrip()
    amount = f"{row['filledQty']}/{row['qty']}{price}"
    return f"{row['symbol']:<10} {row['side']:<4} {amount}  {row['status']}  {row['orderId']}{why}"


def _fill(row: Mapping[str, Any]) -> str:
    cost = f"{row['qty']} @ {row['price']}  fee {row['fee']} {row['feeCurrency']}"
    return f"{row['symbol']:<10} {row['side']:<4} {cost}  {row['orderId']}"


def _position(row: Mapping[str, Any]) -> str:
    earned = f"realised {row['realizedPnl']}  unrealised {row['unrealizedPnl']}"
    return f"{row['symbol']:<10} {row['qty']} @ {row['avgPrice']}  {earned}  {row['exchange']}"


def _market(row: Mapping[str, Any]) -> str:
    return f"{row['symbol']:<10} bid {row['bid']}  ask {row['ask']}  last {row['last']}  {row['exchange']}"


def _other(row: Mapping[str, Any]) -> str:
    if "tradingState" in row:
        return f"trading is {row['tradingState']}"
    return f"{row.get('type', '')} {msgspec.json.encode(row.get('payload', row)).decode()}"


_TEXTS = {"orders": _order, "fills": _fill, "positions": _position, "markets": _market}
