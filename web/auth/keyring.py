"""The tokens that are accepted right now, in memory.

Every request is checked here without waiting. A token that is not known yet (made a moment ago by the
command line) is looked up in the store once; revocations arrive with the regular refresh. While the store
is away, what is known stays valid: cancels and the kill must work then.
"""

import hmac
from collections.abc import Callable, Sequence
from hashlib import sha256

import structlog
import trio

from actors.journal.port import StoreUnavailable
from actors.model.clock import Clock
from web.auth.port import Principal, RateStore, TokenRecord, TokenStore
from web.auth.rate import Bucket
from web.auth.shared_rate import SharedBucket
from web.auth.tokens import development_record

REFRESH_SECONDS = 2.0
LOOKUPS_PER_SECOND = 50
"""How many unknown tokens a second are looked up in the store; the rest is refused unseen, so guessing
costs us little.
"""

_BEARER = b"bearer "
_log = structlog.get_logger(room="web")


class Holder:
    """An accepted token: who it is, and what is left of its budgets; cancels and kills have one of their
    own.
    """

    __slots__ = ("bucket", "exits", "principal", "record")

    def __init__(self, record: TokenRecord, bucket: Bucket, exits: Bucket) -> None:
        self.record = record
        self.bucket = bucket
        self.exits = exits
        self.principal = Principal(record.token_id, record.user, frozenset(record.scopes))


class Keyring:
    """Tells who a request is from. `development_token` is accepted with every scope and is never stored.

    With `rates`, budgets are shared with other processes; those of cancels and kills are not, so that these
    wait for nobody.
    """

    def __init__(
        self,
        store: TokenStore,
        clock: Clock,
        *,
        development_token: str | None = None,
        requests_per_second: int = 5_000,
        rates: RateStore | None = None,
    ) -> None:
        self._rates = rates
        self._store = store
        self._clock = clock
        self.requests_per_second = requests_per_second
        self._lookups = Bucket(LOOKUPS_PER_SECOND)
        self._fixed = () if development_token is None else (development_record(development_token),)
        self._holders: dict[bytes, Holder] = {}
        self._buckets: dict[str, tuple[Bucket, Bucket]] = {}
        self._on_revoked: list[Callable[[str], None]] = []
        self._take(())

    def holder(self, authorization: bytes | None) -> Holder | None:
        """The holder of the bearer token in an `Authorization` value, as far as it is known; None
        otherwise.
        """
        token = bearer(authorization)
        if token is None:
            return None
        digest = sha256(token).digest()
        found = self._holders.get(digest)
        if found is None or not hmac.compare_digest(found.record.digest, digest):
            return None
        return found if found.record.alive(self._clock.now_us()) else None

    async def find(self, authorization: bytes | None) -> Holder | None:
        """Like `holder`, but ask the store for a token that is not known yet. Raises StoreUnavailable."""
        found = self.holder(authorization)
        token = bearer(authorization)
        if found is not None or token is None:
            return found
        if not self._lookups.take(int(self._clock.monotonic() * 1_000_000_000)):
            return None
        record = await self._store.find(sha256(token).digest())
        if record is None or not record.alive(self._clock.now_us()):
            return None
        return self._hold(record)

    def on_revoked(self, listener: Callable[[str], None]) -> Callable[[], None]:
        """Call `listener` with the id of each token that is accepted no longer; return what ends it."""
        self._on_revoked.append(listener)
        return lambda: self._on_revoked.remove(listener)

    async def refresh(self) -> None:
        """Read the store again. Raises StoreUnavailable."""
        self._take(await self._store.all())

    async def keep_fresh(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Refresh for ever; started after the first attempt. A store that is away is tried again; what
        expires meanwhile ends all the same.
        """
        away = False
        task_status.started()
        while True:
            try:
                await self.refresh()
                away = False
            except StoreUnavailable as error:
                if not away:
                    _log.warning("tokens_not_refreshed", why=str(error))
                away = True
                self._take([holder.record for holder in self._holders.values()])
            await trio.sleep(REFRESH_SECONDS)

    def _take(self, records: Sequence[TokenRecord]) -> None:
        now = self._clock.now_us()
        before = self._holders
        self._holders = {}
        for record in (*self._fixed, *records):
            if record.alive(now):
                self._hold(record)
        for digest, holder in before.items():
            if digest not in self._holders:
                for listener in tuple(self._on_revoked):
                    listener(holder.record.token_id)

    def _hold(self, record: TokenRecord) -> Holder:
        buckets = self._buckets.get(record.token_id)
        if buckets is None:
            per_second = self.requests_per_second
            bucket = Bucket(per_second)
            if self._rates is not None:
                bucket = SharedBucket(record.token_id, per_second, self._rates)
            buckets = self._buckets[record.token_id] = (bucket, Bucket(per_second))
        holder = self._holders[record.digest] = Holder(record, *buckets)
        return holder


def bearer(authorization: bytes | None) -> bytes | None:
    """The token in an `Authorization` value, or None when it holds no bearer token."""
    if authorization is None or authorization[:7].lower() != _BEARER:
        return None
    return authorization[7:].strip() or None
