"""Redis that is lost, slow, full, empty or somebody else's: calls end soon, and it is found again."""

from random import Random

import pytest
import trio

from actors.model.shared import SharedAway
from persistence.redis import BadAddress, Patience, RedisLink
from supervisors.process import SystemClock
from tests.fixtures.redis import RedisServer
from tests.persistence.redis.linking import linked, until


async def echo(link: RedisLink, text: str = "x") -> bytes:
    return await link.call("test", lambda client: client.echo(text))


async def refused(link: RedisLink) -> float:
    """A call that can't be done; how long it took to say so."""
    began = trio.current_time()
    with pytest.raises(SharedAway):
        await echo(link)
    return trio.current_time() - began


async def test_a_server_that_hangs_costs_one_deadline_and_then_nothing(own_redis: RedisServer):
    async with linked(own_redis, patience=Patience(call_seconds=1.0, slow_seconds=10.0)) as link:
        assert await echo(link) == b"x"
        own_redis.freeze()
        assert await refused(link) < 4.0
        assert not link.standing.there
        before = link.statistics().calls["test", "lost"]
        for _ in range(200):
            await refused(link)
        statistics = link.statistics()
        assert statistics.calls["test", "lost"] == before
        assert (statistics.calls["test", "skipped"], statistics.losses) == (200, 1)
        own_redis.thaw()
        await until(lambda: link.standing.there)
        assert await echo(link) == b"x"


async def test_a_server_that_died_and_came_back_empty_is_used_again(own_redis: RedisServer):
    seen = []
    async with linked(own_redis) as link:
        link.on_change(lambda standing: seen.append(standing.there))
        await echo(link)
        own_redis.kill()
        await refused(link)
        own_redis.start()
        await until(lambda: link.standing.there)
        assert await echo(link) == b"x"
    assert (seen[0], seen[-1]) == (False, True)


async def test_a_full_server_is_away_until_it_takes_writes_again(own_redis: RedisServer):
    async with linked(own_redis) as link:
        own_redis.ask("CONFIG", "SET", "maxmemory", "1")
        with pytest.raises(SharedAway, match="memory"):
            await link.call("test", lambda client: client.set("key", "value"))
        assert not link.standing.there
        await trio.sleep(0.6)
        assert not link.standing.there
        own_redis.ask("CONFIG", "SET", "maxmemory", "0")
        await until(lambda: link.standing.there)


async def test_a_server_that_is_slow_again_and_again_is_left_alone(own_redis: RedisServer):
    async with linked(own_redis, patience=Patience(call_seconds=10.0, slow_seconds=0.2)) as link:
        for _ in range(5):
            await link.call("test", lambda client: client.blpop("nothing", timeout=0.3))
        assert not link.standing.there
        assert link.standing.why.startswith("slow")
        await until(lambda: link.standing.there)


async def test_the_database_of_another_installation_is_not_touched(own_redis: RedisServer):
    async with linked(own_redis, owner="first") as link:
        await echo(link)
    async with linked(own_redis, owner="second") as link:
        assert "another installation" in link.standing.why
        await refused(link)
    async with linked(own_redis, owner="first") as link:
        assert await echo(link) == b"x"


async def test_a_call_that_is_refused_does_not_make_the_server_away(redis_server: RedisServer):
    redis_server.ask("SET", "positions:BTC/USDT", "no hash")
    async with linked(redis_server) as link:
        with pytest.raises(SharedAway, match="WRONGTYPE"):
            await link.call("test", lambda client: client.hget("positions:BTC/USDT", "x"))
        assert link.standing.there


async def test_a_server_that_is_away_at_the_start_is_found_later(tmp_path):
    server = RedisServer(tmp_path)
    try:
        async with linked(server) as link:
            assert not link.standing.there
            server.start()
            await until(lambda: link.standing.there)
    finally:
        server.stop()


async def test_no_answer_reaches_the_wrong_question_in_a_storm_of_cancellations(redis_server: RedisServer):
    rng = Random(1)
    wrong = []
    async with linked(redis_server) as link:

        async def ask(number: int) -> None:
            with trio.move_on_after(rng.random() * 0.004):
                if await echo(link, str(number)) != str(number).encode():
                    wrong.append(number)

        for start in range(0, 300, 20):
            async with trio.open_nursery() as nursery:
                for number in range(start, start + 20):
                    nursery.start_soon(ask, number)
        await until(lambda: link.standing.there)
        assert await echo(link, "last") == b"last"
    assert wrong == []


@pytest.mark.parametrize("url", ["redis://:se/cret@host:1", "redis://host:port", "http://x"])
async def test_an_address_that_cant_be_read_is_refused_without_repeating_it(url):
    with pytest.raises(BadAddress) as refusal:
        RedisLink(url, owner="test", clock=SystemClock())
    assert "cret" not in str(refusal.value)
