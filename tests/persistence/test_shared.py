"""What processes share: one suite over Redis and its twins in memory."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest

from actors.broker.sharing import BreakerBoard, Told
from actors.model.position import Position
from actors.queries import PositionCache
from actors.webhook.port import Retry, RetrySchedule
from persistence.memory.shared import MemoryBreakers, MemoryPositions, MemoryRates, MemoryRetries
from persistence.redis import RedisBreakers, RedisPositions, RedisRates, RedisRetries
from supervisors.process import SystemClock
from tests.persistence.redis.linking import linked
from web.auth.port import RateStore

NOW_US = 1_795_348_800_000_000


@dataclass
class Ports:
    rates: RateStore
    positions: PositionCache
    retries: RetrySchedule
    breakers: BreakerBoard


@pytest.fixture(params=["memory", "redis"])
async def ports(request: pytest.FixtureRequest) -> AsyncIterator[Ports]:
    clock = SystemClock()
    if request.param == "memory":
        yield Ports(MemoryRates(clock), MemoryPositions(clock), MemoryRetries(clock), MemoryBreakers(clock))
        return
    async with linked(request.getfixturevalue("redis_server")) as link:
        yield Ports(RedisRates(link), RedisPositions(link), RedisRetries(link), RedisBreakers(link))


# Budgets of clients.


async def test_a_budget_is_given_out_once_whoever_asks(ports):
    """A window of an hour: nothing comes back while the test runs."""
    grants = [await ports.rates.take("ann", 10, 3600, 4) for _ in range(4)]
    assert [each.granted for each in grants] == [4, 4, 2, 0]
    assert [each.left for each in grants] == [6, 2, 0, 0]
    assert 300 < grants[-1].retry_after_seconds <= 360


async def test_clients_have_budgets_of_their_own(ports):
    assert (await ports.rates.take("ann", 1, 3600, 1)).granted == 1
    assert (await ports.rates.take("bob", 1, 3600, 1)).granted == 1
    assert (await ports.rates.take("ann", 1, 3600, 1)).granted == 0


async def test_a_budget_that_no_whole_number_divides_is_exact(ports):
    granted = [(await ports.rates.take("ann", 7, 3600, 1)).granted for _ in range(9)]
    assert granted == [1] * 7 + [0] * 2


# Positions.


def held(quantity: str, exchange: str = "sim", symbol: str = "BTC/USDT") -> Position:
    return Position(
        exchange=exchange,
        symbol=symbol,
        quantity=Decimal(quantity),
        cost=Decimal("39000.10"),
        realized_pnl=Decimal("-1.50"),
        fees=(("USDT", Decimal("0.1")),),
        updated_us=NOW_US,
    )


async def look(ports: Ports, floor: int = 0, token: str = "a", symbol: str = "BTC/USDT") -> Any:
    return (await ports.positions.look({symbol: floor}, token))[symbol]


async def test_what_is_filled_in_comes_back_as_it_was_with_every_exchange(ports):
    assert (await look(ports)).leased
    kept = (held("0.10"), held("-2", "binance"))
    assert await ports.positions.fill("BTC/USDT", "a", 7, kept)
    found = await look(ports)
    assert (found.result, found.version, found.positions) == ("hit", 7, kept)


async def test_one_reader_at_a_time_has_the_lease(ports):
    assert (await look(ports, token="a")).leased
    assert not (await look(ports, token="b")).leased
    assert not await ports.positions.fill("BTC/USDT", "b", 7, (held("1"),))
    assert (await look(ports, token="c")).result == "missed"


async def test_what_was_read_before_a_change_cant_get_in_after_it(ports):
    """The race that leaves a cache stale: read, change, forget, put in."""
    assert (await look(ports, token="slow")).leased
    await ports.positions.renew(8, {"BTC/USDT": (held("2"),)})
    assert not await ports.positions.fill("BTC/USDT", "slow", 7, (held("1"),))
    assert (await look(ports, token="next")).leased
    assert not await ports.positions.fill("BTC/USDT", "slow", 7, (held("1"),))
    assert await ports.positions.fill("BTC/USDT", "next", 8, (held("2"),))
    assert (await look(ports)).version == 8


async def test_what_is_older_than_the_floor_is_dropped_and_not_given(ports):
    await look(ports)
    await ports.positions.fill("BTC/USDT", "a", 7, (held("1"),))
    assert (await look(ports, floor=7)).result == "hit"
    stale = await look(ports, floor=8, token="b")
    assert (stale.result, stale.leased) == ("stale", True)
    assert await ports.positions.fill("BTC/USDT", "b", 9, (held("2"),))
    assert (await look(ports, floor=8)).version == 9


async def test_a_change_renews_what_is_held_and_leaves_other_symbols_alone(ports):
    for symbol in ("BTC/USDT", "ETH/USDT"):
        await look(ports, symbol=symbol)
        await ports.positions.fill(symbol, "a", 7, (held("1", symbol=symbol),))
    await ports.positions.renew(9, {"BTC/USDT": (held("3"),), "SOL/USDT": (held("1", symbol="SOL/USDT"),)})
    found = await ports.positions.look({"BTC/USDT": 9, "ETH/USDT": 0, "SOL/USDT": 0}, "b")
    assert (found["BTC/USDT"].version, found["BTC/USDT"].positions) == (9, (held("3"),))
    assert [found[each].result for each in ("ETH/USDT", "SOL/USDT")] == ["hit", "missed"]


async def test_news_that_comes_late_and_what_is_of_another_journal_are_dropped(ports):
    """A renewal that was held up puts no older value in; a newer one is from before a restored backup."""
    await look(ports)
    await ports.positions.fill("BTC/USDT", "a", 500, (held("9"),))
    await ports.positions.renew(300, {"BTC/USDT": (held("1"),)})
    assert (await look(ports)).result == "missed"


# The schedule of retries.


def retry(number: int, after_ms: int, owner: str = "ep_1") -> Retry:
    return Retry(endpoint_id=owner, delivery_id=f"msg_{number}_0_{owner}", due_us=NOW_US + after_ms * 1000)


async def test_retries_come_soonest_first_and_only_when_due(ports):
    planned = [retry(1, 30), retry(2, 10), retry(3, 20, "ep_2"), retry(4, 40)]
    await ports.retries.change(planned, ())
    assert await ports.retries.count() == 4
    assert await ports.retries.due(NOW_US, 10) == []
    found = await ports.retries.due(NOW_US + 30_000, 10)
    assert found == [planned[1], planned[2], planned[0]]
    assert await ports.retries.due(NOW_US + 30_000, 1) == [planned[1]]


async def test_a_retry_is_planned_anew_or_dropped(ports):
    await ports.retries.change([retry(1, 10), retry(2, 10)], ())
    await ports.retries.change([retry(1, 50)], [retry(2, 0)])
    assert await ports.retries.due(NOW_US + 40_000, 10) == []
    assert await ports.retries.due(NOW_US + 50_000, 10) == [retry(1, 50)]


async def test_the_schedule_is_made_anew_from_the_truth(ports):
    await ports.retries.change([retry(n, 10) for n in range(5)], ())
    truth = [retry(n, 10) for n in range(3000, 5500)]
    await ports.retries.replace(truth)
    assert await ports.retries.count() == 2500
    assert set(await ports.retries.due(NOW_US + 10_000, 9999)) == set(truth)
    await ports.retries.replace(())
    assert await ports.retries.count() == 0


# Breakers.


def told(calls: int, bad: int, *, at_ms: int = 0, rest_ms: int | None = None) -> Told:
    rest = 0 if rest_ms is None else NOW_US + rest_ms * 1000
    return Told(at_us=NOW_US + at_ms * 1000, calls=calls, bad=bad, rest_until_us=rest)


async def tell(ports: Ports, who: str, mine: Told, exchange: str = "binance") -> tuple[int, int, int]:
    heard = await ports.breakers.tell(exchange, who, mine, 10_000_000)
    return heard.calls, heard.bad, heard.rest_until_us


async def test_each_process_hears_what_the_others_count(ports):
    assert await tell(ports, "a", told(10, 4)) == (0, 0, 0)
    assert await tell(ports, "b", told(5, 1)) == (10, 4, 0)
    assert await tell(ports, "c", told(1, 1)) == (15, 5, 0)
    assert await tell(ports, "a", told(10, 4), "bybit") == (0, 0, 0)


async def test_telling_again_counts_once_and_what_is_older_than_a_window_counts_no_more(ports):
    for _ in range(3):
        await tell(ports, "a", told(10, 4))
    assert await tell(ports, "b", told(0, 0, at_ms=9_000)) == (10, 4, 0)
    assert await tell(ports, "b", told(0, 0, at_ms=11_000)) == (0, 0, 0)


async def test_the_longest_cool_down_stands(ports):
    await tell(ports, "a", told(0, 0, rest_ms=5000))
    assert (await tell(ports, "b", told(0, 0, rest_ms=3000)))[2] == NOW_US + 5_000_000
    assert (await tell(ports, "a", told(0, 0)))[2] == NOW_US + 5_000_000
