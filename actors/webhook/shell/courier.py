"""Sends what one endpoint is owed: in order for each subject, several subjects at a time, again until taken.

Every endpoint has a courier of its own with connections of its own, so that one which hangs holds up only
itself. What waits for one subject goes out one after the other, as far as it is taken, without asking the
store between. What became of attempts is written down before more are begun; what the process did not get
to write down when it died goes out again under the same id.
"""

from collections.abc import Awaitable, Callable, Sequence
from random import Random

import structlog
import trio

from actors.model.clock import Clock
from actors.webhook import schedule, signing
from actors.webhook.port import (
    ACTIVE,
    DISABLED,
    Answer,
    Delivery,
    Endpoint,
    Line,
    Settlement,
    WebhookStore,
)
from actors.webhook.roster import Roster

CONCURRENCY = 8
"""How many deliveries, of different subjects, are under way at a time, unless told otherwise."""

LOOK_AHEAD = 4
"""The store is asked for so many times as many subjects as may be under way."""

RUN = 32
"""How many deliveries of one subject go out, one after the other, before the store is asked again."""

LOOK_AGAIN_SECONDS = 15.0
STUCK_SECONDS = 1.0
"""So long without a free place, and the endpoint takes nothing at the moment."""

RETRY_SECONDS = 1.0
ROUND_SECONDS = 0.05
"""From one round to the next at least: each asks the store, and what is due meanwhile goes together."""

Form = Callable[[Endpoint, Delivery, int], tuple[str, Sequence[tuple[str, str]], bytes]]
"""The URL, headers and body with which a delivery goes out to a kind of endpoint."""

_log = structlog.get_logger(room="webhook")


def standard_form(
    endpoint: Endpoint, delivery: Delivery, now_us: int
) -> tuple[str, Sequence[tuple[str, str]], bytes]:
    """A webhook as Standard Webhooks has it."""
    headers = signing.headers(endpoint, delivery.delivery_id, delivery.body, now_us)
    return endpoint.url, headers, delivery.body


class Courier:
    """Runs until its endpoint leaves the roster. `wake` makes it look at once; `make_up` puts more into the
    store of what an endpoint is owed that was passed over.
    """

    def __init__(
        self,
        endpoint_id: str,
        *,
        store: WebhookStore,
        make_up: Callable[[str], Awaitable[None]],
        away: type[Exception],
        line: Line,
        roster: Roster,
        clock: Clock,
        rng: Random,
        pauses: Sequence[float],
        concurrency: int = CONCURRENCY,
        form: Form = standard_form,
        on_attempt: Callable[[Settlement], None] = lambda _settlement: None,
        on_written: Callable[[str, Sequence[Settlement]], None] = lambda _endpoint, _settlements: None,
    ) -> None:
        self._endpoint_id = endpoint_id
        self._store = store
        self._make_up = make_up
        self._away = away
        self._line = line
        self._roster = roster
        self._clock = clock
        self._rng = rng
        self._pauses = pauses
        self._concurrency = concurrency
        self._form = form
        self._on_attempt = on_attempt
        self._on_written = on_written
        self._wake = trio.Event()
        self._in_flight: dict[str, None] = {}
        self._sending: dict[str, None] = {}
        self._outcomes: list[Settlement] = []
        self._health = schedule.HEALTHY
        self._gone = False
        self._had_room_at = trio.current_time()

    @property
    def health(self) -> schedule.Health:
        """The endpoint's circuit."""
        return self._health

    @property
    def is_stuck(self) -> bool:
        """Whether no delivery could begin now, nor for the last second: all places are taken, the endpoint
        rests, or it is paused.
        """
        endpoint = self._roster.endpoints.get(self._endpoint_id)
        if endpoint is None or endpoint.state != ACTIVE:
            return True
        return self._free() <= 0 and trio.current_time() >= self._had_room_at + STUCK_SECONDS

    def _free(self) -> int:
        return self._health.room(self._clock.now_us(), self._concurrency) - len(self._sending)

    def wake(self) -> None:
        """Look at once whether something is due."""
        self._wake.set()

    async def run(self) -> None:
        """Send until the endpoint is deleted. Cancelling loses nothing: what was under way goes again."""
        try:
            async with trio.open_nursery() as nursery:
                while (endpoint := self._roster.endpoints.get(self._endpoint_id)) is not None:
                    began = trio.current_time()
                    try:
                        pause = await self._round(endpoint, nursery)
                    except self._away as error:
                        _log.warning(
                            "courier_waits_for_the_store", endpoint=self._endpoint_id, why=str(error)
                        )
                        pause = RETRY_SECONDS
                        await trio.sleep(pause)
                        continue
                    with trio.move_on_after(pause):
                        await self._wake.wait()
                    await trio.sleep_until(began + ROUND_SECONDS)
                nursery.cancel_scope.cancel()
        finally:
            with trio.CancelScope(shield=True), trio.move_on_after(1.0):
                await self._line.close()

    async def _round(self, endpoint: Endpoint, nursery: trio.Nursery) -> float:
        """Write down, look what is due, begin what may begin; how long to wait for the next round."""
        self._wake = trio.Event()
        await self._write_down()
        now_us = self._clock.now_us()
        if endpoint.state != ACTIVE:
            return LOOK_AGAIN_SECONDS
        free = self._free()
        if free <= 0:
            rest_us = self._health.rest_until_us - now_us
            return LOOK_AGAIN_SECONDS if rest_us <= 0 else rest_us / schedule.SECOND_US
        heads = await self._store.heads(
            self._endpoint_id, LOOK_AHEAD * self._concurrency, tuple(self._in_flight)
        )
        # A dead letter that is replayed can be the head of a subject that is being sent: one run at a time.
        heads = [each for each in heads if each.subject not in self._sending]
        due = [each for each in heads if each.due_us <= now_us]
        for run in await self._runs_behind(due[:free]):
            self._sending[run[0].subject] = None
            self._in_flight.update(dict.fromkeys(each.delivery_id for each in run))
            nursery.start_soon(self._send_run, run)
        if len(due) < free and endpoint.behind_seq is not None:
            await self._make_up(self._endpoint_id)
            return 0.0
        if len(due) < min(free, len(heads)):
            return min(LOOK_AGAIN_SECONDS, (heads[len(due)].due_us - now_us) / schedule.SECOND_US)
        return LOOK_AGAIN_SECONDS

    async def _runs_behind(self, heads: Sequence[Delivery]) -> Sequence[Sequence[Delivery]]:
        """Each head with what waits behind it."""
        if not heads:
            return ()
        runs = {head.subject: [head] for head in heads}
        for each in await self._store.in_line(self._endpoint_id, tuple(runs), RUN):
            run = runs[each.subject]
            if (each.number, each.delivery_id) > (run[0].number, run[0].delivery_id):
                run.append(each)
        return tuple(runs.values())

    async def _send_run(self, run: Sequence[Delivery]) -> None:
        """Send one after the other until one is not taken, or not due, or the endpoint wants no more."""
        try:
            for delivery in run:
                endpoint = self._roster.endpoints.get(self._endpoint_id)
                now_us = self._clock.now_us()
                if endpoint is None or endpoint.state != ACTIVE or delivery.due_us > now_us:
                    break
                answer = await self._attempt(endpoint, delivery, now_us)
                self._note(delivery, answer)
                if not schedule.succeeded(answer):
                    break
        finally:
            self._had_room_at = trio.current_time()
            del self._sending[run[0].subject]
            noted = {each.delivery_id for each in self._outcomes}
            for delivery in run:
                if delivery.delivery_id not in noted:
                    self._in_flight.pop(delivery.delivery_id, None)
            self._wake.set()

    async def _attempt(self, endpoint: Endpoint, delivery: Delivery, now_us: int) -> Answer:
        """Send once. What nobody foresaw is a failed attempt too: one endpoint must not end all others."""
        try:
            url, headers, body = self._form(endpoint, delivery, now_us)
            return await self._line.send(url, headers, body)
        except Exception as error:  # noqa: BLE001 - it becomes the attempt's error
            _log.error("sending_raised", endpoint=self._endpoint_id, why=repr(error))
            return Answer(status=None, error=f"{type(error).__name__}: {error}")

    def _note(self, delivery: Delivery, answer: Answer) -> None:
        now_us = self._clock.now_us()
        settlement = schedule.settle(delivery, answer, self._pauses, now_us, self._rng)
        success = schedule.succeeded(answer)
        was_resting = self._health.resting
        self._health = self._health.after(success=success, now_us=now_us)
        self._roster.healths[self._endpoint_id] = self._health
        if self._health.resting != was_resting:
            _log.info("endpoint_circuit", endpoint=self._endpoint_id, resting=not was_resting)
        self._gone = self._gone or answer.status == schedule.GONE
        self._outcomes.append(settlement)
        self._on_attempt(settlement)
        self._wake.set()

    async def _write_down(self) -> None:
        outcomes = self._outcomes[:]
        if outcomes:
            await self._store.settle(outcomes)
            del self._outcomes[: len(outcomes)]
            for each in outcomes:
                self._in_flight.pop(each.delivery_id, None)
            self._on_written(self._endpoint_id, outcomes)
        if self._gone:
            await self._disable()

    async def _disable(self) -> None:
        reason = "its receiver answered 410: gone"
        now_us = self._clock.now_us()
        await self._store.set_state(self._endpoint_id, DISABLED, reason, now_us)
        self._gone = False
        _log.warning("endpoint_disabled", endpoint=self._endpoint_id, why=reason)
        found = [each for each in await self._store.endpoints() if each.endpoint_id == self._endpoint_id]
        if found:
            self._roster.put(found[0])
