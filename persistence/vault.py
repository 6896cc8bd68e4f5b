"""Key pairs of exchange accounts, sealed in one file of the data folder.

The file is replaced as a whole, so that a reader sees the old pairs or the new ones and never half of a
pair. What is in it comes out as plain values: whoever reads them hides them again.
"""

import os
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

import msgspec

from persistence.backup.sealing import (
    Damaged,
    Keys,
    WrongKey,
    open_with_passphrase,
    seal_with_passphrase,
    sync_folder,
)

NAME = "secrets.age"


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """The key of an account and its secret; shows neither."""

    api_key: str
    api_secret: str

    def __repr__(self) -> str:
        return "Pair(********)"


class VaultError(Exception):
    """The vault can't be opened or written; `remedy` says what to do. Never says what is in it."""

    code = "VAULT_CLOSED"

    def __init__(self, path: Path, found: str, remedy: str) -> None:
        super().__init__(f"can't use {path}: {found}. {remedy}")
        self.found = found
        self.remedy = remedy


class Vault:
    """One sealed file, opened with a passphrase or with keys."""

    def __init__(self, path: Path, *, passphrase: str | None = None, keys: Keys | None = None) -> None:
        self._path = path
        self._passphrase = passphrase
        self._keys = keys

    def mark(self) -> tuple[int, int] | None:
        """Something that changes whenever the file is replaced; None without one that can be looked at."""
        try:
            status = self._path.stat()
        except OSError:
            return None
        return status.st_ino, status.st_mtime_ns

    def read(self) -> dict[str, Pair]:
        """The pairs by exchange; empty without a file. Raises VaultError. Blocks about a second."""
        try:
            sealed = self._path.read_bytes()
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise VaultError(self._path, error.strerror or str(error), "Make it readable.") from error
        try:
            return msgspec.json.decode(self._open(sealed), type=dict[str, Pair])
        except (WrongKey, Damaged, msgspec.MsgspecError) as error:
            raise VaultError(
                self._path,
                "what was given does not open it, or it is damaged",
                "Give the passphrase or key file that it was sealed with, or take it from a backup.",
            ) from error

    def write(self, pairs: Mapping[str, Pair]) -> None:
        """Replace everything, whole or not at all; raises VaultError."""
        draft = self._path.with_name(self._path.name + ".new")
        try:
            with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.write(self._seal(msgspec.json.encode(dict(pairs))))
                file.flush()
                os.fsync(file.fileno())
            draft.replace(self._path)
            sync_folder(self._path.parent)
        except OSError as error:
            raise VaultError(
                self._path, error.strerror or str(error), "Nothing was changed; make room, make it writable."
            ) from error

    def _open(self, sealed: bytes) -> bytes:
        if self._passphrase is not None:
            return open_with_passphrase(sealed, self._passphrase)
        if self._keys is None:
            raise self._nothing_given()
        opened = BytesIO()
        self._keys.open(BytesIO(sealed), opened)
        return opened.getvalue()

    def _seal(self, content: bytes) -> bytes:
        if self._passphrase is not None:
            return seal_with_passphrase(content, self._passphrase)
        if self._keys is None:
            raise self._nothing_given()
        sealed = BytesIO()
        self._keys.seal(BytesIO(content), sealed)
        return sealed.getvalue()

    def _nothing_given(self) -> VaultError:
        return VaultError(
            self._path,
            "there is nothing to open it with",
            "Set TRADEWARDEN_SECRETS__PASSPHRASE_FILE or TRADEWARDEN_SECRETS__KEYS.",
        )
