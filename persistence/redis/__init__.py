"""Redis behind the ports of what processes can share; optional, and never the truth.

Only `link` knows the driver and the bridge to its event loop.
"""

from persistence.redis.breakers import RedisBreakers
from persistence.redis.link import BadAddress, Patience, RedisLink
from persistence.redis.pending import RedisRetries
from persistence.redis.positions import RedisPositions
from persistence.redis.rates import RedisRates

__all__ = [
    "BadAddress",
    "Patience",
    "RedisBreakers",
    "RedisLink",
    "RedisPositions",
    "RedisRates",
    "RedisRetries",
]
