"""The whole application on one page; the only place that wires.

    tradewarden                       rest_for_one: without the journal nobody may go on as if nothing had
    happened
      journal                         the one writer
      trading                         one_for_one
        watchdog                      sees a blocked loop from outside
        market                        newest prices
        operator                      kills, resumes, trading states
        risk                          the serialised check
        exchanges                     one_for_one: an exchange's trouble stays its own
          <exchange>                  one_for_one
            broker                    one account at one exchange
            position <symbol> ...     one for each symbol
        shared                        never gives up: what processes share is a help, not a need
          redis                       looks for the server, forgets cached positions, tells breakers
        webhooks                      never gives up: whom to tell is no reason to stop trading
          webhook                     follows the journal by a durable cursor

What is outside (store, exchanges, clock, ids, latch) is handed in, so that a simulation runs this very page
with twins. `trading` is described only when the journal is folded: the symbols with a history must have
their actors.
"""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from math import inf
from random import Random

import msgspec
from prometheus_client import CollectorRegistry

from actors.admission import Admissions
from actors.broker.actor import BrokerActor
from actors.broker.breaker import Breaker, BreakerSettings
from actors.broker.limiter import Limiter
from actors.broker.port import DeadMansSwitch, ExchangePort
from actors.broker.timings import BrokerTimings
from actors.command_port import CommandPort, PortTimings
from actors.halt.actor import OperatorActor
from actors.halt.gate import Gate
from actors.halt.kill import KillSwitch
from actors.halt.port import LatchFile
from actors.journal.actor import JournalActor
from actors.journal.port import JournalStore, StoreUnavailable
from actors.journal.tail import CommittedTail
from actors.kernel import Lane, Observer, System
from actors.market.actor import MarketDataActor
from actors.market.feed import MarketFeed
from actors.model import messages as m
from actors.model.addresses import broker_address, position_address
from actors.model.clock import Clock, Ids
from actors.model.results import NotReady
from actors.model.stages import SeveralStages, Stages
from actors.position.actor import PositionActor
from actors.queries import Archive
from actors.risk.actor import Known, RiskActor
from actors.risk.limits import RiskLimits
from supervisors.gauges import Actors, Exchanges, Trading
from supervisors.metrics import RuntimeMetrics
from supervisors.otp import Backoff, ChildSpec, Supervisor, SupervisorSpec, TreeNode, open_tree
from supervisors.otp.watchdog import Watchdog
from supervisors.shared import SharedOutside, SharedPart
from supervisors.webhooks import WebhookOutside, WebhookPart

VERSION = "0.1.0"


class Outside(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is not ours to decide. `on_deposed` must end the process: another one has the
    journal.
    """

    clock: Clock
    ids: Ids
    rng: Random
    store: JournalStore
    archive: Archive
    latch: LatchFile
    exchanges: Mapping[str, ExchangePort]
    limiters: Mapping[str, Limiter] = {}
    """How fast each exchange may be called; one that is not named has no budget of its own."""
    switches: Mapping[str, DeadMansSwitch] = {}
    """Dead-man's switches to use instead of the exchanges' own."""
    on_deposed: Callable[[str], None]
    observer: Observer | None = None
    stages: Sequence[Stages] = ()
    """Who else wants to know where an order's time goes."""
    webhooks: WebhookOutside | None = None
    shared: SharedOutside | None = None
    """What processes share; without it everything is kept in this one."""


class Choices(msgspec.Struct, frozen=True, kw_only=True):
    """What the operator chose. `halted_because` starts the runtime halted until a person resumes."""

    limits: RiskLimits
    second_person_for_limits: bool = False
    """Whether a looser limit takes two people."""
    second_person_to_resume: bool = False
    """Whether a resume takes two people."""
    answer_seconds: float = 0.8
    max_age_to_send_seconds: float = 2.0
    broker_timings: BrokerTimings = BrokerTimings()
    exchange_timings: Mapping[str, BrokerTimings] = {}
    """Those of single exchanges; every other has `broker_timings`."""
    breaker: BreakerSettings = BreakerSettings()
    snapshot_every: int = 10_000
    halted_because: str | None = None
    watchdog: bool = False
    """Whether a thread watches the loop; it lives on real time, so a simulation does without."""


class Runtime:
    """The parts that outlive any life of an actor, and the tree that runs on them."""

    def __init__(self, outside: Outside, choices: Choices) -> None:
        self.outside = outside
        self.choices = choices
        self.metrics = RuntimeMetrics(CollectorRegistry(), outside.clock, outside.exchanges)
        self.stages = SeveralStages([self.metrics, *outside.stages])
        self.system = System(clock=outside.clock, rng=outside.rng, observer=outside.observer or self.metrics)
        self.log = CommittedTail()
        self.gate = Gate()
        self.prices = MarketFeed()
        self.admissions = Admissions(self.log)
        self.known = Known()
        self.broker_states: dict[str, m.BrokerState] = self.known.brokers
        self.breakers = {exchange: Breaker(choices.breaker) for exchange in outside.exchanges}
        self.shared = self._shared()
        self.switch = KillSwitch(
            gate=self.gate,
            latch=outside.latch,
            clock=outside.clock,
            log=self.log,
            ids=outside.ids,
            announce=partial(self.system.ref("operator").tell, lane=Lane.CONTROL),
            halted_because=choices.halted_because,
        )
        self.port = CommandPort(
            system=self.system,
            log=self.log,
            admissions=self.admissions,
            archive=outside.archive,
            halts=self.gate,
            kills=self.switch,
            exchanges=tuple(outside.exchanges),
            ids=outside.ids,
            clock=outside.clock,
            timings=PortTimings(answer_seconds=choices.answer_seconds),
            prices=self.prices,
            tree=self.snapshot,
            readiness=self.readiness,
            stages=self.stages,
            held=None if self.shared is None else self.shared.held,
        )
        self.webhooks = self._webhooks()
        self._measure()
        self.tree: Supervisor | None = None

    def _measure(self) -> None:
        self.metrics.follow(self.log)
        lag = None if self.webhooks is None else self.webhooks.lag
        for gauges in (
            Actors(self.system),
            Exchanges(lambda: tuple(self.known.brokers.values()), self.known.skews),
            Trading(self.gate, self.log, self.outside.clock, lag),
        ):
            self.metrics.registry.register(gauges)

    def _shared(self) -> SharedPart | None:
        if self.outside.shared is None:
            return None
        return SharedPart(
            self.outside.shared,
            log=self.log,
            clock=self.outside.clock,
            breakers=self.breakers,
            process=self.outside.ids.incarnation,
            registry=self.metrics.registry,
        )

    def _webhooks(self) -> WebhookPart | None:
        if self.outside.webhooks is None:
            return None
        return WebhookPart(
            self.outside.webhooks,
            log=self.log,
            history=self.outside.archive,
            clock=self.outside.clock,
            ids=self.outside.ids,
            rng=self.outside.rng,
            brokers=self.broker_states,
            retries=None if self.shared is None else self.shared.outside.retries,
            standing=lambda: None if self.shared is None else self.shared.standing(),
            registry=self.metrics.registry,
        )

    def snapshot(self) -> TreeNode:
        """The live tree."""
        if self.tree is None:
            raise RuntimeError("the tree is not running")
        return self.tree.snapshot()

    def readiness(self) -> Sequence[NotReady]:
        """What keeps the runtime from taking orders."""
        found = []
        if not self.log.available:
            found.append(NotReady(what="journal", why="the store does not take appends now"))
        if self.gate.sealed is not None:
            found.append(NotReady(what="gate", why=self.gate.sealed))
        for exchange in self.outside.exchanges:
            state = self.broker_states.get(exchange)
            if state is None or state.state != "trading":
                why = "connecting" if state is None else f"{state.state} {state.detail}".strip()
                found.append(NotReady(what=broker_address(exchange), why=why))
        return found

    # The tree.

    def root(self) -> SupervisorSpec:
        """The root and the journal; `trading` joins when the journal is folded."""
        return SupervisorSpec(
            id="tradewarden",
            strategy="rest_for_one",
            intensity=5,
            period_seconds=60.0,
            children=(
                ChildSpec(
                    id="journal",
                    address="journal",
                    start=self._journal,
                    shutdown=10.0,
                    # A store that is away is a state that passes, at a restart as at any other time.
                    start_timeout=inf,
                ),
            ),
        )

    def trading(self) -> SupervisorSpec:
        """Everything that follows the journal, for the symbols that it knows now."""
        return SupervisorSpec(
            id="trading",
            intensity=10,
            period_seconds=60.0,
            children=(
                *(
                    [ChildSpec(id="watchdog", address="watchdog", start=Watchdog)]
                    if self.choices.watchdog
                    else []
                ),
                ChildSpec(id="market", address="market", start=self._market),
                ChildSpec(id="operator", address="operator", start=self._operator),
                ChildSpec(id="risk", address="risk", start=self._risk),
                SupervisorSpec(
                    id="exchanges",
                    intensity=10,
                    period_seconds=60.0,
                    children=tuple(self._exchange(exchange) for exchange in self.outside.exchanges),
                ),
                *(() if self.shared is None else (self.shared.spec(),)),
                *(() if self.webhooks is None else (self.webhooks.spec(),)),
            ),
        )

    def _exchange(self, exchange: str) -> SupervisorSpec:
        symbols = self.symbols(exchange)
        broker = ChildSpec(
            id="broker",
            address=broker_address(exchange),
            start=self._broker(exchange),
            shutdown=10.0,
        )
        positions = tuple(self.position(exchange, symbol) for symbol in symbols)
        return SupervisorSpec(
            id=exchange,
            intensity=20,
            period_seconds=60.0,
            backoff=Backoff(initial=0.1, maximum=5.0),
            children=(broker, *positions),
        )

    def symbols(self, exchange: str) -> tuple[str, ...]:
        """The symbols that have actors: what may be traded, and what has a history here."""
        allowed = self.log.book.limits.get("symbol_whitelist")
        wanted = allowed.split(",") if allowed else list(self.choices.limits.symbol_whitelist)
        held = [symbol for place, symbol in self.log.book.positions if place == exchange]
        working = [
            order.intent.symbol
            for order in self.log.book.orders.values()
            if order.intent.exchange == exchange
        ]
        return tuple(sorted({*wanted, *self.choices.limits.symbol_whitelist, *held, *working}))

    def _journal(self) -> JournalActor:
        return JournalActor(
            store=self.outside.store,
            log=self.log,
            clock=self.outside.clock,
            on_deposed=self._deposed,
            snapshot_every=self.choices.snapshot_every,
        )

    def _deposed(self, why: str) -> None:
        self.gate.seal(why)
        self.outside.on_deposed(why)

    def _market(self) -> MarketDataActor:
        return MarketDataActor(clock=self.outside.clock, feed=self.prices)

    def _operator(self) -> OperatorActor:
        return OperatorActor(
            clock=self.outside.clock,
            log=self.log,
            ids=self.outside.ids,
            gate=self.gate,
            switch=self.switch,
            exchanges=tuple(self.outside.exchanges),
            epoch=lambda: self.log.epoch,
            version=VERSION,
            second_person=self.choices.second_person_to_resume,
        )

    def _risk(self) -> RiskActor:
        return RiskActor(
            clock=self.outside.clock,
            log=self.log,
            ids=self.outside.ids,
            gate=self.gate,
            admissions=self.admissions,
            limits=self.choices.limits,
            known=self.known,
            max_age_to_send_seconds=self.choices.max_age_to_send_seconds,
            answer_seconds=self.choices.answer_seconds,
            second_person=self.choices.second_person_for_limits,
            stages=self.stages,
        )

    def _broker(self, exchange: str) -> Callable[[], BrokerActor]:
        limiter = self.outside.limiters.get(exchange) or Limiter()
        breaker, cancel_breaker = self.breakers[exchange], Breaker(self.choices.breaker)

        def start() -> BrokerActor:
            return BrokerActor(
                exchange=exchange,
                symbols=self.symbols(exchange),
                port=self.outside.exchanges[exchange],
                log=self.log,
                gate=self.gate,
                clock=self.outside.clock,
                rng=Random(self.outside.rng.getrandbits(64)),
                limiter=limiter,
                breaker=breaker,
                cancel_breaker=cancel_breaker,
                timings=self.choices.exchange_timings.get(exchange, self.choices.broker_timings),
                stages=self.stages,
                switch=self.outside.switches.get(exchange),
            )

        return start

    def position(self, exchange: str, symbol: str) -> ChildSpec:
        """The actor of a symbol."""
        return ChildSpec(
            id=f"position-{symbol.replace('/', '-')}",
            address=position_address(exchange, symbol),
            start=lambda: PositionActor(
                exchange=exchange,
                symbol=symbol,
                log=self.log,
                archive=self.outside.archive,
                archive_away=StoreUnavailable,
            ),
            start_timeout=60.0,
        )

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[Supervisor, None]:
        """Run the tree for the length of the block; entered when every actor is ready.

        An exchange that can't be reached does not hold up the start: its broker is ready and says that it is
        connecting. Leaving the block stops everything in reverse order.
        """
        async with open_tree(self.system, self.root()) as tree:
            self.tree = tree
            await tree.start_child("", self.trading(), timeout=300.0)
            yield tree
