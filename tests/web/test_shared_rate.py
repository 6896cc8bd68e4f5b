"""Budgets that processes share: never more than the budget, few questions, and a local one in an outage."""

import pytest
import trio

from actors.model.shared import SharedAway
from persistence.memory.shared import MemoryRates
from tests.fixtures.runtime import SimulatedClock
from web.auth.shared_rate import SharedBucket


class CountingRates(MemoryRates):
    """Counts questions, and takes a moment for each."""

    def __init__(self) -> None:
        super().__init__(SimulatedClock())
        self.asked = 0

    async def take(self, client, count, window_seconds, wanted):
        self.asked += 1
        await trio.sleep(0.0005)
        return await super().take(client, count, window_seconds, wanted)


async def ask(bucket: SharedBucket) -> bool:
    await bucket.fill()
    return bucket.take(int(trio.current_time() * 1e9))


@pytest.mark.parametrize(("count", "processes"), [(10, 3), (1000, 3)])
async def test_all_processes_together_let_the_budget_through_and_no_more(count, processes, autojump_clock):
    """A burst of three times the budget: at most the budget, and at least the budget less lost portions."""
    store = CountingRates()
    buckets = [SharedBucket("ann", count, store) for _ in range(processes)]
    passed = 0

    async def burst(bucket: SharedBucket) -> None:
        nonlocal passed
        for _ in range(count):
            allowed = await ask(bucket)
            passed += allowed

    async with trio.open_nursery() as nursery:
        for bucket in buckets:
            nursery.start_soon(burst, bucket)
    # While the burst takes place the budget grows back by a little.
    grown = trio.current_time() * count + 1
    assert count - processes * (count // 100 + 1) <= passed <= count + grown


async def test_most_requests_of_a_large_budget_ask_nobody(autojump_clock):
    store = CountingRates()
    bucket = SharedBucket("ann", 5000, store)
    assert all([await ask(bucket) for _ in range(2000)])
    assert store.asked <= 50


async def test_who_was_refused_is_not_asked_about_until_its_time_has_come(autojump_clock):
    store = CountingRates()
    bucket = SharedBucket("ann", 10, store)
    assert sum([await ask(bucket) for _ in range(1000)]) == 10
    assert store.asked <= 12
    now_ns = int(trio.current_time() * 1e9)
    wait = bucket.verdict(now_ns, allowed=False).retry_after_seconds
    assert 0 < wait <= 0.1
    await trio.sleep(wait + 0.001)
    assert await ask(bucket)


async def test_without_the_store_each_process_goes_by_a_budget_of_its_own(autojump_clock):
    """What was let through before the outage counts in it; afterwards the shared budget is asked again."""
    store = CountingRates()
    bucket = SharedBucket("ann", 100, store)
    assert sum([await ask(bucket) for _ in range(60)]) == 60
    store.away = SharedAway("lost")
    passed = sum([await ask(bucket) for _ in range(100)])
    assert 40 <= passed <= 40 + 100 * trio.current_time() + 1
    assert bucket.verdict(int(trio.current_time() * 1e9), allowed=False).retry_after_seconds > 0
    store.away = None
    await trio.sleep(1)
    assert await ask(bucket)
    assert not bucket._away


async def test_a_bunch_that_cant_wait_goes_into_debt_and_the_debt_is_paid(autojump_clock):
    """Orders over a WebSocket: taken at once, settled afterwards; nobody gets more than the budget."""
    store = CountingRates()
    bucket = SharedBucket("ann", 100, store)
    taken = sum(bucket.take(int(trio.current_time() * 1e9)) for _ in range(90))
    assert taken == 64
    await bucket.fill()
    grant = await store.take("ann", 100, 1, 100)
    assert 34 <= grant.granted <= 37
    passed = sum([await ask(bucket) for _ in range(100)])
    assert passed <= 100 * trio.current_time() + 2
