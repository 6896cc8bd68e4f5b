"""Encryption of files in the age format: the one module that imports the library.

A sealed stream is authenticated in pieces and knows its end: a flipped bit, a piece that is missing or moved
and a cut at any place are found when it is opened. A key file holds one secret key a line; the first is what
is sealed with, all open. So a new key is put on top, and what was sealed with the old ones stays readable.
"""

import hmac
import os
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import pyrage

from persistence.backup.errors import BackupError

MAKE_ONE = "Name the key file in TRADEWARDEN_BACKUP__KEYS; without the key a backup can't be opened."


def seal_with_passphrase(content: bytes, passphrase: str) -> bytes:
    """Encrypt with a passphrase (scrypt); takes about a second, which is what makes guessing slow."""
    sealed: bytes = pyrage.passphrase.encrypt(content, passphrase)
    return sealed


def open_with_passphrase(sealed: bytes, passphrase: str) -> bytes:
    """Decrypt; raise WrongKey, also for what is damaged: the two can't be told apart."""
    try:
        content: bytes = pyrage.passphrase.decrypt(sealed, passphrase)
    except pyrage.DecryptError as error:
        raise WrongKey(str(error)) from error
    return content


class Damaged(Exception):
    """A sealed stream is not whole, was changed, or is none."""


class WrongKey(Exception):
    """None of the keys opens the stream."""


class Keys:
    """The secret keys of one file, newest first. Shows none of them."""

    def __init__(self, secrets: Sequence[str]) -> None:
        self._identities = [pyrage.x25519.Identity.from_str(secret) for secret in secrets]

    @property
    def public(self) -> str:
        """The public key of what is sealed from now on; it names the key and opens nothing."""
        return str(self._identities[0].to_public())

    def publics(self) -> tuple[str, ...]:
        """All public keys, newest first."""
        return tuple(str(identity.to_public()) for identity in self._identities)

    def seal(self, source: IO[bytes], target: IO[bytes]) -> None:
        """Encrypt all of `source` into `target`; raise OSError when either fails."""
        try:
            pyrage.encrypt_io(source, target, [self._identities[0].to_public()])
        except pyrage.EncryptError as error:
            raise OSError(str(error)) from error

    def open(self, source: IO[bytes], target: IO[bytes]) -> None:
        """Decrypt all of `source` into `target`. What was written before an error must not be used.

        Raises Damaged or WrongKey; and OSError when `target` fails, which looks like damage to the library:
        look at the target first.
        """
        try:
            pyrage.decrypt_io(source, target, self._identities)
        except pyrage.DecryptError as error:
            if "matching key" in str(error):
                raise WrongKey(str(error)) from error
            raise Damaged(str(error)) from error
        except OSError as error:
            raise Damaged(str(error)) from error

    def mac(self, public: str, content: bytes) -> str:
        """What only the holder of the key `public` can compute of `content`, 64 hex digits; raise
        WrongKey.
        """
        for identity in self._identities:
            if str(identity.to_public()) == public:
                return hmac.digest(str(identity).encode(), b"manifest\n" + content, "sha256").hex()
        raise WrongKey(f"the key {public} is not among them")

    def reveal(self) -> str:
        """The newest secret key, for a person to keep elsewhere; call it for nothing else."""
        return str(self._identities[0])

    def __repr__(self) -> str:
        return f"Keys({', '.join(self.publics())})"


def read_keys(path: Path) -> Keys:
    """The keys of a file; raise BackupError (KEY_MISSING)."""
    try:
        lines = path.read_text().splitlines()
        secrets = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
        if not secrets:
            raise ValueError("it holds no key")
        return Keys(secrets)
    except (OSError, ValueError, pyrage.IdentityError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise BackupError(
            "KEY_MISSING", asked=f"read the backup key {path}", found=why, remedy=MAKE_ONE
        ) from error


def ensure_keys(path: Path) -> Keys:
    """The keys of a file, which is made with a new key when it is not there; readable by its owner alone."""
    if path.exists():
        return read_keys(path)
    add_key(path)
    return read_keys(path)


def add_key(path: Path) -> str:
    """Put a new key on top of the file, whole or not at all; return its public key. Raise BackupError."""
    identity = pyrage.x25519.Identity.generate()
    public = str(identity.to_public())
    draft = path.with_name(path.name + ".new")
    try:
        before = path.read_text() if path.exists() else ""
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(f"# public key: {public}\n{identity}\n{before}")
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise BackupError(
            "KEY_MISSING",
            asked=f"make a backup key in {path}",
            found=error.strerror or str(error),
            remedy="Make the folder writable, or name another file in TRADEWARDEN_BACKUP__KEYS.",
        ) from error
    return public


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
