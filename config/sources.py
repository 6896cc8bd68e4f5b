"""Where settings come from: the environment, a TOML file, and files that hold one secret each.

All become one flat table from a setting's name (``RISK__MAX_POS_USD``) to what was written and where. The
environment wins over the file. An empty variable counts as not set, because container tools can't pass "not
set".
"""

import difflib
import json
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Protocol, TypeVar

from config.errors import PREFIX, SettingsError
from config.secret import HIDDEN, Secret
from config.values import Raw, Unfit, text

CONFIG = "CONFIG"
FILE_SUFFIX = "_FILE"
# Read by the tests, not by the program: the same environment may hold it.
NOT_OURS = frozenset({"TEST_DATA"})
LARGEST_FILE_BYTES = 1_000_000
LONGEST_SHOWN = 100
T = TypeVar("T")


class Files(Protocol):
    """The file system as far as settings need it."""

    def read(self, path: Path) -> str:
        """The text of a file; raises :class:`OSError` or :class:`UnicodeDecodeError`."""

    def is_file(self, path: Path) -> bool:
        """Whether ``path`` is a file that can be seen."""


class RealFiles:
    """The file system of this machine."""

    def read(self, path: Path) -> str:
        """The text of a file of at most 1 MB, UTF-8 whatever the locale, without a byte order mark."""
        if path.stat().st_size > LARGEST_FILE_BYTES:
            raise OSError(f"larger than {LARGEST_FILE_BYTES} bytes")
        return path.read_text(encoding="utf-8-sig")

    def is_file(self, path: Path) -> bool:
        """Whether ``path`` is a file that can be seen."""
        return path.is_file()


@dataclass(frozen=True, slots=True)
class Written:
    """A raw value, and the full name under which it was found."""

    raw: Raw
    origin: str


@dataclass
class Reader:
    """Hands out settings by name, once each, and knows in the end which nobody asked for."""

    written: Mapping[str, Written]
    files: Files
    home: Path
    asked: set[str] = field(default_factory=set)

    def take(self, name: str, parse: Callable[[Raw], T], default: T) -> T:
        """The setting ``name`` as ``parse`` reads it, or ``default`` when it is not set."""
        self.asked.add(name)
        found = self.written.get(name)
        if found is None:
            return default
        try:
            return parse(found.raw)
        except Unfit as error:
            raise SettingsError(found.origin, found=_shown(found.raw), allowed=str(error)) from None

    def secret(self, name: str, parse: Callable[[Raw], str] = text) -> Secret | None:
        """The secret ``name``, written there or in the file that ``name_FILE`` names."""
        file_name = name + FILE_SUFFIX
        self.asked.update((name, file_name))
        direct, in_file = self.written.get(name), self.written.get(file_name)
        if direct and in_file:
            allowed = f"either {direct.origin} or {in_file.origin}"
            raise SettingsError(in_file.origin, found=f"{direct.origin} as well", allowed=allowed)
        if in_file is not None:
            value = self.content(in_file).strip()
            direct = Written(value, in_file.origin)
            if not value:
                raise SettingsError(
                    in_file.origin, found="an empty file", allowed="a file that holds the secret"
                )
        if direct is None:
            return None
        try:
            return Secret(parse(direct.raw))
        except Unfit as error:
            raise SettingsError(direct.origin, found=HIDDEN, allowed=str(error)) from None

    def path(self, name: str, default: Path | None) -> Path | None:
        """A path, ``~`` and relative ones made absolute."""
        value = self.take(name, text, None)
        return default if value is None else self.absolute(value)

    def file(self, name: str) -> Path | None:
        """The path of a file that must be there."""
        path = self.path(name, None)
        if path is not None and not self.files.is_file(path):
            raise SettingsError(
                self.written[name].origin, found=f"{path}, which is no file", allowed="a file"
            )
        return path

    def full_name(self, name: str) -> str:
        """The name under which the setting was written, or its variable when it was not."""
        found = self.written.get(name)
        return found.origin if found else PREFIX + name

    def absolute(self, value: str) -> Path:
        """``value`` as an absolute path."""
        if value == "~" or value.startswith("~/"):
            return self.home / value[2:]
        return Path(value).absolute()

    def require_all_known(self) -> None:
        """Raise for the first setting that nobody took, naming the one that was probably meant."""
        for name in sorted(set(self.written) - self.asked):
            origin = self.written[name].origin
            near = difflib.get_close_matches(name, sorted(self.asked), n=1)
            allowed = f"perhaps {PREFIX}{near[0]}" if near else "the settings that the documentation lists"
            raise SettingsError(origin, found="an unknown setting", allowed=allowed)

    def content(self, written: Written) -> str:
        """The text of the file that a setting names."""
        path = self.absolute(text(written.raw))
        try:
            return self.files.read(path)
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise SettingsError(
                written.origin, found=f"{path}: {reason}", allowed="a readable text file"
            ) from None


def open_sources(environ: Mapping[str, str], files: Files) -> Reader:
    """Read the environment and the file that ``TRADEWARDEN_CONFIG`` names."""
    home = Path(environ.get("HOME") or "~").expanduser()
    variables = {
        name.removeprefix(PREFIX): Written(value, name)
        for name, value in environ.items()
        if name.startswith(PREFIX) and value != "" and name.removeprefix(PREFIX) not in NOT_OURS
    }
    config = variables.pop(CONFIG, None)
    if config is None:
        return Reader(variables, files, home)
    reader = Reader({CONFIG: config}, files, home)
    return Reader({**_toml_settings(reader, config), **variables}, files, home)


def _toml_settings(reader: Reader, config: Written) -> dict[str, Written]:
    try:
        tree = tomllib.loads(reader.content(config), parse_float=Decimal)
        leaves = tuple(_leaves(tree, (), config))
    except (ValueError, RecursionError) as error:
        raise SettingsError(config.origin, found=f"{config.raw}: {error}", allowed="a TOML file") from None
    return {
        "__".join(path).upper(): Written(raw, f"{'.'.join(path)} in {config.raw}") for path, raw in leaves
    }


def _leaves(
    tree: Mapping[str, object], above: tuple[str, ...], config: Written
) -> Iterator[tuple[tuple[str, ...], Raw]]:
    for key, value in tree.items():
        path = (*above, key.replace("-", "_"))
        if isinstance(value, dict):
            yield from _leaves(value, path, config)
        elif isinstance(value, list):
            yield path, [_scalar(part, path, config) for part in value]
        else:
            yield path, _scalar(value, path, config)


def _scalar(value: object, path: tuple[str, ...], config: Written) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | int | Decimal):
        return str(value)
    where = f"{'.'.join(path)} in {config.raw}"
    raise SettingsError(
        where, found=type(value).__name__, allowed="text, a number, true, false or a list of these"
    )


def _shown(raw: Raw) -> str:
    shown = json.dumps(raw, ensure_ascii=False)
    return shown if len(shown) <= LONGEST_SHOWN else f"{shown[:LONGEST_SHOWN]}…"
