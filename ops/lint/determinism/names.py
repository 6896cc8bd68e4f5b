"""Uses of names that bring in the clock of the machine or its randomness.

A mere mention counts, not only a call: ``clock=time.monotonic`` as a default is how such a thing gets in.
Names are followed through ``import … as`` and ``from … import …``, so a local variable called ``time`` is
no finding.
"""

import ast
from collections.abc import Iterator

from ops.lint.determinism.finding import Finding, at

_CLOCK = "the wall clock; use the injected clock"
_RANDOM = "randomness of the machine; use the injected generator"
_IDENTITY = "a random identifier; take ids from the injected source"
_HASH = "hash() of text differs between processes; use a digest"

_TIME = (
    "time time_ns monotonic monotonic_ns perf_counter perf_counter_ns process_time process_time_ns "
    "thread_time thread_time_ns clock_gettime localtime gmtime ctime sleep"
)
_BANNED = {
    **{f"time.{name}": _CLOCK for name in _TIME.split()},
    "datetime.datetime.now": _CLOCK,
    "datetime.datetime.utcnow": _CLOCK,
    "datetime.datetime.today": _CLOCK,
    "datetime.date.today": _CLOCK,
    **{f"uuid.{name}": _IDENTITY for name in ("uuid1", "uuid4", "uuid6", "uuid7", "uuid8", "getnode")},
    "os.urandom": _RANDOM,
    "os.getrandom": _RANDOM,
    "random.SystemRandom": _RANDOM,
}
_BANNED_MODULES = {"secrets": _RANDOM}
_SEEDED = "random.Random"


def banned_names(path: str, tree: ast.Module) -> Iterator[Finding]:
    """Yield a finding for every mention of a banned name in ``tree``."""
    aliases = _aliases(tree)
    inside = _parts_of_longer_names(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute | ast.Name) and node not in inside:
            reason = _reason(_dotted(node, aliases))
            if reason:
                yield at(path, node, f"{ast.unparse(node)} is {reason}")
        elif isinstance(node, ast.Call):
            yield from _banned_call(path, node, aliases, tree)


def _banned_call(path: str, node: ast.Call, aliases: dict[str, str], tree: ast.Module) -> Iterator[Finding]:
    called = _dotted(node.func, aliases)
    if called == _SEEDED and not (node.args or node.keywords):
        yield at(path, node, f"a generator without a seed is {_RANDOM}")
    if isinstance(node.func, ast.Name) and called == "hash" and not _inside_hash_method(tree, node):
        yield at(path, node, _HASH)


def _reason(dotted: str | None) -> str | None:
    if dotted is None or dotted == _SEEDED:
        return None
    module, _, rest = dotted.partition(".")
    if module == "random" and rest:
        return _RANDOM
    return _BANNED.get(dotted) or (_BANNED_MODULES.get(module) if rest else None)


def _aliases(tree: ast.Module) -> dict[str, str]:
    """What the names that imports bind stand for."""
    bound: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.partition(".")[0]
                bound[alias.asname or top] = alias.name if alias.asname else top
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                bound[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return bound


def _dotted(node: ast.expr, aliases: dict[str, str]) -> str | None:
    """The full name that ``node`` mentions; None when it does not start at an import or a builtin."""
    if isinstance(node, ast.Name):
        return aliases.get(node.id, node.id if node.id == "hash" else None)
    if isinstance(node, ast.Attribute):
        above = _dotted(node.value, aliases)
        return f"{above}.{node.attr}" if above else None
    return None


def _parts_of_longer_names(tree: ast.Module) -> set[ast.expr]:
    """The left parts of dotted names: ``datetime`` of ``datetime.now`` is judged with the whole."""
    return {node.value for node in ast.walk(tree) if isinstance(node, ast.Attribute)}


def _inside_hash_method(tree: ast.Module, call: ast.Call) -> bool:
    methods = (
        node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == "__hash__"
    )
    return any(call is each for method in methods for each in ast.walk(method))
