"""What was committed lately, kept once for all subscribers.

A subscriber is a place in this ring, not a queue: a slow one costs nothing, holds nobody up, and finds out
that it has fallen behind when its place has left the ring. Each frame is encoded once, however many read
it. Market data are kept newest-per-instrument, so they are conflated for whoever can't follow.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

from actors.model.book import Change
from actors.model.journal import Record
from actors.model.messages import Mark
from web.feeds.protocol import Encoded
from web.port import Feed

RING = 8192
"""How many committed records can be resumed from memory; older ones are read from the journal."""


class Item:
    """One committed record, what it changed, and its frames by channel as far as somebody asked for them."""

    __slots__ = ("change", "frames", "record")

    def __init__(self, record: Record, change: Change) -> None:
        self.record = record
        self.change = change
        self.frames: dict[str, Encoded | None] | None = None

    @property
    def seq(self) -> int:
        """The journal's sequence."""
        return self.record.seq

    @property
    def symbol(self) -> str | None:
        """The symbol that it is about, None when it is about none."""
        change = self.change
        if change.order is not None:
            return change.order.intent.symbol
        if change.position is not None:
            return change.position.symbol
        return getattr(self.record.event, "symbol", None)


class Follower(Protocol):
    """Who is woken: a session with subscriptions."""

    def wake(self) -> None:
        """Something new is in the hub. Must neither block nor raise."""
        ...


class Hub:
    """Follows the runtime for as long as it is open; `close` ends that."""

    def __init__(self, feed: Feed, capacity: int = RING) -> None:
        self.feed = feed
        self.capacity = capacity
        self.market_seq = 0
        self.marks: dict[tuple[str, str], tuple[int, Mark]] = {}
        self._items: list[Item] = []
        self._next_seq = feed.head + 1
        self._journal_followers: dict[Follower, None] = {}
        self._market_followers: dict[Follower, None] = {}
        self._ends = (feed.subscribe(self._take), feed.subscribe_market(self._take_mark))

    @property
    def head(self) -> int:
        """The newest sequence in the ring."""
        return self._next_seq - 1

    @property
    def tail(self) -> int:
        """The sequence after which the ring knows everything."""
        return self._next_seq - 1 - len(self._items)

    def after(self, seq: int) -> Sequence[Item] | None:
        """Everything later than `seq`, oldest first; None when some of it has left the ring."""
        missing = self.head - seq
        if missing <= 0:
            return ()
        if missing > len(self._items):
            return None
        return self._items[len(self._items) - missing :]

    def follow(self, follower: Follower) -> Callable[[], None]:
        """Wake `follower` at each commit; return what ends it."""
        self._journal_followers[follower] = None

        def end() -> None:
            self._journal_followers.pop(follower, None)

        return end

    def follow_market(self, follower: Follower) -> None:
        """Wake `follower` at each price, until `unfollow_market`."""
        self._market_followers[follower] = None

    def unfollow_market(self, follower: Follower) -> None:
        """Wake `follower` at prices no longer."""
        self._market_followers.pop(follower, None)

    def close(self) -> None:
        """Follow the runtime no longer."""
        for end in self._ends:
            end()

    def _take(self, records: Sequence[Record], changes: Sequence[Change]) -> None:
        self._items.extend(Item(record, change) for record, change in zip(records, changes, strict=True))
        self._next_seq = records[-1].seq + 1
        if len(self._items) > 2 * self.capacity:
            del self._items[: -self.capacity]
        for follower in tuple(self._journal_followers):
            follower.wake()

    def _take_mark(self, mark: Mark) -> None:
        self.market_seq += 1
        self.marks[mark.exchange, mark.symbol] = (self.market_seq, mark)
        for follower in tuple(self._market_followers):
            follower.wake()
