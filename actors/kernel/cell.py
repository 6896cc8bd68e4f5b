"""One life of an actor: its task, what it owns, and how it ends.

pykka runs `_actor_loop` in a thread, swallows BaseException (a cancellation is one) and loses queued tells
at teardown. Here a life is a trio task that owns a mailbox, timers, child tasks and perhaps other lives;
whichever way it ends, nothing of it is left: asks are answered with ActorDead, tells become dead letters,
child tasks and owned lives are over before the end is announced. So generation n+1 never meets n.
"""

from __future__ import annotations

import logging
import math
import traceback
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import trio

from actors.kernel.deadlines import NAG_SECONDS, Nag, StartDeadline, StopDeadline
from actors.kernel.handling import Handling, current_cell
from actors.kernel.life import Exit, ExitKind, LifeState
from actors.kernel.stash import Stash
from actors.kernel.timers import Timers
from actors.kernel.watching import Watching

if TYPE_CHECKING:
    from actors.kernel.actor import TrioActor
    from actors.kernel.agenda import Due
    from actors.kernel.ref import Ref
    from actors.kernel.system import System

__all__ = ["Cell"]

_log = logging.getLogger("actors.kernel")

BURST = 32  # messages handled before others get a turn
HOOK_SECONDS = 5.0  # what on_failure may take

_RUNNING = LifeState.RUNNING


class Cell(Handling):
    """A life. Made by `System.spawn`; supervisors hold it, everybody else holds a `Ref`."""

    __slots__ = (
        "_children", "_children_gone", "_ended", "_failure", "_hook_scope", "_killed", "_lives", "_on_exit",
        "_owner", "_patience", "_ready", "_reminders", "_scope", "_stash", "_stop", "_timers", "_watching",
        "exit", "rank", "start_timed_out", "started_ok", "task",
    )  # fmt: skip

    def __init__(
        self,
        system: System,
        ref: Ref,
        actor: TrioActor,
        owner: Cell | None,
        on_exit: Callable[[Cell, Exit], None] | None,
        patience: float,
    ) -> None:
        super().__init__(system, ref, actor)
        self.rank = actor.rank
        self.started_ok = False
        self.exit: Exit | None = None
        self.task: trio.lowlevel.Task | None = None
        self._scope = trio.CancelScope()
        self._hook_scope: trio.CancelScope | None = None
        self._owner = owner
        self._on_exit = on_exit
        self._patience = patience
        self._stop: ExitKind | None = None
        self._killed = False
        self._reminders = 0
        self.start_timed_out = False
        self._failure: BaseException | None = None
        self._children: dict[trio.CancelScope, None] | None = None
        self._children_gone: trio.Event | None = None
        self._lives: dict[Cell, None] | None = None
        self._timers: Timers | None = None
        self._stash: Stash | None = None
        self._watching: Watching | None = None
        self._ready: trio.Event | None = None
        self._ended: trio.Event | None = None
        if owner is not None:
            owner.own(self)

    def __repr__(self) -> str:
        return f"<Cell {self.address}#{self.generation} {self.state.value}>"

    # parts that most lives never need

    @property
    def timers(self) -> Timers:
        """The timers of this life."""
        if self._timers is None:
            self._timers = Timers(self)
        return self._timers

    @property
    def stash(self) -> Stash:
        """The stash of this life."""
        if self._stash is None:
            self._stash = Stash(self, self.mailbox.spec.stash)
        return self._stash

    @property
    def watching(self) -> Watching:
        """The watches and links of this life."""
        if self._watching is None:
            self._watching = Watching(self)
        return self._watching

    @property
    def is_top(self) -> bool:
        """Whether no other life owns it."""
        return self._owner is None

    def own(self, life: Cell) -> None:
        """Make `life` end no later than this one."""
        if self._lives is None:
            self._lives = {}
        self._lives[life] = None

    def disown(self, life: Cell) -> None:
        """Forget an owned life that has ended."""
        if self._lives is not None:
            self._lives.pop(life, None)

    # living

    async def run(self) -> None:
        """Live. Runs in the life's own task, once."""
        self.task = trio.lowlevel.current_task()
        current_cell.set(self)
        try:
            try:
                with self._scope:
                    await self._live()
            except Exception as error:  # noqa: BLE001 - it becomes the exit of this life
                self._note_failure(error)
            self._close()
            await self._wind_up()
        finally:
            self._finish()

    async def _live(self) -> None:
        await self.actor.on_start()
        if self._scope.cancel_called:
            await trio.lowlevel.checkpoint()
        self.state = _RUNNING
        self.started_ok = True
        if self.system.observer is not None:
            self.system.observer.started(self.address, self.generation)
        if self._ready is not None:
            self._ready.set()
            self._ready = None
        await self._serve()
        self.state = LifeState.STOPPING
        self._close()
        await self.actor.on_stop()

    async def _serve(self) -> None:
        mailbox = self.mailbox
        take = mailbox.take
        budget = BURST
        while self._stop is None:
            if budget <= 0:
                budget = BURST
                await trio.lowlevel.checkpoint()
                continue
            envelope = take()
            if envelope is not None:
                budget -= 1
                awaitable = self._begin(envelope)
                if awaitable is not None:
                    await self._complete(envelope, awaitable)
            else:
                await mailbox.wait()
                budget = BURST
                if self._handoff is not None:
                    envelope, awaitable = self._handoff
                    self._handoff = None
                    await self._complete(envelope, awaitable)

    def start_child(self, fn: Callable[..., Awaitable[object]], args: tuple[object, ...], name: str) -> None:
        """Run `fn(*args)` in a task that ends with this life; its exception fails this life."""
        if self.state is LifeState.STOPPED or self._children_gone is not None:
            msg = f"{self.address} is ending and takes no new tasks"
            raise RuntimeError(msg)
        scope = trio.CancelScope()
        if self._children is None:
            self._children = {}
        self._children[scope] = None
        self.system.run_task(self._run_child, scope, fn, args, name=name)

    async def _run_child(
        self, scope: trio.CancelScope, fn: Callable[..., Awaitable[object]], args: tuple[object, ...]
    ) -> None:
        current_cell.set(self)
        try:
            with scope:
                await fn(*args)
        except Exception as error:  # noqa: BLE001 - it becomes the failure of this life
            self.fail(error)
        finally:
            if self._children is not None:
                self._children.pop(scope, None)
                if not self._children and self._children_gone is not None:
                    self._children_gone.set()

    # ending

    def request_stop(self, kind: ExitKind = ExitKind.NORMAL) -> None:
        """End in order: after the current handler, before anything that is queued.

        A life that has not finished starting is cancelled instead, unless it asks for its own end. One that
        does not end within its patience is killed; a SHUTDOWN is timed by the supervisor that asks for it.
        """
        if self._stop is not None or self.state is LifeState.STOPPED:
            return
        self._stop = kind
        try:
            self.actor.on_stop_requested()
        except Exception as error:  # noqa: BLE001 - it becomes the failure of this life
            self.fail(error)
            return
        if kind is ExitKind.NORMAL:
            self.must_end_within(self._patience)
        if self.state is LifeState.STARTING and current_cell.get() is not self:
            self._scope.cancel()
        else:
            self.mailbox.wake()

    def kill(self) -> None:
        """End now: whatever runs is cancelled and `on_stop` is not called."""
        if self.state is not LifeState.STOPPED:
            if not self._killed:
                self._killed = True
                self.remind(self.system.now() + NAG_SECONDS, Nag(self))
            self._scope.cancel()
            if self._hook_scope is not None:
                self._hook_scope.cancel()

    def must_end_within(self, seconds: float) -> None:
        """Kill this life `seconds` from now unless it has ended; never, when that is math.inf."""
        if seconds < math.inf:
            self.remind(self.system.now() + seconds, StopDeadline(self))

    def must_be_ready_within(self, seconds: float) -> None:
        """Kill this life `seconds` from now unless it is ready; never, when that is math.inf."""
        if seconds < math.inf:
            self.remind(self.system.now() + seconds, StartDeadline(self))

    def remind(self, at: float, due: Due) -> None:
        """Put an entry of this life into the agenda."""
        self._reminders += 1
        self.system.agenda.add(at, due)

    def fail(self, error: BaseException) -> None:
        """End now because of `error`, as if the running handler had raised it."""
        if self.state is LifeState.STOPPED:
            _log.error("%s had ended when this came: %r", self.address, error, exc_info=error)
            return
        self._note_failure(error)
        self._close()
        self._scope.cancel()

    def _note_failure(self, error: BaseException) -> None:
        if self._failure is None:
            self._failure = error
        elif self._failure is not error:
            _log.error("%s failed again while ending: %r", self.address, error, exc_info=error)

    def _close(self) -> None:
        """Take no more messages; what is queued ends here."""
        if not self.mailbox.closed:
            if self._timers is not None:
                self._timers.cancel_all()
            why = "the actor failed" if self._failure is not None else "the actor stopped"
            for envelope in self.mailbox.close():
                self.dead_letter(envelope, why)

    async def _wind_up(self) -> None:
        """End the child tasks and the owned lives, then let `on_failure` clean up."""
        if self._children:
            self._children_gone = trio.Event()
            for scope in list(self._children):
                scope.cancel()
            with trio.CancelScope(shield=True):
                await self._children_gone.wait()
        while self._lives:
            life = next(reversed(self._lives))
            life.kill()
            with trio.CancelScope(shield=True):
                await life.wait_ended()
        if self._failure is not None and self.started_ok:
            await self._run_failure_hook(self._failure)

    async def _run_failure_hook(self, failure: BaseException) -> None:
        try:
            with trio.move_on_after(HOOK_SECONDS, shield=True) as self._hook_scope:
                await self.actor.on_failure(failure)
        except Exception:  # noqa: BLE001 - logged; the first failure stays the reason
            _log.exception("on_failure of %s failed itself", self.address)
        if self._hook_scope is not None and self._hook_scope.cancelled_caught:
            _log.error("on_failure of %s was cancelled after %.1f s", self.address, HOOK_SECONDS)

    def _finish(self) -> None:
        self._close()
        self.state = LifeState.STOPPED
        self.exit = exit_ = self._exit()
        self.ref.life_ended(self)
        why = f"the actor ended ({exit_.kind.value})"
        self.abandon_asks(why)
        if self._stash is not None:
            for envelope in self._stash.drain():
                self.dead_letter(envelope, why)
        if self._watching is not None:
            self._watching.ended(exit_)
        if self._owner is not None:
            self._owner.disown(self)
        if self.system.observer is not None:
            self.system.observer.ended(self.address, self.generation, exit_)
        for event in (self._ready, self._ended):
            if event is not None:
                event.set()
        for _ in range(self._reminders):
            self.system.agenda.settled()
        self.system.life_ended(self)
        if self._on_exit is not None:
            self._on_exit(self, exit_)

    def _exit(self) -> Exit:
        if self._failure is not None:
            return Exit(ExitKind.FAILED, self._failure)
        if self._killed or self._stop is None:
            return Exit(ExitKind.KILLED)
        return Exit(self._stop)

    # waiting for it

    async def wait_ready(self) -> None:
        """Return when the life is started or has ended; look at `started_ok`."""
        if self.state is LifeState.STARTING:
            if self._ready is None:
                self._ready = trio.Event()
            await self._ready.wait()

    async def wait_ended(self) -> None:
        """Return when nothing of this life is left."""
        if self.state is not LifeState.STOPPED:
            if self._ended is None:
                self._ended = trio.Event()
            await self._ended.wait()

    def stack(self) -> str:
        """Return where the life's task waits, as text."""
        if self.task is None:
            return "(its task has not run yet)"
        return "".join(traceback.StackSummary.extract(self.task.iter_await_frames()).format())
