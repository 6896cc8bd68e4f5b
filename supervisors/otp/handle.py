"""A running tree from outside: opening and closing it, looking at it, changing it.

async with open_tree(system, spec) as tree:
    ...
    await tree.gave_up.wait()
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager

import trio

from actors.kernel import Cell, Exit, Ref, System
from actors.kernel.future import Answer
from supervisors.otp.child import Child, end_child
from supervisors.otp.errors import SupervisionError, UnknownChild
from supervisors.otp.messages import DeleteChild, RestartChild, StartChild, TerminateChild
from supervisors.otp.snapshot import TreeNode, take_snapshot
from supervisors.otp.spec import Spec, SupervisorSpec
from supervisors.otp.supervisor import SupervisorActor

__all__ = ["Supervisor", "open_tree", "run_tree"]

REQUEST_SECONDS = 60.0


class Supervisor:
    """The handle of a running tree.

    `ended` is set when the root has ended by itself, in order or not; `gave_up` when it failed, and
    `failure` then says how. Paths name a supervisor by the ids below the root ("exchanges/sim"; "" is the
    root) or by its address.
    """

    def __init__(self, system: System, spec: SupervisorSpec) -> None:
        self.system = system
        self.ended = trio.Event()
        self.gave_up = trio.Event()
        self.failure: BaseException | None = None
        self._root = Child(spec, spec.address or spec.id, state="starting")

    @property
    def address(self) -> str:
        """Where the root lives."""
        return self._root.address

    def snapshot(self) -> TreeNode:
        """Return the live tree. Waits for nothing; call it from the loop's thread."""
        return take_snapshot(self.system, self._root)

    async def start_child(self, path: str, /, *what: object, timeout: float = REQUEST_SECONDS) -> Ref | None:
        """Add a child to the supervisor at `path` and return its reference once it is ready.

        `what` is its spec, or for simple_one_for_one the arguments of the template. None when the child's
        factory did not want a life. Raises UnknownChild, DuplicateChild, ChildNotStarted, and what an ask
        raises; cancelled, the child may have been added all the same.
        """
        spec: Spec | None = None
        parent = self._supervisor(path)
        if parent.spec.template is None:
            if len(what) != 1 or not isinstance(what[0], Spec):
                msg = f"start_child({path!r}) takes one spec, got {what!r}"
                raise TypeError(msg)
            spec, what = what[0], ()
        ref: Ref | None = await self._request(parent, StartChild(spec, what), timeout)
        return ref

    async def terminate_child(self, path: str, *, timeout: float = REQUEST_SECONDS) -> None:
        """End the child at `path` in order; its spec stays, unless it is temporary or of a template."""
        parent, child_id = self._split(path)
        await self._request(parent, TerminateChild(child_id), timeout)

    async def restart_child(self, path: str, *, timeout: float = REQUEST_SECONDS) -> Ref | None:
        """Start the child at `path`, which must have no life, and return once it is ready."""
        parent, child_id = self._split(path)
        ref: Ref | None = await self._request(parent, RestartChild(child_id), timeout)
        return ref

    async def delete_child(self, path: str, *, timeout: float = REQUEST_SECONDS) -> None:
        """Forget the child at `path`, which must have no life."""
        parent, child_id = self._split(path)
        await self._request(parent, DeleteChild(child_id), timeout)

    async def _request(self, parent: SupervisorActor, request: object, timeout: float) -> Answer:
        answer = await parent.actor_ref.ask(request, timeout=timeout)
        if isinstance(answer, SupervisionError):
            raise answer
        return answer

    def _split(self, path: str) -> tuple[SupervisorActor, str]:
        above, _, child_id = path.rpartition("/")
        return self._supervisor(above), child_id

    def _supervisor(self, path: str) -> SupervisorActor:
        found = self._by_ids(path) or self._by_address(path)
        if found is None:
            raise UnknownChild(self.address, path)
        return found

    def _by_ids(self, path: str) -> SupervisorActor | None:
        child: Child | None = self._root
        for id_ in path.split("/") if path else ():
            actor = None if child is None else _supervisor_in(child)
            child = None if actor is None else actor.children.get(id_)
        return None if child is None else _supervisor_in(child)

    def _by_address(self, path: str) -> SupervisorActor | None:
        cell = self.system.ref(path).cell if self.system.has(path) else None
        return cell.actor if cell is not None and isinstance(cell.actor, SupervisorActor) else None

    async def start(self) -> None:
        """Start the tree; return when every child is ready (for `open_tree`)."""
        spec = self._root.spec
        if not isinstance(spec, SupervisorSpec):
            msg = f"the root of a tree is a supervisor, not {spec!r}"
            raise TypeError(msg)
        self._root.cell = self.system.spawn(
            SupervisorActor(spec), self._root.address, on_exit=self._root_ended, patience=float("inf")
        )
        await self.system.wait_started(self._root.cell, spec.start_timeout)
        self._root.state = "running"

    async def stop(self) -> None:
        """Stop the tree in reverse order; return when nothing is left of it."""
        await end_child(self._root)

    def _root_ended(self, _cell: Cell, exit_: Exit) -> None:
        self._root.lost_life(exit_)
        self.failure = exit_.error
        if exit_.abnormal:
            self.gave_up.set()
        self.ended.set()


def _supervisor_in(child: Child) -> SupervisorActor | None:
    actor = None if child.cell is None else child.cell.actor
    return actor if isinstance(actor, SupervisorActor) else None


@asynccontextmanager
async def open_tree(system: System, spec: SupervisorSpec) -> AsyncGenerator[Supervisor, None]:
    """Start a tree, and the system if it is not running, for the length of the block.

    Entered when every child is ready, in order; raises StartFailed, after the children that had started
    were stopped in reverse, when one is not. However the block is left, also cancelled, the tree is stopped
    in reverse order, each child with its own deadline.
    """
    async with AsyncExitStack() as stack:
        if not system.is_running:
            await stack.enter_async_context(system.running())
        tree = Supervisor(system, spec)
        try:
            await tree.start()
            yield tree
        finally:
            with trio.CancelScope(shield=True):
                await tree.stop()


async def run_tree(system: System, spec: SupervisorSpec) -> None:
    """Run a tree until its root ends; raise what it failed with. Cancelled, the tree is stopped in order."""
    async with open_tree(system, spec) as tree:
        await tree.ended.wait()
        if tree.failure is not None:
            raise tree.failure
