"""A client's budget that processes share: taken in small portions, so that most requests wait for nobody.

A portion is a hundredth of the budget (one request, if the budget is small) and is used within a tenth of a
second or lost. So a request asks the shared store only when the last portion is used up, all processes
together never let through more than the budget and one portion for each, and a client that was refused is
not asked about again until its time has come. Who can't wait for an answer (orders over a WebSocket are
taken in bunches) may go into debt within the process's own budget, and the next portion pays for that first.
While the store is away each process goes by that budget of its own, which has counted all along. Cancels and
kills don't come here: they wait for no store.
"""

import trio

from actors.model.shared import SharedAway
from web.auth.port import RateStore
from web.auth.rate import SECOND_NS, Bucket, Verdict

PORTION_SHARE = 100
LARGEST_PORTION = 64
PORTION_LIVES_NS = SECOND_NS // 10
MOST_DEBT_SHARE = 10
LEAST_DEBT = 64


class SharedBucket(Bucket):
    """`await fill()`, then `take` and `verdict` as ever; or `take` at once and `fill` afterwards."""

    __slots__ = (
        "_away",
        "_client",
        "_debt",
        "_left",
        "_lock",
        "_portion",
        "_refused_until_ns",
        "_store",
        "_until_ns",
    )

    def __init__(self, client: str, count: int, store: RateStore) -> None:
        super().__init__(count)
        self._client = client
        self._store = store
        self._lock = trio.Lock()
        self._away = False
        self._portion = 0
        self._debt = 0
        self._until_ns = 0
        self._left = count
        self._refused_until_ns = 0

    async def fill(self) -> None:
        """Have a portion, if there is one to be had. Cancelled, a portion may be lost."""
        if self._settled(_now_ns()):
            return
        async with self._lock:
            if not self._settled(_now_ns()):
                await self._ask()

    def take(self, now_ns: int) -> bool:
        """Count a request; False when it is one too many."""
        own = super().take(now_ns)
        if self._away:
            return own
        if self._portion > 0 and now_ns < self._until_ns:
            self._portion -= 1
            return True
        if not own or now_ns < self._refused_until_ns or self._debt >= self._most_debt():
            return False
        self._debt += 1
        return True

    def verdict(self, now_ns: int, *, allowed: bool) -> Verdict:
        """What to tell the client about its budget."""
        if self._away:
            return super().verdict(now_ns, allowed=allowed)
        wait_ns = 0 if allowed else max(0, self._refused_until_ns - now_ns)
        return Verdict(allowed, self._left + self._portion if allowed else 0, wait_ns / SECOND_NS)

    def _settled(self, now_ns: int) -> bool:
        """Whether the next request's answer is known without asking."""
        paid = self._debt == 0 and self._portion > 0 and now_ns < self._until_ns
        return paid or now_ns < self._refused_until_ns

    def _most_debt(self) -> int:
        return max(LEAST_DEBT, self.count // MOST_DEBT_SHARE)

    async def _ask(self) -> None:
        portion = max(1, min(self.count // PORTION_SHARE, LARGEST_PORTION))
        try:
            grant = await self._store.take(self._client, self.count, 1, portion + self._debt)
        except SharedAway:
            self._away, self._portion, self._debt = True, 0, 0
            return
        now_ns = _now_ns()
        self._away = False
        paid = min(self._debt, grant.granted)
        self._debt -= paid
        self._portion, self._left = grant.granted - paid, grant.left
        self._until_ns = now_ns + PORTION_LIVES_NS
        if self._portion == 0:
            wait_ns = max(int(grant.retry_after_seconds * SECOND_NS), SECOND_NS // self.count)
            self._refused_until_ns = now_ns + wait_ns


def _now_ns() -> int:
    return int(trio.current_time() * SECOND_NS)
