"""pykka's actors on trio.

    async with open_system() as system:
        counter = await system.start(Counter(), "counter")
        counter.tell(Add(2))
        total = await counter.ask(Total(), timeout=1.0)

A room of the application needs `TrioActor`, `Ref`, `System` and the errors; the rest is for supervisors and
for looking in from outside. This room knows no trading.
"""

from actors.kernel.actor import TrioActor
from actors.kernel.agenda import Agenda
from actors.kernel.cell import Cell
from actors.kernel.clock import Clock, TrioClock
from actors.kernel.courtesy import Courtesy
from actors.kernel.dead_letters import DeadLetter, DeadLetters
from actors.kernel.errors import (
    ActorDead,
    AddressInUse,
    AskTimeout,
    HandlerFailed,
    KernelError,
    LinkedDeath,
    MailboxFull,
    NoReply,
    RankViolation,
    StartFailed,
)
from actors.kernel.future import Deferred, Reply, ReplyState
from actors.kernel.handling import current_cell
from actors.kernel.life import Exit, ExitKind, LifeState, Terminated
from actors.kernel.mailbox import Lane, MailboxSpec, MailboxStatistics
from actors.kernel.observer import NullObserver, Observer
from actors.kernel.ref import Ref
from actors.kernel.stash import Kept, Stash
from actors.kernel.system import ActorStatistics, System, SystemStatistics, open_system
from actors.kernel.timers import Timers

__all__ = [
    "ActorDead",
    "ActorStatistics",
    "AddressInUse",
    "Agenda",
    "AskTimeout",
    "Cell",
    "Clock",
    "Courtesy",
    "DeadLetter",
    "DeadLetters",
    "Deferred",
    "Exit",
    "ExitKind",
    "HandlerFailed",
    "Kept",
    "KernelError",
    "Lane",
    "LifeState",
    "LinkedDeath",
    "MailboxFull",
    "MailboxSpec",
    "MailboxStatistics",
    "NoReply",
    "NullObserver",
    "Observer",
    "RankViolation",
    "Ref",
    "Reply",
    "ReplyState",
    "StartFailed",
    "Stash",
    "System",
    "SystemStatistics",
    "Terminated",
    "Timers",
    "TrioActor",
    "TrioClock",
    "current_cell",
    "open_system",
]
