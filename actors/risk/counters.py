"""Counting what happened lately: sliding windows on the injected clock. Pure, constant cost per event.

What has left the window is forgotten with each event as well as with each question: nobody may ever ask.
"""

from collections import deque
from collections.abc import Hashable


class SlidingCount:
    """How many events fell into the last window. Times in microseconds and never going back by more than
    noise.
    """

    __slots__ = ("_times",)

    def __init__(self) -> None:
        self._times: deque[int] = deque()

    def add(self, now_us: int, window_us: int) -> None:
        """An event happened."""
        self._times.append(now_us)
        self.within(now_us, window_us)

    def within(self, now_us: int, window_us: int) -> int:
        """Events later than `now - window`; older ones are forgotten."""
        times = self._times
        while times and times[0] <= now_us - window_us:
            times.popleft()
        return len(times)


class KeyedCount:
    """A sliding count for each key; keys without recent events take no memory."""

    __slots__ = ("_counts", "_order")

    def __init__(self) -> None:
        self._order: deque[tuple[int, Hashable]] = deque()
        self._counts: dict[Hashable, int] = {}

    def add(self, key: Hashable, now_us: int, window_us: int) -> None:
        """An event of this key happened."""
        self._order.append((now_us, key))
        self._counts[key] = self._counts.get(key, 0) + 1
        self.within(key, now_us, window_us)

    def within(self, key: Hashable, now_us: int, window_us: int) -> int:
        """Events of this key later than `now - window`."""
        order = self._order
        while order and order[0][0] <= now_us - window_us:
            _, old = order.popleft()
            left = self._counts[old] - 1
            if left:
                self._counts[old] = left
            else:
                del self._counts[old]
        return self._counts.get(key, 0)
