"""pykka's Actor on trio: what an actor's author writes against.

The rules of pykka stay: one message at a time, private state, talk by message. What differs is what trio
needs: hooks are async, a handler may be plain or async, an actor is started by a system at an address
(there is no global registry and no uuid), and the end of a life is final for everything that it began.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, ClassVar, NoReturn

import pykka

from actors.kernel.cell import Cell
from actors.kernel.future import Deferred, Reply
from actors.kernel.handling import current_cell
from actors.kernel.life import ExitKind
from actors.kernel.mailbox import Mailbox, MailboxSpec

if TYPE_CHECKING:
    from actors.kernel.ref import Ref
    from actors.kernel.stash import Stash
    from actors.kernel.system import System
    from actors.kernel.timers import Timers

__all__ = ["TrioActor"]

if TYPE_CHECKING:

    class _PykkaActor:
        """What a type checker sees: pykka declares its hooks synchronous, and every subclass would clash."""

else:
    _PykkaActor = pykka.Actor


class TrioActor(_PykkaActor):
    """Base of every actor.

    `rank` orders who may wait for whom: asks and waiting sends go to a strictly lower rank; None takes no
    part. `mailbox` says how much may queue. Both belong to the class.
    """

    rank: ClassVar[int | None] = None
    mailbox: ClassVar[MailboxSpec] = MailboxSpec()

    _cell: Cell | None = None

    def __init__(self) -> None:
        # pykka's own would make a uuid4, a threading.Event and a weak reference for each actor.
        pass

    def __str__(self) -> str:
        return type(self).__name__ if self._cell is None else f"{type(self).__name__} ({self._cell.address})"

    # what an author overrides

    async def on_start(self) -> None:
        """Prepare. The actor counts as started when this returns; raising is a failed start.

        Cancelled when its supervisor stops it or loses patience first; `on_stop` is not called then.
        """

    async def on_stop(self) -> None:
        """Clean up in an orderly stop. The mailbox is closed; cancelled at the supervisor's deadline."""

    async def on_failure(self, error: BaseException) -> None:
        """Clean up after `error` ended a started life. Child tasks are over; cancelled after 5 s."""

    def on_stop_requested(self) -> None:
        """Hear of a stop at the moment it is asked for, while a handler may be under way. Must not wait."""

    def on_receive(self, message: object) -> object:
        """Handle one message; the result answers an ask. Plain functions are faster than async ones.

        Return a value, a coroutine, or what `defer()` or `stash.keep()` gave. An exception fails this life.
        """
        msg = f"{self} does not understand {type(message).__name__}"
        raise TypeError(msg)

    # what an author uses

    @property
    def cell(self) -> Cell:
        """This life; for the kernel and supervisors."""
        if self._cell is None:
            msg = f"{type(self).__name__} has no life yet: this is available from on_start on"
            raise RuntimeError(msg)
        return self._cell

    @property
    def system(self) -> System:
        """The system that this actor lives in."""
        return self.cell.system

    @property
    def address(self) -> str:
        """Where this actor lives; the same after a restart."""
        return self.cell.address

    @property
    def generation(self) -> int:
        """Which life at its address this is, from 1."""
        return self.cell.generation

    @property
    def actor_ref(self) -> Ref:
        """The reference to this address."""
        return self.cell.ref

    @property
    def timers(self) -> Timers:
        """Keyed timers that end with this life."""
        return self.cell.timers

    @property
    def stash(self) -> Stash:
        """Messages put aside for later."""
        return self.cell.stash

    def defer(self) -> Deferred:
        """Return the means to answer the current message later; return it from the handler and keep it."""
        return self.cell.defer()

    def start_task(
        self, fn: Callable[..., Awaitable[object]], *args: object, name: str | None = None
    ) -> None:
        """Run `fn(*args)` beside the loop. It is cancelled at the end of this life and over before the next.

        Its exception fails this life. It may send to this actor, but must not touch its state.
        """
        label = name or getattr(fn, "__name__", type(fn).__name__)
        self.cell.start_child(fn, args, f"{self.address}/{label}")

    def watch(self, ref: Ref) -> None:
        """Be told `Terminated` once when the present life at `ref` ends, at once if there is none."""
        self.cell.watching.watch(ref)

    def unwatch(self, ref: Ref) -> None:
        """Take a watch back; no notice arrives after this, not even one that is queued."""
        self.cell.watching.unwatch(ref)

    def link(self, ref: Ref) -> None:
        """Share abnormal ends with the present life at `ref`, both ways."""
        self.cell.watching.link(ref)

    def unlink(self, ref: Ref) -> None:
        """Undo `link`."""
        self.cell.watching.unlink(ref)

    def stop(self) -> None:
        """End this life in order after the current message. A permanent child comes back."""
        self.cell.request_stop(ExitKind.NORMAL)

    # pykka's hooks

    @classmethod
    def start(cls, *args: object, **kwargs: object) -> NoReturn:
        """Refuse: an actor is started by `System.start` or by a supervisor, at an address."""
        msg = f"{cls.__name__}.start() has no system to start in; use `await system.start(actor, address)`"
        raise TypeError(msg)

    @classmethod
    def _create_actor_inbox(cls) -> Mailbox:
        return Mailbox(cls.mailbox)

    @staticmethod
    def _create_future() -> Reply:
        cell = current_cell.get()
        if cell is None:
            msg = "a future belongs to an ask; use `ref.ask_soon(message, timeout=...)`"
            raise RuntimeError(msg)
        now = cell.system.now()
        return Reply(cell.system, cell.address, None, now, float("inf"))

    def _start_actor_loop(self) -> None:
        cell = self.cell
        cell.system.run_task(cell.run, name=cell.address)

    def must_be_fresh(self) -> None:
        """Raise when this instance has had a life (called by the system)."""
        if self._cell is not None:
            msg = f"{self} has been started before; a factory must make a fresh actor for each life"
            raise RuntimeError(msg)

    def attach(self, cell: Cell) -> None:
        """Tie this instance to the one life it will have (called by the system)."""
        self._cell = cell
