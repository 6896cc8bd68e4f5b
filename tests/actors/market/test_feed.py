"""The feed keeps the newest marks and tells everybody, also when one of them fails."""

from decimal import Decimal

import pytest

from actors.market.feed import MarketFeed
from actors.model.messages import Mark


def mark(price: int = 100, symbol: str = "BTC/USDT") -> Mark:
    """A mark of the simulated exchange."""
    return Mark(
        exchange="sim", symbol=symbol, bid=None, ask=None, last=None, mark=Decimal(price), at_us=price
    )


def test_listeners_are_told_in_order_until_they_unsubscribe() -> None:
    """Twice is harmless."""
    feed, heard = MarketFeed(), []
    end = feed.subscribe(lambda told: heard.append(("a", told.mark)))
    feed.subscribe(lambda told: heard.append(("b", told.mark)))
    feed.publish(mark(1))
    end()
    end()
    feed.publish(mark(2))
    assert heard == [("a", 1), ("b", 1), ("b", 2)]


def test_only_the_newest_mark_is_kept() -> None:
    """Memory grows with instruments, not with time."""
    feed = MarketFeed()
    for price in range(1, 50):
        feed.publish(mark(price))
    feed.publish(mark(7, "AAA/USDT"))
    assert [(kept.symbol, kept.mark) for kept in feed.marks()] == [("AAA/USDT", 7), ("BTC/USDT", 49)]


def test_a_listener_that_raises_keeps_nobody_from_hearing() -> None:
    """Its error comes out all the same."""
    feed, heard = MarketFeed(), []

    def broken(_mark: Mark) -> None:
        raise ValueError("broken")

    feed.subscribe(broken)
    feed.subscribe(heard.append)
    with pytest.raises(ExceptionGroup) as caught:
        feed.publish(mark())
    assert isinstance(caught.value.exceptions[0], ValueError)
    assert heard == [mark()]
    assert feed.marks() == (mark(),)


def test_a_listener_may_unsubscribe_while_it_is_told() -> None:
    """The round that is under way still reaches everybody."""
    feed, heard = MarketFeed(), []
    ends = []

    def once(told: Mark) -> None:
        heard.append(told.mark)
        ends[0]()

    ends.append(feed.subscribe(once))
    feed.subscribe(lambda told: heard.append(told.mark))
    feed.publish(mark(1))
    feed.publish(mark(2))
    assert heard == [1, 1, 2]
