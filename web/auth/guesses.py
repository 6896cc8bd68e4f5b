"""Slows down whoever tries tokens: a budget of failures for each address that requests come from.

A valid token is never slowed down, wherever it comes from; only failures are counted.
"""

from collections import OrderedDict

from web.auth.rate import Bucket
from web.problems import ProblemError, problem

CHALLENGE = ((b"www-authenticate", b'Bearer realm="tradewarden"'),)

FAILURES_PER_SECOND = 5
MAX_ADDRESSES = 4096
"""Addresses that are remembered; the one that failed longest ago is forgotten first."""


class Guesses:
    """Counts failed authentications by address."""

    def __init__(self) -> None:
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    def refusal(self, authorization: bytes | None, address: str, now_ns: int) -> ProblemError:
        """The problem of a request without a valid token, at this monotonic time; who keeps trying has to
        wait.

        `authorization` None means that nothing was tried, which is no guess.
        """
        if authorization is None:
            detail = "there is no bearer token; send Authorization: Bearer TOKEN"
            return ProblemError(problem("UNAUTHENTICATED", detail), CHALLENGE)
        bucket = self._bucket(address)
        if bucket.take(now_ns):
            detail = "the token is not valid; send Authorization: Bearer TOKEN"
            return ProblemError(problem("UNAUTHENTICATED", detail), CHALLENGE)
        wait = bucket.verdict(now_ns, allowed=False).retry_after_seconds
        detail = "too many tokens that are not valid came from this address"
        return ProblemError(problem("RATE_LIMITED", detail, retry_after_seconds=wait))

    def _bucket(self, address: str) -> Bucket:
        bucket = self._buckets.get(address)
        if bucket is None:
            bucket = self._buckets[address] = Bucket(FAILURES_PER_SECOND)
            if len(self._buckets) > MAX_ADDRESSES:
                self._buckets.popitem(last=False)
        self._buckets.move_to_end(address)
        return bucket
