"""`tradewarden watch`: what happens, as it happens, one line each; ends with Ctrl+C."""

import argparse
from collections.abc import Mapping
from functools import partial
from typing import Any

import msgspec
import trio

from ops.cli.command import OK, Command, Failed
from ops.cli.service import ask, configure_access
from web.client import Client, FeedFrame, FeedRefused

CHANNELS = ("orders", "fills", "positions", "markets", "risk", "system")
DEFAULT = ("orders", "fills", "positions", "system")


def command(_name: str) -> Command:
    """The subcommand."""
    return Command(
        "Show live orders, fills, positions and the state of trading; a lost connection is taken up again.",
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
    parser.add_argument("--count", type=int, help="end after so many lines")
    configure_access(parser)


def run(asked: argparse.Namespace) -> int:
    """Follow and print."""
    left = asked.count

    async def follow(client: Client, channel: str, scope: trio.CancelScope) -> None:
        nonlocal left
        async with client.feed(channel, symbols=asked.symbol) as frames:
            async for frame in frames:
                for line in [encoded(frame)] if asked.json else lines(frame):
                    print(line, flush=True)
                    if left is not None:
                        left -= 1
                        if left <= 0:
                            scope.cancel()
                            return

    async def work(client: Client) -> None:
        await client.risk()
        async with trio.open_nursery() as nursery:
            for channel in asked.channel or DEFAULT:
                nursery.start_soon(partial(follow, client, channel, nursery.cancel_scope))

    try:
        ask(asked, work)
    except* FeedRefused as group:
        raise Failed(str(group.exceptions[0])) from None
    return OK


def encoded(frame: FeedFrame) -> str:
    """A frame as JSON again."""
    return msgspec.json.encode(frame).decode()


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
