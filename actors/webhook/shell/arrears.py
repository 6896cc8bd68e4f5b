"""Makes the deliveries of an endpoint that was passed over, from where it was on.

Its courier asks for them when it has free places and the store has nothing more to send. So a receiver that
comes back is told everything, in order, as fast as it takes it, and no other waits for that.
"""

import structlog

from actors.model.clock import Clock
from actors.webhook.events import deliveries, told
from actors.webhook.port import Delivery, Outbox, WebhookStore
from actors.webhook.rebuild import PAGE, History, Positions, Rebuilder
from actors.webhook.roster import Roster

_log = structlog.get_logger(room="webhook")


class Arrears:
    """For all endpoints; each endpoint's courier calls it, one page at a time."""

    def __init__(
        self, *, store: WebhookStore, history: History, roster: Roster, clock: Clock, first_pause_us: int
    ) -> None:
        self._store = store
        self._history = history
        self._roster = roster
        self._clock = clock
        self._first_pause_us = first_pause_us

    async def make_page(self, endpoint_id: str) -> None:
        """Make the next deliveries, up to a page of the journal. Raises what store and history raise;
        cancelled, or after an error, the same page is made again under the same ids.
        """
        endpoint = self._roster.endpoints.get(endpoint_id)
        if endpoint is None:
            return
        cursor = (await self._store.outbox()).seq
        place = await self._store.behind(endpoint_id)
        if place is not None:
            place = await self._go_on(endpoint_id, place, cursor)
        if place is None:
            _log.info("endpoint_caught_up", endpoint=endpoint_id, seq=cursor)
            self._roster.catch_up(endpoint_id, endpoint.behind_seq)

    async def _go_on(self, endpoint_id: str, place: Outbox, cursor: int) -> Outbox | None:
        """Where it is behind from afterwards."""
        limit = min(PAGE, cursor - place.seq)
        page = await self._history.events(place.seq, limit) if limit > 0 else ()
        positions = Positions(place.positions)
        rebuilder = Rebuilder(self._history, positions)
        made: list[Delivery] = []
        for record in page:
            messages = told(record, await rebuilder.change(record))
            endpoint = self._roster.endpoints.get(endpoint_id)
            if endpoint is not None:
                now_us = self._clock.now_us()
                made += deliveries((endpoint,), record, messages, now_us, self._first_pause_us)
        after = Outbox(seq=page[-1].seq if page else place.seq, positions=positions.all())
        await self._store.catch_up(endpoint_id, place.seq, after, made)
        return await self._store.behind(endpoint_id)
