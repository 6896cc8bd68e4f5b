"""Nothing is told before it is written; writes gather while one is under way."""

from decimal import Decimal

import pytest
import trio
import trio.testing

from actors.broker.adapters.instruments import own_instruments
from actors.broker.adapters.simulated.admission import Request
from actors.broker.adapters.simulated.engine import Quote
from actors.broker.adapters.simulated.ledger import Entry, LedgerUnavailable, MemoryLedger, OrderRow
from actors.broker.adapters.simulated.scribe import Scribe
from actors.broker.adapters.simulated.venue import Fees, Venue
from actors.model.fill import Fill


class SlowLedger(MemoryLedger):
    """Writes when the test opens the gate; `fails` says that it can't."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = trio.Event()
        self.fails = False
        self.entries: list[Entry] = []

    async def write(self, entry: Entry) -> None:
        self.entries.append(entry)
        await self.gate.wait()
        if self.fails:
            raise LedgerUnavailable("no disk")
        await super().write(entry)


class Desk:
    """An exchange, its scribe, and what was told."""

    def __init__(self) -> None:
        self.ledger = SlowLedger()
        self.venue = Venue(
            "sim",
            own_instruments("sim", ("BTC/USDT",)),
            fees=Fees(),
            opening={"USDT": Decimal(10_000)},
            quotes={"BTC/USDT": Quote(Decimal(99), Decimal(101))},
        )
        self.told: list[OrderRow | Fill] = []
        self.scribe = Scribe(self.venue, self.ledger, lambda _account, item: self.told.append(item))
        self.settled: list[int] = []

    async def trade(self, number: int) -> None:
        """Place an order, and note when it is settled."""
        request = Request(
            client_id=f"c{number}", symbol="BTC/USDT", side="buy", type="market", quantity=Decimal(1)
        )
        self.venue.place("main", request, number)
        await self.scribe.settle()
        self.settled.append(number)


async def test_what_happens_during_a_write_is_written_together_by_the_next() -> None:
    """Ten orders, two writes; and nothing is told before it is durable."""
    desk = Desk()
    async with trio.open_nursery() as nursery:
        for number in range(10):
            nursery.start_soon(desk.trade, number)
        await trio.testing.wait_all_tasks_blocked()
        assert (desk.told, desk.settled, len(desk.ledger.entries)) == ([], [], 1)
        desk.ledger.gate.set()
    assert len(desk.ledger.entries) == 2
    assert [len(entry.orders) for entry in desk.ledger.entries] == [1, 9]
    assert len(desk.told) == 20
    assert sorted(desk.settled) == list(range(10))
    opening = await desk.ledger.load(100)
    assert [row.status for row in opening.orders] == ["filled"] * 10


async def test_when_nothing_has_happened_nothing_is_written() -> None:
    """And nobody waits."""
    desk = Desk()
    await desk.scribe.settle()
    assert desk.ledger.entries == []


async def test_a_failed_write_fails_all_who_wait_for_it_and_is_done_again() -> None:
    """The newest states, in one entry; told once."""
    desk, failed = Desk(), []
    desk.ledger.fails = True

    async def trade(number: int) -> None:
        try:
            await desk.trade(number)
        except LedgerUnavailable:
            failed.append(number)

    async with trio.open_nursery() as nursery:
        for number in range(3):
            nursery.start_soon(trade, number)
        await trio.testing.wait_all_tasks_blocked()
        desk.ledger.gate.set()
    assert len(failed) == 3
    assert desk.told == []
    desk.ledger.fails = False
    await desk.trade(3)
    assert len(desk.told) == 8
    assert len((await desk.ledger.load(100)).orders) == 4


async def test_a_cancelled_writer_leaves_the_work_to_the_next() -> None:
    """Nobody waits for him for ever, and nothing is lost."""
    desk = Desk()
    first = trio.CancelScope()

    async def impatient() -> None:
        with first:
            await desk.trade(1)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(impatient)
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(desk.trade, 2)
        await trio.testing.wait_all_tasks_blocked()
        first.cancel()
        await trio.testing.wait_all_tasks_blocked()
        assert len(desk.ledger.entries) == 2
        desk.ledger.gate.set()
    assert desk.settled == [2]
    assert len(desk.told) == 4
    assert len((await desk.ledger.load(100)).orders) == 2


async def test_an_error_that_nobody_expects_comes_out() -> None:
    """It is not taken for a ledger that is away."""
    desk = Desk()

    async def broken(_entry: Entry) -> None:
        raise ZeroDivisionError

    desk.ledger.write = broken  # type: ignore[method-assign]
    with pytest.raises(ZeroDivisionError):
        await desk.trade(1)
