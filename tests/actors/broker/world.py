"""A small world around the broker: journal in memory, position actors, and who else is told things."""

import random
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from decimal import Decimal

import trio

from actors.broker.actor import BrokerActor
from actors.broker.breaker import Breaker, BreakerSettings
from actors.broker.limiter import Limiter
from actors.broker.timings import BrokerTimings
from actors.journal.actor import JournalActor
from actors.journal.port import StoreUnavailable
from actors.journal.tail import CommittedTail
from actors.kernel import TrioActor, open_system
from actors.model.addresses import broker_address, position_address
from actors.model.events import AccountOpened, AmendAccepted, AmendAsked, OrderAccepted, order_id_of
from actors.model.journal import Append, Fence
from actors.model.messages import BrokerState
from actors.model.order import OrderIntent
from actors.position.actor import PositionActor
from persistence.memory import Faults, MemoryArchive, MemoryDisk, MemoryJournalStore
from tests.actors.broker.little_exchange import LittleExchange


class TestClock:
    """trio's clock; the wall starts at a fixed moment."""

    __test__ = False

    def now_us(self):
        return 1_700_000_000_000_000 + round(trio.current_time() * 1_000_000)

    def monotonic(self):
        return trio.current_time()


async def eventually(condition, seconds=60.0, every=0.01):
    """Wait until the condition holds; fail after `seconds`."""
    with trio.fail_after(seconds):
        while True:
            if condition():
                return
            await trio.sleep(every)


class OpenGate:
    """Lets everything pass unless told otherwise."""

    def __init__(self):
        self.refusal = None
        self.lifted = set()
        self.begun = {}

    def may_send(self, intent, reduces):
        return None if reduces else self.refusal

    def begin_send(self, order_id, amend_id=""):
        self.begun[order_id, amend_id] = None

    def end_send(self, order_id, amend_id=""):
        self.begun.pop((order_id, amend_id), None)

    def in_force(self, kill_id):
        return kill_id not in self.lifted

    @property
    def sends(self):
        return tuple(self.begun)


class Ear(TrioActor):
    """Keeps what it is told."""

    def __init__(self):
        super().__init__()
        self.heard = []

    def on_receive(self, message):
        self.heard.append(message)

    def of(self, kind):
        return [message for message in self.heard if isinstance(message, kind)]


class World:
    """One exchange, its broker, one position actor a symbol, and the journal. Lives are replaced by
    `restart_*`.
    """

    def __init__(
        self, system, port=None, symbols=("BTC/USDT",), timings=None, disk=None, bench=None, **broker
    ):
        self.system = system
        self.bench = bench
        self.clock = TestClock() if bench is None else bench.clock
        self.symbols = symbols
        self.port = port or LittleExchange(self.clock, symbols=symbols)
        self.disk = disk or MemoryDisk()
        self.faults = Faults()
        self.log = CommittedTail()
        self.gate = OpenGate()
        self.risk, self.operator, self.market = Ear(), Ear(), Ear()
        self.timings = timings or BrokerTimings()
        self.limiter = broker.get("limiter") or Limiter()
        self.switch = broker.get("switch")
        self.breaker = broker.get("breaker") or Breaker(BreakerSettings())
        self.cancel_breaker = Breaker(BreakerSettings())
        self.archive = MemoryArchive(self.disk, self.faults)
        self.count = 0

    async def start(self):
        store = MemoryJournalStore(self.disk, self.faults)
        journal = JournalActor(store=store, log=self.log, clock=self.clock, on_deposed=print)
        await self.system.start(journal, "journal")
        for ear, address in ((self.risk, "risk"), (self.operator, "operator"), (self.market, "market")):
            await self.system.start(ear, address)
        self.fenced = await self.system.ref("journal").ask(Fence("risk"), timeout=1)
        if not self.log.book.cash:
            opening = {"USDT": Decimal(1_000_000)} if self.bench is None else self.bench.opening
            self.append(AccountOpened(exchange="sim", balances=tuple(opening.items())))
        await self.start_broker()
        for symbol in self.symbols:
            await self.start_position(symbol)

    async def start_broker(self, exchange="sim", port=None):
        broker = BrokerActor(
            exchange=exchange,
            symbols=self.symbols,
            port=port or self.port,
            log=self.log,
            gate=self.gate,
            clock=self.clock,
            rng=random.Random(1),
            limiter=self.limiter if port is None else None,
            breaker=self.breaker if port is None else None,
            cancel_breaker=self.cancel_breaker if port is None else None,
            timings=self.timings,
            switch=self.switch,
        )
        return await self.system.start(broker, broker_address(exchange))

    async def start_position(self, symbol="BTC/USDT", exchange="sim"):
        actor = PositionActor(
            exchange=exchange,
            symbol=symbol,
            log=self.log,
            archive=self.archive,
            archive_away=StoreUnavailable,
        )
        return await self.system.start(actor, position_address(exchange, symbol))

    @property
    def broker(self):
        return self.system.ref(broker_address("sim"))

    def position(self, symbol="BTC/USDT"):
        return self.system.ref(position_address("sim", symbol))

    async def crash_broker(self):
        """End the broker's life at once, as a crash does, and start the next."""
        await self._kill(self.broker)
        await self.start_broker()

    async def crash_position(self, symbol="BTC/USDT"):
        """The same for a position actor."""
        await self._kill(self.position(symbol))
        await self.start_position(symbol)

    async def _kill(self, ref):
        cell = ref.cell
        if cell is not None:
            cell.kill()
            await cell.wait_ended()

    @property
    def state(self):
        """What the broker last said of itself."""
        return self.said[-1].state if self.said else None

    @property
    def said(self):
        """All that the broker said of its state."""
        return [told for told in self.risk.of(BrokerState) if told.exchange == "sim"]

    async def trading(self, seconds=60.0):
        await eventually(lambda: self.state == "trading", seconds)

    def accept(
        self, side="buy", quantity="1", price=None, symbol="BTC/USDT", age=2.0, exchange="sim", **more
    ):
        """Journal an accepted order as RiskActor does; returns its id."""
        self.count += 1
        order_id, venue_id = f"order-{self.count}", f"tw-{self.count}"
        intent = OrderIntent(
            order_id=order_id,
            client_order_id=order_id,
            exchange=exchange,
            symbol=symbol,
            side=side,
            type="market" if price is None else "limit",
            quantity=Decimal(quantity),
            limit_price=None if price is None else Decimal(price),
            venue_id=venue_id,
            **more,
        )
        accepted = OrderAccepted(
            intent=intent,
            reserve_price=Decimal(100),
            mark=Decimal(100),
            send_before_us=self.clock.now_us() + round(age * 1_000_000),
        )
        self.append(accepted)
        return order_id

    def amend(self, order_id, quantity, price, age=2.0):
        """Journal an accepted amend as RiskActor does; returns its id."""
        self.count += 1
        intent, amend_id = self.order(order_id).intent, f"amend-{self.count}"
        asked = AmendAsked(amend_id=amend_id, quantity=Decimal(quantity), limit_price=Decimal(price))
        in_place = self.port.capabilities.amends_in_place
        accepted = AmendAccepted(
            exchange=intent.exchange,
            symbol=intent.symbol,
            order_id=order_id,
            asked=asked,
            reserve_price=Decimal(price),
            venue_id="" if in_place else f"tw-{self.count}",
            mark=Decimal(100),
            send_before_us=self.clock.now_us() + round(age * 1_000_000),
        )
        self.append(accepted)
        return amend_id

    async def amended(self, order_id, amend_id, *states, seconds=60.0):
        """Wait for the end of an amend, and for the order to work or be over."""

        def reached():
            order = self.order(order_id)
            if order.amend is None or order.amend.amend_id != amend_id:
                return False
            return order.amend.state in states and order.status not in ("accepted", "submitted", "unknown")

        await eventually(reached, seconds)
        return self.order(order_id)

    def append(self, *events):
        """Journal events as RiskActor does."""
        self.system.ref("journal").tell(
            Append(
                append_id="a",
                stream="risk",
                generation=self.fenced.generation,
                events=events,
                correlation_id="c",
                reply_to="risk",
            )
        )

    def check_lives(self):
        """Nobody failed but those whom the test killed."""
        for address in (
            "journal",
            broker_address("sim"),
            *(position_address("sim", s) for s in self.symbols),
        ):
            assert self.system.ref(address).is_alive(), f"{address} has failed"

    async def agree(self, seconds=60.0):
        """Wait until every order is settled, then compare the journal with the exchange's books."""
        unsettled = ("accepted", "submitted", "unknown", "pending_cancel")
        await eventually(
            lambda: not any(order.status in unsettled for order in self.log.book.orders.values()),
            seconds,
            0.05,
        )
        for _ in range(100):
            if self.held(self.bench.symbol) == await self.bench.position():
                break
            await trio.sleep(0.1)
        await trio.sleep(1)
        books = await self.bench.books()
        for order in [each for each in self.disk.orders.values() if each.intent.exchange == "sim"]:
            before = [books.pop(venue_id) for venue_id in order.former]
            assert all(each.status != "open" for each in before)
            entry = books.pop(order.intent.venue_id, None)
            if entry is None:
                assert order.status in ("denied", "rejected") or order.former, order
            else:
                assert order.executed == entry.executed + sum(each.executed for each in before), order
                assert (order.status in ("open", "partially_filled")) == (entry.status == "open"), order
        assert not books, "the exchange has orders that the journal does not know"
        assert self.held(self.bench.symbol) == await self.bench.position()

    def order(self, order_id):
        return self.log.book.order(order_id) or self.disk.orders.get(order_id)

    async def until(self, order_id, *statuses, seconds=60.0, every=0.01):
        def reached():
            order = self.order(order_id)
            return order is not None and order.status in statuses

        await eventually(reached, seconds, every)
        return self.order(order_id)

    async def closed(self, seconds=60.0):
        await eventually(lambda: not self.log.book.orders, seconds)

    def types(self, order_id=None):
        """The types of the journal's events, of one order or all."""
        return [r.type for r in self.disk.records if order_id in (None, order_id_of(r.event))]

    def held(self, symbol="BTC/USDT"):
        return self.log.book.position("sim", symbol).quantity


@asynccontextmanager
async def open_world(*, bench=None, wait=True, before=None, **settings) -> AsyncGenerator[World, None]:
    """A started world whose exchange trades; `before` prepares it first. A failed life fails the test."""
    async with open_system() as system:
        if bench is not None:
            settings |= {"port": bench.port, "bench": bench}
        world = World(system, **settings)
        if before is not None:
            await before(world)
        await world.start()
        if wait:
            await world.trading()
        yield world
        world.check_lives()


__all__ = ["OpenGate", "TestClock", "World", "eventually", "open_world"]
