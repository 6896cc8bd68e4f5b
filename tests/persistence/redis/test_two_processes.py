"""Two processes on one real server: one budget between them, and one view of positions."""

import trio

from actors.held_positions import HeldPositions
from persistence.postgres import open_bridge
from persistence.redis import RedisLink, RedisPositions, RedisRates
from supervisors.process import SystemClock
from tests.actors.test_held_positions import PLACES, Books
from tests.fixtures.redis import RedisServer
from tests.fixtures.stores import fail_on_error
from tests.persistence.redis.linking import PATIENT
from web.auth.shared_rate import SharedBucket


async def test_two_processes_let_through_one_budget(redis_server: RedisServer):
    """A burst of three times the budget from each."""
    count, passed = 40, 0
    async with open_bridge(fail_on_error):
        links = [
            RedisLink(redis_server.url, owner="test", clock=SystemClock(), patience=PATIENT) for _ in range(2)
        ]
        async with trio.open_nursery() as nursery:
            for link in links:
                await nursery.start(link.keep)
            buckets = [SharedBucket("ann", count, RedisRates(link)) for link in links]
            began = trio.current_time()

            async def burst(bucket: SharedBucket) -> None:
                nonlocal passed
                for _ in range(3 * count):
                    await bucket.fill()
                    allowed = bucket.take(int(trio.current_time() * 1e9))
                    passed += allowed
                    await trio.lowlevel.checkpoint()

            async with trio.open_nursery() as work:
                for bucket in buckets:
                    work.start_soon(burst, bucket)
            grown = (trio.current_time() - began) * count
            nursery.cancel_scope.cancel()
        for link in links:
            await link.close()
    assert count - 2 <= passed <= count + grown + 2


async def test_a_change_reaches_the_other_process_through_the_server(redis_server: RedisServer):
    """The owner of the journal renews what both have read; the other one's book knows nothing of it."""
    books = Books()
    books.change(PLACES[0])
    behind = books.journal.tail()
    books.journal.tails = []
    ahead = books.log
    async with open_bridge(fail_on_error):
        links = [
            RedisLink(redis_server.url, owner="test", clock=SystemClock(), patience=PATIENT) for _ in range(2)
        ]
        async with trio.open_nursery() as nursery:
            for link in links:
                await nursery.start(link.keep)
            owner = HeldPositions(RedisPositions(links[0]), ahead, process="owner")
            other = HeldPositions(RedisPositions(links[1]), behind, process="other")
            nursery.start_soon(other.run)
            await trio.sleep(0.1)
            nursery.start_soon(owner.run)
            await trio.sleep(0.1)
            assert (await owner.positions())[PLACES[0]].quantity == 1
            books.journal.tails = [ahead]
            books.change(PLACES[0])
            with trio.fail_after(30):
                while (await other.positions())[PLACES[0]].quantity != 2:  # noqa: ASYNC110 - real server
                    await trio.sleep(0.01)
            nursery.cancel_scope.cancel()
        for link in links:
            await link.close()
