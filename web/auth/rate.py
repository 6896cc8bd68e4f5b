"""How often a token may ask: the generic cell rate algorithm, in whole nanoseconds.

One number per token: the theoretical arrival time of the next request. It needs no window, no timer and no
cleaning, allows a burst of one window's budget, and forgets nothing when requests come in bunches.
"""

from typing import NamedTuple

SECOND_NS = 1_000_000_000


class Verdict(NamedTuple):
    """Whether the request may pass, what is left of the budget, and when to try again (seconds)."""

    allowed: bool
    remaining: int
    retry_after_seconds: float


class Bucket:
    """A budget: `count` requests in a window (of a second, unless told otherwise), as many at once."""

    __slots__ = ("_interval_ns", "_next_ns", "_tolerance_ns", "count")

    def __init__(self, count: int, *, window_seconds: int = 1) -> None:
        self.count = count
        self._tolerance_ns = SECOND_NS * window_seconds
        self._interval_ns = self._tolerance_ns // count
        self._next_ns = 0

    def take(self, now_ns: int) -> bool:
        """Count a request at this monotonic time; False when it is one too many (it is then not counted)."""
        next_ns = max(self._next_ns, now_ns) + self._interval_ns
        if next_ns - now_ns > self._tolerance_ns:
            return False
        self._next_ns = next_ns
        return True

    def reserve(self, now_ns: int, longest_ns: int) -> int | None:
        """Count a request and say how many nanoseconds it has to wait for its turn; None (and not counted)
        when
        that is more than `longest_ns`.
        """
        next_ns = max(self._next_ns, now_ns) + self._interval_ns
        wait_ns = max(0, next_ns - now_ns - self._tolerance_ns)
        if wait_ns > longest_ns:
            return None
        self._next_ns = next_ns
        return wait_ns

    def verdict(self, now_ns: int, *, allowed: bool) -> Verdict:
        """What to tell the client about its budget."""
        ahead = max(0, self._next_ns - now_ns)
        remaining = max(0, (self._tolerance_ns - ahead) // self._interval_ns)
        wait_ns = 0 if allowed else max(0, ahead + self._interval_ns - self._tolerance_ns)
        return Verdict(allowed, remaining, wait_ns / SECOND_NS)
