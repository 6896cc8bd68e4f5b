"""The way of an entry into the store: noted without waiting, written a few times a second.

An order must not wait for its entry: who placed what is in the journal with the order itself, so all that a
crash can lose is from where, for the last moment before it. What an operator changes has no other record, so
there the answer waits (`settle`). Calls that are refused cost an attacker nothing; they are kept up to a rate
and counted beyond it.
"""

import secrets
from itertools import count

import structlog
import trio

from actors.journal.port import StoreUnavailable
from web.audit.port import AuditEntry, AuditStore
from web.auth.rate import SECOND_NS, Bucket

FLUSH_SECONDS = 0.2
SETTLE_SECONDS = 1.0
CAPACITY = 20_000
"""Entries that wait while the store is away; beyond that they are only in the log."""

REFUSALS_PER_SECOND = 20
MOST_TEXT = 200

_log = structlog.get_logger(room="web")


class AuditTrail:
    """Takes entries from all requests and writes them in batches. `store` is also what is read from."""

    def __init__(self, store: AuditStore, *, capacity: int = CAPACITY) -> None:
        self.store = store
        self._capacity = capacity
        self._pending: list[AuditEntry] = []
        self._refusals = Bucket(REFUSALS_PER_SECOND)
        self._unrecorded = 0
        self._process = secrets.token_hex(4)
        self._numbers = count(1)
        self._news = trio.Event()
        self._writing = trio.Lock()

    def note(
        self,
        *,
        at_us: int,
        user: str,
        token_id: str,
        client: str,
        action: str,
        method: str,
        path: str,
        subject: str,
        status: int,
        correlation_id: str,
    ) -> None:
        """Take an entry. Never waits and never raises."""
        refused = status in {401, 403, 429}
        if refused and not self._refusals.take(int(trio.current_time() * SECOND_NS)):
            self._unrecorded += 1
            return
        if len(self._pending) >= self._capacity:
            self._unrecorded += 1
            return
        unrecorded, self._unrecorded = self._unrecorded, 0
        self._pending.append(
            AuditEntry(
                entry_id=f"{at_us:016d}-{self._process}-{next(self._numbers):08x}",
                at_us=at_us,
                user=user,
                token_id=token_id,
                client=client,
                action=action,
                method=method,
                path=path if path.isprintable() and len(path) <= MOST_TEXT else _tame(path),
                subject=subject,
                status=status,
                correlation_id=correlation_id,
                unrecorded=unrecorded,
            )
        )
        self._news.set()

    async def flush(self) -> None:
        """Write what was noted. Raises StoreUnavailable, and keeps it for the next time. Cancelling too."""
        async with self._writing:
            written = len(self._pending)
            if written:
                await self.store.append(self._pending[:written])
                del self._pending[:written]

    async def settle(self) -> None:
        """Wait until what was noted is kept, for a second at most."""
        try:
            with trio.fail_after(SETTLE_SECONDS):
                await self.flush()
        except (StoreUnavailable, trio.TooSlowError) as error:
            _log.warning("audit_not_written_yet", why=str(error), waiting=len(self._pending))

    async def keep_written(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Write for ever, and once more when cancelled."""
        task_status.started()
        try:
            while True:
                await self._news.wait()
                self._news = trio.Event()
                await trio.sleep(FLUSH_SECONDS)
                await self.settle()
                if self._pending:
                    self._news.set()
        finally:
            with trio.CancelScope(shield=True):
                await self.settle()


def _tame(path: str) -> str:
    """A path as a database and a person can read it."""
    return "".join(each if each.isprintable() else "?" for each in path[:MOST_TEXT])
