"""How a life takes its messages: the half of a cell that knows handlers, answers and dead letters.

An ask of an idle actor whose `on_receive` is a plain function runs in the asker's time slice (`call`): the
life's own task is parked then, nothing is queued, and nothing else can run meanwhile, so nobody can tell
the difference except by the clock. Everything else goes through the mailbox and the life's own task.

When and where a life runs, and how it ends, is the business of `cell`.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Coroutine
from contextvars import ContextVar
from types import CoroutineType
from typing import TYPE_CHECKING

from actors.kernel.envelope import Envelope, Token
from actors.kernel.errors import MailboxFull
from actors.kernel.future import Deferred, Reply, ReplyState
from actors.kernel.life import LifeState
from actors.kernel.mailbox import Lane, Mailbox
from actors.kernel.stash import Kept

if TYPE_CHECKING:
    from actors.kernel.actor import TrioActor
    from actors.kernel.cell import Cell
    from actors.kernel.ref import Ref
    from actors.kernel.system import System

__all__ = ["Handling", "current_cell"]

# The life on whose behalf the present task runs. Tasks from outside (a web request) have none.
current_cell: ContextVar[Cell | None] = ContextVar("current_cell", default=None)

_RUNNING = LifeState.RUNNING
_PENDING = ReplyState.PENDING


class Handling:
    """The part of a life that handles messages; `Cell` is the whole."""

    __slots__ = (
        "_deferred", "_executing", "_handoff", "_plain", "_receive", "actor", "address", "current",
        "generation", "mailbox", "ref", "state", "system",
    )  # fmt: skip

    def __init__(self, system: System, ref: Ref, actor: TrioActor) -> None:
        self.system = system
        self.ref = ref
        self.actor = actor
        self.address = ref.address
        self.generation = ref.generation
        self.state = LifeState.STARTING
        self.current: Envelope | None = None
        self.mailbox: Mailbox = actor._create_actor_inbox()
        self.mailbox.drop = self.dead_letter
        self._receive = actor.on_receive
        self._plain = not inspect.iscoroutinefunction(actor.on_receive)
        self._executing = False
        self._handoff: tuple[Envelope, Awaitable[object]] | None = None
        self._deferred: dict[Reply, None] | None = None

    def fail(self, error: BaseException) -> None:
        """End this life because of `error`."""
        raise NotImplementedError

    def admit(self, envelope: Envelope, lane: Lane = Lane.NORMAL) -> bool:
        """Queue a message; False when the mailbox is full. After the end it becomes a dead letter."""
        if self.mailbox.closed:
            self.dead_letter(envelope, "the actor is ending")
            return True
        return self.mailbox.put(envelope, lane, can_wait=envelope.__class__ is Reply)

    @property
    def callable_now(self) -> bool:
        """Whether `call` may be used: a plain handler, idle, nothing queued, not ending."""
        return (
            self._plain
            and self.mailbox.parked
            and not self._executing
            and self.state is _RUNNING
            and not self.mailbox.closed
        )

    def call(self, reply: Reply) -> None:
        """Handle an ask in the asker's time slice. Never raises; the outcome is in `reply`."""
        self._executing = True
        token = current_cell.set(self)  # type: ignore[arg-type]
        try:
            awaitable = self._begin(reply)
            if awaitable is not None:
                self._handoff = (reply, awaitable)
                self.mailbox.wake()
        except Exception as error:  # noqa: BLE001 - it becomes the failure of this life
            self.fail(error)
        finally:
            current_cell.reset(token)
            self._executing = False

    def _begin(self, envelope: Envelope) -> Awaitable[object] | None:
        """Run the handler; return what has to be awaited before there is an answer, if anything."""
        is_ask = envelope.__class__ is Reply
        if is_ask:
            if self._gone_by(envelope):
                return None
        elif envelope.tag is not None and isinstance(envelope.tag, Token):
            if not envelope.tag.live:
                return None
            envelope.tag.taken()
        self.current = envelope
        observer = self.system.observer
        began = self.system.now() if observer is not None else 0.0
        try:
            result = self._receive(envelope.message)
        except Exception as error:
            self._handler_failed(envelope, error)
            raise
        kind = result.__class__
        if kind is CoroutineType or kind is Reply:
            return result  # type: ignore[return-value]
        if is_ask or kind is Deferred or kind is Kept:
            self._answer(envelope, result)
        self.current = None
        if observer is not None:
            observer.handled(self.address, type(envelope.message).__name__, self.system.now() - began)
        return None

    async def _complete(self, envelope: Envelope, awaitable: Awaitable[object]) -> None:
        observer = self.system.observer
        began = self.system.now() if observer is not None else 0.0
        try:
            result = await awaitable
        except Exception as error:
            self._handler_failed(envelope, error)
            raise
        self._answer(envelope, result)
        self.current = None
        if observer is not None:
            observer.handled(self.address, type(envelope.message).__name__, self.system.now() - began)

    def _gone_by(self, envelope: Envelope) -> bool:
        reply: Reply = envelope  # type: ignore[assignment]
        if reply.state is _PENDING:
            now = self.system.now()
            if now < reply.deadline:
                return False
            reply.expire(now)
        self.dead_letter(reply, f"not handled: ask {reply.state.value}")
        return True

    def _answer(self, envelope: Envelope, result: object) -> None:
        kind = result.__class__
        if kind is Kept:
            return
        if kind is Deferred:
            if not result.belongs_to(envelope):  # type: ignore[attr-defined]
                msg = f"{self.address} returned the Deferred of another message"
                error = RuntimeError(msg)
                self._handler_failed(envelope, error)
                raise error
            return
        if isinstance(envelope, Reply):
            envelope.resolve(result)

    def _handler_failed(self, envelope: Envelope, error: Exception) -> None:
        self.current = None
        if isinstance(envelope, Reply):
            envelope.handler_failed(error, self.system.now())

    def defer(self) -> Deferred:
        """Return the means to answer the current message later."""
        envelope = self.current
        if envelope is None:
            msg = "defer() works only inside on_receive"
            raise RuntimeError(msg)
        if not isinstance(envelope, Reply):
            return Deferred(self, None)
        if envelope.deferred:
            msg = f"the answer to {type(envelope.message).__name__} is deferred already"
            raise RuntimeError(msg)
        envelope.deferred = True
        if self._deferred is None:
            self._deferred = {}
        self._deferred[envelope] = None
        return Deferred(self, envelope)

    def deferred_done(self, reply: Reply) -> None:
        """Forget a deferred answer."""
        if self._deferred is not None:
            self._deferred.pop(reply, None)

    def dead_letter(self, envelope: Envelope, reason: str) -> None:
        """Record `envelope` as a dead letter; an asker is told at once."""
        if isinstance(envelope.tag, Token) and not envelope.tag.live:
            return  # taken back by the actor itself: nobody lost anything
        if isinstance(envelope, Reply) and envelope.state is _PENDING:
            if reason.startswith("mailbox full"):
                size = self.mailbox.spec.capacity
                envelope.reject(MailboxFull(self.address, type(envelope.message).__name__, size))
            else:
                envelope.actor_died(reason)
        self.system.dead_letters.add(self.address, envelope.message, reason, generation=self.generation)

    def abandon_asks(self, why: str) -> None:
        """Fail every ask that was taken and not answered (end of life)."""
        if isinstance(self.current, Reply):
            self.current.actor_died(why)
        self.current = None
        if self._handoff is not None:
            envelope, awaitable = self._handoff
            if isinstance(awaitable, Coroutine):
                awaitable.close()
            if isinstance(envelope, Reply):
                envelope.actor_died(why)
            self._handoff = None
        if self._deferred is not None:
            for reply in list(self._deferred):
                reply.actor_died(why)
            self._deferred = None
