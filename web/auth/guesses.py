"""Slows down whoever tries tokens: a budget of failures for each address that requests come from.

A valid token is never slowed down, wherever it comes from; only failures are counted.
"""

from collections import OrderedDict

from web.auth.rate import Bucket

FAILURES_PER_SECOND = 5
MAX_ADDRESSES = 4096
"""Addresses that are remembered; the one that failed longest ago is forgotten first."""


class Guesses:
    """Counts failed authentications by address."""

    def __init__(self) -> None:
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    def failed(self, address: str, now_ns: int) -> float | None:
        """Count a failure at this monotonic time; the seconds to stay away when it is one too many, else
        None.
        """
        bucket = self._buckets.get(address)
        if bucket is None:
            bucket = self._buckets[address] = Bucket(FAILURES_PER_SECOND)
            if len(self._buckets) > MAX_ADDRESSES:
                self._buckets.popitem(last=False)
        self._buckets.move_to_end(address)
        if bucket.take(now_ns):
            return None
        return bucket.verdict(now_ns, allowed=False).retry_after_seconds
