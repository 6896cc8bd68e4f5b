"""A PostgreSQL server that needs no installing and belongs to this process alone."""

from persistence.embedded.errors import BinariesNotFound, EmbeddedPostgresError, FolderInUse, ServerFailed
from persistence.embedded.lock import FolderLock
from persistence.embedded.server import Began, EmbeddedServer, borrowed

__all__ = [
    "Began",
    "BinariesNotFound",
    "EmbeddedPostgresError",
    "EmbeddedServer",
    "FolderInUse",
    "FolderLock",
    "ServerFailed",
    "borrowed",
]
