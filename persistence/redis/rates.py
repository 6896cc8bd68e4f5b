"""`rates:{client}`: how often a client may ask, counted for all processes by one script.

The generic cell rate algorithm on the server's own clock, so that the clocks of processes don't matter. The
key holds the theoretical arrival time in microseconds and goes away when the budget is whole again.
"""

from persistence.redis.link import RedisLink, Script
from web.auth.port import Grant

PART = "rates"

TAKE = Script(
    """
    local count, window, wanted = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
    local time = redis.call('TIME')
    local now = time[1] * 1000000 + time[2]
    local interval = window / count
    local arrival = tonumber(redis.call('GET', KEYS[1]) or '0')
    -- The second bound is for a clock that was set back: nobody waits longer than one window for that.
    arrival = math.min(math.max(arrival, now), now + window)
    local room = math.floor((now + window - arrival) / interval + 0.000001)
    local granted = math.min(room, wanted)
    if granted == 0 then
        return {0, 0, math.ceil(arrival + interval - window - now)}
    end
    arrival = arrival + granted * interval
    redis.call('SET', KEYS[1], string.format('%.3f', arrival), 'PX', math.ceil((arrival - now) / 1000) + 1)
    return {granted, room - granted, 0}
    """
)


class RedisRates:
    """Implements `web.auth.port.RateStore`."""

    def __init__(self, link: RedisLink) -> None:
        self._link = link

    async def take(self, client: str, count: int, window_seconds: int, wanted: int) -> Grant:
        """Take up to `wanted` requests out of the client's budget."""
        args = (count, window_seconds * 1_000_000, wanted)
        granted, left, wait_us = await self._link.run(PART, TAKE, [f"rates:{client}"], args)
        return Grant(granted=granted, left=left, retry_after_seconds=wait_us / 1_000_000)
