"""What can go wrong between an asker and an actor.

    KernelError                    everything below; `code` is stable
     +- ActorDead                  nobody lives at the address, or the life ended before it answered
     +- AskTimeout                 the deadline passed first
     +- HandlerFailed              the handler raised; `__cause__` is what it raised
     +- NoReply                    the actor gave away its only means of answering
     +- MailboxFull                the mailbox refused the message
     +- RankViolation              an ask or a waiting send that could close a cycle of waiting
     +- StartFailed                a life ended, or was not ready in time, before it was started
     +- AddressInUse               a second life was to begin where one has not ended
     +- LinkedDeath                an actor ends because one that it is linked to did

Each carries what was asked, what was found and what to do as attributes; the text only repeats them.
A refusal that belongs to the domain ("position too large") is a reply, never one of these.
"""

from __future__ import annotations

from typing import ClassVar

import pykka

__all__ = [
    "ActorDead",
    "AddressInUse",
    "AskTimeout",
    "HandlerFailed",
    "KernelError",
    "LinkedDeath",
    "MailboxFull",
    "NoReply",
    "RankViolation",
    "StartFailed",
]


class KernelError(Exception):
    """Base of every error that the kernel itself raises."""

    code: ClassVar[str] = "KERNEL"


class ActorDead(KernelError, pykka.ActorDeadError):
    """Nobody answers at `address`: no life there, or it ended before it answered `message_type`."""

    code = "ACTOR_DEAD"

    def __init__(self, address: str, message_type: str, why: str) -> None:
        super().__init__(f"{address} did not answer {message_type}: {why}")
        self.address = address
        self.message_type = message_type
        self.why = why


class AskTimeout(KernelError, pykka.Timeout):
    """The deadline of an ask passed. The message may still be handled if its handler had begun."""

    code = "ASK_TIMEOUT"

    def __init__(self, address: str, message_type: str, elapsed: float) -> None:
        super().__init__(f"{address} did not answer {message_type} within {elapsed:.3f} s")
        self.address = address
        self.message_type = message_type
        self.elapsed = elapsed


class HandlerFailed(KernelError):
    """The handler of `message` raised; the actor restarts and the message is not handled again."""

    code = "HANDLER_FAILED"

    def __init__(self, address: str, message: object, elapsed: float) -> None:
        super().__init__(f"{address} failed while it handled {type(message).__name__} ({elapsed:.3f} s)")
        self.address = address
        self.message = message
        self.elapsed = elapsed


class NoReply(KernelError):
    """The actor took the message, deferred its answer, and then lost the means to give it."""

    code = "NO_REPLY"

    def __init__(self, address: str, message_type: str) -> None:
        super().__init__(f"{address} dropped the deferred answer to {message_type}")
        self.address = address
        self.message_type = message_type


class MailboxFull(KernelError):
    """The mailbox at `address` holds `capacity` messages and its policy does not make room."""

    code = "MAILBOX_FULL"

    def __init__(self, address: str, message_type: str, capacity: int) -> None:
        super().__init__(f"{address} refused {message_type}: {capacity} messages wait already")
        self.address = address
        self.message_type = message_type
        self.capacity = capacity


class RankViolation(KernelError):
    """`asker` may wait only for actors of a lower rank; tell, or let the other side pull instead."""

    code = "RANK_VIOLATION"

    def __init__(self, asker: str, asker_rank: int | None, address: str, rank: int | None) -> None:
        super().__init__(
            f"{asker} (rank {asker_rank}) must not wait for {address} (rank {rank}): "
            "waiting goes to a strictly lower rank; tell it, or let it pull"
        )
        self.asker = asker
        self.asker_rank = asker_rank
        self.address = address
        self.rank = rank


class StartFailed(KernelError):
    """The life at `address` was not started; `__cause__` says why when something raised."""

    code = "START_FAILED"

    def __init__(self, address: str, why: str) -> None:
        super().__init__(f"{address} did not start: {why}")
        self.address = address
        self.why = why


class AddressInUse(KernelError):
    """A life at `address` has not ended, so another cannot begin there."""

    code = "ADDRESS_IN_USE"

    def __init__(self, address: str, generation: int) -> None:
        super().__init__(f"generation {generation} of {address} has not ended")
        self.address = address
        self.generation = generation


class LinkedDeath(KernelError):
    """An actor this one is linked to ended abnormally."""

    code = "LINKED_DEATH"

    def __init__(self, address: str, generation: int) -> None:
        super().__init__(f"the linked actor {address} (generation {generation}) ended abnormally")
        self.address = address
        self.generation = generation
