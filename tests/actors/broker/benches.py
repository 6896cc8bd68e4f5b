"""Exchanges to run the broker suite against: each with faults on demand and a ledger to compare with.

A bench gives the port, breaks the next calls as told, and opens its books. What it can't do it says, and the
tests that need it are left out there.
"""

import random
from collections import deque
from collections.abc import Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Protocol

import msgspec

from actors.broker.adapters.simulated import CallFault, MemoryLedger, build
from actors.broker.port import ExchangePort
from actors.model.clock import Clock


class Entry(msgspec.Struct, frozen=True):
    """One order in the exchange's books."""

    status: str
    executed: Decimal


class Bench(Protocol):
    """`fault(operation, kind)` breaks the next call of a port method, if it `can`.

    Kinds: `lost` (done, no answer), `broken` (done, the connection ends), `never` (not done, no answer),
    `late` (done after everybody has given up), `too late` (arrives outside of the receive window),
    `refused` (nothing leaves), `throttled` (turned away unread). `far_below` is a price at which a buy
    order rests.
    """

    name: str
    symbol: str
    far_below: Decimal
    opening: Mapping[str, Decimal]
    clock: Clock
    port: ExchangePort

    def can(self, operation: str, kind: str) -> bool: ...

    def fault(self, operation: str, kind: str) -> None: ...

    def break_stream(self) -> None: ...

    async def books(self) -> dict[str, Entry]:
        """By our id."""
        ...

    async def position(self) -> Decimal: ...


FAULTS = {
    "lost": CallFault(answers=False),
    "broken": CallFault(answers=False, silent=False, reason="connection reset"),
    "never": CallFault(arrives=False),
    "late": CallFault(delay_seconds=3.0, answers=False),
    "too late": CallFault(delay_seconds=9.0, answers=False),
    "refused": CallFault(refused=True, reason="connection refused"),
    "throttled": CallFault(throttled=True, retry_after_seconds=1.0),
}


class ScriptedFaults:
    """Faults of the simulated exchange: the next calls as told, then by chance if a rate is set."""

    def __init__(self, seed=0):
        self.scripted = {}
        self.rng = random.Random(seed)
        self.rate = {}
        self.kinds = ("lost", "broken", "never", "late", "too late")
        self.stream_loss = 0.0
        self.stream_repeat = 0.0
        self.cut = False
        self.down = False
        self.silent_down = False
        self.streams_stay = False
        self.skew_us = 0
        self.calls = []
        self.now = lambda: 0.0

    def call(self, operation, subject):
        self.calls.append((self.now(), operation))
        if self.down:
            return CallFault(arrives=False, answers=False, silent=self.silent_down, reason="down")
        waiting = self.scripted.get(operation)
        if waiting:
            return waiting.popleft()
        if self.rng.random() < self.rate.get(operation, 0.0):
            return FAULTS[self.rng.choice(self.kinds)]
        return CallFault()

    def stream(self, item):
        if self.rng.random() < self.stream_loss:
            return ()
        if self.rng.random() < self.stream_repeat:
            return (0.0, self.rng.random(), 2.0)
        return (0.0,)

    def cuts(self, stream):
        if self.cut and stream == "orders":
            self.cut = False
            return True
        return self.down and not self.streams_stay

    def clock_skew_us(self):
        return self.skew_us


class SimBench:
    """The simulated exchange in this process."""

    name = "sim"
    symbol = "BTC/USDT"
    far_below = Decimal("20000.00")

    def __init__(self, clock, *, latency=0.0, seed=0, symbols=("BTC/USDT",), amends_in_place=True):
        self.opening = {"USDT": Decimal(1_000_000)}
        self.faults = ScriptedFaults(seed)
        self.faults.now = clock.monotonic
        self.ledger = MemoryLedger()
        self.clock = clock
        self.options = {"latency_seconds": latency, "seed": seed, "symbols": symbols}
        self.options["amends_in_place"] = amends_in_place
        self.port = self.another_port()

    def another_port(self):
        """The same exchange seen by another process."""
        return build("sim", clock=self.clock, ledger=self.ledger, faults=self.faults, **self.options)

    def can(self, operation, kind):
        return kind in FAULTS

    def fault(self, operation, kind):
        self.faults.scripted.setdefault(operation, deque()).append(FAULTS[kind])

    def break_stream(self):
        self.faults.cut = True

    def set_skew(self, seconds):
        self.faults.skew_us = round(seconds * 1_000_000)

    def set_down(self, down):
        self.faults.down = down

    async def books(self):
        opening = await self.ledger.load(10**9)
        return {row.client_id: Entry(row.status, row.executed) for row in opening.orders}

    async def position(self, symbol=None):
        rows = await self.ledger.fills("main", symbol or self.symbol, 0)
        total = Decimal(0)
        for row in rows:
            total += row.fill.quantity if row.fill.side == "buy" else -row.fill.quantity
        return total


SIMULATED = {"sim": 0.0, "sim with latency": 0.05}
"""Benches in simulated time, and how long a round trip takes there."""


REPLACING = "sim that can't amend"
"""The simulated exchange, where amends are carried out by cancelling and replacing."""


@asynccontextmanager
async def open_bench(name, clock):
    """The bench of this name, for as long as the block lasts."""
    if name == REPLACING:
        yield SimBench(clock, latency=0.05, amends_in_place=False)
        return
    if name in SIMULATED:
        yield SimBench(clock, latency=SIMULATED[name])
        return
    from tests.actors.broker.venue_bench import open_venue_bench

    async with open_venue_bench(name) as bench:
        yield bench
