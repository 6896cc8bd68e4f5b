"""One place in the code that is not repeatable, and the marker that lets it pass."""

import ast
import re
from dataclasses import dataclass

MARKER = "# not-deterministic:"
_MARKED = re.compile(re.escape(MARKER) + r"\s*\S")


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """Where it is (``line`` from 1) and what to do instead."""

    path: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.message}"


def at(path: str, node: ast.expr | ast.stmt, message: str) -> Finding:
    """A finding at ``node``."""
    return Finding(path, node.lineno, message)


def is_marked(source_lines: list[str], finding: Finding) -> bool:
    """Whether the line carries the marker with a reason."""
    return _MARKED.search(source_lines[finding.line - 1]) is not None
