"""Running the rules over files; all are read first: what an attribute is may be said in another module."""

import ast
from collections.abc import Iterable, Mapping
from pathlib import Path

from ops.lint.determinism.finding import Finding, is_marked
from ops.lint.determinism.names import banned_names
from ops.lint.determinism.sets import Attributes, set_walks

CHECKED_FOLDERS = (Path("actors"), Path("supervisors/otp"))


def check_sources(sources: Mapping[str, str]) -> list[Finding]:
    """The findings in ``sources`` (path to text), in order of place; raises :class:`SyntaxError`."""
    trees = {path: ast.parse(source, filename=path) for path, source in sources.items()}
    attributes = Attributes()
    for tree in trees.values():
        attributes.learn(tree)
    findings: set[Finding] = set()
    for path, tree in trees.items():
        lines = sources[path].splitlines()
        found = [*banned_names(path, tree), *set_walks(path, tree, attributes)]
        findings.update(finding for finding in found if not is_marked(lines, finding))
    return sorted(findings)


def check_files(folders: Iterable[Path]) -> list[Finding]:
    """The findings in every Python file below ``folders``."""
    paths = sorted(path for folder in folders for path in folder.rglob("*.py"))
    return check_sources({str(path): path.read_text() for path in paths})
