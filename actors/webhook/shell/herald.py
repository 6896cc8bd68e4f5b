"""Tells a person through one channel: what is pending goes together, and not too often.

The first message goes at once; what comes within the pause after it waits and goes together in the next.
Urgent news wait for a few seconds at most. Everything in a message has the same fate; what fails is tried
again by the schedule, together with what has come meanwhile.
"""

from collections.abc import Callable, Sequence
from random import Random
from typing import Protocol

import structlog
import trio

from actors.model.clock import Clock
from actors.webhook import schedule
from actors.webhook.notify.channel import Channel
from actors.webhook.notify.wording import Message, message_of, urgent_delivery
from actors.webhook.port import ACTIVE, Answer, Delivery, Endpoint, Settlement, WebhookStore
from actors.webhook.roster import Roster

LOOK_AGAIN_SECONDS = 15.0
RETRY_SECONDS = 1.0
URGENT_PAUSE_SECONDS = 5.0
GATHER_SECONDS = 0.5
"""A cause has several effects; they come within moments of each other and go together."""

MOST_TOGETHER = 50

_log = structlog.get_logger(room="webhook")


class Messenger(Protocol):
    """The way through one channel."""

    async def send(self, message: Message, now_us: int) -> Answer:
        """Send once; whatever goes wrong is data. Takes a bounded time."""
        ...

    async def close(self) -> None: ...


class Herald:
    """Runs until its endpoint leaves the roster. `wake` makes it look at once."""

    def __init__(
        self,
        channel: Channel,
        *,
        store: WebhookStore,
        away: type[Exception],
        messenger: Messenger,
        roster: Roster,
        clock: Clock,
        rng: Random,
        pauses: Sequence[float],
        on_attempt: Callable[[Settlement], None] = lambda _settlement: None,
        on_written: Callable[[str, Sequence[Settlement]], None] = lambda _endpoint, _settlements: None,
    ) -> None:
        self._channel = channel
        self._store = store
        self._away = away
        self._messenger = messenger
        self._roster = roster
        self._clock = clock
        self._rng = rng
        self._pauses = pauses
        self._on_attempt = on_attempt
        self._on_written = on_written
        self._wake = trio.Event()
        self._sent_at = float("-inf")
        self._unwritten: list[Settlement] = []
        self._health = schedule.HEALTHY

    @property
    def is_stuck(self) -> bool:
        """Never: what concerns persons is seldom."""
        return False

    def wake(self) -> None:
        """Look at once whether something is due."""
        self._wake.set()

    async def run(self) -> None:
        """Send until the endpoint is gone. Cancelling loses nothing: what was under way goes again."""
        try:
            while (endpoint := self._roster.endpoints.get(self._channel.endpoint_id)) is not None:
                self._wake = trio.Event()
                try:
                    pause = await self._round(endpoint)
                except self._away as error:
                    _log.warning("herald_waits_for_the_store", channel=self._channel.name, why=str(error))
                    pause = RETRY_SECONDS
                with trio.move_on_after(pause):
                    await self._wake.wait()
                    await trio.sleep(GATHER_SECONDS)
        finally:
            with trio.CancelScope(shield=True), trio.move_on_after(1.0):
                await self._messenger.close()

    async def _round(self, endpoint: Endpoint) -> float:
        """Send one message if it may go now; how long to wait for the next round."""
        await self._write_down()
        if endpoint.state != ACTIVE:
            return LOOK_AGAIN_SECONDS
        found = await self._store.line_up(endpoint.endpoint_id, MOST_TOGETHER + 1)
        if not found:
            return LOOK_AGAIN_SECONDS
        wait = self._wait(found)
        if wait > 0:
            return min(wait, LOOK_AGAIN_SECONDS)
        await self._send(found[:MOST_TOGETHER], more=len(found) > MOST_TOGETHER)
        await self._write_down()
        return 0.0

    def _wait(self, found: Sequence[Delivery]) -> float:
        """Seconds until a message may go: something must be due, the pause over, the channel rested."""
        now_us = self._clock.now_us()
        due = min(each.due_us for each in found)
        urgent = any(each.due_us <= now_us and urgent_delivery(each) for each in found)
        pause = self._channel.pause_seconds
        if urgent:
            pause = min(pause, URGENT_PAUSE_SECONDS)
        rested_us = max(due, self._health.rest_until_us) - now_us
        paused = self._sent_at + pause - trio.current_time()
        return max(rested_us / schedule.SECOND_US, paused, 0.0)

    async def _send(self, group: Sequence[Delivery], *, more: bool) -> None:
        now_us = self._clock.now_us()
        self._sent_at = trio.current_time()
        answer = await self._attempt(group, now_us, more=more)
        success = schedule.succeeded(answer)
        now_us = self._clock.now_us()
        self._health = self._health.after(success=success, now_us=now_us)
        self._roster.healths[self._channel.endpoint_id] = self._health
        if not success:
            _log.warning("notification_failed", channel=self._channel.name, why=answer.error)
        for each in group:
            # One that waits for its retry went along; a failure does not count against it.
            if success or each.due_us <= now_us:
                settlement = schedule.settle(each, answer, self._pauses, now_us, self._rng)
                self._unwritten.append(settlement)
                self._on_attempt(settlement)

    async def _attempt(self, group: Sequence[Delivery], now_us: int, *, more: bool) -> Answer:
        """Tell once. What nobody foresaw is a failed attempt too: one channel must not end all others."""
        try:
            return await self._messenger.send(message_of(group, more=more), now_us)
        except Exception as error:  # noqa: BLE001 - it becomes the attempt's error
            return Answer(status=None, error=self._channel.hide(f"{type(error).__name__}: {error}"))

    async def _write_down(self) -> None:
        if self._unwritten:
            await self._store.settle(self._unwritten)
            written, self._unwritten = self._unwritten, []
            self._on_written(self._channel.endpoint_id, written)
