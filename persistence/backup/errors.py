"""What can go wrong with backups.

::

    BackupError          code, asked, found, remedy

Codes: BACKUP_BUSY another one is under way; BACKUP_DAMAGED a file is not what the manifest says, or not
whole; BACKUP_FORGED the manifest was not written with this key; BACKUP_UNREADABLE no backup, or of a later
format; DATABASE_AWAY; DISK_FULL; DUMP_FAILED and RESTORE_FAILED PostgreSQL's program failed; KEY_MISSING,
KEY_WRONG; NOT_EMPTY the place to restore to is in use; PROGRAM_MISSING.
"""


class BackupError(Exception):
    """One thing went wrong: a stable code, what was asked, what was found, what to do."""

    def __init__(self, code: str, *, asked: str, found: str, remedy: str) -> None:
        super().__init__(f"can't {asked}: {found}. {remedy}")
        self.code = code
        self.asked = asked
        self.found = found
        self.remedy = remedy
