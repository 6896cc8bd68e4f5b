"""Where things lie in the folder of the embedded server.

::

    postgres/            root: 0711, otherwise 0700
      lock               one runtime at a time
      users              who borrows the server for a while
      server.log         what the server says
      data/              the cluster, 0700, of the server's account
      run/               the socket, 0700, of the server's account

The server is started *inside* ``data`` and addresses it as ``/proc/self/cwd``, and the socket folder as
``../run``: so it works below a home folder of mode 0700 that its account could not enter by name, and no
folder above ours has to be opened for it.
"""

import hashlib
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from persistence.embedded.account import Account
from persistence.embedded.errors import ServerFailed

PORT = 5432
SOCKET_NAME = f".s.PGSQL.{PORT}"
LONGEST_SOCKET_PATH = 107
HERE = "/proc/self/cwd"


@dataclass(frozen=True, slots=True)
class Layout:
    """The places of one embedded server; ``root`` is absolute."""

    root: Path

    @property
    def data(self) -> Path:
        """The cluster."""
        return self.root / "data"

    def new_draft(self) -> Path:
        """A new private folder for a cluster in the making; those of starts that were broken off are removed.

        The name is new each time, because the programs of a killed start may still be at work in theirs.
        """
        for left_over in self.root.glob("data.draft-*"):
            shutil.rmtree(left_over, ignore_errors=True)
        return Path(tempfile.mkdtemp(prefix="data.draft-", dir=self.root))

    @property
    def log(self) -> Path:
        """What the server says on its standard error."""
        return self.root / "server.log"

    @property
    def sockets(self) -> Path:
        """The socket's folder: ``run``, or a short name in ``/tmp`` where its path would be too long."""
        inside = self.root / "run"
        if len(bytes(inside / SOCKET_NAME)) <= LONGEST_SOCKET_PATH:
            return inside
        return Path("/tmp") / f"tradewarden-{hashlib.sha256(bytes(self.root)).hexdigest()[:16]}"  # noqa: S108

    @property
    def socket_setting(self) -> str:
        """The socket's folder as the server, which stands in ``data``, names it."""
        inside = self.root / "run"
        return "../run" if self.sockets == inside else str(self.sockets)

    @property
    def pid_file(self) -> Path:
        """The server's own lock file."""
        return self.data / "postmaster.pid"

    @property
    def socket_lock(self) -> Path:
        """The lock file that the server puts beside its socket."""
        return self.sockets / f"{SOCKET_NAME}.lock"

    def prepare(self, account: Account) -> None:
        """Make the folders with their modes and owners; data that root copied here go to the account."""
        self.root.chmod(0o711 if account.changes else 0o700)
        make_private(self.sockets, account)
        if account.changes and self.data.exists() and self.data.stat().st_uid == 0:
            _hand_over(self.data, account)


def make_layout(root: Path) -> Layout:
    """Make the folder ``root`` if need be, open to its owner only, and return its layout."""
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    return Layout(root.resolve())


def make_private(folder: Path, account: Account) -> None:
    """Make ``folder`` with mode 0700 for ``account``; raises when somebody else's folder stands there."""
    folder.mkdir(mode=0o700, exist_ok=True)
    account.own(folder)
    status = folder.lstat()
    if folder.is_symlink() or status.st_uid != account.uid:
        raise ServerFailed(
            asked=f"use the folder {folder}",
            found=f"it is not a folder of user id {account.uid}",
            remedy="Remove it, or choose another TRADEWARDEN_DATA_DIR.",
        )
    folder.chmod(0o700)


def _hand_over(folder: Path, account: Account) -> None:
    for path in (folder, *folder.rglob("*")):
        account.own(path)
