"""One run: exchanges, disk and people that last, and processes that come and go.

Everything random has a generator of its own, named after the seed and its owner, so that a change in one
place does not move every other. The world keeps the notes; what they mean is for the checkers.
"""

from collections import Counter
from collections.abc import Awaitable, Callable
from decimal import Decimal
from random import Random
from typing import TypeVar

import msgspec
import trio

from actors.broker.port import Capabilities
from actors.command_port import CommandPort
from actors.journal.port import StoreUnavailable
from actors.journal.replay import state_hash
from actors.kernel import NullObserver
from actors.model.order import OrderIntent
from actors.risk.limits import RiskLimits, from_texts
from ops.proof.determinism import Standstill
from ops.proof.life import Life
from ops.proof.people import Call, Client, KillNote, ResumeNote
from ops.proof.plan import Plan
from ops.proof.sabotage import Saboteur, SimRuntime
from ops.proof.stores import LatchDisk, MortalArchive, MortalLatch, MortalStore
from ops.proof.venue import SimVenue
from ops.proof.watchers import Watcher
from ops.proof.weather import Weather
from ops.proof.wire import RECEIVE_WINDOW, SHORT_TIMEOUT, TIMEOUT, Amended, Submitted, Wire
from persistence.memory import Faults, MemoryDisk
from persistence.memory.disk import VENUE_ID
from supervisors import service
from supervisors.tree import Choices, Outside

T = TypeVar("T")
STILL_SECONDS = 22.0
"""How long before the end the markets stand still."""


class WorldClock:
    """A process's clock: the world's time, and how far the machine's clock is off."""

    def __init__(self, start_us: int) -> None:
        self._start_us = start_us
        self.offset_us = 0

    def true_us(self) -> int:
        """What every clock should show."""
        return self._start_us + int(trio.current_time() * 1_000_000)

    def now_us(self) -> int:
        """What the machine's clock shows."""
        return self.true_us() + self.offset_us

    def monotonic(self) -> float:
        """Seconds since the run began; never off."""
        return trio.current_time()


class SimIds:
    """Ids of one incarnation, from the seed."""

    def __init__(self, rng: Random, number: int) -> None:
        self.incarnation = f"{number:02d}" + "".join(rng.choice("abcdefghij") for _ in range(6))
        self._node = rng.getrandbits(48)
        self._orders = 0
        self._venue = 0

    def order_id(self) -> str:
        """A UUID text."""
        self._orders += 1
        return f"{self._orders:08x}-0000-7000-8000-{self._node:012x}"

    def venue_id(self) -> str:
        """What the exchange is given."""
        self._venue += 1
        return f"sim{self.incarnation}-{self._venue:x}"


class Restarts(NullObserver):
    """Counts how often a supervisor had to start an actor again."""

    def __init__(self, markers: Counter[str]) -> None:
        self._markers = markers

    def restarted(self, address: str, restarts: int, error: BaseException | None) -> None:
        """One more."""
        self._markers["an actor was restarted"] += 1


class Process:
    """One incarnation: its life, and what of it others touch."""

    def __init__(self, life: Life, runtime: SimRuntime, saboteur: Saboteur, wires: dict[str, Wire]) -> None:
        self.life = life
        self.runtime = runtime
        self.saboteur = saboteur
        self.wires = wires


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """How an incarnation ended."""

    number: int
    at: float
    why: str


class LastLook(msgspec.Struct, frozen=True, kw_only=True):
    """The last process as it stood when the time was over."""

    not_ready: tuple[str, ...]
    waiting: tuple[tuple[str, int], ...]
    lives_alive: int
    reserved: tuple[str, ...]


class World:
    """Made for one plan and run once."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.clock = WorldClock(plan.start_us)
        self.disk = MemoryDisk()
        self.faults = Faults()
        self.latch = LatchDisk(self.rng("latch"))
        self.fired: Counter[str] = Counter()
        self.markers: Counter[str] = Counter()
        self.edges: Counter[str] = Counter()
        self.last: LastLook | None = None
        self.stopped = ""
        """Why the run was ended before its time."""
        self.last_state: tuple[int, str] | None = None
        """The head and the hash of the state of the last process."""
        self.calls: list[Call] = []
        self.kills: list[KillNote] = []
        self.resumes: list[ResumeNote] = []
        self.submits: list[Submitted] = []
        self.amends: list[Amended] = []
        self.ended: list[Ended] = []
        self.incidents: list[str] = []
        self.watchers: list[Watcher] = []
        self.weathers = {name: Weather(self.fired) for name in plan.exchanges}
        self.venues = {name: self._venue(name) for name in plan.exchanges}
        self.process: Process | None = None
        """The newest process that answers; None while there is none."""
        self.lives: list[Life] = []
        self.on_process: Callable[[Process], None] | None = None
        self._next = trio.Event()
        self._nursery: trio.Nursery | None = None
        latency = self.rng("commit latency")
        self.commit_seconds: list[Callable[[], float]] = [lambda: latency.uniform(0.001, 0.004)]
        """What draws how long a commit takes: the last of these."""
        self.faults.latency_seconds = self._commit_takes

    def _commit_takes(self) -> float:
        return self.commit_seconds[-1]()

    def rng(self, owner: str) -> Random:
        """The random numbers of somebody."""
        return Random(f"{self.plan.seed}/{owner}")

    def _venue(self, name: str) -> SimVenue:
        rng = self.rng(f"venue {name}")
        opening = {"USDT": Decimal(rng.choice((20_000, 100_000)))}
        if self.plan.opening_base:
            opening["BTC"] = Decimal("0.05")
        return SimVenue(
            name,
            self.plan.symbols,
            rng=rng,
            now_us=self.clock.true_us,
            opening=opening,
            period=self.plan.market_period,
            swing=self.plan.market_swing,
        )

    # The run.

    async def run(self, *tasks: Callable[["World"], Awaitable[None]]) -> None:
        """Let the plan's time pass; `tasks` are whoever acts besides clients, markets and processes."""
        trio.lowlevel.add_instrument(Standstill(self.stop))
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            nursery.start_soon(self._keep)
            for venue in self.venues.values():
                nursery.start_soon(self._move, venue)
            for number in range(self.plan.clients):
                nursery.start_soon(Client(number, self).run)
                watcher = Watcher(number, self)
                self.watchers.append(watcher)
                nursery.start_soon(watcher.run)
            for task in tasks:
                nursery.start_soon(task, self)
            await trio.sleep_until(self.plan.seconds + 0.313)
            self.finish()
            nursery.cancel_scope.cancel()

    def stop(self, why: str) -> None:
        """End the run before its time; that is a finding."""
        self.incidents.append(f"{trio.current_time():.3f} {why}")
        self.stopped = why
        if self._nursery is not None:
            self._nursery.cancel_scope.cancel()

    def finish(self) -> None:
        """The run is over: look at the last process while it still lives."""
        process = self.process
        if process is None:
            return
        runtime = process.runtime
        self.last = LastLook(
            not_ready=tuple(f"{item.what}: {item.why}" for item in runtime.readiness()),
            waiting=tuple(
                (actor.address, actor.mailbox.depth)
                for actor in runtime.system.statistics().actors
                if actor.mailbox.depth
            ),
            lives_alive=sum(life.alive for life in self.lives),
            reserved=(),
        )
        self.last_state = (runtime.log.head, state_hash(runtime.log.book))

    async def _keep(self) -> None:
        """Keep a process running: the next one starts a while after the former ended, or beside it."""
        rng = self.rng("keeper")
        number = 0
        while True:
            number += 1
            self._next = trio.Event()
            self._start(number)
            await self._next.wait()
            await trio.sleep(rng.uniform(0.1, 3.0))

    async def _move(self, venue: SimVenue) -> None:
        """Let a market live until shortly before the end, so that what it did is known by then."""
        with trio.move_on_after(self.plan.seconds - STILL_SECONDS):
            await venue.move()

    def start_another(self) -> None:
        """Let a second process start beside the one that runs."""
        self._next.set()

    def _start(self, number: int) -> None:
        life = Life(number, self._on_end)
        self.lives.append(life)
        rng = self.rng(f"life {number}")
        saboteur = Saboteur()
        wires = {name: self._wire(name, life) for name in self.plan.exchanges}
        ending = service.Ending()
        if self.disk.snapshots:
            self.markers["a start from a snapshot"] += 1
        outside = Outside(
            clock=self.clock,
            ids=SimIds(rng, number),
            rng=rng,
            store=MortalStore(life, self.disk, self.faults),
            archive=MortalArchive(life, self.disk, self.faults),
            latch=MortalLatch(life, self.latch),
            exchanges=wires,
            on_deposed=lambda why: ending.set(service.EXIT_DEPOSED, why),
            observer=Restarts(self.markers),
        )
        choices = Choices(
            limits=from_texts(RiskLimits(symbol_whitelist=self.plan.symbols), dict(self.plan.limits)),
            snapshot_every=self.plan.snapshot_every,
        )
        process = Process(life, SimRuntime(outside, choices, saboteur), saboteur, wires)
        self.carry(self._live, process, ending)

    def _wire(self, name: str, life: Life) -> Wire:
        return Wire(
            self.venues[name],
            life,
            self.weathers[name],
            clock=self.clock,
            rng=self.rng(f"wire {name} {life.number}"),
            carry=self.carry,
            durable=lambda venue_id: (VENUE_ID, venue_id) in self.disk.names,
            intended=self._is_intended,
            notes=self.submits,
            amend_notes=self.amends,
            capabilities=Capabilities(
                amends_in_place=name in self.plan.amends_in_place,
                absence_window_seconds=None if name in self.plan.no_proof_of_absence else RECEIVE_WINDOW,
                fills_with_answer=name in self.plan.fills_with_answer,
                reports_positions=name not in self.plan.no_positions,
                takes_stops=name in self.plan.holds_stops,
            ),
            timeout=SHORT_TIMEOUT if name in self.plan.impatient else TIMEOUT,
        )

    def _is_intended(self, intent: OrderIntent) -> bool:
        """Whether an amend of the order to these terms is on the disk."""
        order_id = self.disk.names.get((VENUE_ID, intent.venue_id))
        order = None if order_id is None else self.disk.orders[order_id]
        amend = None if order is None else order.amend
        if order is None or amend is None:
            return False
        terms = (amend.quantity - order.carried, amend.limit_price)
        return terms == (intent.quantity, intent.limit_price)

    async def _live(self, process: Process, ending: service.Ending) -> None:
        """One process from its start to its end, as `supervisors.edge` runs it."""
        life = process.life
        with life.scope:
            try:
                await self._serve(process, ending)
            except Exception as error:  # noqa: BLE001 - a process that fails is part of the story
                self.incidents.append(f"{trio.current_time():.3f} process {life.number} failed: {error!r}")
        life.end(ending.why or "it exited")

    async def _serve(self, process: Process, ending: service.Ending) -> None:
        async with trio.open_nursery() as nursery:
            async with process.runtime.running() as tree:
                if process.life.alive:
                    self.process = process
                    if self.on_process is not None:
                        self.on_process(process)
                nursery.start_soon(service.watch_tree, tree, ending)
                await ending.wait()
                self._close_door(process.life)
                if ending.code == service.EXIT_GAVE_UP:
                    self.markers["the supervisor gave up"] += 1
                    await service.give_up(process.runtime, ending.why)
                else:
                    self.markers["a process was deposed"] += 1
            nursery.cancel_scope.cancel()

    def _close_door(self, life: Life) -> None:
        if self.process is not None and self.process.life is life:
            self.process = None

    def _on_end(self, life: Life, why: str) -> None:
        self.ended.append(Ended(number=life.number, at=trio.current_time(), why=why))
        self._close_door(life)
        life.scope.cancel()
        if life is self.lives[-1]:
            self._next.set()

    def carry(self, task: Callable[..., Awaitable[None]], *args: object) -> None:
        """Run a task that belongs to the world and not to the process that asks for it."""
        if self._nursery is not None:
            self._nursery.start_soon(task, *args)

    # Calls from outside.

    async def ask(self, call: Call, question: Callable[[CommandPort], Awaitable[T]]) -> T | None:
        """Put a question to the newest process and note what it says; None when no answer comes."""
        process = self.process
        if process is None:
            await trio.sleep(0.01)
            return None
        life, port = process.life, process.runtime.port
        call.life = life.number
        result: T | None = None
        refused = False
        with trio.CancelScope() as connection:
            life.connect(connection)
            try:
                result = await question(port)
            except StoreUnavailable:
                refused = True
            except Exception as error:  # noqa: BLE001 - it is a 500 to the client, and noted as such
                call.answer, call.code = "Error", repr(error)
            finally:
                life.disconnect(connection)
        if not life.alive:
            call.answer, call.code = "", ""
            return None
        call.over, call.head = trio.current_time(), port.head
        if not call.answer:
            call.answer = "Refused" if refused else type(result).__name__
        return result
