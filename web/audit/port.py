"""An entry of the audit, and the store that keeps entries."""

from collections.abc import Sequence
from typing import Protocol

import msgspec


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One call that was to change something, whatever came of it.

    `entry_id` rises with time and is never given twice. `user` and `token_id` are empty when the caller was
    not known. `subject` is the id of what was changed or made, where there is one. `unrecorded` counts the
    refused calls before this one that were too many to be kept.
    """

    entry_id: str
    at_us: int
    user: str
    token_id: str
    client: str
    action: str
    method: str
    path: str
    subject: str
    status: int
    correlation_id: str
    unrecorded: int = 0


class AuditStore(Protocol):
    """Only grows. Both calls raise `actors.journal.port.StoreUnavailable` while the store is away."""

    async def append(self, entries: Sequence[AuditEntry]) -> None:
        """Keep entries; those that are kept already are left alone, so a call may be repeated."""
        ...

    async def page(self, *, before: str | None, limit: int) -> Sequence[AuditEntry]:
        """Newest first; `before` is the id of the last one of the page before."""
        ...
