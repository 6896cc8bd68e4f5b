"""`positions:{symbol}`: the positions in one symbol, of all exchanges together, for hot reads.

A hash that holds either a value (`version`, `positions`) or a lease (`lease`). Who finds nothing is given a
lease, reads the truth and may put it in only while that lease stands. A change ends the lease, and so does
losing the data, so what was read before a change can't get in after it.
"""

from collections.abc import Mapping, Sequence

import msgspec

from actors.model.position import Position
from actors.queries import CachedPosition
from persistence.redis.link import RedisLink, Script

PART = "positions"
LIVES_MS = 5 * 60 * 1000
LEASE_MS = 2000

LOOK = Script(
    """
    local found = {}
    for index, key in ipairs(KEYS) do
        local held = redis.call('HMGET', key, 'version', 'positions', 'lease')
        local version = held[1] and tonumber(held[1])
        if version and version >= tonumber(ARGV[2 + index]) then
            found[index] = {'hit', held[1], held[2]}
        elseif held[3] then
            found[index] = {'missed', '', ''}
        else
            redis.call('DEL', key)
            redis.call('HSET', key, 'lease', ARGV[1])
            redis.call('PEXPIRE', key, ARGV[2])
            found[index] = {version and 'stale' or 'missed', '', ARGV[1]}
        end
    end
    return found
    """
)
FILL = Script(
    """
    if redis.call('HGET', KEYS[1], 'lease') ~= ARGV[1] then
        return 0
    end
    redis.call('DEL', KEYS[1])
    redis.call('HSET', KEYS[1], 'version', ARGV[2], 'positions', ARGV[3])
    redis.call('PEXPIRE', KEYS[1], ARGV[4])
    return 1
    """
)

_encode = msgspec.json.Encoder().encode
_read = msgspec.json.Decoder(tuple[Position, ...]).decode

RENEW = Script(
    """
    for index, key in ipairs(KEYS) do
        local version = tonumber(redis.call('HGET', key, 'version') or nil)
        if version and version < tonumber(ARGV[1]) then
            redis.call('HSET', key, 'version', ARGV[1], 'positions', ARGV[2 + index])
            redis.call('PEXPIRE', key, ARGV[2])
        else
            redis.call('DEL', key)
        end
    end
    """
)


class RedisPositions:
    """Implements `actors.queries.PositionCache`."""

    def __init__(self, link: RedisLink) -> None:
        self._link = link

    async def look(self, floors: Mapping[str, int], token: str) -> Mapping[str, CachedPosition]:
        """What is held of each symbol, if it is at least as new as its floor."""
        symbols = list(floors)
        answers = await self._link.run(
            PART, LOOK, [_key(symbol) for symbol in symbols], [token, LEASE_MS, *floors.values()]
        )
        found = {}
        for symbol, (result, first, second) in zip(symbols, answers, strict=True):
            if result == b"hit":
                found[symbol] = CachedPosition(
                    result="hit", version=int(first), positions=_read(second), leased=False
                )
            else:
                found[symbol] = CachedPosition(result=result.decode(), leased=bool(second))
        return found

    async def fill(self, symbol: str, token: str, version: int, positions: Sequence[Position]) -> bool:
        """Put in what was read under a lease, if that still stands."""
        args = [token, version, _encode(positions), LIVES_MS]
        return bool(await self._link.run(PART, FILL, [_key(symbol)], args))

    async def renew(self, version: int, positions: Mapping[str, Sequence[Position]]) -> None:
        """Put this in where something older is held, and drop the rest with its leases."""
        args = [version, LIVES_MS, *(_encode(each) for each in positions.values())]
        await self._link.run(PART, RENEW, [_key(symbol) for symbol in positions], args)


def _key(symbol: str) -> str:
    return f"positions:{symbol}"
