"""What the breakers of several processes tell each other: counts of failures, and cool-downs.

Accounts at one exchange go out through one address, whichever process has them; when the exchange fails one
of them, the others need not find out by failing too. And a process that has just started goes on with the
cool-down that its former life was in. Each decides for itself all the same, from what it saw and what it was
told, and a board that is away only means that it was told nothing.
"""

from collections.abc import Mapping
from typing import Protocol

import msgspec

from actors.broker.breaker import Breaker
from actors.model.clock import Clock
from actors.model.shared import SharedAway

TELL_SECONDS = 1.0
SECOND_US = 1_000_000


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What is seen of an exchange: calls and bad ones in the breaker's window, the end of the cool-down (0:
    none); times in microseconds since 1970.
    """

    at_us: int
    calls: int
    bad: int
    rest_until_us: int = 0


class BreakerBoard(Protocol):
    """Where processes tell each other. Raises SharedAway; what was told may have arrived then."""

    async def tell(self, exchange: str, process: str, mine: Told, window_us: int) -> Told:
        """Say what this process sees now; what the others together saw in the last window, and the latest
        cool-down of all.
        """
        ...


class BreakerSharing:
    """Tells and hears for the breakers of this process."""

    def __init__(
        self, board: BreakerBoard, breakers: Mapping[str, Breaker], *, clock: Clock, process: str
    ) -> None:
        self._board = board
        self._breakers = breakers
        self._clock = clock
        self._process = process

    async def exchange_once(self) -> None:
        """Tell and hear about every exchange. Away: forget what was heard, so that old news does no harm."""
        for exchange, breaker in self._breakers.items():
            try:
                await self._about(exchange, breaker)
            except SharedAway:
                breaker.hear(0, 0)

    async def _about(self, exchange: str, breaker: Breaker) -> None:
        now, now_us = self._clock.monotonic(), self._clock.now_us()
        calls, bad, rest = breaker.tally(now)
        mine = Told(
            at_us=now_us,
            calls=calls,
            bad=bad,
            rest_until_us=0 if rest <= 0 else now_us + round(rest * SECOND_US),
        )
        window_us = round(breaker.settings.window * SECOND_US)
        others = await self._board.tell(exchange, self._process, mine, window_us)
        now, now_us = self._clock.monotonic(), self._clock.now_us()
        breaker.hear(others.calls, others.bad)
        breaker.rest(now, (others.rest_until_us - now_us) / SECOND_US)
