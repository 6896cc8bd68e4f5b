"""What mutmut left behind, read from its folder: each change that no test noticed, as the lines that differ.

A change of nothing but words (a reason, a detail, a code's spelling in a sentence) is no survivor: tests look
at codes and numbers. It is counted apart.
"""

import ast
import difflib
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import msgspec

SURVIVED, UNTESTED = 0, (5, 33)
AROUND = 40
ORIGINAL, MUTANT = "__mutmut_orig", "__mutmut_"


class Survivor(msgspec.Struct, frozen=True):
    """`function` is dotted; `change` the lines before (-) and after (+)."""

    function: str
    change: str


class Outcome(msgspec.Struct, kw_only=True):
    """What became of all changes to a scope."""

    counts: Counter[str]
    survivors: list[Survivor]


def read(folder: Path) -> Outcome:
    """The outcome of the run in the folder `mutants`."""
    outcome = Outcome(counts=Counter(), survivors=[])
    for meta in sorted(folder.rglob("*.py.meta")):
        codes = json.loads(meta.read_text())["exit_code_by_key"]
        functions: dict[str, ast.AST] = {}
        for name, code in codes.items():
            if code == SURVIVED and not functions:
                functions = _functions(meta.with_suffix(""))
            _sort_in(outcome, functions, name, code)
    return outcome


def _sort_in(outcome: Outcome, functions: dict[str, ast.AST], name: str, code: int | None) -> None:
    if code is None:
        outcome.counts["not run"] += 1
    elif code == SURVIVED or code in UNTESTED:
        stem, _, number = name.rpartition(MUTANT)
        module, _, function = stem.rpartition(".")
        before = functions.get(f"{function}{ORIGINAL}") if code == SURVIVED else None
        after = functions.get(f"{function}{MUTANT}{number}") if code == SURVIVED else None
        if before is not None and after is not None and _plain(before) == _plain(after):
            outcome.counts["words only"] += 1
            return
        outcome.counts["survived"] += 1
        change = "no test comes here" if before is None or after is None else _difference(before, after)
        readable = function.removeprefix("x_").removeprefix("xǁ").replace("ǁ", ".")
        outcome.survivors.append(Survivor(f"{module}.{readable}", change))
    else:
        outcome.counts["noticed"] += 1


def _functions(path: Path) -> dict[str, ast.AST]:
    tree = ast.parse(path.read_text())
    return {
        node.name: node
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and MUTANT in node.name
    }


class _Wordless(ast.NodeTransformer):
    """Every text that has a blank in it becomes the same one."""

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        if isinstance(node.value, str) and " " in node.value:
            return ast.Constant("a sentence")
        return node

    def visit_JoinedStr(self, _node: ast.JoinedStr) -> ast.AST:
        return ast.Constant("a sentence")


def _plain(node: ast.AST) -> str:
    copy = ast.parse(ast.unparse(node)).body[0]
    _nameless(copy)
    return ast.dump(_Wordless().visit(copy))


def _nameless(node: ast.AST) -> None:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        node.name = "_"


def _difference(before: ast.AST, after: ast.AST) -> str:
    return "\n".join(_lines(before, after))


def _lines(before: ast.AST, after: ast.AST) -> Iterator[str]:
    _nameless(before)
    _nameless(after)
    old, new = ast.unparse(before).splitlines(), ast.unparse(after).splitlines()
    for kind, start, end, first, last in difflib.SequenceMatcher(
        None, old, new, autojunk=False
    ).get_opcodes():
        if kind != "equal":
            yield from _part("\n".join(old[start:end]), "\n".join(new[first:last]))


def _part(old: str, new: str) -> Iterator[str]:
    """What differs in long lines, with a little of what stands around it."""
    head = _alike(old, new)
    tail = _alike(old[head:][::-1], new[head:][::-1])
    begin = max(0, head - AROUND)
    for sign, text in (("-", old), ("+", new)):
        yield f"{sign} {text[begin : len(text) - max(0, tail - AROUND)].strip()}"


def _alike(one: str, other: str) -> int:
    """How many characters at the beginning are the same."""
    pairs = zip(one, other, strict=False)
    return next((at for at, (left, right) in enumerate(pairs) if left != right), min(len(one), len(other)))
