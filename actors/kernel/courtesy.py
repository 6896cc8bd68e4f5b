"""Letting others go first: for answers, which many are woken for at once by what else has to go on.

A commit of the journal moves orders on to their exchanges, the next events to the journal, and answers to
their callers. Were the answers written first, PostgreSQL would be idle meanwhile and the service while it
commits. The answers that give way are written during the next commit instead.
"""

import trio

TURNS = 4
"""Turns of the loop from what a commit wakes to the next batch on its way. Measured at 32 connections: 17 %
more orders a second; more turns brought nothing more. Without company they pass in microseconds.
"""


class Courtesy:
    """Tasks that wait here go on together, a few turns of the loop after the first of them came.

    The first counts the turns and the others sleep, so waiting costs next to nothing. Cancelling one never
    keeps the others waiting.
    """

    def __init__(self) -> None:
        self._counting = False
        self._others = trio.lowlevel.ParkingLot()

    async def give_way(self) -> None:
        """Return when those who can go on now have done so, and those whom they woke."""
        if self._counting:
            await self._others.park()
            return
        self._counting = True
        try:
            for _ in range(TURNS):
                await trio.lowlevel.checkpoint()
        finally:
            self._counting = False
            self._others.unpark_all()
