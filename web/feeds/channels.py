"""What each channel tells: its snapshot, and the data of an update.

One table of channels. `orders` and `fills` tell every event, one frame each, never conflated; a snapshot of
many orders comes in several frames of which all but the last say `more`.
"""

from collections.abc import Callable, Sequence

from actors.model.events import type_name
from actors.model.messages import Mark
from actors.model.results import PositionView
from web.feeds.hub import Hub, Item
from web.feeds.protocol import Encoded, Frame, encode
from web.port import CommandPort
from web.wire import Wire, event_body, fill_body, mark_body, order_body, position_body, risk_body

SNAPSHOT_ORDERS = 100
"""Orders in one frame of a snapshot: some 50 KiB, which every client library takes."""

RISK_EVENTS = frozenset({"LimitChanged", "LimitBreached", "DayOpened", "TradingStateChanged"})
SYSTEM_EVENTS = frozenset({"RuntimeStarted", "KillEngaged", "TradingResumed", "TradingStateChanged"})

Symbols = frozenset[str] | None
"""The symbols that a subscriber wants; None means all."""


class SystemBody(Wire, frozen=True, kw_only=True):
    """How the runtime is."""

    trading_state: str
    ready: bool
    not_ready: tuple[dict[str, str], ...]


def _orders(item: Item, hub: Hub) -> object | None:
    order = item.change.order
    return None if order is None else order_body(order)


def _positions(item: Item, hub: Hub) -> object | None:
    position = item.change.position
    if position is None:
        return None
    known = hub.marks.get((position.exchange, position.symbol))
    return position_body(PositionView(position=position, mark=None if known is None else known[1].mark))


def _fills(item: Item, hub: Hub) -> object | None:
    fill = item.change.fill
    return None if fill is None else fill_body(fill)


def _risk(item: Item, hub: Hub) -> object | None:
    return event_body(item.record) if type_name(item.record.event) in RISK_EVENTS else None


def _system(item: Item, hub: Hub) -> object | None:
    return event_body(item.record) if type_name(item.record.event) in SYSTEM_EVENTS else None


def snapshot_orders(port: CommandPort, symbols: Symbols) -> Sequence[Encoded]:
    """The open orders, oldest first."""
    found = [
        order_body(order)
        for order in port.book.orders.values()
        if symbols is None or order.intent.symbol in symbols
    ]
    pages = [found[at : at + SNAPSHOT_ORDERS] for at in range(0, len(found), SNAPSHOT_ORDERS)] or [[]]
    seq = port.head
    last = len(pages) - 1
    return [
        _snapshot("orders", seq, {"orders": page, "more": number < last}) for number, page in enumerate(pages)
    ]


def snapshot_positions(port: CommandPort, hub: Hub, symbols: Symbols) -> Sequence[Encoded]:
    """All positions, ordered by exchange and symbol."""
    found = []
    for (exchange, symbol), position in sorted(port.book.positions.items()):
        if symbols is None or symbol in symbols:
            known = hub.marks.get((exchange, symbol))
            view = PositionView(position=position, mark=None if known is None else known[1].mark)
            found.append(position_body(view))
    return [_snapshot("positions", port.head, {"positions": found})]


async def snapshot(
    channel: str, port: CommandPort, hub: Hub, symbols: Symbols
) -> tuple[int, Sequence[Encoded]]:
    """The frames of a channel's snapshot, and the sequence that updates continue from."""
    seq = port.head
    if channel == "orders":
        return seq, snapshot_orders(port, symbols)
    if channel == "positions":
        return seq, snapshot_positions(port, hub, symbols)
    if channel == "fills":
        return seq, [_snapshot("fills", seq, {"fills": []})]
    view = await port.risk()
    if channel == "risk":
        return seq, [_snapshot("risk", seq, risk_body(view))]
    missing = port.readiness()
    body = SystemBody(
        trading_state=view.trading_state,
        ready=not missing,
        not_ready=tuple({"what": each.what, "why": each.why} for each in missing),
    )
    return seq, [_snapshot("system", seq, body)]


async def snapshot_markets(port: CommandPort, hub: Hub, symbols: Symbols) -> tuple[int, Sequence[Encoded]]:
    """The newest prices, one frame an instrument; one without data when there is no price yet."""
    seq = hub.market_seq
    marks = [mark_body(mark) for mark in await port.marks() if symbols is None or mark.symbol in symbols]
    return seq, [_snapshot("markets", seq, mark) for mark in marks] or [_snapshot("markets", seq, {})]


def update(channel: str, item: Item, hub: Hub) -> Encoded | None:
    """The frame of a record on a channel, encoded once for all; None when it does not concern the channel."""
    if item.frames is None:
        item.frames = {}
    elif channel in item.frames:
        return item.frames[channel]
    data = UPDATES[channel](item, hub)
    frame = None
    if data is not None:
        frame = encode(Frame(channel=channel, type="update", seq=item.seq, data=data))
    item.frames[channel] = frame
    return frame


def market_updates(hub: Hub, after: int, symbols: Symbols) -> Sequence[Encoded]:
    """The newest price of each instrument that changed since, oldest change first."""
    changed: list[tuple[int, Mark]] = sorted(
        (
            each
            for each in hub.marks.values()
            if each[0] > after and (symbols is None or each[1].symbol in symbols)
        ),
        key=lambda each: each[0],
    )
    return [
        encode(Frame(channel="markets", type="update", seq=seq, data=mark_body(mark)))
        for seq, mark in changed
    ]


def gap(channel: str, after: int, head: int) -> Encoded:
    """The frame that says that the updates after `after` up to `head` can't be told."""
    return encode(Frame(channel=channel, type="gap", seq=head, data={"after": after, "upTo": head}))


def _snapshot(channel: str, seq: int, data: object) -> Encoded:
    return encode(Frame(channel=channel, type="snapshot", seq=seq, data=data))


UPDATES: dict[str, Callable[[Item, Hub], object | None]] = {
    "orders": _orders,
    "positions": _positions,
    "fills": _fills,
    "risk": _risk,
    "system": _system,
}
