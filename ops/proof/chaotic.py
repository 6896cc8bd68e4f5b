"""Actors of the kernel's stress test: they fail anywhere, and write down everything they do.

`Chaos` is the one source of misfortune of a run, drawn from its seed; `Book` is what everybody writes into
and what the checks read afterwards. Nothing here knows what the right outcome is.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import trio

from actors.kernel import Deferred, Exit, KernelError, MailboxSpec, NullObserver, Ref, Terminated, TrioActor
from actors.kernel.dead_letters import DeadLetter

__all__ = ["Book", "Chaos", "Chaotic", "Misfortune", "Parcel"]


class Misfortune(Exception):
    """A failure that was planned."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """One message: its number, and what to do with it."""

    number: int
    errand: str
    keyed: bool = False


@dataclass
class Chaos:
    """Draws every decision of a run. `level` is how likely a failure is; zero is calm."""

    rng: random.Random
    level: float

    def strikes(self, weight: float = 1.0) -> bool:
        """Whether something goes wrong now."""
        return self.level > 0 and self.rng.random() < self.level * weight

    def fate(self, weight: float) -> str:
        """What happens in a hook: nothing, an exception, a wait, or a wait without end."""
        if not self.strikes(weight):
            return "nothing"
        return self.rng.choice(["raise", "raise", "wait", "hang"])


@dataclass
class Book(NullObserver):
    """Everything that happened, in order, and counts of it."""

    addresses: list[str] = field(default_factory=list)
    trace: list[str] = field(default_factory=list)
    latest: dict[str, int] = field(default_factory=dict)
    taken: Counter[int] = field(default_factory=Counter)
    dead: Counter[int] = field(default_factory=Counter)
    refused: Counter[int] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    keyed_handled: int = 0
    keyed_dead: int = 0
    keyed_sent: int = 0
    sent: int = 0
    restarts: list[tuple[float, str, int]] = field(default_factory=list)
    actors: list[Chaotic] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def note(self, what: str) -> None:
        """Add a line to the trace."""
        self.trace.append(f"{trio.current_time():.6f} {what}")

    def acts(self, actor: Chaotic, what: str) -> None:
        """Note that a life does something, and whether it may still."""
        latest = self.latest.get(actor.address, 0)
        if actor.generation < latest:
            self.wrong.append(f"{actor.address} #{actor.generation} {what} after #{latest} had started")
        self.latest[actor.address] = actor.generation
        self.note(f"{actor.address}#{actor.generation} {what}")

    def dead_letter(self, letter: DeadLetter) -> None:
        """Count a parcel that ended as a dead letter."""
        if isinstance(letter.message, Parcel):
            self.note(f"dead {letter.message.number} {letter.reason}")
            if letter.message.keyed:
                self.keyed_dead += 1
            else:
                self.dead[letter.message.number] += 1

    def restarted(self, address: str, restarts: int, error: BaseException | None) -> None:
        """Note a restart that a supervisor counted."""
        self.restarts.append((trio.current_time(), address, restarts))
        self.note(f"restart {address} {restarts} {type(error).__name__}")

    def ended(self, address: str, generation: int, exit_: Exit) -> None:
        """Note the end of a life."""
        self.note(f"end {address}#{generation} {exit_.kind.value}")


class Chaotic(TrioActor):
    """Does errands, unless misfortune strikes."""

    def __init__(self, chaos: Chaos, book: Book) -> None:
        super().__init__()
        self.chaos = chaos
        self.book = book
        self.kept: list[Deferred] = []
        book.actors.append(self)

    async def on_start(self) -> None:
        """Start, or not."""
        self.book.acts(self, "starts")
        await self._suffer(0.5)
        if self.chaos.rng.random() < 0.2:
            self.timers.every("tick", self.chaos.rng.uniform(0.5, 3), "tick")
        if self.chaos.rng.random() < 0.2:
            self.start_task(self._background)
        if self.chaos.strikes(0.1):
            self.stop()
        self.book.acts(self, "is ready")

    async def on_stop(self) -> None:
        """Stop, or not."""
        self.book.acts(self, "stops")
        await self._suffer(1)

    async def on_failure(self, error: BaseException) -> None:
        """Clean up, or fail again."""
        self.book.acts(self, f"failed: {type(error).__name__}")
        await self._suffer(1)

    def on_stop_requested(self) -> None:
        """Hear of it, or fail at once."""
        if self.chaos.strikes(0.2):
            raise Misfortune("on_stop_requested")

    async def _suffer(self, weight: float) -> None:
        match self.chaos.fate(weight):
            case "raise":
                raise Misfortune("hook")
            case "wait":
                await trio.sleep(self.chaos.rng.uniform(0, 4))
            case "hang":
                await trio.sleep_forever()

    async def _background(self) -> None:
        try:
            for _ in range(self.chaos.rng.randrange(1, 20)):
                await trio.sleep(self.chaos.rng.uniform(0, 3))
                self.book.acts(self, "works in the background")
                if self.chaos.strikes():
                    raise Misfortune("background")
        finally:
            if self.chaos.strikes():
                with trio.CancelScope(shield=True):
                    await trio.sleep(self.chaos.rng.uniform(0, 2))
                self.book.acts(self, "ends its background late")

    def take(self, parcel: Parcel, *, kept: bool = False) -> None:
        """Write down that a parcel was handled (not when it is only put aside)."""
        self.book.acts(self, f"takes {parcel.number} {parcel.errand}")
        if kept:
            return
        if parcel.keyed:
            self.book.keyed_handled += 1
        else:
            self.book.taken[parcel.number] += 1

    def quick(self, message: object) -> object:
        """Do what needs no waiting."""
        if not isinstance(message, Parcel):
            self.book.acts(self, message.address if isinstance(message, Terminated) else str(message))
            if self.chaos.level == 0:
                self.timers.cancel("tick")
            elif self.chaos.strikes(0.3):
                raise Misfortune("timer or notice")
            return None
        if message.errand == "stash" and len(self.stash) < 3 and self.chaos.rng.random() < 0.7:
            self.take(message, kept=True)
            return self.stash.keep()
        self.take(message)
        if self.chaos.strikes():
            raise Misfortune("handler")
        errand = self.errands().get(message.errand)
        result = None if errand is None else errand()
        return message.number if result is None else result

    def errands(self) -> dict[str, Callable[[], object]]:
        """What can be asked for besides work."""
        return {
            "release": self.stash.release,
            "defer": self._defer,
            "settle": self._settle,
            "stop": lambda: self.stop() if self.chaos.strikes(3) else None,
            "kill": lambda: self.cell.kill() if self.chaos.strikes(3) else None,
            "watch": lambda: self.watch(self._somebody()),
            "unwatch": lambda: self.unwatch(self._somebody()),
            "link": lambda: self.link(self._somebody()) if self.chaos.strikes() else None,
            "timer": lambda: self.timers.start("once", self.chaos.rng.uniform(0, 2), "tock"),
            "cancel": lambda: self.timers.cancel("once"),
            "task": lambda: self.start_task(self._background),
        }

    def _defer(self) -> Deferred:
        self.kept.append(self.defer())
        return self.kept[-1]

    def _settle(self) -> None:
        for deferred in self.kept:
            match self.chaos.rng.randrange(3):
                case 0:
                    deferred.reply("later")
                case 1:
                    deferred.fail(Misfortune("deferred"))
        self.kept.clear()

    def _somebody(self) -> Ref:
        return self.system.ref(self.chaos.rng.choice(self.book.addresses))


class Plain(Chaotic):
    """With a plain handler."""

    mailbox = MailboxSpec(capacity=8, policy="refuse", stash=2)

    def on_receive(self, message: object) -> object:
        """Do the errand."""
        return self.quick(message)


class Waiting(Chaotic):
    """With a handler that waits, and asks others."""

    mailbox = MailboxSpec(capacity=8, policy="wait", stash=2)

    async def on_receive(self, message: object) -> object:
        """Do the errand, which may take a while."""
        result = self.quick(message)
        if isinstance(message, Parcel) and message.errand == "ask":
            try:
                return await self._somebody().ask("hello", timeout=self.chaos.rng.uniform(0.1, 2))
            except KernelError:
                return "no answer"
        if self.chaos.rng.random() < 0.3:
            await trio.sleep(self.chaos.rng.uniform(0, 1))
        if self.chaos.strikes():
            raise Misfortune("after waiting")
        return result


class Dropping(Plain):
    """Keeps the newest."""

    mailbox = MailboxSpec(capacity=3, policy="drop_oldest")


KINDS = (Plain, Waiting, Dropping)
ERRANDS = (
    "work", "work", "work", "work", "stash", "release", "defer", "settle", "stop", "kill", "watch", "unwatch",
    "link", "timer", "cancel", "task", "ask",
)  # fmt: skip
