"""Who asked for what change, from where, and what came of it: kept for ever, beside the journal."""

from web.audit.memory import MemoryAudit
from web.audit.port import AuditEntry, AuditStore
from web.audit.trail import AuditTrail

__all__ = ["AuditEntry", "AuditStore", "AuditTrail", "MemoryAudit"]
