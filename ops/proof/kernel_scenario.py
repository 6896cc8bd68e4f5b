"""One seed of the kernel's stress test: its tree, its traffic, and what must hold afterwards."""

from __future__ import annotations

import random
from collections import defaultdict

import trio

from actors.kernel import (
    ActorDead,
    AskTimeout,
    HandlerFailed,
    KernelError,
    Lane,
    LifeState,
    MailboxFull,
    NoReply,
    StartFailed,
    System,
    TrioActor,
)
from ops.proof.chaotic import ERRANDS, KINDS, Book, Chaos, Misfortune, Parcel
from supervisors.otp import (
    Backoff,
    ChildSpec,
    SupervisionError,
    Supervisor,
    SupervisorActor,
    SupervisorSpec,
    TreeNode,
    format_tree,
    open_tree,
)
from supervisors.otp.spec import Restart

__all__ = ["Scenario"]

ACTORS = 50
STRIFE_SECONDS = 40.0
CALM_SECONDS = 120.0
SENDERS = 6


class Scenario:
    """One seed."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.book = Book()
        self.chaos = Chaos(self.rng, 0.0)
        self.level = self.rng.choice([0.003, 0.01, 0.03, 0.1, 0.2, 0.4])
        self.system = System(rng=self.rng, observer=self.book)
        self.limits: dict[str, SupervisorSpec] = {}
        self.parents: dict[str, str] = {}
        self.allowance: dict[tuple[str, int], list[float]] = defaultdict(list)
        self.number = 0

    # the tree

    def tree(self) -> SupervisorSpec:
        """Describe a root, supervisors below it, and supervisors and workers below those."""
        self._left = ACTORS - 1
        middle = [self._supervisor(f"s{number}", "root") for number in range(self.rng.randrange(2, 5))]
        return self._make("root", "root", None, tuple(middle))

    def _supervisor(self, name: str, parent: str, depth: int = 1) -> SupervisorSpec:
        address = f"{parent}/{name}"
        self._left -= 1
        children: list[ChildSpec | SupervisorSpec] = []
        for number in range(self.rng.randrange(2, 7)):
            if self._left <= 0:
                break
            if depth == 1 and self.rng.random() < 0.4:
                children.append(self._supervisor(f"t{number}", address, depth=2))
            else:
                self._left -= 1
                children.append(self._worker(f"w{number}", address))
        return self._make(name, address, parent, tuple(children))

    def _make(
        self, name: str, address: str, parent: str | None, children: tuple[ChildSpec | SupervisorSpec, ...]
    ) -> SupervisorSpec:
        rng = self.rng
        spec = SupervisorSpec(
            id=name,
            address=address,
            strategy=rng.choice(["one_for_one", "one_for_one", "one_for_all", "rest_for_one"]),
            intensity=rng.choice([5, 20, 50]) if parent is None else rng.choice([0, 1, 3, 3, 10, 50]),
            period_seconds=rng.choice([1.0, 1.0, 5.0, 30.0]),
            backoff=rng.choice([Backoff.none(), Backoff(), Backoff(initial=1, maximum=5, reset_after=10)]),
            children=children,
            auto_shutdown="any",
            restart=rng.choice(["permanent", "permanent", "transient"]),
            shutdown=rng.choice([float("inf"), 20.0]),
        )
        self.limits[address] = spec
        if parent is not None:
            self.parents[address] = parent
        return spec

    def _worker(self, name: str, parent: str) -> ChildSpec:
        rng = self.rng
        kind = rng.choice(KINDS)
        address = f"{parent}/{name}"
        self.book.addresses.append(address)
        self.parents[address] = parent
        restart: Restart = rng.choice(["permanent", "permanent", "permanent", "transient", "temporary"])

        def start() -> TrioActor | None:
            if self.chaos.strikes(0.2):
                raise Misfortune("factory")
            return kind(self.chaos, self.book)

        return ChildSpec(
            id=name,
            start=start,
            address=address,
            restart=restart,
            significant=restart != "permanent" and rng.random() < 0.1,
            shutdown=rng.choice([1.0, 3.0, "brutal"]),
            start_timeout=rng.choice([2.0, 5.0]),
        )

    # the traffic

    def parcel(self, *, keyed: bool = False) -> Parcel:
        """Make a message with a number of its own."""
        self.number += 1
        return Parcel(self.number, self.rng.choice(ERRANDS), keyed)

    async def send_for_a_while(self, tree: Supervisor) -> None:
        """Send this and that here and there until the strife is over."""
        until = trio.current_time() + STRIFE_SECONDS
        while trio.current_time() < until and not tree.ended.is_set():
            await trio.sleep(self.rng.expovariate(3))
            await self.send_one(tree)

    async def send_one(self, tree: Supervisor) -> None:
        """Send one message, or change the tree."""
        ref = self.system.ref(self.rng.choice(self.book.addresses))
        match self.rng.randrange(14):
            case 0 | 1 | 2 | 3:
                await self._ask(ref.address)
            case 4:
                with trio.move_on_after(self.rng.uniform(0, 1)):
                    await self._ask(ref.address)
            case 5:
                await self._send(ref.address)
            case 6:
                self.book.keyed_sent += 1
                ref.tell(self.parcel(keyed=True), key=self.rng.randrange(3))
            case 7:
                await self._change(tree, ref.address)
            case 8:
                for _ in range(self.rng.randrange(20)):
                    self._tell(ref.address)
            case 9:
                async with trio.open_nursery() as nursery:
                    for _ in range(self.rng.randrange(20)):
                        nursery.start_soon(self.rng.choice([self._ask, self._send]), ref.address)
            case _:
                self._tell(ref.address)

    def _tell(self, address: str) -> None:
        parcel = self.parcel()
        self.book.sent += 1
        try:
            self.system.ref(address).tell(parcel, lane=self.rng.choice([Lane.NORMAL, Lane.CONTROL]))
        except MailboxFull:
            self.book.refused[parcel.number] += 1

    async def _send(self, address: str) -> None:
        parcel = self.parcel()
        self.book.sent += 1
        with trio.move_on_after(5) as scope:
            await self.system.ref(address).send(parcel)
        known = self.book.taken[parcel.number] + self.book.dead[parcel.number]
        if scope.cancelled_caught and not known:
            self.book.refused[parcel.number] += 1

    async def _ask(self, address: str) -> None:
        parcel = self.parcel()
        self.book.sent += 1
        outcome = "cancelled"
        try:
            await self.system.ref(address).ask(parcel, timeout=self.rng.uniform(0.05, 5))
            outcome = "answered"
        except (ActorDead, AskTimeout, HandlerFailed, MailboxFull, NoReply, Misfortune) as error:
            outcome = type(error).__name__
        finally:
            self.book.outcomes[outcome] += 1
            known = self.book.taken[parcel.number] + self.book.dead[parcel.number]
            if not known and outcome in {"ActorDead", "MailboxFull"}:
                self.book.refused[parcel.number] += 1
            elif not known and outcome == "cancelled":
                self._maybe_unsent(parcel)

    def _maybe_unsent(self, parcel: Parcel) -> None:
        # Cancelled at its first checkpoint an ask was never sent; later it is still in some mailbox.
        waiting = [
            envelope.message
            for cell in self.system.lives()
            for envelope in (*cell.mailbox._normal, *(w.envelope for w in cell.mailbox._waiters or ()))
        ]
        stashed = [
            envelope.message
            for actor in self.book.actors
            if actor._cell is not None and actor._cell._stash is not None
            for envelope in actor._cell._stash._kept
        ]
        if parcel not in waiting and parcel not in stashed:
            self.book.refused[parcel.number] += 1

    async def _change(self, tree: Supervisor, address: str) -> None:
        if self.chaos.level == 0:
            return
        parent, _, name = address.rpartition("/")
        if not self.system.ref(parent).is_alive():
            return
        try:
            path = f"{parent.partition('/')[2]}/{name}"
            match self.rng.randrange(3):
                case 0:
                    await tree.terminate_child(path, timeout=3)
                    await tree.restart_child(path, timeout=3)
                case 1:
                    await tree.start_child(parent, self._dynamic(parent), timeout=3)
                case _:
                    cell = self.system.ref(address).cell
                    if cell is not None:
                        cell.kill()
        except (SupervisionError, KernelError) as error:
            self.book.note(f"change refused: {type(error).__name__}")

    def _dynamic(self, parent: str) -> ChildSpec:
        self.number += 1
        return self._worker(f"d{self.number}", parent)

    # the run

    async def play(self) -> str:
        """Run it; return how the tree was in the end: healthy, gave up, or ended."""
        spec = self.tree()
        self.book.restarted = self._restarted  # type: ignore[method-assign]
        self.chaos.level = self.level if self.rng.random() < 0.1 else 0.0
        try:
            async with open_tree(self.system, spec) as tree:
                return await self._strife_and_calm(tree)
        except StartFailed:
            return "never started"

    async def _strife_and_calm(self, tree: Supervisor) -> str:
        self.chaos.level = self.level
        async with trio.open_nursery() as nursery:
            for _ in range(SENDERS):
                nursery.start_soon(self.send_for_a_while, tree)
        self.chaos.level = 0.0
        await trio.sleep(CALM_SECONDS)
        if tree.ended.is_set():
            up = [cell.address for cell in self.system.lives()]
            if up:
                self.book.wrong.append(f"the tree has ended and these live on: {up}")
            return "gave up" if tree.gave_up.is_set() else "ended"
        self._check_health(tree.snapshot())
        self._check_down()
        self.chaos.level = self.level if self.rng.random() < 0.5 else 0.0
        return "healthy"

    def _restarted(self, address: str, restarts: int, error: BaseException | None) -> None:
        Book.restarted(self.book, address, restarts, error)
        parent = self.parents[address]
        spec = self.limits[parent]
        now = trio.current_time()
        times = self.allowance[parent, self.system.ref(parent).generation]
        times.append(now)
        within = [at for at in times if at >= now - spec.period_seconds]
        if len(within) > spec.intensity:
            self.book.wrong.append(f"{parent} restarted {len(within)} times, allowed are {spec.intensity}")

    # what must hold

    def _check_health(self, root: TreeNode) -> None:
        for node in root.walk():
            if node.state in {"running", "stopped"}:
                continue
            self.book.wrong.append(f"{node.address} is neither up nor down:\n{format_tree(root)}")

    def _check_down(self) -> None:
        """Whoever is down was ended on request, or is not permanent."""
        for cell in self.system.lives():
            actor = cell.actor
            for child in actor.children.values() if isinstance(actor, SupervisorActor) else ():
                down = child.cell is None or child.cell.exit is not None
                if down and not child.held and child.spec.restart == "permanent":
                    self.book.wrong.append(f"{child.address} is down ({child.state}) without a reason")

    def check(self) -> None:
        """Check what must hold after the tree is gone."""
        book = self.book
        unkeyed = book.taken + book.dead + book.refused
        for number, times in unkeyed.items():
            if times != 1:
                book.wrong.append(
                    f"parcel {number}: handled {book.taken[number]}, dead {book.dead[number]}, "
                    f"refused {book.refused[number]}"
                )
        if len(unkeyed) != book.sent:
            book.wrong.append(f"{book.sent} parcels were sent, {len(unkeyed)} have an end")
        conflated = sum(a._cell.mailbox.conflated for a in book.actors if a._cell is not None)
        # A timer that fires again while its message is queued is conflated too, so this is a lower bound.
        if book.keyed_handled + book.keyed_dead + conflated < book.keyed_sent:
            book.wrong.append("keyed parcels were lost")
        if self.system.lives() or self.system.agenda.live:
            book.wrong.append("something is left of the system")
        for cell in (actor._cell for actor in book.actors if actor._cell is not None):
            if cell.state is not LifeState.STOPPED or len(cell.mailbox):
                book.wrong.append(f"{cell} has not ended or holds messages")
