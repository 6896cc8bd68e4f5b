"""The supervisor: an actor whose state is its children.

Being an actor, it sees one thing at a time: an end, a due restart, a request. It waits while children start
and stop, and what happens meanwhile queues; a stop of its own interrupts a start under way. A child's end
is posted by the kernel when nothing of that life is left, and is ignored if the supervisor has ended or
replaced that life itself: so a failure counts once, however many siblings fall with it.

Giving up is a failure. It stops the children in reverse order and raises `GaveUp`, which the supervisor
above counts and answers like any other failure of a child, a transient one included. (OTP ends with the
reason `shutdown` there, so that a transient supervisor that gave up stays down; we want escalation.)
"""

from __future__ import annotations

import logging
from functools import partial

import trio

from actors.kernel import (
    Cell,
    Exit,
    ExitKind,
    Lane,
    MailboxSpec,
    Ref,
    StartFailed,
    TrioActor,
)
from actors.kernel.envelope import Envelope
from actors.kernel.system import STOP_SECONDS
from supervisors.otp.child import Child, end_child, request_end
from supervisors.otp.errors import (
    ChildNotStarted,
    ChildRunning,
    DuplicateChild,
    GaveUp,
    SupervisionError,
    UnknownChild,
)
from supervisors.otp.intensity import RestartWindow
from supervisors.otp.messages import (
    ChildEnded,
    DeleteChild,
    RestartChild,
    RestartDue,
    StartChild,
    TerminateChild,
)
from supervisors.otp.spec import ChildSpec, Spec, SpecError, SupervisorSpec

__all__ = ["SupervisorActor"]

_log = logging.getLogger("supervisors.otp")


class SupervisorActor(TrioActor):
    """One life of a supervisor. Ready when its children are."""

    mailbox = MailboxSpec(capacity=65_536, policy="wait")

    def __init__(self, spec: SupervisorSpec) -> None:
        super().__init__()
        self.spec = spec
        self.children: dict[str, Child] = {}
        self._window = RestartWindow(spec.intensity, spec.period_seconds)
        self._starting: trio.CancelScope | None = None
        self._serial = 0

    # hooks

    async def on_start(self) -> None:
        """Start the children from left to right; if one does not start, stop the earlier ones in reverse."""
        for spec in self.spec.children:
            self._add(spec)
        try:
            for child in list(self.children.values()):
                await self._start(child)
        except BaseException:
            with trio.CancelScope(shield=True):
                await self._end_all()
            raise

    async def on_stop(self) -> None:
        """Stop the children in reverse."""
        await self._end_all()

    def on_stop_requested(self) -> None:
        """Interrupt a start under way: there is no use in waiting for it."""
        if self._starting is not None:
            self._starting.cancel()

    async def on_receive(self, message: object) -> object:
        """Take an end, a due restart or a request."""
        match message:
            case ChildEnded(child, cell, exit_):
                if child.cell is cell:
                    await self._child_ended(child, exit_)
            case RestartDue(child, serial):
                if child.pending == serial and self.children.get(child.spec.id) is child:
                    await self._bring_up(child)
            case StartChild(spec, args):
                return await self._start_child(spec, args)
            case TerminateChild(id=child_id):
                return await self._terminate_child(child_id)
            case RestartChild(id=child_id):
                return await self._restart_child(child_id)
            case DeleteChild(id=child_id):
                return self._delete_child(child_id)
            case _:
                return super().on_receive(message)
        return None

    # one child

    def _add(self, spec: Spec) -> Child:
        child = Child(spec, spec.address or f"{self.address}/{spec.id}")
        self.children[spec.id] = child
        return child

    async def _start(self, child: Child) -> None:
        """Start one life and wait until it is ready; raise ChildNotStarted when nothing is left of it."""
        child.state = "starting"
        child.pending = 0
        child.asked_to_end = False
        spec = child.spec
        try:
            actor = SupervisorActor(spec) if isinstance(spec, SupervisorSpec) else spec.start()
            if actor is None:
                child.state = "ignored"
                self._forget_if_gone_for_good(child)
                return
            child.cell = self.system.spawn(
                actor,
                child.address,
                owner=self.cell,
                on_exit=partial(self._life_ended, child),
                patience=STOP_SECONDS if spec.shutdown == "brutal" else float(spec.shutdown),
            )
            await self.system.wait_started(child.cell, spec.start_timeout)
        except Exception as error:  # noqa: BLE001 - a factory may raise anything; it is raised on, named
            child.cell = None
            child.state = "stopped"
            cause = error.__cause__ if isinstance(error, StartFailed) and error.__cause__ else error
            child.last_error = repr(cause)
            why = error.why if isinstance(error, StartFailed) else repr(error)
            raise ChildNotStarted(self.address, spec.id, why) from cause
        except trio.Cancelled:
            child.cell = None
            child.state = "stopped"
            raise
        child.state = "running"
        child.ready_at = self.system.now()
        if child.cell.exit is not None:  # ready, and gone again before this task got its turn
            self._life_ended(child, child.cell, child.cell.exit)

    def _forget_if_gone_for_good(self, child: Child) -> None:
        """Forget a child without a life whose spec is not to be used again."""
        if child.spec.restart == "temporary" or self.spec.strategy == "simple_one_for_one":
            self.children.pop(child.spec.id, None)

    def _life_ended(self, child: Child, cell: Cell, exit_: Exit) -> None:
        waited_for = child.state in {"starting", "stopping"}
        if child.cell is cell and not waited_for and not self.cell.mailbox.closed:
            notice = Envelope(ChildEnded(child, cell, exit_), self.system.now())
            self.cell.admit(notice, Lane.SYSTEM)

    async def _end_all(self) -> None:
        """End every child in reverse; those of simple_one_for_one all at once."""
        children = list(self.children.values())
        if self.spec.strategy == "simple_one_for_one":
            for child in children:
                request_end(child)
        await self._end(children)

    async def _end(self, children: list[Child]) -> None:
        for child in reversed(children):
            await end_child(child)

    # ends and restarts

    async def _child_ended(self, child: Child, exit_: Exit) -> None:
        child.lost_life(exit_)
        restart = child.spec.restart
        if restart == "permanent" or (restart == "transient" and exit_.abnormal):
            _log.warning("%s ended (%s): %r; restarting", child.address, exit_.kind.value, exit_.error)
            await self._restart(child, exit_.error)
            return
        _log.info("%s ended (%s) and stays down", child.address, exit_.kind.value)
        self._forget_if_gone_for_good(child)
        if child.spec.significant and self._ends_with_significant():
            _log.info("%s shuts down: its significant children have ended", self.address)
            self.cell.request_stop(ExitKind.SHUTDOWN)

    def _ends_with_significant(self) -> bool:
        if self.spec.auto_shutdown == "any":
            return True
        left = [child for child in self.children.values() if child.spec.significant and child.alive]
        return self.spec.auto_shutdown == "all" and not left

    async def _restart(self, child: Child, error: BaseException | None, *, again: bool = False) -> None:
        """Count a restart, end whoever restarts with `child`, and bring them up, perhaps later.

        With `again` (a restart that failed) the next attempt is a message: requests and stops come between.
        """
        now = self.system.now()
        if not self._window.add(now):
            await self._give_up(child, error)
        child.restarts += 1
        if self.system.observer is not None:
            self.system.observer.restarted(child.address, child.restarts, error)
        backoff = self.spec.backoff
        if child.ready_at is not None and now - child.ready_at >= backoff.reset_after:
            child.failures = 0
        child.ready_at = None
        child.failures += 1
        delay = backoff.delay(child.failures, self.system.rng.random() if child.failures > 1 else 0.0)
        due_at = max([now + delay, *self._cancel_pending(child)])
        await self._end_group(child)
        if again or due_at > self.system.now():
            self._await_restart(child, due_at)
        else:
            await self._bring_up(child)

    def _await_restart(self, child: Child, due_at: float) -> None:
        """Post the restart of `child` for the time `due_at`; whatever is asked before comes first."""
        child.state = "backoff"
        self._serial += 1
        child.pending = self._serial
        child.due_at = due_at
        wait = max(0.0, due_at - self.system.now())
        self.timers.start(("restart", child.spec.id), wait, RestartDue(child, child.pending))

    def _cancel_pending(self, child: Child) -> list[float]:
        """Let the restart of `child` swallow those that its group waits for; return when they were due."""
        due = []
        for other in self._group(child):
            if other is not child and other.pending:
                self.timers.cancel(("restart", other.spec.id))
                other.pending = 0
                due.append(other.due_at)
        return due

    def _group(self, child: Child) -> list[Child]:
        """Return who restarts together with `child`, itself included, in the order of starting."""
        everyone = list(self.children.values())
        if self.spec.strategy == "one_for_all":
            return everyone
        if self.spec.strategy == "rest_for_one":
            return everyone[everyone.index(child) :]
        return [child]

    async def _end_group(self, child: Child) -> None:
        others = [other for other in self._group(child) if other is not child]
        await self._end(others)
        for other in others:
            if other.spec.restart == "temporary":
                del self.children[other.spec.id]

    async def _bring_up(self, child: Child) -> None:
        failed: tuple[Child, ChildNotStarted] | None = None
        with trio.CancelScope() as self._starting:
            for one in self._group(child):
                if one.cell is not None or one.held:
                    continue
                try:
                    await self._start(one)
                except ChildNotStarted as refused:
                    failed = one, refused
                    break
        self._starting = None
        if failed is not None:
            one, error = failed
            _log.warning("%s did not come up again: %s", one.address, error.why)
            await self._restart(one, error.__cause__, again=True)

    async def _give_up(self, child: Child, error: BaseException | None) -> None:
        failure = GaveUp(self.address, child.spec.id, self.spec.intensity, self.spec.period_seconds)
        _log.error("%s", failure)
        await self._end_all()
        raise failure from error

    # requests

    async def _start_child(
        self, spec: Spec | None, args: tuple[object, ...]
    ) -> Ref | SupervisionError | None:
        try:
            spec = self._spec_of(spec, args)
        except (SpecError, TypeError, ValueError) as error:
            refusal = ChildNotStarted(self.address, "?", str(error))
            refusal.__cause__ = error
            return refusal
        if spec.id in self.children:
            return DuplicateChild(self.address, spec.id)
        child = self._add(spec)
        refused = await self._start_on_request(child)
        if refused is not None:
            del self.children[spec.id]
        return refused or (None if child.state == "ignored" else self.system.ref(child.address))

    def _spec_of(self, spec: Spec | None, args: tuple[object, ...]) -> Spec:
        if self.spec.template is not None:
            if spec is not None:
                raise SpecError(spec.id, "a simple_one_for_one supervisor takes its template's arguments")
            spec = self.spec.template(*args)
        if not isinstance(spec, ChildSpec | SupervisorSpec):
            raise SpecError(self.spec.id, f"a child is described by a spec, not by {spec!r}")
        self.spec.check_child(spec)
        return spec

    async def _start_on_request(self, child: Child) -> ChildNotStarted | None:
        with trio.CancelScope() as self._starting:
            try:
                await self._start(child)
            except ChildNotStarted as error:
                return error
            finally:
                self._starting = None
            return None
        return ChildNotStarted(self.address, child.spec.id, "the supervisor is stopping")

    async def _terminate_child(self, child_id: str) -> SupervisionError | None:
        child = self.children.get(child_id)
        if child is None:
            return UnknownChild(self.address, child_id)
        self.timers.cancel(("restart", child_id))
        was_due = child.due_at if child.pending else None
        await end_child(child)
        child.held = True
        if was_due is not None:
            self._pass_on(child, was_due)
        self._forget_if_gone_for_good(child)
        return None

    def _pass_on(self, child: Child, due_at: float) -> None:
        """Let the siblings that went down for the sake of `child` come up without it."""
        for other in self._group(child):
            if other.cell is None and not other.held and other.state == "stopped":
                self._await_restart(other, due_at)
                return

    async def _restart_child(self, child_id: str) -> Ref | SupervisionError | None:
        child = self.children.get(child_id)
        if child is None:
            return UnknownChild(self.address, child_id)
        if child.alive:
            return ChildRunning(self.address, child_id, child.state)
        refused = await self._start_on_request(child)
        child.held = refused is not None
        return refused or (None if child.state == "ignored" else self.system.ref(child.address))

    def _delete_child(self, child_id: str) -> SupervisionError | None:
        child = self.children.get(child_id)
        if child is None:
            return UnknownChild(self.address, child_id)
        if child.alive:
            return ChildRunning(self.address, child_id, child.state)
        del self.children[child_id]
        return None
