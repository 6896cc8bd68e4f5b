"""MarketDataActor: one mailbox for the prices of every exchange.

Brokers tell it ticks, conflated by instrument, so a burst costs one message each. It tells risk the new
mark, again conflated, and the feed's listeners at once. It asks nobody and waits for nothing.
"""

from typing import ClassVar

from actors.kernel import MailboxSpec, Ref, TrioActor
from actors.market.board import Board
from actors.market.feed import MarketFeed
from actors.model.clock import Clock
from actors.model.messages import BrokerState, Mark, Marks, ReadMarks, Tick


def conflation_key(exchange: str, symbol: str) -> str:
    """The key under which ticks and marks of an instrument replace each other in a mailbox."""
    return f"{exchange}/{symbol}"


class MarketDataActor(TrioActor):
    """Address "market". Takes `Tick` and `BrokerState`, answers `ReadMarks` with `Marks`."""

    rank: ClassVar[int | None] = 15
    mailbox: ClassVar[MailboxSpec] = MailboxSpec(capacity=4096, policy="drop_oldest")

    def __init__(self, *, clock: Clock, feed: MarketFeed) -> None:
        super().__init__()
        self._clock = clock
        self._feed = feed
        self._board = Board()
        self._risk: Ref | None = None

    async def on_start(self) -> None:
        """Begin with the prices that a former life left in the feed, with the ages that they have."""
        self._risk = self.system.ref("risk")
        self._board = Board(self._feed.marks())
        for mark in self._board.marks():
            self._tell_risk(mark)

    def on_receive(self, message: object) -> object:
        """Ticks are by far the most frequent."""
        if isinstance(message, Tick):
            self._take(message)
        elif isinstance(message, ReadMarks):
            return Marks(marks=self._board.marks())
        elif not isinstance(message, BrokerState):
            return super().on_receive(message)
        return None

    def _take(self, tick: Tick) -> None:
        mark = self._board.take(tick, self._clock.now_us())
        if mark is not None:
            self._tell_risk(mark)
            self._feed.publish(mark)

    def _tell_risk(self, mark: Mark) -> None:
        if self._risk is not None and self._risk.is_alive():
            self._risk.tell(mark, key=conflation_key(mark.exchange, mark.symbol))
