"""Answers: pykka's future on trio, and the handle for answering later.

pykka's own future cannot be awaited under trio (its `__await__` yields a bare None) and its get-hooks
block the thread. A `Reply` is resolved from the loop's own thread and wakes the one task that awaits it by
rescheduling it directly: no event, no lock, no cancel scope. The deadline is kept by the system's agenda.

A reply moves once from pending to answered, failed, expired or abandoned (the asker was cancelled). What
comes later is a dead letter, never a second answer.
"""

from __future__ import annotations

import enum
import sys
from collections.abc import Generator
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

import pykka
import trio
from trio.lowlevel import Abort, current_task, reschedule, wait_task_rescheduled

from actors.kernel.envelope import Envelope
from actors.kernel.errors import ActorDead, AskTimeout, HandlerFailed, NoReply

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from actors.kernel.handling import Handling
    from actors.kernel.system import System

__all__ = ["Answer", "Deferred", "Reply", "ReplyState"]

OptExcInfo: TypeAlias = (
    "tuple[type[BaseException] | None, BaseException | None, TracebackType | None]"  # as sys.exc_info()
)
Answer: TypeAlias = Any  # what an actor answers is known to its asker, not to the kernel


class ReplyState(enum.Enum):
    """What became of an ask."""

    PENDING = "pending"
    ANSWERED = "answered"
    FAILED = "failed"
    EXPIRED = "expired"
    ABANDONED = "abandoned"


_PENDING = ReplyState.PENDING
_ANSWERED = ReplyState.ANSWERED


class Reply(Envelope, pykka.Future[Any]):
    """The envelope of an ask and the future of its answer.

    Await it once, from one task. Cancelling that await abandons the answer; the message itself, once
    admitted, is handled all the same.
    """

    __slots__ = (
        "_error",
        "_scheduled",
        "_system",
        "_task",
        "_value",
        "address",
        "deadline",
        "deferred",
        "state",
    )

    def __init__(self, system: System, address: str, message: object, at: float, deadline: float) -> None:
        # pykka.Future.__init__ only prepares the blocking get-hooks, which a reply does not have.
        self.message = message
        self.at = at
        self.tag = None
        self._system = system
        self.address = address
        self.deadline = deadline
        self.state = _PENDING
        self.deferred = False
        self._scheduled = False
        self._task: trio.lowlevel.Task | None = None
        self._value: Answer = None
        self._error: BaseException | None = None

    def __repr__(self) -> str:
        return f"<Reply to {type(self.message).__name__} from {self.address}: {self.state.value}>"

    @property
    def wanted(self) -> bool:
        """Whether its deadline still matters."""
        return self.state is _PENDING

    def schedule(self) -> None:
        """Let the agenda watch over the deadline. An ask that is answered at once never needs this."""
        self._scheduled = True
        self._system.agenda.add(self.deadline, self)

    def resolve(self, value: Answer) -> None:
        """Answer; a late answer becomes a dead letter."""
        if self.state is not _PENDING:
            self._late(value)
            return
        self.state = _ANSWERED
        self._value = value
        self._settled()

    def reject(self, error: BaseException) -> None:
        """Fail the ask with `error`; a late failure becomes a dead letter."""
        if self.state is not _PENDING:
            self._late(error)
            return
        self.state = ReplyState.FAILED
        self._error = error
        self._settled()

    def handler_failed(self, error: Exception, now: float) -> None:
        """Fail the ask because its handler raised `error`."""
        failure = HandlerFailed(self.address, self.message, now - self.at)
        failure.__cause__ = error
        if self.state is _PENDING:
            self.reject(failure)

    def actor_died(self, why: str) -> None:
        """Fail the ask because the life ended; quiet when nobody waits any more."""
        if self.state is _PENDING:
            self.reject(ActorDead(self.address, type(self.message).__name__, why))

    def expire(self, now: float) -> None:
        """Called by the agenda at the deadline."""
        if self.state is _PENDING:
            self.state = ReplyState.EXPIRED
            self._error = AskTimeout(self.address, type(self.message).__name__, now - self.at)
            self._wake()

    def _settled(self) -> None:
        if self._scheduled:
            self._system.agenda.settled()
        self._wake()

    def _wake(self) -> None:
        task = self._task
        if task is not None:
            self._task = None
            reschedule(task)

    def _late(self, value: object) -> None:
        self._system.dead_letters.add(
            self.address, value, f"late reply to {type(self.message).__name__}: {self.state.value}"
        )

    def _abandon(self, _raise_cancel: Callable[[], NoReturn]) -> Abort:
        self._task = None
        self.state = ReplyState.ABANDONED
        if self._scheduled:
            self._system.agenda.settled()
        return Abort.SUCCEEDED

    def __await__(self) -> Generator[Any, Any, Answer]:
        """Wait for the answer. A checkpoint in every case. Raises what the ask failed with."""
        return self._wait().__await__()

    async def _wait(self) -> Answer:
        if self.state is not _PENDING:
            await trio.lowlevel.checkpoint()
            return self._outcome()
        if self._task is not None:
            msg = f"{self!r} is awaited already by another task"
            raise RuntimeError(msg)
        self._task = current_task()
        await wait_task_rescheduled(self._abandon)
        return self._outcome()

    def _outcome(self) -> Answer:
        if self._error is not None:
            raise self._error
        return self._value

    # pykka's synchronous half

    def get(self, *, timeout: float | None = None) -> Answer:
        """Return the answer if it is there already; waiting for it is `await`'s business."""
        if self.state is _PENDING:
            msg = f"get() would block the loop (timeout={timeout}); write `await` instead"
            raise RuntimeError(msg)
        return self._outcome()

    def set(self, value: Answer = None) -> None:
        """Answer (pykka's name for `resolve`)."""
        self.resolve(value)

    def set_exception(self, exc_info: OptExcInfo | None = None) -> None:
        """Fail with `exc_info` or the exception in flight (pykka's name for `reject`)."""
        error = sys.exc_info()[1] if exc_info is None else exc_info[1]
        if error is None:
            msg = "set_exception() outside an except block needs an exception"
            raise TypeError(msg)
        self.reject(error)

    def set_get_hook(self, func: Callable[[float | None], Answer]) -> NoReturn:
        """Refuse: hooks run inside a blocking get()."""
        self._no_hooks("set_get_hook")

    def map(self, func: Callable[[Answer], object]) -> NoReturn:
        """Refuse: await the reply, then apply the function."""
        self._no_hooks("map")

    def filter(self, func: Callable[[Answer], bool]) -> NoReturn:
        """Refuse: await the reply, then filter."""
        self._no_hooks("filter")

    def reduce(self, func: Callable[..., object], *args: object) -> NoReturn:
        """Refuse: await the reply, then reduce."""
        self._no_hooks("reduce")

    def join(self, *futures: pykka.Future[Any]) -> NoReturn:
        """Refuse: await the replies one after the other; their actors work at the same time."""
        self._no_hooks("join")

    def _no_hooks(self, name: str) -> NoReturn:
        msg = f"{name}() rests on a blocking get(); `await` the reply and work on the value"
        raise TypeError(msg)


class Deferred:
    """The means to answer an ask after its handler has returned. Made by `TrioActor.defer()`.

    Exactly one answer counts. If the life ends first the asker gets ActorDead; if the last reference to
    this object is dropped unanswered the asker gets NoReply at once instead of waiting for its deadline.
    For a tell there is nobody to answer and both methods do nothing.
    """

    __slots__ = ("__weakref__", "_cell", "_reply")

    def __init__(self, cell: Handling, reply: Reply | None) -> None:
        self._cell = cell
        self._reply = reply

    @property
    def pending(self) -> bool:
        """Whether somebody still waits for this answer."""
        return self._reply is not None and self._reply.state is _PENDING

    def belongs_to(self, envelope: Envelope) -> bool:
        """Whether it answers that envelope."""
        return self._reply is envelope or (self._reply is None and not isinstance(envelope, Reply))

    def reply(self, value: Answer) -> None:
        """Answer the asker."""
        if self._reply is not None:
            self._cell.deferred_done(self._reply)
            self._reply.resolve(value)

    def fail(self, error: BaseException) -> None:
        """Raise `error` at the asker. The actor itself does not fail."""
        if self._reply is not None:
            self._cell.deferred_done(self._reply)
            self._reply.reject(error)

    def __del__(self) -> None:
        reply = self._reply
        if reply is not None and reply.state is _PENDING:
            self._cell.deferred_done(reply)
            reply.reject(NoReply(reply.address, type(reply.message).__name__))
