"""The live tree as data, and as text for a person."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from actors.kernel import Cell, System
from supervisors.otp.child import Child
from supervisors.otp.supervisor import SupervisorActor

__all__ = ["TreeNode", "format_tree", "take_snapshot"]


@dataclass(frozen=True, slots=True)
class TreeNode:
    """One actor of the tree at one moment.

    `state`: starting, running, stopping, stopped, backoff (waits for its restart) or ignored. `restarts`
    are those that its supervisor counted; `mailbox` is how many messages wait; `oldest_seconds` how long
    the next of them has waited.
    """

    address: str
    state: str
    generation: int
    restarts: int
    mailbox: int
    last_error: str | None
    children: tuple[TreeNode, ...] = ()
    kind: str = "worker"
    strategy: str | None = None
    oldest_seconds: float = 0.0

    def walk(self) -> Iterator[TreeNode]:
        """Yield this node and everything below, parents first."""
        yield self
        for child in self.children:
            yield from child.walk()


def take_snapshot(system: System, child: Child) -> TreeNode:
    """Return the tree from `child` down. Call it from the loop's thread; it waits for nothing."""
    cell = child.cell
    actor = None if cell is None else cell.actor
    supervisor = actor if isinstance(actor, SupervisorActor) else None
    return TreeNode(
        address=child.address,
        state=child.state if cell is None else _state(child, cell),
        generation=system.ref(child.address).generation,
        restarts=child.restarts,
        mailbox=0 if cell is None else len(cell.mailbox),
        last_error=child.last_error,
        children=()
        if supervisor is None
        else tuple(take_snapshot(system, below) for below in supervisor.children.values()),
        kind="supervisor" if hasattr(child.spec, "strategy") else "worker",
        strategy=getattr(child.spec, "strategy", None),
        oldest_seconds=0.0 if cell is None else _oldest(system, cell),
    )


def _state(child: Child, cell: Cell) -> str:
    return child.state if child.state == "stopping" else cell.state.value


def _oldest(system: System, cell: Cell) -> float:
    at = cell.mailbox.statistics().oldest_at
    return 0.0 if at is None else max(0.0, system.now() - at)


def format_tree(node: TreeNode) -> str:
    """Return the tree as text, one actor a line."""
    return "\n".join(_lines(node, "", ""))


def _lines(node: TreeNode, first: str, rest: str) -> Iterator[str]:
    yield first + _describe(node)
    for place, child in enumerate(node.children):
        last = place == len(node.children) - 1
        yield from _lines(child, rest + ("└─ " if last else "├─ "), rest + ("   " if last else "│  "))


def _describe(node: TreeNode) -> str:
    parts = [f"{node.address} {node.state} gen={node.generation} restarts={node.restarts}"]
    parts.append(f"mailbox={node.mailbox}")
    if node.oldest_seconds >= 0.001:
        parts.append(f"oldest={node.oldest_seconds:.3f}s")
    if node.strategy is not None:
        parts.append(f"[{node.strategy}]")
    if node.last_error is not None:
        parts.append(f"last_error={node.last_error}")
    return " ".join(parts)
