"""Keeps the schedule of retries that processes share, and wakes couriers by it.

The store is the truth, and each courier has a clock of its own: the schedule only shows what is planned to
whoever else looks, and lets a process act on what another one planned. So it may be away, empty or wrong:
after an outage, and now and then, it is made anew from the store.
"""

from collections.abc import Callable, Sequence

import structlog
import trio

from actors.model.clock import Clock
from actors.model.shared import SharedAway
from actors.webhook.port import RETRY, Retry, RetrySchedule, Settlement, WebhookStore
from actors.webhook.roster import Roster

LOOK_SECONDS = 1.0
PAUSE_SECONDS = 0.2
ANEW_SECONDS = 300.0
MOST_PLANNED = 10_000
DUE_AT_ONCE = 100

_log = structlog.get_logger(room="webhook")


class Timetable:
    """`note` what was written down; `run` tells the schedule and calls `wake` with endpoints that have
    something due.
    """

    def __init__(
        self,
        schedule: RetrySchedule,
        *,
        store: WebhookStore,
        away: type[Exception],
        roster: Roster,
        clock: Clock,
        wake: Callable[[str], None],
    ) -> None:
        self._schedule = schedule
        self._store = store
        self._away = away
        self._roster = roster
        self._clock = clock
        self._wake_courier = wake
        self._changes: dict[tuple[str, str], int | None] = {}
        self._anew_at = float("-inf")
        self._woken: dict[Retry, None] = {}
        self._wake = trio.Event()

    def note(self, endpoint_id: str, settlements: Sequence[Settlement]) -> None:
        """These outcomes are in the store now."""
        for each in settlements:
            due_us = each.due_us if each.outcome == RETRY else None
            self._changes[endpoint_id, each.delivery_id] = due_us
        if len(self._changes) > MOST_PLANNED:
            self._make_anew()
        self._wake.set()

    async def run(self) -> None:
        """Until cancelled; cancelling loses nothing that the store does not have."""
        while True:
            try:
                if trio.current_time() >= self._anew_at:
                    await self._replace()
                await self._tell()
                await self._look()
            except SharedAway:
                self._make_anew()
            except self._away as error:
                _log.warning("timetable_waits_for_the_store", why=str(error))
                self._make_anew()
            await trio.sleep(PAUSE_SECONDS)
            with trio.move_on_after(LOOK_SECONDS):
                await self._wake.wait()
            self._wake = trio.Event()

    def _make_anew(self) -> None:
        self._changes.clear()
        self._anew_at = float("-inf")

    async def _replace(self) -> None:
        # What is noted from here on is told afterwards, whether or not the store was read before it.
        self._changes.clear()
        await self._schedule.replace(await self._store.retries(MOST_PLANNED))
        self._woken.clear()
        self._anew_at = trio.current_time() + ANEW_SECONDS

    async def _tell(self) -> None:
        changes, self._changes = self._changes, {}
        planned = [Retry(endpoint_id=e, delivery_id=d, due_us=due or 0) for (e, d), due in changes.items()]
        dropped = [each for each in planned if not each.due_us]
        await self._schedule.change([each for each in planned if each.due_us], dropped)

    async def _look(self) -> None:
        due = await self._schedule.due(self._clock.now_us(), DUE_AT_ONCE)
        gone = [each for each in due if each.endpoint_id not in self._roster.endpoints]
        if gone:
            await self._schedule.change((), gone)
        fresh = [each for each in due if each not in self._woken]
        # One that stays due is its courier's business: it may rest, or be paused.
        self._woken = dict.fromkeys(due)
        for endpoint_id in dict.fromkeys(each.endpoint_id for each in fresh):
            self._wake_courier(endpoint_id)
