"""A system: the directory of addresses, the agenda, the dead letters, and the nursery of every life.

pykka keeps one registry per process; two tests, or a simulation inside a program, then see each other's
actors. Everything here belongs to one `System` object, and clock and random numbers come from outside.

The nursery of the lives is shielded from the block around it: when that block is cancelled or fails, the
lives are still stopped in order, and only then are they gone.
"""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import trio

from actors.kernel.agenda import Agenda
from actors.kernel.cell import Cell
from actors.kernel.clock import Clock, TrioClock
from actors.kernel.courtesy import Courtesy
from actors.kernel.dead_letters import DeadLetters
from actors.kernel.errors import AddressInUse, StartFailed
from actors.kernel.handling import current_cell
from actors.kernel.life import Exit, ExitKind
from actors.kernel.mailbox import MailboxStatistics
from actors.kernel.ref import Ref

if TYPE_CHECKING:
    from actors.kernel.actor import TrioActor
    from actors.kernel.observer import Observer

__all__ = ["ActorStatistics", "System", "SystemStatistics", "open_system"]

STOP_SECONDS = 5.0  # what an actor gets to stop in order unless its supervisor says otherwise


@dataclass(frozen=True, slots=True)
class ActorStatistics:
    """A moment of one life; `oldest_seconds` is how long the next message has waited."""

    address: str
    generation: int
    state: str
    mailbox: MailboxStatistics
    oldest_seconds: float


@dataclass(frozen=True, slots=True)
class SystemStatistics:
    """A moment of the whole system, actors in the order of their addresses."""

    actors: tuple[ActorStatistics, ...]
    addresses: int
    dead_letters: int
    dead_letters_by_reason: dict[str, int]
    agenda: int


class System:
    """Where actors live. `clock` gives every time, `rng` every random number (backoff's jitter)."""

    def __init__(
        self,
        clock: Clock | None = None,
        rng: random.Random | None = None,
        observer: Observer | None = None,
    ) -> None:
        self.clock: Clock = clock or TrioClock()
        self.now: Callable[[], float] = trio.current_time if clock is None else clock.monotonic
        self.rng = rng or random.Random(0)
        self.observer = observer
        self.agenda = Agenda(self.clock)
        self.courtesy = Courtesy()
        self._refs: dict[str, Ref] = {}
        self._cells: dict[Cell, None] = {}
        self._nursery: trio.Nursery | None = None
        self.dead_letters = DeadLetters(self.now, self._generation_of, _sender)
        if observer is not None:
            self.dead_letters.listener = observer.dead_letter

    @property
    def is_running(self) -> bool:
        """Whether actors can be started."""
        return self._nursery is not None

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[System, None]:
        """Run the system for the length of the block.

        Leaving the block, also by an exception or a cancellation, stops what still lives in reverse order
        of starting, each with 5 s and then by force.
        """
        if self._nursery is not None:
            msg = "this system is running already"
            raise RuntimeError(msg)
        error: BaseException | None = None
        async with trio.open_nursery() as outer:
            await outer.start(self._host)
            try:
                yield self
            except trio.Cancelled:
                raise
            except BaseException as raised:  # noqa: BLE001 - raised again below, not wrapped in a group
                error = raised
            finally:
                with trio.CancelScope(shield=True):
                    await self._stop_all()
                self._release()
        if error is not None:
            raise error

    def _release(self) -> None:
        if self._nursery is not None:
            self._nursery.cancel_scope.cancel()

    async def _host(self, task_status: trio.TaskStatus[None]) -> None:
        current_cell.set(None)
        try:
            async with trio.open_nursery() as nursery:
                nursery.cancel_scope.shield = True
                self._nursery = nursery
                nursery.start_soon(self.agenda.run, name="agenda")
                nursery.start_soon(self.courtesy.run, name="courtesy")
                task_status.started()
        finally:
            self._nursery = None

    async def _stop_all(self) -> None:
        while True:
            top = [cell for cell in self._cells if cell.is_top]
            if not top:
                return
            await self.end(top[-1], STOP_SECONDS)

    async def end(self, cell: Cell, seconds: float, kind: ExitKind = ExitKind.SHUTDOWN) -> None:
        """Stop `cell` in order, by force after `seconds`, and wait until nothing of it is left."""
        cell.request_stop(kind)
        cell.must_end_within(seconds)
        await cell.wait_ended()

    async def kill(self, cell: Cell) -> None:
        """Cancel a life and return when nothing of it is left."""
        cell.kill()
        await cell.wait_ended()

    def ref(self, address: str) -> Ref:
        """Return the reference to `address`, whether anybody lives there or not; always the same object."""
        ref = self._refs.get(address)
        if ref is None:
            ref = self._refs[address] = Ref(self, address)
        return ref

    def has(self, address: str) -> bool:
        """Whether anybody has ever referred to `address`."""
        return address in self._refs

    def spawn(
        self,
        actor: TrioActor,
        address: str,
        *,
        owner: Cell | None = None,
        on_exit: Callable[[Cell, Exit], None] | None = None,
        patience: float = STOP_SECONDS,
    ) -> Cell:
        """Begin a life of `actor` at `address` and return at once; it is not ready yet.

        `owner` is a life that outlives this one. `on_exit` is called once when nothing of the life is left.
        `patience` is how long, in seconds, it may take to end after it was asked to by itself or by
        `Ref.stop`.
        Raises AddressInUse.
        """
        ref = self.ref(address)
        if ref.cell is not None:
            raise AddressInUse(address, ref.generation)
        if self._nursery is None:
            msg = "the system is not running; use `async with system.running()`"
            raise RuntimeError(msg)
        actor.must_be_fresh()
        ref.generation += 1
        cell = Cell(self, ref, actor, owner, on_exit, patience)
        actor.attach(cell)
        ref.begin_life(cell)
        self._cells[cell] = None
        actor._start_actor_loop()
        return cell

    async def start(self, actor: TrioActor, address: str, *, timeout: float = 30.0) -> Ref:
        """Start an unsupervised `actor` and return its reference once it is ready.

        Raises StartFailed, with the reason as its cause, when it fails or is not ready in `timeout` s. When
        this wait is cancelled the actor is killed.
        """
        cell = self.spawn(actor, address)
        await self.wait_started(cell, timeout)
        return cell.ref

    async def wait_started(self, cell: Cell, timeout: float) -> None:
        """Return when `cell` is ready; raise StartFailed, after it has ended, when it will not be."""
        cell.must_be_ready_within(timeout)
        try:
            await cell.wait_ready()
            if not cell.started_ok:
                await cell.wait_ended()
        except trio.Cancelled:
            with trio.CancelScope(shield=True):
                await self.kill(cell)
            raise
        if cell.start_timed_out:
            raise StartFailed(cell.address, f"not ready within {timeout} s")
        if not cell.started_ok:
            error = None if cell.exit is None else cell.exit.error
            raise StartFailed(cell.address, "it was stopped" if error is None else repr(error)) from error

    def run_task(self, fn: Callable[..., Awaitable[object]], *args: object, name: str) -> None:
        """Run a task of a life in the system's nursery (for cells)."""
        if self._nursery is None:
            msg = f"the system has ended; {name} cannot run"
            raise RuntimeError(msg)
        self._nursery.start_soon(fn, *args, name=name)

    def life_ended(self, cell: Cell) -> None:
        """Forget a life (called by it)."""
        self._cells.pop(cell, None)

    def lives(self) -> tuple[Cell, ...]:
        """Return every life that has not ended, in the order of starting."""
        return tuple(self._cells)

    def statistics(self) -> SystemStatistics:
        """Return the depth and age of every mailbox, and what was lost."""
        now = self.now()
        return SystemStatistics(
            actors=tuple(
                _actor_statistics(cell, now) for cell in sorted(self._cells, key=lambda cell: cell.address)
            ),
            addresses=len(self._refs),
            dead_letters=self.dead_letters.total,
            dead_letters_by_reason=dict(self.dead_letters.by_reason),
            agenda=len(self.agenda),
        )

    def _generation_of(self, address: str) -> int:
        ref = self._refs.get(address)
        return 0 if ref is None else ref.generation


def _sender() -> str | None:
    cell = current_cell.get()
    return None if cell is None else cell.address


def _actor_statistics(cell: Cell, now: float) -> ActorStatistics:
    mailbox = cell.mailbox.statistics()
    oldest = 0.0 if mailbox.oldest_at is None else max(0.0, now - mailbox.oldest_at)
    return ActorStatistics(cell.address, cell.generation, cell.state.value, mailbox, oldest)


@asynccontextmanager
async def open_system(
    clock: Clock | None = None,
    rng: random.Random | None = None,
    observer: Observer | None = None,
) -> AsyncGenerator[System, None]:
    """Make a system and run it for the length of the block (see `System.running`)."""
    async with System(clock, rng, observer).running() as system:
        yield system
