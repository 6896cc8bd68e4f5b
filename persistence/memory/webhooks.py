"""Webhooks in memory: what survives a process that dies, for tests and simulation."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from actors.webhook.port import (
    DEAD,
    DELIVERED,
    DISABLED,
    PENDING,
    RETRY,
    Delivery,
    Endpoint,
    Outbox,
    Retry,
    Settlement,
    Statistics,
)


@dataclass
class WebhookDisk:
    """The tables."""

    endpoints: dict[str, Endpoint] = field(default_factory=dict)
    statistics: dict[str, Statistics] = field(default_factory=dict)
    outbox: Outbox = field(default_factory=Outbox)
    behind: dict[str, Outbox] = field(default_factory=dict)
    deliveries: dict[str, Delivery] = field(default_factory=dict)


class MemoryWebhookStore:
    """Implements `actors.webhook.port.WebhookStore`. While `away` is set every call raises it."""

    def __init__(self, disk: WebhookDisk | None = None) -> None:
        self.disk = disk or WebhookDisk()
        self.away: Exception | None = None

    def _there(self) -> WebhookDisk:
        if self.away is not None:
            raise self.away
        return self.disk

    async def endpoints(self) -> Sequence[Endpoint]:
        """All, oldest first."""
        disk = self._there()
        found = [
            msgspec.structs.replace(each, behind_seq=disk.behind[key].seq if key in disk.behind else None)
            for key, each in disk.endpoints.items()
        ]
        return sorted(found, key=lambda each: (each.created_us, each.endpoint_id))

    async def statistics(self) -> Sequence[Statistics]:
        """One for each endpoint."""
        disk = self._there()
        counts = {
            (endpoint_id, state): sum(
                each.endpoint_id == endpoint_id and each.state == state for each in disk.deliveries.values()
            )
            for endpoint_id in disk.endpoints
            for state in (PENDING, DEAD)
        }
        return [
            msgspec.structs.replace(
                disk.statistics[each.endpoint_id],
                pending=counts[each.endpoint_id, PENDING],
                dead=counts[each.endpoint_id, DEAD],
            )
            for each in await self.endpoints()
        ]

    async def add(self, endpoint: Endpoint) -> None:
        """Keep a new endpoint."""
        disk = self._there()
        if endpoint.endpoint_id not in disk.endpoints:
            disk.endpoints[endpoint.endpoint_id] = endpoint
            disk.statistics[endpoint.endpoint_id] = Statistics(endpoint_id=endpoint.endpoint_id)

    async def set_state(self, endpoint_id: str, state: str, reason: str, at_us: int) -> bool:
        """False when there is no such endpoint."""
        disk = self._there()
        found = disk.endpoints.get(endpoint_id)
        if found is None:
            return False
        disk.endpoints[endpoint_id] = msgspec.structs.replace(
            found, state=state, reason=reason, updated_us=at_us
        )
        if state == DISABLED:
            for each in tuple(disk.deliveries.values()):
                if each.endpoint_id == endpoint_id and each.state == PENDING:
                    disk.deliveries[each.delivery_id] = msgspec.structs.replace(
                        each,
                        state=DEAD,
                        dead_us=at_us,
                        last_error=each.last_error or "the endpoint was disabled",
                    )
        return True

    async def set_secret(self, endpoint_id: str, secret: str, previous_until_us: int, at_us: int) -> bool:
        """Take a new secret. False when there is no such endpoint."""
        disk = self._there()
        found = disk.endpoints.get(endpoint_id)
        if found is None:
            return False
        disk.endpoints[endpoint_id] = msgspec.structs.replace(
            found,
            secret=secret,
            previous_secret=found.secret,
            previous_until_us=previous_until_us,
            updated_us=at_us,
        )
        return True

    async def set_place(
        self, endpoint_id: str, kind: str, url: str, events: Sequence[str], at_us: int
    ) -> bool:
        """Lead elsewhere, or tell of other events. False when there is no such endpoint."""
        disk = self._there()
        found = disk.endpoints.get(endpoint_id)
        if found is None:
            return False
        disk.endpoints[endpoint_id] = msgspec.structs.replace(
            found, kind=kind, url=url, events=tuple(events), updated_us=at_us
        )
        return True

    async def delete(self, endpoint_id: str) -> bool:
        """Forget an endpoint with all its deliveries."""
        disk = self._there()
        if disk.endpoints.pop(endpoint_id, None) is None:
            return False
        del disk.statistics[endpoint_id]
        disk.behind.pop(endpoint_id, None)
        disk.deliveries = {
            key: each for key, each in disk.deliveries.items() if each.endpoint_id != endpoint_id
        }
        return True

    async def outbox(self) -> Outbox:
        """How far the journal has been made into deliveries."""
        return self._there().outbox

    async def move(
        self, before: int, after: Outbox, deliveries: Sequence[Delivery], passed_over: Sequence[str] = ()
    ) -> bool:
        """Move the cursor, keep the deliveries and where endpoints were passed over, or do nothing."""
        disk = self._there()
        if disk.outbox.seq != before:
            return False
        for endpoint_id in passed_over:
            if endpoint_id in disk.endpoints:
                disk.behind.setdefault(endpoint_id, disk.outbox)
        disk.outbox = after
        for each in deliveries:
            if each.endpoint_id not in disk.behind:
                self._keep(each)
        return True

    async def behind(self, endpoint_id: str) -> Outbox | None:
        """From where on an endpoint is behind."""
        return self._there().behind.get(endpoint_id)

    async def catch_up(
        self, endpoint_id: str, before: int, after: Outbox, deliveries: Sequence[Delivery]
    ) -> bool:
        """Keep deliveries of an endpoint that is behind, and how far it has come with them."""
        disk = self._there()
        if endpoint_id not in disk.behind or disk.behind[endpoint_id].seq != before:
            return False
        if after.seq < disk.outbox.seq:
            disk.behind[endpoint_id] = after
        else:
            del disk.behind[endpoint_id]
        for each in deliveries:
            self._keep(each)
        return True

    async def put(self, delivery: Delivery) -> None:
        """Keep a delivery that comes from outside the journal."""
        self._there()
        self._keep(delivery)

    def _keep(self, delivery: Delivery) -> None:
        if delivery.endpoint_id in self.disk.endpoints:
            self.disk.deliveries.setdefault(delivery.delivery_id, delivery)

    async def line_up(self, endpoint_id: str, limit: int) -> Sequence[Delivery]:
        """What is pending for an endpoint, oldest first."""
        found = [
            each
            for each in self._there().deliveries.values()
            if each.endpoint_id == endpoint_id and each.state == PENDING
        ]
        return sorted(found, key=lambda each: (each.number, each.delivery_id))[:limit]

    async def heads(self, endpoint_id: str, limit: int, without: Sequence[str]) -> Sequence[Delivery]:
        """The first pending delivery of each subject, soonest due first, but for those named."""
        first: dict[str, Delivery] = {}
        for each in sorted(self._there().deliveries.values(), key=lambda d: (d.number, d.delivery_id)):
            if each.endpoint_id == endpoint_id and each.state == PENDING:
                first.setdefault(each.subject, each)
        heads = [each for each in first.values() if each.delivery_id not in without]
        return sorted(heads, key=lambda d: (d.due_us, d.number, d.delivery_id))[:limit]

    async def in_line(self, endpoint_id: str, subjects: Sequence[str], limit: int) -> Sequence[Delivery]:
        """What is pending for each of these subjects, the first `limit` of each, in line."""
        found = await self.line_up(endpoint_id, len(self._there().deliveries))
        return [
            each
            for subject in subjects
            for each in [each for each in found if each.subject == subject][:limit]
        ]

    async def retries(self, limit: int) -> Sequence[Retry]:
        """What has failed and is tried again, soonest first."""
        found = [
            Retry(endpoint_id=each.endpoint_id, delivery_id=each.delivery_id, due_us=each.due_us)
            for each in self._there().deliveries.values()
            if each.state == PENDING and each.attempts
        ]
        return sorted(found, key=lambda each: (each.due_us, each.delivery_id))[:limit]

    async def settle(self, settlements: Sequence[Settlement]) -> None:
        """Write down what became of attempts."""
        disk = self._there()
        for each in settlements:
            delivery = disk.deliveries.get(each.delivery_id)
            if delivery is None or delivery.state != PENDING:
                continue
            counted = disk.statistics[delivery.endpoint_id]
            if each.outcome == DELIVERED:
                del disk.deliveries[each.delivery_id]
                counted = msgspec.structs.replace(
                    counted,
                    delivered=counted.delivered + 1,
                    last_delivered_us=max(counted.last_delivered_us, each.at_us),
                )
            elif delivery.due_us <= each.at_us:
                buried = each.outcome != RETRY
                disk.deliveries[each.delivery_id] = msgspec.structs.replace(
                    delivery,
                    attempts=delivery.attempts + 1,
                    due_us=each.due_us,
                    last_status=each.status,
                    last_error=each.error,
                    state=DEAD if buried else PENDING,
                    dead_us=each.at_us if buried else 0,
                )
                counted = msgspec.structs.replace(
                    counted,
                    failed_attempts=counted.failed_attempts + 1,
                    last_failed_us=max(counted.last_failed_us, each.at_us),
                    last_error=each.error,
                )
            disk.statistics[delivery.endpoint_id] = counted

    async def dead_letters(
        self, endpoint_id: str | None, limit: int, before: tuple[int, str] | None
    ) -> Sequence[Delivery]:
        """Newest first."""
        found = [
            each
            for each in self._there().deliveries.values()
            if each.state == DEAD
            and endpoint_id in (None, each.endpoint_id)
            and (before is None or (each.dead_us, each.delivery_id) < before)
        ]
        return sorted(found, key=lambda each: (each.dead_us, each.delivery_id), reverse=True)[:limit]

    async def dead_letter(self, delivery_id: str) -> Delivery | None:
        """One dead letter."""
        found = self._there().deliveries.get(delivery_id)
        return found if found is not None and found.state == DEAD else None

    async def replay(self, delivery_id: str | None, endpoint_id: str | None, at_us: int) -> int:
        """Make dead letters pending again; how many."""
        disk = self._there()
        found = [
            each
            for each in disk.deliveries.values()
            if each.state == DEAD
            and delivery_id in (None, each.delivery_id)
            and endpoint_id in (None, each.endpoint_id)
        ]
        for each in found:
            disk.deliveries[each.delivery_id] = msgspec.structs.replace(
                each, state=PENDING, attempts=0, due_us=at_us, dead_us=0
            )
        return len(found)
