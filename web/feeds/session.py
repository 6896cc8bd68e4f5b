"""One WebSocket connection: what it follows, and the frames that it is sent.

One task listens, one tells. The teller keeps a place in the hub for each subscription and sends whatever is
new, so order is kept and nothing is queued for a client that does not read.
"""

import math
from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec
import trio

from actors.journal.port import StoreUnavailable
from web.feeds import channels
from web.feeds.channels import Symbols
from web.feeds.hub import Hub, Item
from web.feeds.protocol import (
    NOT_UNDERSTOOD,
    Action,
    Encoded,
    ErrorFrame,
    Ping,
    PongFrame,
    Subscribe,
    Unsubscribe,
    encode,
    name_of,
)
from web.feeds.replay import REPLAYED, replay
from web.observability import Metrics
from web.port import CommandPort

MAX_MISTAKES = 20
"""A client that is not understood this often is no client of ours."""

FRAMES_AT_ONCE = 64
"""Updates that leave in one write when a subscriber is behind."""

MAX_REPLIES = 1000
"""Answers that wait for a client that does not read."""

MARKET_PAUSE_SECONDS = 0.1
"""Between two rounds of market data to one client: prices in between are conflated."""

GOING_AWAY, POLICY, TRY_LATER = 1001, 1008, 1013


class Peer(Protocol):
    """The other end. Both calls raise `Gone` when it is not there any more."""

    async def receive(self) -> Sequence[str | bytes]: ...

    async def send(self, frames: Sequence[Encoded]) -> None: ...


class Gone(Exception):
    """The client is not there any more."""


class Hangup(Exception):
    """This side ends the connection, with a close code and a reason for people."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{code} {reason}")
        self.code = code
        self.reason = reason


_decode = msgspec.json.Decoder(Subscribe | Unsubscribe | Ping).decode


class Subscription:
    """A followed channel: what it wants, where it is, and whether it got its first frames."""

    __slots__ = ("begun", "channel", "from_seq", "seq", "symbols")

    def __init__(self, channel: str, symbols: Symbols, from_seq: int | None) -> None:
        self.channel = channel
        self.symbols = symbols
        self.from_seq = from_seq
        self.seq = 0
        self.begun = False


class Session:
    """Runs one connection until it ends. `default_channel` is meant where an action names none."""

    def __init__(
        self, peer: Peer, port: CommandPort, hub: Hub, metrics: Metrics, default_channel: str | None
    ) -> None:
        self.peer = peer
        self.port = port
        self.hub = hub
        self.metrics = metrics
        self.default_channel = default_channel
        self._subscriptions: dict[str, Subscription] = {}
        self._replies: list[Encoded] = []
        self._news = trio.Event()
        self._mistakes = 0
        self.nursery: trio.Nursery
        self._decode: Callable[[str | bytes], Action] = _decode

    def wake(self) -> None:
        """Something new is in the hub, or to be answered."""
        self._news.set()

    def reply(self, frame: object) -> None:
        """Send a frame that is no update, soon."""
        if len(self._replies) >= MAX_REPLIES:
            raise Hangup(TRY_LATER, "answers are not being read")
        self._replies.append(encode(frame))
        self.wake()

    async def run(self) -> None:
        """Listen and tell until the client goes (Gone) or is sent away (Hangup)."""
        end = self.hub.follow(self)
        try:
            async with trio.open_nursery() as nursery:
                self.nursery = nursery
                nursery.start_soon(self._tell)
                await self._listen()
        finally:
            end()
            self.hub.unfollow_market(self)

    async def _listen(self) -> None:
        while True:
            for frame in await self.peer.receive():
                self.take(frame)
            self.took_all()

    def took_all(self) -> None:
        """All frames that came together were taken; for whoever acts on several at once."""

    def collect(self) -> None:
        """Turn what was finished meanwhile into replies; called before they leave."""

    def take(self, text: str | bytes) -> None:
        """One frame of the client."""
        try:
            action = self._decode(text)
        except NOT_UNDERSTOOD as error:
            self.mistake(f"not understood: {str(error)[:200]}", name=name_of(text))
            return
        self.act(action)

    def act(self, action: Action) -> None:
        """Do what the client asked for."""
        if isinstance(action, Ping):
            self.reply(PongFrame(type="pong", seq=self.hub.head))
        elif isinstance(action, Subscribe):
            self._subscribe(action)
        elif isinstance(action, Unsubscribe):
            channel = action.channel or self.default_channel
            self._subscriptions.pop(channel or "", None)
            if channel == "markets":
                self.hub.unfollow_market(self)

    def _subscribe(self, asked: Subscribe) -> None:
        channel = asked.channel or self.default_channel
        if channel is None:
            self.mistake("say which channel")
            return
        symbols = None if asked.symbols is None else frozenset(asked.symbols)
        self._subscriptions[channel] = Subscription(channel, symbols, asked.from_seq)
        if channel == "markets":
            self.hub.follow_market(self)
        self.wake()

    def mistake(
        self,
        detail: str,
        code: str = "VALIDATION",
        *,
        name: str | msgspec.UnsetType = msgspec.UNSET,
    ) -> None:
        """Say that a frame can't be acted on; raise Hangup when it is one too many."""
        self._mistakes += 1
        if self._mistakes > MAX_MISTAKES:
            raise Hangup(POLICY, "too many frames that are not understood")
        self.reply(ErrorFrame(code=code, detail=detail, id=name))

    async def _tell(self) -> None:
        market_at = -math.inf
        market_waits = False
        while True:
            with trio.CancelScope(deadline=market_at if market_waits else math.inf):
                await self._news.wait()
                self._news = trio.Event()
            market_waits = False
            self.collect()
            if self._replies:
                replies, self._replies = self._replies, []
                await self.peer.send(replies)
            for subscription in tuple(self._subscriptions.values()):
                if subscription.channel == "markets" and subscription.begun:
                    market_waits = trio.current_time() < market_at
                    if market_waits:
                        continue
                    market_at = trio.current_time() + MARKET_PAUSE_SECONDS
                await self._catch_up(subscription)

    async def _catch_up(self, subscription: Subscription) -> None:
        """Send a subscription whatever it has not seen."""
        try:
            if not subscription.begun:
                await self._begin(subscription)
                subscription.begun = True
            if subscription.channel == "markets":
                await self._tell_markets(subscription)
            else:
                await self._tell_journal(subscription)
        except StoreUnavailable as error:
            self._subscriptions.pop(subscription.channel, None)
            detail = f"the journal can't be read now ({error}); subscribe again"
            self.reply(ErrorFrame(code="JOURNAL_UNAVAILABLE", detail=detail, channel=subscription.channel))

    async def _begin(self, subscription: Subscription) -> None:
        channel, after = subscription.channel, subscription.from_seq
        if channel == "markets":
            subscription.seq, frames = await channels.snapshot_markets(
                self.port, self.hub, subscription.symbols
            )
            await self.peer.send(frames)
        elif after is None:
            await self._snapshot(subscription)
        elif after > self.hub.head or (after < self.hub.tail and channel not in REPLAYED):
            await self._gap(subscription, after)
        else:
            await self._resume(subscription, after)

    async def _snapshot(self, subscription: Subscription) -> None:
        subscription.seq, frames = await channels.snapshot(
            subscription.channel, self.port, self.hub, subscription.symbols
        )
        await self.peer.send(frames)

    async def _gap(self, subscription: Subscription, after: int) -> None:
        self.metrics.gaps.inc()
        await self.peer.send([channels.gap(subscription.channel, after, self.hub.head)])
        await self._snapshot(subscription)

    async def _resume(self, subscription: Subscription, after: int) -> None:
        subscription.seq = after
        async for item in replay(self.port, self.hub, after):
            frame = self._frame(subscription, item)
            if frame is not None:
                await self.peer.send([frame])

    async def _tell_journal(self, subscription: Subscription) -> None:
        items = self.hub.after(subscription.seq)
        if items is None:
            await self._gap(subscription, subscription.seq)
            items = self.hub.after(subscription.seq) or ()
        for at in range(0, len(items), FRAMES_AT_ONCE):
            frames = [self._frame(subscription, item) for item in items[at : at + FRAMES_AT_ONCE]]
            found = [frame for frame in frames if frame is not None]
            if found:
                await self.peer.send(found)

    def _frame(self, subscription: Subscription, item: Item) -> Encoded | None:
        """What a subscription is told of a record; None when it does not concern it. Its place moves on."""
        subscription.seq = item.seq
        if subscription.symbols is not None and item.symbol not in subscription.symbols:
            return None
        return channels.update(subscription.channel, item, self.hub)

    async def _tell_markets(self, subscription: Subscription) -> None:
        after, subscription.seq = subscription.seq, self.hub.market_seq
        frames = channels.market_updates(self.hub, after, subscription.symbols)
        if frames:
            await self.peer.send(frames)
