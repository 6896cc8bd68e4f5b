"""Keeping secrets out of log lines, whoever wrote them there by mistake.

Two nets: the value of a key that sounds like a secret is hidden whole, and in any text what follows
``Bearer`` and the password of an address are cut out. What passes both must not be logged in the first
place.
"""

import re
from collections.abc import Mapping
from functools import lru_cache

import msgspec

from config.secret import HIDDEN

DEEPEST = 8
_SECRET_KEY = re.compile(
    r"pass(word|wd|phrase)?$|secret|token$|api_?key|private_?key|authori[sz]ation|credential|cookie|signature|dsn$",
    re.IGNORECASE,
)
_BEARER = re.compile(r"(?i)\b(bearer\s+)\S+")
_ADDRESS_PASSWORD = re.compile(r"(://[^\s:/@]*:)[^\s@/]+@")


@lru_cache(maxsize=4096)
def is_secret_key(key: str) -> bool:
    """Whether the values of ``key`` are hidden."""
    return _SECRET_KEY.search(key) is not None


def clean_text(text: str) -> str:
    """``text`` without bearer tokens and without passwords in addresses."""
    if "://" in text and "@" in text:
        text = _ADDRESS_PASSWORD.sub(rf"\1{HIDDEN}@", text)
    if "earer" in text or "EARER" in text:
        text = _BEARER.sub(rf"\1{HIDDEN}", text)
    return text


def may_hold_secret(line: bytes) -> bool:
    """Whether `clean_text` would change any text in a line of JSON; now and then yes where it would not."""
    return (b"://" in line and b"@" in line) or b"earer" in line or b"EARER" in line


def clean(value: object, depth: int = 0) -> object:
    """``value`` as plain data for JSON, without what sounds like a secret."""
    if isinstance(value, str):
        return clean_text(value)
    if value is None or isinstance(value, int | float):
        return value
    if depth >= DEEPEST:
        return "…"
    if isinstance(value, Mapping):
        return {
            str(key): HIDDEN if is_secret_key(str(key)) else clean(each, depth + 1)
            for key, each in value.items()
        }
    if isinstance(value, list | tuple):
        return [clean(each, depth + 1) for each in value]
    plain = msgspec.to_builtins(value, enc_hook=str, str_keys=True)
    return plain if plain is value else clean(plain, depth + 1)
