"""Walks over sets, whose order depends on the hash seed of the process.

The lint has no types; it knows a set by how it is written: a literal, a comprehension, ``set(…)``, set
operators, or a name or attribute that is annotated or first assigned as one. What consumes a set without
regard to order (``sorted``, ``len``, ``min``, ``in`` and the like) is free.
"""

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from ops.lint.determinism.finding import Finding, at

_ADVICE = "walks over a set, whose order changes from process to process; use sorted(…) or a dict"
_MAKERS = frozenset({"set", "frozenset"})
_ANNOTATIONS = frozenset({"set", "frozenset", "Set", "FrozenSet", "AbstractSet", "MutableSet"})
_OPERATORS = (ast.BitOr, ast.BitAnd, ast.Sub, ast.BitXor)
_SET_METHODS = frozenset({"union", "intersection", "difference", "symmetric_difference"})
_KEEP_ORDER = frozenset(
    {"list", "tuple", "iter", "enumerate", "zip", "map", "filter", "next", "deque", "chain"}
)
_KEEP_ORDER_METHODS = frozenset({"join", "extend", "fromkeys", "writelines"})
_FORGET_ORDER = frozenset({"sorted", "set", "frozenset", "len", "min", "max", "sum", "any", "all", "Counter"})

Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


@dataclass
class Attributes:
    """Attribute names of all classes: known as sets, and known as something else somewhere."""

    sets: set[str] = field(default_factory=set)
    others: set[str] = field(default_factory=set)

    def learn(self, tree: ast.Module) -> None:
        """Take in the fields and ``self.…`` assignments of a module's classes."""
        for owner in (node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)):
            for node in ast.walk(owner):
                for name, is_set in _attribute_facts(node, owner):
                    (self.sets if is_set else self.others).add(name)

    def is_set(self, name: str) -> bool:
        """Whether every class that has the attribute has a set there."""
        return name in self.sets and name not in self.others


def _attribute_facts(node: ast.AST, owner: ast.ClassDef) -> Iterator[tuple[str, bool]]:
    if isinstance(node, ast.AnnAssign):
        if isinstance(node.target, ast.Name) and node in owner.body:
            yield node.target.id, _is_set_annotation(node.annotation)
        elif _is_self_attribute(node.target):
            yield node.target.attr, _is_set_annotation(node.annotation)  # type: ignore[union-attr]
    elif isinstance(node, ast.Assign):
        for target in node.targets:
            if _is_self_attribute(target) and _is_plain_set(node.value):
                yield target.attr, True  # type: ignore[attr-defined]


def _is_self_attribute(node: ast.expr) -> bool:
    return isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self"


def _is_set_annotation(node: ast.expr | None) -> bool:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        node = ast.parse(node.value, mode="eval").body
    if isinstance(node, ast.Subscript):
        node = node.value
    if isinstance(node, ast.BinOp):
        return _is_set_annotation(node.left) or _is_set_annotation(node.right)
    if isinstance(node, ast.Attribute):
        return node.attr in _ANNOTATIONS
    return isinstance(node, ast.Name) and node.id in _ANNOTATIONS


def _is_plain_set(node: ast.expr | None) -> bool:
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Name) and node.func.id in _MAKERS
    return isinstance(node, ast.Set | ast.SetComp)


def set_walks(path: str, tree: ast.Module, attributes: Attributes) -> Iterator[Finding]:
    """Yield a finding for every place where the order of a set can leak out."""
    yield from _Scope(path, attributes, {}).check(tree)


@dataclass
class _Scope:
    """One function (or the module): what its names are known to be."""

    path: str
    attributes: Attributes
    names: dict[str, bool]

    def check(self, scope: ast.Module | Function) -> Iterator[Finding]:
        self.names = {**self.names, **self._names_of(scope)}
        order_is_forgotten: set[ast.AST] = set()
        for node in _own_nodes(scope):
            if isinstance(node, Function):
                yield from _Scope(self.path, self.attributes, self.names).check(node)
                continue
            if isinstance(node, ast.Call) and _called(node) in _FORGET_ORDER:
                order_is_forgotten.update(node.args)
            elif isinstance(node, ast.Set):
                order_is_forgotten.update(node.elts)
            if node not in order_is_forgotten:
                yield from (
                    at(self.path, walked, _ADVICE) for walked in self._walked(node) if self._is_set(walked)
                )

    def _walked(self, node: ast.AST) -> Iterable[ast.expr]:
        """The expressions whose order ``node`` takes over."""
        if isinstance(node, ast.For | ast.AsyncFor | ast.YieldFrom):
            return [node.iter] if not isinstance(node, ast.YieldFrom) else [node.value]
        if isinstance(node, ast.ListComp | ast.DictComp | ast.GeneratorExp):
            return [generator.iter for generator in node.generators]
        if isinstance(node, ast.Starred):
            return [node.value]
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Tuple | ast.List):
            return [node.value]
        if isinstance(node, ast.Call):
            return self._walked_by_call(node)
        return []

    def _walked_by_call(self, node: ast.Call) -> Iterable[ast.expr]:
        if isinstance(node.func, ast.Attribute):
            if node.func.attr == "pop" and not node.args:
                return [node.func.value]
            return node.args if node.func.attr in _KEEP_ORDER_METHODS else []
        return node.args if _called(node) in _KEEP_ORDER else []

    def _is_set(self, node: ast.expr) -> bool:
        if isinstance(node, ast.Name):
            return self.names.get(node.id, False)
        if isinstance(node, ast.Attribute):
            return self.attributes.is_set(node.attr)
        if isinstance(node, ast.BinOp):
            return isinstance(node.op, _OPERATORS) and any(
                self._is_set(side) or _is_keys_view(side) for side in (node.left, node.right)
            )
        if isinstance(node, ast.IfExp):
            return self._is_set(node.body) or self._is_set(node.orelse)
        if isinstance(node, ast.NamedExpr):
            return self._is_set(node.value)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            return node.func.attr in _SET_METHODS or (
                node.func.attr == "copy" and self._is_set(node.func.value)
            )
        return _is_plain_set(node)

    def _names_of(self, scope: ast.Module | Function) -> dict[str, bool]:
        """The names that ``scope`` binds; one that is ever bound to anything else is no set."""
        known: dict[str, bool] = {}
        if isinstance(scope, Function):
            arguments = [*scope.args.posonlyargs, *scope.args.args, *scope.args.kwonlyargs]
            known.update((each.arg, _is_set_annotation(each.annotation)) for each in arguments)
        for node in _own_nodes(scope):
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                known[node.target.id] = _is_set_annotation(node.annotation)
            elif isinstance(node, ast.Assign):
                for target in node.targets:
                    if isinstance(target, ast.Name):
                        known[target.id] = known.get(target.id, True) and self._is_set(node.value)
        return known


def _own_nodes(scope: ast.Module | Function) -> Iterator[ast.AST]:
    """The nodes of ``scope`` from outside in; functions inside it come themselves, without their nodes."""
    waiting: list[ast.AST] = list(ast.iter_child_nodes(scope))
    for node in waiting:
        yield node
        if not isinstance(node, Function):
            waiting.extend(ast.iter_child_nodes(node))


def _called(node: ast.Call) -> str | None:
    if isinstance(node.func, ast.Attribute):
        return node.func.attr
    return node.func.id if isinstance(node.func, ast.Name) else None


def _is_keys_view(node: ast.expr) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("keys", "items")
    )
