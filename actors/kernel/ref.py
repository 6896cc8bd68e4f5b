"""A reference to an address: who lives there now is looked up at each use.

It is pykka's ActorRef by type, so that code written for pykka finds `tell`, `ask` and `stop`; all that would
block the loop raises and says what to write instead.
"""

from __future__ import annotations

import math
from collections.abc import Coroutine, Hashable
from typing import TYPE_CHECKING, Any, NoReturn

import pykka
import trio

from actors.kernel.cell import Cell
from actors.kernel.envelope import Envelope
from actors.kernel.errors import AskTimeout, MailboxFull, RankViolation
from actors.kernel.future import Answer, Reply, ReplyState
from actors.kernel.handling import current_cell
from actors.kernel.life import ExitKind
from actors.kernel.mailbox import Lane

if TYPE_CHECKING:
    from actors.kernel.system import System

__all__ = ["Ref"]

_NORMAL = Lane.NORMAL


class Ref(pykka.ActorRef[Any]):
    """A stable address. Made by `System.ref`; there is one for each address, alive or not."""

    def __init__(self, system: System, address: str) -> None:
        # pykka's own binds to one actor instance; this one outlives them all.
        self.system = system
        self.address = address
        self.generation = 0
        self.cell: Cell | None = None

    def __repr__(self) -> str:
        return f"<Ref {self.address}#{self.generation}{'' if self.cell is not None else ' (dead)'}>"

    __str__ = __repr__

    def is_alive(self) -> bool:
        """Whether a life is at this address; it may still be starting, or ending."""
        return self.cell is not None

    def begin_life(self, cell: Cell) -> None:
        """Let `cell` take messages from now on (called by the system)."""
        self.cell = cell

    def life_ended(self, cell: Cell) -> None:
        """Let go of `cell`."""
        if self.cell is cell:
            self.cell = None

    def tell(self, message: object, *, lane: Lane = _NORMAL, key: Hashable | None = None) -> None:
        """Put `message` in the mailbox without waiting.

        With `key` it takes the place of a queued message with that key and never overflows. Raises
        MailboxFull when there is no room and the policy does not make any. To a dead address it is a dead
        letter. Call it from the loop's thread only.
        """
        cell = self.cell
        if cell is None:
            self.system.dead_letters.add(self.address, message, "nobody lives there")
        elif not cell.admit(Envelope(message, self.system.now(), key), lane):
            raise MailboxFull(self.address, type(message).__name__, cell.mailbox.spec.capacity)

    async def send(self, message: object) -> None:
        """Put `message` in the mailbox, waiting for room whatever the policy.

        Raises RankViolation. Cancelled while waiting, the message is withdrawn. To a dead address, or when
        the actor ends meanwhile, it is a dead letter.
        """
        cell = self.cell
        if cell is None or cell.mailbox.closed:
            self.tell(message)
            await trio.lowlevel.checkpoint()
            return
        self._check_rank(cell)
        await cell.mailbox.put_when_room(Envelope(message, self.system.now()))

    def ask(  # type: ignore[override]
        self, message: object, *, timeout: float, block: bool = False
    ) -> Coroutine[Any, Any, Answer]:
        """Send `message` and wait for the answer: `await ref.ask(message, timeout=1.0)`.

        Raises ActorDead, AskTimeout (after `timeout` seconds), HandlerFailed, MailboxFull, NoReply,
        RankViolation. Cancelled before the message is admitted, nothing was sent; cancelled later, the
        message is handled all the same and its answer becomes a dead letter.
        """
        if block:
            msg = "ask(block=True) would block the loop; write `await ref.ask(message, timeout=...)`"
            raise TypeError(msg)
        return self._ask(message, timeout)

    async def _ask(self, message: object, timeout: float) -> Answer:
        cell = self.cell
        system = self.system
        now = system.now()
        if cell is not None:
            self._check_rank(cell)
            if cell.callable_now:
                await trio.lowlevel.checkpoint()
                cell = self.cell
        reply = Reply(system, self.address, message, now, self._deadline(now, timeout))
        if cell is None or cell.mailbox.closed:
            reply.actor_died("nobody lives there" if cell is None else "the actor is ending")
        elif cell.callable_now:
            cell.call(reply)
            if reply.state is not ReplyState.PENDING:
                return reply.get()
            reply.schedule()
        else:
            self._enqueue(cell, reply)
        return await reply

    def ask_soon(self, message: object, *, timeout: float) -> Reply:
        """Send `message` at once and return the future of its answer, to be awaited later, once.

        Raises RankViolation and MailboxFull at once; everything else where it is awaited.
        """
        now = self.system.now()
        reply = Reply(self.system, self.address, message, now, self._deadline(now, timeout))
        cell = self.cell
        if cell is None or cell.mailbox.closed:
            reply.actor_died("nobody lives there" if cell is None else "the actor is ending")
        else:
            self._check_rank(cell)
            self._enqueue(cell, reply)
        return reply

    def _enqueue(self, cell: Cell, reply: Reply) -> None:
        if not cell.admit(reply):
            raise MailboxFull(self.address, type(reply.message).__name__, cell.mailbox.spec.capacity)
        if reply.state is ReplyState.PENDING:
            reply.schedule()

    def _deadline(self, now: float, timeout: float) -> float:
        if not timeout < math.inf:
            msg = f"every ask has a deadline; timeout={timeout} is none"
            raise ValueError(msg)
        return now + timeout

    def _check_rank(self, cell: Cell) -> None:
        asker = current_cell.get()
        if asker is None:
            return
        if asker is cell:
            if trio.lowlevel.current_task() is cell.task:
                raise RankViolation(asker.address, asker.rank, self.address, cell.rank)
        elif asker.rank is not None and cell.rank is not None and cell.rank >= asker.rank:
            raise RankViolation(asker.address, asker.rank, self.address, cell.rank)

    async def stop(self, *, block: bool = False, timeout: float = math.inf) -> bool:  # type: ignore[override]
        """Stop the present life in order and wait until it has ended; False when there was none.

        Raises AskTimeout after `timeout` seconds; the stop goes on all the same, as it does when this wait
        is cancelled. A supervised actor comes back if its restart type says so. An actor that waits like
        this for its own end gets RankViolation; it has `self.stop()`.
        """
        if block:
            msg = "stop(block=True) would block the loop; write `await ref.stop()`"
            raise TypeError(msg)
        cell = self.cell
        if cell is None:
            await trio.lowlevel.checkpoint()
            return False
        if current_cell.get() is cell and trio.lowlevel.current_task() is cell.task:
            raise RankViolation(self.address, cell.rank, self.address, cell.rank)
        cell.request_stop(ExitKind.NORMAL)
        with trio.move_on_after(timeout) as scope:
            await cell.wait_ended()
        if scope.cancelled_caught:
            raise AskTimeout(self.address, "stop", timeout)
        return True

    def proxy(self) -> NoReturn:
        """Refuse: a proxy hides which call waits and for how long; send messages."""
        msg = "proxies have no place for a deadline; send a message with `ask` or `tell`"
        raise TypeError(msg)
