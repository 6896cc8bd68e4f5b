"""What a backup says of itself: plain JSON for people and scripts, authenticated with the backup's key.

The head of the journal is the anchor: a journal that was cut, or edited and sealed anew, has no record with
this hash at this sequence. The name is inside, so that one backup can't be passed off as another. Pure.
"""

import hmac

import msgspec

from persistence.backup.errors import BackupError
from persistence.backup.sealing import Keys, WrongKey

FORMAT = 1


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """The newest record: its sequence, and its hash in 64 hex digits."""

    seq: int
    hash: str


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """A file as it lies on the shelf, sealed."""

    bytes: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """`counts` are rows by table at the head; `key` is the public key that the parts are sealed for."""

    format: int = FORMAT
    name: str
    at: str
    version: str
    revision: str
    server_version: int
    instance: str
    head: Head
    counts: dict[str, int]
    parts: dict[str, Part]
    key: str
    mac: str = ""


class _Version(msgspec.Struct):
    format: int


def sign(manifest: Manifest, keys: Keys) -> bytes:
    """The manifest as bytes, with its proof."""
    signed = msgspec.structs.replace(manifest, mac=keys.mac(manifest.key, _content(manifest)))
    return msgspec.json.format(msgspec.json.encode(signed), indent=2) + b"\n"


def read(content: bytes, name: str) -> Manifest:
    """What the manifest of the backup `name` says, not yet believed; raise BackupError."""
    try:
        found = msgspec.json.decode(content, type=_Version).format
        if found != FORMAT:
            raise _unreadable(name, f"it has format {found}, this release reads {FORMAT}")
        manifest = msgspec.json.decode(content, type=Manifest)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise _unreadable(name, f"its manifest is none ({error})") from error
    if manifest.name != name:
        raise BackupError(
            "BACKUP_FORGED",
            asked=f"use the backup {name}",
            found=f"its manifest is that of {manifest.name}",
            remedy="Give the folder its own name back, or take another backup.",
        )
    return manifest


def authenticate(manifest: Manifest, keys: Keys) -> None:
    """Raise BackupError unless the holder of one of the keys wrote this manifest, to the last digit."""
    try:
        proof = keys.mac(manifest.key, _content(manifest))
    except WrongKey:
        raise BackupError(
            "KEY_WRONG",
            asked=f"open the backup {manifest.name}",
            found=f"it is sealed for the key {manifest.key}; here are {', '.join(keys.publics())}",
            remedy="Give the key file that belongs to it with --keys. Without it nobody can open it.",
        ) from None
    if not hmac.compare_digest(proof, manifest.mac):
        raise BackupError(
            "BACKUP_FORGED",
            asked=f"use the backup {manifest.name}",
            found="its manifest is not as it was written",
            remedy="Don't use it; take another one, and find out who can write there.",
        )


def _content(manifest: Manifest) -> bytes:
    return msgspec.json.encode(msgspec.structs.replace(manifest, mac=""), order="sorted")


def _unreadable(name: str, found: str) -> BackupError:
    return BackupError(
        "BACKUP_UNREADABLE",
        asked=f"read the backup {name}",
        found=found,
        remedy="Take another one, or the release that wrote it.",
    )
