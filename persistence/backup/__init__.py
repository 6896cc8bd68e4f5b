"""Backups: taken from a running database, sealed, checked, restored, and tried by a drill.

::

    backups/                     the shelf
      20261125T030000Z-4711/     one backup: whole, because it was renamed when it was
        manifest.json            what is in it, where the journal stood, checksums; authenticated
        database.age             pg_dump's custom format, sealed
        files.age                the few files of the data folder that matter, sealed
      drill.json                 what the last restore drill found

Sealed means encrypted in the age format, which other programs read as well: whoever has the key can get at a
backup without this one.
"""

from persistence.backup.errors import BackupError
from persistence.backup.manifest import Head, Manifest
from persistence.backup.sealing import Keys
from persistence.backup.shelf import Shelf
from persistence.backup.take import take_backup

__all__ = ["BackupError", "Head", "Keys", "Manifest", "Shelf", "take_backup"]
