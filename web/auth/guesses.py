"""Slows down whoever tries tokens: failures from one address are answered one after the other.

A valid token is never slowed down, wherever it comes from; only failures are counted.
"""

from collections import OrderedDict

import trio

from web.auth.rate import SECOND_NS, Bucket
from web.problems import ProblemError, problem

CHALLENGE = ((b"www-authenticate", b'Bearer realm="tradewarden"'),)

FAILURES_PER_SECOND = 20
LONGEST_WAIT_NS = 2 * SECOND_NS
"""More than this in turn from one address is refused outright."""

MAX_ADDRESSES = 4096
"""Addresses that are remembered; the one that failed longest ago is forgotten first."""


class Guesses:
    """Counts failed authentications by address."""

    def __init__(self) -> None:
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    async def refusal(self, authorization: bytes | None, address: str) -> ProblemError:
        """The problem of a request without a valid token; who keeps trying waits for it, longer and longer.

        `authorization` None means that nothing was tried, which is no guess. Cancelling only ends the wait.
        """
        if authorization is None:
            detail = "there is no bearer token; send Authorization: Bearer TOKEN"
            return ProblemError(problem("UNAUTHENTICATED", detail), CHALLENGE)
        wait_ns = self._bucket(address).reserve(int(trio.current_time() * SECOND_NS), LONGEST_WAIT_NS)
        if wait_ns is None:
            detail = "too many tokens that are not valid came from this address"
            return ProblemError(
                problem("RATE_LIMITED", detail, retry_after_seconds=LONGEST_WAIT_NS / SECOND_NS)
            )
        if wait_ns:
            await trio.sleep(wait_ns / SECOND_NS)
        detail = "the token is not valid; send Authorization: Bearer TOKEN"
        return ProblemError(problem("UNAUTHENTICATED", detail), CHALLENGE)

    def _bucket(self, address: str) -> Bucket:
        bucket = self._buckets.get(address)
        if bucket is None:
            bucket = self._buckets[address] = Bucket(FAILURES_PER_SECOND)
            if len(self._buckets) > MAX_ADDRESSES:
                self._buckets.popitem(last=False)
        self._buckets.move_to_end(address)
        return bucket
