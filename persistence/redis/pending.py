"""`webhooks:pending`: when each delivery that failed is tried again, a sorted set by time in milliseconds.

The truth is in PostgreSQL. What is missing here is found there a little later; what is here too much is
looked up there, not found, and dropped.
"""

from collections.abc import Sequence
from typing import Any

from actors.webhook.port import Retry
from persistence.redis.link import Client, RedisLink

PART = "pending"
KEY = "webhooks:pending"
AT_ONCE = 1000


class RedisRetries:
    """Implements `actors.webhook.port.RetrySchedule`."""

    def __init__(self, link: RedisLink) -> None:
        self._link = link

    async def change(self, plan: Sequence[Retry], drop: Sequence[Retry]) -> None:
        """Plan some retries, again or anew, and drop others."""

        async def work(client: Client) -> None:
            async with client.pipeline(transaction=False) as pipe:
                _put(pipe, plan)
                for start in range(0, len(drop), AT_ONCE):
                    pipe.zrem(KEY, *(_member(each) for each in drop[start : start + AT_ONCE]))
                await pipe.execute()

        if plan or drop:
            await self._link.call(PART, work)

    async def replace(self, plan: Sequence[Retry]) -> None:
        """Hold exactly these."""

        async def work(client: Client) -> None:
            async with client.pipeline(transaction=True) as pipe:
                pipe.delete(KEY)
                _put(pipe, plan)
                await pipe.execute()

        await self._link.call(PART, work)

    async def due(self, now_us: int, limit: int) -> Sequence[Retry]:
        """The soonest that are due, soonest first."""

        async def work(client: Client) -> Sequence[Any]:
            return await client.zrangebyscore(
                KEY, "-inf", now_us // 1000, start=0, num=limit, withscores=True
            )

        return [_retry(member, score) for member, score in await self._link.call(PART, work)]

    async def count(self) -> int:
        """How many are planned."""
        return int(await self._link.call(PART, lambda client: client.zcard(KEY)))


def _put(pipe: Client, plan: Sequence[Retry]) -> None:
    for start in range(0, len(plan), AT_ONCE):
        pipe.zadd(KEY, {_member(each): each.due_us // 1000 for each in plan[start : start + AT_ONCE]})


def _member(retry: Retry) -> str:
    return f"{retry.endpoint_id}/{retry.delivery_id}"


def _retry(member: bytes, score: float) -> Retry:
    endpoint_id, _, delivery_id = member.decode().partition("/")
    return Retry(endpoint_id=endpoint_id, delivery_id=delivery_id, due_us=int(score) * 1000)
