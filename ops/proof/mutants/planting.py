"""Reading the planted bugs and putting one into a copy of the project."""

import shutil
import tomllib
from pathlib import Path

import msgspec

DATA = Path(__file__).parent / "planted.toml"
ROOT = Path(__file__).parents[3]
PARTS = ("actors", "supervisors", "web", "persistence", "config", "ops")


class Edit(msgspec.Struct, frozen=True):
    """Replace a text that occurs exactly once."""

    file: str
    search: str
    replace: str


class Bug(msgspec.Struct, frozen=True):
    """One planted bug."""

    name: str
    edit: tuple[Edit, ...]


class NoLongerApplies(Exception):
    """A bug's text is not, or not only once, in its file: the data has to follow the code."""

    def __init__(self, bug: Bug, edit: Edit, found: int) -> None:
        super().__init__(f"{bug.name!r}: its text occurs {found} times in {edit.file}")
        self.bug = bug


def bugs() -> tuple[Bug, ...]:
    """All of them, in the order of the file."""
    return msgspec.convert(tomllib.loads(DATA.read_text()), dict[str, tuple[Bug, ...]])["bug"]


def copy_project(target: Path) -> None:
    """Copy what a run needs."""
    for part in PARTS:
        shutil.copytree(ROOT / part, target / part, ignore=shutil.ignore_patterns("__pycache__"))


def plant(bug: Bug, root: Path) -> None:
    """Edit the files of a project; raise NoLongerApplies and leave it half edited."""
    for edit in bug.edit:
        path = root / edit.file
        text = path.read_text()
        found = text.count(edit.search)
        if found != 1:
            raise NoLongerApplies(bug, edit, found)
        path.write_text(text.replace(edit.search, edit.replace))
