"""`breakers:{exchange}`: what every process sees of an exchange, and until when one of them lets it rest.

A hash with one field for each process: the calls and failures of its window, told anew each time, so that
repeating it or missing it does no harm; and `rest`, the end of the longest cool-down, in microseconds.
"""

from actors.broker.sharing import Told
from persistence.redis.link import RedisLink, Script

PART = "breakers"
LIVES_MS = 120_000

TELL = Script(
    """
    local me, at, calls, bad = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4]
    local rest, window = tonumber(ARGV[5]), tonumber(ARGV[6])
    local longest = tonumber(redis.call('HGET', KEYS[1], 'rest') or '0')
    if rest > longest then
        longest = rest
        redis.call('HSET', KEYS[1], 'rest', ARGV[5])
    end
    redis.call('HSET', KEYS[1], 'of:' .. me, ARGV[2] .. ' ' .. calls .. ' ' .. bad)
    redis.call('PEXPIRE', KEYS[1], ARGV[7])
    local all_calls, all_bad = 0, 0
    local fields = redis.call('HGETALL', KEYS[1])
    for index = 1, #fields, 2 do
        local who = fields[index]
        if string.sub(who, 1, 3) == 'of:' and who ~= 'of:' .. me then
            local then_, its_calls, its_bad = string.match(fields[index + 1], '(%d+) (%d+) (%d+)')
            if tonumber(then_) < at - window then
                redis.call('HDEL', KEYS[1], who)
            else
                all_calls, all_bad = all_calls + tonumber(its_calls), all_bad + tonumber(its_bad)
            end
        end
    end
    return {all_calls, all_bad, string.format('%.0f', longest)}
    """
)


class RedisBreakers:
    """Implements `actors.broker.sharing.BreakerBoard`."""

    def __init__(self, link: RedisLink) -> None:
        self._link = link

    async def tell(self, exchange: str, process: str, mine: Told, window_us: int) -> Told:
        """Say what this process sees, and hear what the others do."""
        args = [process, mine.at_us, mine.calls, mine.bad, mine.rest_until_us, window_us, LIVES_MS]
        calls, bad, rest = await self._link.run(PART, TELL, [f"breakers:{exchange}"], args)
        return Told(at_us=mine.at_us, calls=calls, bad=bad, rest_until_us=int(rest))
