"""A bounded mailbox with lanes.

Three lanes, taken strictly in order: system (supervision), control, normal. Only the normal lane is
bounded: what is urgent must not be refused because what is ordinary has piled up. A conflated message
takes the place of the queued one with the same key, so it needs no room of its own.

One task takes, anybody in the loop's thread puts. The mailbox never runs a handler and never logs; what it
must let go it hands to `drop`.
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Literal, NoReturn, TypeAlias, cast

import trio
from trio.lowlevel import Abort, current_task, reschedule, wait_task_rescheduled

from actors.kernel.envelope import Envelope

__all__ = ["Lane", "Mailbox", "MailboxSpec", "MailboxStatistics", "Policy"]

Policy: TypeAlias = Literal["wait", "refuse", "drop_oldest", "conflate"]
Drop: TypeAlias = Callable[[Envelope, str], None]

_POLICIES = ("wait", "refuse", "drop_oldest", "conflate")


class Lane(enum.IntEnum):
    """Which queue a message joins; a lower one is always emptied first."""

    SYSTEM = 0
    CONTROL = 1
    NORMAL = 2


@dataclass(frozen=True, slots=True)
class MailboxSpec:
    """How much waits in the normal lane, and what happens to one message more.

    `wait`: senders that can wait (`send`, `ask`) do so in order, `tell` is refused. `refuse`: MailboxFull,
    but `send` waits. `drop_oldest`: the oldest becomes a dead letter. `conflate`: every message replaces
    the queued one with its key (its class when it was told without a key). `conflate` lists classes that
    are conflated by class under any policy. `stash` bounds what an actor may put aside.
    """

    capacity: int = 1024
    policy: Policy = "refuse"
    conflate: tuple[type, ...] = ()
    stash: int = 1024

    def __post_init__(self) -> None:
        if self.capacity < 1 or self.stash < 0:
            msg = f"a mailbox needs room for one message, got capacity={self.capacity}, stash={self.stash}"
            raise ValueError(msg)
        if self.policy not in _POLICIES:
            msg = f"unknown mailbox policy {self.policy!r}; one of {', '.join(_POLICIES)}"
            raise ValueError(msg)


@dataclass(frozen=True, slots=True)
class MailboxStatistics:
    """A moment of a mailbox; counts are of this life. `oldest_at` is the sending time of the next message."""

    depth: int
    waiting_senders: int
    capacity: int
    accepted: int
    conflated: int
    dropped: int
    refused: int
    oldest_at: float | None


class _Waiter:
    """A message that waits for room, and the task that waits with it (none for an ask)."""

    __slots__ = ("envelope", "task")

    def __init__(self, envelope: Envelope, task: trio.lowlevel.Task | None) -> None:
        self.envelope = envelope
        self.task = task


class Mailbox:
    """The queue of one life. Senders wait only while it is full: whoever makes room admits the first."""

    __slots__ = (
        "_by_key", "_capacity", "_control", "_normal", "_self_keyed", "_system", "_task", "_waiters",
        "accepted", "closed", "conflated", "drop", "dropped", "refused", "spec",
    )  # fmt: skip

    def __init__(self, spec: MailboxSpec | None = None) -> None:
        self.spec = spec = spec or MailboxSpec()
        self._capacity = spec.capacity
        self._self_keyed = spec.policy == "conflate" or bool(spec.conflate)
        self._normal: deque[Envelope] = deque()
        # A deque is 600 bytes even when empty, and most actors never use these.
        self._control: deque[Envelope] | None = None
        self._system: deque[Envelope] | None = None
        self._waiters: deque[_Waiter] | None = None
        self._by_key: dict[Hashable, Envelope] | None = None
        self._task: trio.lowlevel.Task | None = None
        self.drop: Drop | None = None
        self.closed = False
        self.accepted = self.conflated = self.dropped = self.refused = 0

    # putting

    def put(self, envelope: Envelope, lane: Lane = Lane.NORMAL, *, can_wait: bool = False) -> bool:
        """Queue `envelope`; False when the mailbox refuses it.

        With `can_wait` and the policy `wait` a full mailbox takes it once there is room, in order.
        """
        if lane is not Lane.NORMAL:
            self._put_urgent(envelope, lane)
        elif envelope.tag is not None or (self._self_keyed and self._key_by_class(envelope)):
            self._put_keyed(envelope)
        elif len(self._normal) < self._capacity:
            self._normal.append(envelope)
        elif not self._overflow(envelope, can_wait):
            return False
        self.accepted += 1
        task = self._task
        if task is not None:
            self._task = None
            reschedule(task)
        return True

    def _put_urgent(self, envelope: Envelope, lane: Lane) -> None:
        if lane is Lane.SYSTEM:
            if self._system is None:
                self._system = deque()
            self._system.append(envelope)
        else:
            if self._control is None:
                self._control = deque()
            self._control.append(envelope)

    def _key_by_class(self, envelope: Envelope) -> bool:
        kind = type(envelope.message)
        # An ask is never conflated: each asker is owed an answer of its own.
        if type(envelope) is Envelope and (self.spec.policy == "conflate" or kind in self.spec.conflate):
            envelope.tag = cast(Hashable, kind)
            return True
        return False

    def _put_keyed(self, envelope: Envelope) -> None:
        if self._by_key is None:
            self._by_key = {}
        queued = self._by_key.get(envelope.tag)
        if queued is None:
            self._by_key[envelope.tag] = envelope
            self._normal.append(envelope)
        else:
            queued.message = envelope.message  # keeps its place, and the age of the first
            self.conflated += 1

    def _overflow(self, envelope: Envelope, can_wait: bool) -> bool:
        policy = self.spec.policy
        if policy == "drop_oldest":
            victim = self._normal.popleft()
            self._forget_key(victim)
            self._normal.append(envelope)
            self.dropped += 1
            if self.drop is not None:
                self.drop(victim, "mailbox full: oldest dropped")
            return True
        if policy == "wait" and can_wait:
            self._wait_in_line(envelope, None)
            return True
        self.refused += 1
        return False

    def _wait_in_line(self, envelope: Envelope, task: trio.lowlevel.Task | None) -> _Waiter:
        waiter = _Waiter(envelope, task)
        if self._waiters is None:
            self._waiters = deque()
        self._waiters.append(waiter)
        return waiter

    @property
    def has_room(self) -> bool:
        """Whether a plain message would be queued at once."""
        if self.spec.policy == "conflate":
            return True
        return len(self._normal) < self._capacity

    async def put_when_room(self, envelope: Envelope) -> None:
        """Queue `envelope`, waiting for room first in line.

        Cancelled while it waits, the message is withdrawn. When the mailbox closes meanwhile the message
        is handed to `drop` and this returns.
        """
        if self.has_room:
            self.put(envelope)
            await trio.lowlevel.checkpoint()
            return
        waiter = self._wait_in_line(envelope, current_task())

        def withdraw(_raise_cancel: Callable[[], NoReturn]) -> Abort:
            if self._waiters is not None:
                self._waiters.remove(waiter)
            return Abort.SUCCEEDED

        await wait_task_rescheduled(withdraw)

    # taking

    @property
    def parked(self) -> bool:
        """Whether the life waits for a message and there is none."""
        return self._task is not None

    def take(self) -> Envelope | None:
        """Return the next message by lane, or None."""
        if self._system:
            return self._system.popleft()
        if self._control:
            return self._control.popleft()
        normal = self._normal
        if not normal:
            return None
        envelope = normal.popleft()
        if self._by_key and envelope.tag is not None:
            self._forget_key(envelope)
        if self._waiters:
            self._admit_waiter()
        return envelope

    def _forget_key(self, envelope: Envelope) -> None:
        if self._by_key and self._by_key.get(envelope.tag) is envelope:
            del self._by_key[envelope.tag]

    def _admit_waiter(self) -> None:
        if self._waiters and len(self._normal) < self._capacity:
            waiter = self._waiters.popleft()
            self._normal.append(waiter.envelope)
            if waiter.task is not None:
                self.accepted += 1
                reschedule(waiter.task)

    def put_back(self, envelopes: list[Envelope]) -> None:
        """Put what was taken before in front of the normal lane again, in its order, whatever the bound."""
        self._normal.extendleft(reversed(envelopes))
        self.wake()

    async def wait(self) -> None:
        """Return when something was put or `wake` was called."""
        self._task = current_task()
        await wait_task_rescheduled(self._leave)

    def _leave(self, _raise_cancel: Callable[[], NoReturn]) -> Abort:
        self._task = None
        return Abort.SUCCEEDED

    def wake(self) -> None:
        """Let `wait` return."""
        task = self._task
        if task is not None:
            self._task = None
            reschedule(task)

    def close(self) -> list[Envelope]:
        """Take no more; return what was queued, by lane and in order, and let waiting senders go."""
        self.closed = True
        left = [*(self._system or ()), *(self._control or ()), *self._normal]
        for waiter in self._waiters or ():
            left.append(waiter.envelope)
            if waiter.task is not None:
                reschedule(waiter.task)
        self._normal.clear()
        self._system = self._control = self._waiters = self._by_key = None
        return left

    # pykka's inbox protocol, and looking at it

    def get(self) -> Envelope:
        """Return the next message; unlike pykka's inbox it never blocks, it raises."""
        envelope = self.take()
        if envelope is None:
            raise trio.WouldBlock
        return envelope

    def empty(self) -> bool:
        """Whether nothing is queued."""
        return len(self) == 0

    def __len__(self) -> int:
        return len(self._normal) + len(self._control or ()) + len(self._system or ())

    def statistics(self) -> MailboxStatistics:
        """Return depth, age and counts."""
        head = next((lane[0] for lane in (self._system, self._control, self._normal) if lane), None)
        return MailboxStatistics(
            depth=len(self),
            waiting_senders=len(self._waiters or ()),
            capacity=self._capacity,
            accepted=self.accepted,
            conflated=self.conflated,
            dropped=self.dropped,
            refused=self.refused,
            oldest_at=None if head is None else head.at,
        )
