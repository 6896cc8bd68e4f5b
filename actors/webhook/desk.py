"""What a person can do with webhooks; the one door for the API and the command line.

Every change is in the store before it is answered, and counts in this process from then on. Secrets are
shown when they are made and never again.
"""

from collections.abc import Callable, Sequence

import msgspec

from actors.model.clock import Clock, Ids
from actors.model.journal import CommittedLog
from actors.webhook import signing
from actors.webhook.events import EVENTS, TEST_EVENT, notice
from actors.webhook.port import (
    ACTIVE,
    INDEXES,
    PAUSED,
    WEBHOOK,
    Delivery,
    Endpoint,
    Statistics,
    WebhookStore,
)
from actors.webhook.roster import Roster
from actors.webhook.schedule import SECOND_US
from actors.webhook.ssrf import Allowed, Forbidden, check_url

MOST_ENDPOINTS = 64
MOST_NOTE = 200


class Unfit(Exception):
    """What was asked for can't be done; `field` is what is wrong, `why` says what is needed."""

    def __init__(self, field: str, why: str) -> None:
        super().__init__(f"{field}: {why}")
        self.field = field
        self.why = why


class WebhookDesk:
    """Every call raises the store's StoreUnavailable while that is away; nothing was done then."""

    def __init__(
        self,
        *,
        store: WebhookStore,
        roster: Roster,
        log: CommittedLog,
        clock: Clock,
        ids: Ids,
        entropy: Callable[[int], bytes],
        allowed: Allowed,
    ) -> None:
        self._store = store
        self._roster = roster
        self._log = log
        self._clock = clock
        self._ids = ids
        self._entropy = entropy
        self._allowed = allowed

    async def create(self, url: str, events: Sequence[str] = (), note: str = "") -> Endpoint:
        """Make an endpoint; everything journaled after this returns goes to it. Raises Unfit."""
        try:
            check_url(url, self._allowed)
        except Forbidden as error:
            raise Unfit("url", error.why) from None
        wrong = [event for event in events if event not in EVENTS]
        if wrong:
            raise Unfit("events", f"there is no event {wrong[0][:40]!r}; there are: {', '.join(EVENTS)}")
        if len(note) > MOST_NOTE:
            raise Unfit("note", f"at most {MOST_NOTE} characters")
        if len(await self._store.endpoints()) >= MOST_ENDPOINTS:
            raise Unfit("url", f"there are {MOST_ENDPOINTS} endpoints already; delete one first")
        now_us = self._clock.now_us()
        endpoint = Endpoint(
            endpoint_id=f"ep_{self._ids.order_id().replace('-', '')}",
            url=url,
            secret=self._new_secret(),
            events=tuple(dict.fromkeys(events)),
            note=note,
            since_seq=self._log.head,
            created_us=now_us,
            updated_us=now_us,
        )
        await self._store.add(endpoint)
        self._roster.put(endpoint)
        return endpoint

    async def all(self) -> Sequence[tuple[Endpoint, Statistics]]:
        """Every endpoint with what its deliveries came to, oldest first."""
        counted = {each.endpoint_id: each for each in await self._store.statistics()}
        return [
            (each, self._with_circuit(counted.get(each.endpoint_id), each.endpoint_id))
            for each in await self._store.endpoints()
        ]

    def _with_circuit(self, counted: Statistics | None, endpoint_id: str) -> Statistics:
        resting = self._roster.health(endpoint_id).resting
        return msgspec.structs.replace(counted or Statistics(endpoint_id=endpoint_id), resting=resting)

    async def one(self, endpoint_id: str) -> tuple[Endpoint, Statistics] | None:
        """One endpoint."""
        return next((each for each in await self.all() if each[0].endpoint_id == endpoint_id), None)

    async def rotate(self, endpoint_id: str, overlap_seconds: float) -> Endpoint | None:
        """Sign with a new secret, and for that long with the old one too; None if there is none such.

        Raises Unfit for a channel of notifications: its secrets are in the settings.
        """
        found = await self.one(endpoint_id)
        if found is not None and found[0].kind != WEBHOOK:
            raise Unfit("webhookId", f"{found[0].kind} has its secrets in the settings; change them there")
        now_us = self._clock.now_us()
        until_us = now_us + int(overlap_seconds * SECOND_US)
        if not await self._store.set_secret(endpoint_id, self._new_secret(), until_us, now_us):
            return None
        return await self._reread(endpoint_id)

    async def pause(self, endpoint_id: str) -> Endpoint | None:
        """Keep its deliveries and send none."""
        return await self._set_state(endpoint_id, PAUSED)

    async def resume(self, endpoint_id: str) -> Endpoint | None:
        """Send what was kept; also for one that was disabled."""
        return await self._set_state(endpoint_id, ACTIVE)

    async def delete(self, endpoint_id: str) -> bool:
        """Forget it and everything that it was owed."""
        found = await self._store.delete(endpoint_id)
        self._roster.drop(endpoint_id)
        return found

    async def test(self, endpoint_id: str) -> str | None:
        """Send it a message that means nothing; the message's id, or None if there is no such endpoint."""
        if await self.one(endpoint_id) is None:
            return None
        now_us = self._clock.now_us()
        delivery_id = f"msg_test_{self._ids.order_id().replace('-', '')}"
        await self._store.put(
            Delivery(
                delivery_id=delivery_id,
                endpoint_id=endpoint_id,
                number=self._log.head * INDEXES + INDEXES - 1,
                event=TEST_EVENT,
                subject=f"test/{delivery_id}",
                body=notice(TEST_EVENT, now_us, endpointId=endpoint_id),
                created_us=now_us,
                due_us=now_us,
            )
        )
        await self._reread(endpoint_id)
        return delivery_id

    async def dead_letters(
        self, endpoint_id: str | None, limit: int, before: tuple[int, str] | None
    ) -> Sequence[Delivery]:
        """What was given up, newest first."""
        return await self._store.dead_letters(endpoint_id, limit, before)

    async def dead_letter(self, delivery_id: str) -> Delivery | None:
        """One delivery that was given up, with its body."""
        return await self._store.dead_letter(delivery_id)

    async def replay(self, delivery_id: str | None, endpoint_id: str | None = None) -> int:
        """Send dead letters again: one, those of an endpoint, or all; how many."""
        count = await self._store.replay(delivery_id, endpoint_id, self._clock.now_us())
        self._roster.nudge()
        return count

    async def _set_state(self, endpoint_id: str, state: str) -> Endpoint | None:
        if not await self._store.set_state(endpoint_id, state, "", self._clock.now_us()):
            return None
        return await self._reread(endpoint_id)

    async def _reread(self, endpoint_id: str) -> Endpoint | None:
        for endpoint in await self._store.endpoints():
            if endpoint.endpoint_id == endpoint_id:
                self._roster.put(endpoint)
                return endpoint
        return None

    def _new_secret(self) -> str:
        return signing.new_secret(self._entropy(signing.SECRET_BYTES))
