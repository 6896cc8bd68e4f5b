"""The lock file may name the public package hosts and no other.

A private index in the environment of whoever last locked would otherwise end up in the file, and nobody else
could install from it.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

ALLOWED_HOSTS = frozenset({"pypi.org", "files.pythonhosted.org"})
_ADDRESS = re.compile(r"""(?P<scheme>[a-z][a-z0-9+.-]*)://(?:[^/"\s@]*@)?(?P<host>[^/"\s:]*)""")
_LOCAL_SOURCE = re.compile(r"source = \{ (?:path|directory|url|git) =")


def foreign_addresses(lock_text: str) -> Iterator[tuple[int, str]]:
    """Yield ``(line number, what stands there)`` for every address outside the public hosts."""
    for number, line in enumerate(lock_text.splitlines(), start=1):
        for match in _ADDRESS.finditer(line):
            if match["scheme"] != "https" or match["host"] not in ALLOWED_HOSTS:
                yield number, match[0]
        if _LOCAL_SOURCE.search(line):
            yield number, line.strip()


def main(path: Path = Path("uv.lock")) -> int:
    """Check ``path``; print findings to stderr and return the exit status."""
    findings = list(foreign_addresses(path.read_text()))
    for number, found in findings:
        print(f"{path}:{number}: {found}: not a public package host", file=sys.stderr)
    if findings:
        print("unset UV_DEFAULT_INDEX and the like, then lock again", file=sys.stderr)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
