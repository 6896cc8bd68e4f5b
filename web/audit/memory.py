"""The audit of tests: kept in memory."""

from collections.abc import Sequence

from web.audit.port import AuditEntry


class MemoryAudit:
    """An AuditStore that lives as long as the process."""

    def __init__(self) -> None:
        self._entries: dict[str, AuditEntry] = {}

    async def append(self, entries: Sequence[AuditEntry]) -> None:
        """Keep entries."""
        for entry in entries:
            self._entries.setdefault(entry.entry_id, entry)

    async def page(self, *, before: str | None, limit: int) -> Sequence[AuditEntry]:
        """Newest first."""
        found = [each for key, each in sorted(self._entries.items()) if before is None or key < before]
        return found[::-1][:limit]
