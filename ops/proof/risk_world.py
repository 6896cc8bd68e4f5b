"""The world of the risk proof: the real risk room, operator and journal; a store that judges; a fickle
exchange.

Only what is needed to drive the check is real. The store keeps nothing: it hands each committed record to the
judge, and now and then it is away, loses an answer, or refuses a batch. The exchange and the position actors
are played by the driver, which may do to an order whatever the state table allows.
"""

from collections.abc import Callable, Sequence
from decimal import Decimal
from random import Random
from uuid import UUID

import trio

from actors.halt.actor import OperatorActor
from actors.halt.gate import Gate
from actors.halt.kill import KillSwitch
from actors.journal.actor import JournalActor
from actors.journal.port import (
    Batch,
    BatchRefused,
    CommitUnknown,
    Head,
    StoredSnapshot,
    StoreUnavailable,
)
from actors.journal.tail import CommittedTail
from actors.kernel import Lane, System, TrioActor
from actors.model import messages as m
from actors.model.addresses import broker_address, position_address
from actors.model.events import OrderAccepted
from actors.model.instrument import Instrument
from actors.model.journal import Record
from actors.risk.actor import Known, RiskActor
from actors.risk.limits import RiskLimits
from ops.proof.risk_checker import Checker, Unfounded

START_US = 1_792_800_000_000_000
EXCHANGES = ("one", "two")
STOPS_AT = "one"
"""The exchange that takes stop orders."""
PRICES = {"BTC/USDT": Decimal(40_000), "ETH/USDT": Decimal(2_000), "XRP/USDT": Decimal("0.5")}
REFUSED = "refused-"
"""How the client order id of an order begins that the store will refuse, as it refuses a duplicate."""


class JudgingStore:
    """A journal store that keeps nothing but the judge's view."""

    def __init__(self, checker: Checker, rng: Random) -> None:
        self._checker = checker
        self._rng = rng
        self._hash = bytes(32)
        self._unknown_landed = False
        self.seq = 0
        self.trouble = 0.0
        """The share of commits that go wrong."""
        self.verdict: Unfounded | None = None
        """The judge's first objection; whoever drives the proof ends it then."""

    async def take_over(self) -> Head:
        return Head(seq=0, hash=self._hash, epoch=1)

    async def append(self, batch: Batch, epoch: int) -> None:
        await trio.lowlevel.checkpoint()
        for record in batch.records:
            event = record.event
            if isinstance(event, OrderAccepted) and event.intent.client_order_id.startswith(REFUSED):
                raise BatchRefused("the client order id is taken")
        if self._rng.random() < self.trouble:
            if self._rng.random() < 0.5:
                raise StoreUnavailable("the store is away")
            self._unknown_landed = self._rng.random() < 0.5
            if self._unknown_landed:
                self._land(batch.records)
            raise CommitUnknown("the answer was lost")
        self._land(batch.records)

    def _land(self, records: Sequence[Record]) -> None:
        for record in records:
            try:
                self._checker.read(record.seq, record.stream, record.payload)
            except Unfounded as error:
                self.verdict = self.verdict or error
            self.seq, self._hash = record.seq, record.hash

    async def resolve(self, batch: Batch, epoch: int) -> bool:
        await trio.lowlevel.checkpoint()
        return self._unknown_landed

    async def read(self, after: int, limit: int) -> Sequence[Record]:
        await trio.lowlevel.checkpoint()
        return ()

    async def latest_snapshot(self, fold_version: int) -> StoredSnapshot | None:
        return None

    async def save_snapshot(self, snapshot: StoredSnapshot) -> None:
        return

    async def close(self) -> None:
        return


class NoLatch:
    """A latch that keeps its content in memory."""

    capacity = 4096

    def __init__(self) -> None:
        self._content: bytes | None = None

    async def write(self, content: bytes) -> None:
        self._content = content

    async def read(self) -> bytes | None:
        return self._content

    async def clear(self) -> None:
        self._content = None


class WorldClock:
    """Both clocks follow trio's; `ahead_us` lets the wall clock jump to another day."""

    def __init__(self) -> None:
        self.ahead_us = 0

    def now_us(self) -> int:
        return START_US + self.ahead_us + int(trio.current_time() * 1e6)

    def monotonic(self) -> float:
        return trio.current_time()


class WorldIds:
    """Ids that count up."""

    incarnation = "proof"

    def __init__(self) -> None:
        self._number = 0

    def order_id(self) -> str:
        self._number += 1
        return str(UUID(int=self._number, version=4))

    def venue_id(self) -> str:
        self._number += 1
        return f"proof-{self._number}"


class Player(TrioActor):
    """Stands for a broker or a position actor; the driver reacts to what it is told."""

    def __init__(self, react: Callable[[object], None]) -> None:
        super().__init__()
        self._react = react

    def on_receive(self, message: object) -> object:
        self._react(message)
        return None


class Failures:
    """Counts admissions that failed."""

    def __init__(self) -> None:
        self.count = 0

    def fail(self, order_id: str, code: str, detail: str) -> None:
        self.count += 1


class RiskWorld:
    """Everything around the check. `cancel_at` is called when orders at a place have to go."""

    def __init__(self, system: System, seed: str, limits: RiskLimits) -> None:
        self.system = system
        self.checker = Checker()
        self.store = JudgingStore(self.checker, Random(f"{seed}/store"))
        self.log = CommittedTail()
        self.clock = WorldClock()
        self.ids = WorldIds()
        self.gate = Gate()
        self.failures = Failures()
        self.known = Known()
        self.limits = limits
        self.marks = {(exchange, symbol): price for exchange in EXCHANGES for symbol, price in PRICES.items()}
        self.cancel_at: Callable[[str, str], None] = lambda exchange, symbol: None
        self.switch = KillSwitch(
            gate=self.gate,
            latch=NoLatch(),
            clock=self.clock,
            log=self.log,
            ids=self.ids,
            announce=lambda told: system.ref("operator").tell(told, lane=Lane.CONTROL),
        )

    async def open(self) -> None:
        """Start every actor, and let the exchanges report."""
        journal = JournalActor(
            store=self.store, log=self.log, clock=self.clock, on_deposed=self.gate.seal, snapshot_every=10**9
        )
        await self.system.start(journal, "journal")
        for exchange in EXCHANGES:
            await self.system.start(Player(self._swept(exchange)), broker_address(exchange))
            for symbol in PRICES:
                address = position_address(exchange, symbol)
                await self.system.start(Player(self._cancelling(exchange, symbol)), address)
        operator = OperatorActor(
            clock=self.clock,
            log=self.log,
            ids=self.ids,
            gate=self.gate,
            switch=self.switch,
            exchanges=EXCHANGES,
            epoch=lambda: 1,
            version="proof",
        )
        await self.system.start(operator, "operator")
        await self.start_risk()
        for exchange in EXCHANGES:
            self._report(exchange)
        for exchange, symbol in self.marks:
            self.tell_price(exchange, symbol)

    async def start_risk(self) -> RiskActor:
        """A new life of RiskActor."""
        self.risk = RiskActor(
            clock=self.clock,
            log=self.log,
            ids=self.ids,
            gate=self.gate,
            admissions=self.failures,
            limits=self.limits,
            known=self.known,
        )
        await self.system.start(self.risk, "risk")
        return self.risk

    def _swept(self, exchange: str) -> Callable[[object], None]:
        def react(message: object) -> None:
            if isinstance(message, m.Sweep):
                for symbol in PRICES:
                    self.cancel_at(exchange, symbol)
                done = m.SweepProgress(
                    sweep_id=message.sweep_id, exchange=exchange, cancelled=0, remaining=0, done=True
                )
                self.system.ref("operator").tell(done)

        return react

    def _cancelling(self, exchange: str, symbol: str) -> Callable[[object], None]:
        def react(message: object) -> None:
            if isinstance(message, m.CancelOpening):
                self.cancel_at(exchange, symbol)

        return react

    def _report(self, exchange: str) -> None:
        instruments = tuple(
            Instrument(
                exchange=exchange,
                symbol=symbol,
                base=symbol[:3],
                quote="USDT",
                tick=Decimal("0.0001") if price < 1 else Decimal("0.01"),
                lot=Decimal("0.1") if price < 1 else Decimal("0.000001"),
                min_notional=Decimal(5),
            )
            for symbol, price in PRICES.items()
        )
        told = m.BrokerState(
            exchange=exchange,
            state="trading",
            circuit="closed",
            detail="",
            instruments=instruments,
            balances=(("USDT", Decimal(52_000)), ("ETH", Decimal(3))),
            takes_stops=exchange == STOPS_AT,
        )
        for address in ("risk", "operator"):
            self.system.ref(address).tell(told)

    def tell_price(self, exchange: str, symbol: str) -> None:
        """Tell risk the present mark of a place."""
        price = self.marks[exchange, symbol]
        self.system.ref("risk").tell(
            m.Mark(
                exchange=exchange,
                symbol=symbol,
                bid=price,
                ask=price,
                last=price,
                mark=price,
                at_us=self.clock.now_us(),
            ),
            key=f"{exchange}/{symbol}",
        )
