"""What can go wrong with the PostgreSQL that needs no installing.

::

    EmbeddedPostgresError
     +-- BinariesNotFound     no PostgreSQL programs, or none of the data folder's version
     +-- FolderInUse          another process holds the data folder
     +-- ServerFailed         a program of PostgreSQL ended in error, or the server did not get ready

Every error carries a stable ``code``, what was asked for, what was found and what to do about it.
"""


class EmbeddedPostgresError(Exception):
    """Base of all errors of the embedded server.

    ``asked``, ``found`` and ``remedy`` are plain sentences for the person at the machine.
    """

    code = "EMBEDDED_POSTGRES"

    def __init__(self, *, asked: str, found: str, remedy: str) -> None:
        super().__init__(f"{asked}: {found}. {remedy}")
        self.asked = asked
        self.found = found
        self.remedy = remedy


class BinariesNotFound(EmbeddedPostgresError):
    """There are no usable PostgreSQL programs on this machine."""

    code = "POSTGRES_NOT_FOUND"


class FolderInUse(EmbeddedPostgresError):
    """Another process works with the data folder; ``holder`` is its process id, None when unknown."""

    code = "DATA_FOLDER_IN_USE"

    def __init__(self, *, asked: str, found: str, remedy: str, holder: int | None) -> None:
        super().__init__(asked=asked, found=found, remedy=remedy)
        self.holder = holder


class ServerFailed(EmbeddedPostgresError):
    """``initdb`` or the server ended in error, hung, or belongs to somebody else."""

    code = "POSTGRES_FAILED"
