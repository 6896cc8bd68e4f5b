"""Which account the server runs under.

PostgreSQL refuses to run as root. A person's own account runs it as it is; root hands it to the account
that owns the data, or to ``nobody`` for new data. No account is created and no permission of a folder above
ours is touched.
"""

import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from persistence.embedded.errors import ServerFailed

UNPRIVILEGED = "nobody"


class ProcessIdentity(TypedDict, total=False):
    """The part of ``subprocess`` arguments that says who the child is; empty for "as we are"."""

    user: int
    group: int
    extra_groups: list[int]


@dataclass(frozen=True, slots=True)
class Account:
    """A user and group id that server processes get; ``changes`` tells whether that differs from ours."""

    uid: int
    gid: int
    changes: bool

    def identity(self) -> ProcessIdentity:
        """The arguments for ``subprocess`` that start a child under this account."""
        if not self.changes:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def own(self, path: Path) -> None:
        """Hand ``path`` to the account; needs root when the account is not ours."""
        if self.changes:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)

    def can_reach(self, path: Path) -> bool:
        """Whether the account can enter every folder above ``path``, and read and run (or enter) ``path``."""
        if not self.changes:
            return os.access(path, os.R_OK | os.X_OK)
        resolved = path.resolve()
        entered = all(self._granted(folder, stat.S_IXOTH) for folder in resolved.parents)
        return entered and self._granted(resolved, stat.S_IROTH | stat.S_IXOTH)

    def _granted(self, path: Path, bits_for_others: int) -> bool:
        status = path.stat()
        if status.st_uid == self.uid:
            shift = 6
        elif status.st_gid == self.gid:
            shift = 3
        else:
            shift = 0
        wanted = bits_for_others << shift
        return status.st_mode & wanted == wanted


def server_account(data: Path) -> Account:
    """The account for the server of the data folder ``data``, which need not exist yet."""
    owner = data.stat().st_uid if data.exists() else None
    if os.geteuid() != 0:
        if owner is not None and owner != os.geteuid():
            raise ServerFailed(
                asked=f"start PostgreSQL on {data}",
                found=f"it belongs to user id {owner}, this process runs as {os.geteuid()}",
                remedy="Start it as that user, or as root.",
            )
        return Account(os.geteuid(), os.getegid(), changes=False)
    entry = pwd.getpwnam(UNPRIVILEGED)
    if owner is not None and owner not in (0, entry.pw_uid):
        return Account(owner, data.stat().st_gid, changes=True)
    return Account(entry.pw_uid, entry.pw_gid, changes=True)
