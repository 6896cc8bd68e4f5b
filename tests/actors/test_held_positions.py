"""Positions through the cache: however slow, lost or empty it is, no read is older than one before it."""

from collections import Counter
from decimal import Decimal
from random import Random

import pytest
import trio

from actors.held_positions import HeldPositions
from actors.journal.tail import CommittedTail
from actors.model import events as ev
from actors.model.shared import SharedAway
from persistence.memory.shared import MemoryPositions
from tests.actors.webhook.world import Journal
from tests.fixtures.runtime import SimulatedClock

PLACES = (("sim", "BTC/USDT"), ("binance", "BTC/USDT"), ("sim", "ETH/USDT"))


class ShakyCache(MemoryPositions):
    """Takes its time before and after each call; is away now and then, before or after the call was done."""

    def __init__(self, clock: SimulatedClock, rng: Random, share: float = 0.0) -> None:
        super().__init__(clock)
        self.rng = rng
        self.share = share

    async def _moment(self) -> None:
        await trio.sleep(self.rng.random() * 0.01)
        if self.rng.random() < self.share:
            raise SharedAway("shaky")

    async def look(self, floors, token):
        await self._moment()
        found = await super().look(floors, token)
        await self._moment()
        return found

    async def fill(self, symbol, token, version, positions):
        await self._moment()
        done = await super().fill(symbol, token, version, positions)
        await self._moment()
        return done

    async def renew(self, version, positions):
        await self._moment()
        await super().renew(version, positions)
        await self._moment()


class Books:
    """A journal of positions whose quantity counts up, so that older and newer can be told apart."""

    def __init__(self) -> None:
        self.journal = Journal(SimulatedClock())
        self.log = self.journal.tail()
        self.count = 0

    def change(self, place: tuple[str, str]) -> None:
        self.count += 1
        self.journal.commit(
            ev.PositionAdjusted(
                exchange=place[0],
                symbol=place[1],
                quantity=Decimal(1),
                price=Decimal(100),
                cause="deposit",
                evidence=f"change {self.count}",
            )
        )


class Readers:
    """The owner of the journal, and a process whose book lags behind; they share a shaky cache."""

    def __init__(self, seed: int) -> None:
        self.rng = Random(seed)
        self.books = Books()
        self.cache = ShakyCache(self.books.journal.clock, self.rng, share=0.05)
        self.results: Counter[str] = Counter()
        self.held = HeldPositions(self.cache, self.books.log, process="owner", on_read=self._count)
        self.lagging = CommittedTail()
        self.other = HeldPositions(self.cache, self.lagging, process="other")
        self.shown: dict[tuple[str, str], Decimal] = {}
        for place in PLACES:
            self.books.change(place)

    def _count(self, result: str, count: int) -> None:
        self.results[result] += count

    async def write(self) -> None:
        for _ in range(60):
            await trio.sleep(self.rng.random() * 0.1)
            self.books.change(self.rng.choice(PLACES))

    async def disturb(self) -> None:
        for _ in range(6):
            await trio.sleep(self.rng.random())
            if self.rng.random() < 0.5:
                self.cache.lose_everything()
            else:
                self.cache.away = SharedAway("lost")
                await trio.sleep(self.rng.random())
                self.cache.away = None

    async def read(self) -> None:
        for _ in range(120):
            await trio.sleep(self.rng.random() * 0.05)
            before = dict(self.shown)
            for place, position in (await self.held.positions()).items():
                assert position.quantity >= before.get(place, 0), "older than what was shown before"
                self.shown[place] = max(self.shown.get(place, Decimal(0)), position.quantity)

    async def read_elsewhere(self) -> None:
        records = self.books.journal.records
        while True:
            await trio.sleep(self.rng.random() * 0.05)
            self.lagging.fold(records[self.lagging.head : max(0, len(records) - 2)])
            await self.other.positions()


@pytest.mark.parametrize("seed", range(12))
async def test_no_read_is_older_than_one_that_was_answered_before_it(seed, autojump_clock):
    """Two processes and one cache: the owner of the journal, and a reader whose book lags behind and whose
    puts are slow; outages, lost answers, and a cache that forgets everything at once.
    """
    world = Readers(seed)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(world.held.run)
        nursery.start_soon(world.other.run)
        nursery.start_soon(world.read_elsewhere)
        async with trio.open_nursery() as work:
            work.start_soon(world.write)
            work.start_soon(world.disturb)
            for _ in range(3):
                work.start_soon(world.read)
        await trio.sleep(5)
        for _ in range(2):
            assert await world.held.positions() == world.books.log.book.positions
        nursery.cancel_scope.cancel()
    assert world.results["hit"] > 0


async def test_a_mixed_load_is_served_by_the_cache_for_the_most_part(autojump_clock):
    """A change for every twenty reads, over three places: nine of ten reads are hits."""
    rng = Random(1)
    books = Books()
    cache = ShakyCache(books.journal.clock, rng)
    results: Counter[str] = Counter()
    held = HeldPositions(cache, books.log, process="owner", on_read=lambda what, n: results.update({what: n}))
    for place in PLACES:
        books.change(place)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(held.run)
        await trio.sleep(1)
        for _ in range(100):
            books.change(rng.choice(PLACES))
            for _ in range(20):
                await trio.sleep(0.01)
                await held.positions()
        nursery.cancel_scope.cancel()
    assert results["hit"] > 0.9 * results.total()


async def test_while_the_cache_is_away_reads_are_right_and_it_is_caught_up_afterwards(autojump_clock):
    books = Books()
    cache = MemoryPositions(books.journal.clock)
    results: Counter[str] = Counter()
    held = HeldPositions(cache, books.log, process="owner", on_read=lambda what, n: results.update({what: n}))
    place = PLACES[0]
    books.change(place)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(held.run)
        await trio.sleep(1)
        await held.positions()
        await held.positions()
        assert results["hit"] == 1
        cache.away = SharedAway("lost")
        books.change(place)
        assert (await held.positions())[place].quantity == 2
        cache.away = None
        assert (await held.positions())[place].quantity == 2
        assert results["hit"] == 1, "what the cache could not be told yet is not trusted"
        await trio.sleep(1)
        assert (await held.positions())[place].quantity == 2
        assert results["hit"] == 2
        nursery.cancel_scope.cancel()


async def test_an_outage_costs_two_attempts_a_second_however_much_changes(autojump_clock):
    """A loop that tries again at each change, or without a pause, would take the processor from orders."""
    books = Books()
    cache = MemoryPositions(books.journal.clock)
    cache.away = SharedAway("lost")
    held = HeldPositions(cache, books.log, process="owner")
    attempts = 0

    async def renew(version, positions):
        nonlocal attempts
        attempts += 1
        raise SharedAway("lost")

    cache.renew = renew
    async with trio.open_nursery() as nursery:
        nursery.start_soon(held.run)
        for _ in range(100):
            books.change(PLACES[0])
            await trio.sleep(0.1)
        nursery.cancel_scope.cancel()
    assert attempts <= 21


async def test_without_a_follower_the_cache_is_not_trusted(autojump_clock):
    """Before it runs, or between two lives of its actor, nobody sees changes."""
    books = Books()
    books.change(PLACES[0])
    results: Counter[str] = Counter()
    held = HeldPositions(
        MemoryPositions(books.journal.clock),
        books.log,
        process="owner",
        on_read=lambda what, n: results.update({what: n}),
    )
    assert (await held.positions())[PLACES[0]].quantity == 1
    assert +results == Counter({"doubtful": 1})
