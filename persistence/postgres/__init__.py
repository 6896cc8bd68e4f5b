"""PostgreSQL behind the ports: the journal's store, the archive and the tokens.

Only `pool` knows the driver and the bridge to its event loop.
"""

from persistence.postgres.archive import PostgresArchive
from persistence.postgres.journal_store import PostgresJournalStore
from persistence.postgres.pool import Database, open_bridge
from persistence.postgres.tokens import PostgresTokenStore

__all__ = ["Database", "PostgresArchive", "PostgresJournalStore", "PostgresTokenStore", "open_bridge"]
