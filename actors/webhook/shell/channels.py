"""The channels of the settings as endpoints in the store, so that outbox, retries and dead letters know them.

The store holds what may be shown; URLs and tokens stay in the settings.
"""

from collections.abc import Callable, Sequence

import msgspec
import structlog
import trio

from actors.model.clock import Clock
from actors.webhook.notify.channel import Channel
from actors.webhook.port import ACTIVE, DISABLED, WEBHOOK, Endpoint, WebhookStore
from actors.webhook.roster import Roster
from actors.webhook.shell.herald import Messenger

RETRY_SECONDS = 1.0
NOT_CONFIGURED = "it is not in the settings any more"

_log = structlog.get_logger(room="webhook")


class Channels(msgspec.Struct, frozen=True):
    """The channels of the settings, and what makes the way through one."""

    known: tuple[Channel, ...] = ()
    messenger: Callable[[Channel], Messenger] | None = None

    def of(self, endpoint_id: str) -> Channel | None:
        """The channel that an endpoint stands for, if the settings have it."""
        return next((each for each in self.known if each.endpoint_id == endpoint_id), None)


async def keep_channels(
    channels: Channels,
    *,
    store: WebhookStore,
    away: type[Exception],
    roster: Roster,
    clock: Clock,
    since_seq: int,
) -> None:
    """Make the store's endpoints agree with the settings; tried until it works. Safe to repeat."""
    while True:
        try:
            endpoints = await store.endpoints()
            await _agree(channels, endpoints, store, clock, since_seq)
            roster.replace(await store.endpoints())
        except away as error:
            _log.warning("channels_wait_for_the_store", why=str(error))
            await trio.sleep(RETRY_SECONDS)
        else:
            return


async def _agree(
    channels: Channels, endpoints: Sequence[Endpoint], store: WebhookStore, clock: Clock, since_seq: int
) -> None:
    there = {each.endpoint_id: each for each in endpoints}
    for channel in channels.known:
        found = there.get(channel.endpoint_id)
        if found is None:
            await store.add(_endpoint(channel, clock.now_us(), since_seq))
            continue
        if (found.kind, found.url, found.events) != (channel.kind, channel.place, channel.events):
            await store.set_place(
                found.endpoint_id, channel.kind, channel.place, channel.events, clock.now_us()
            )
        if found.state == DISABLED and found.reason == NOT_CONFIGURED:
            await store.set_state(found.endpoint_id, ACTIVE, "", clock.now_us())
    for endpoint in endpoints:
        forgotten = endpoint.kind != WEBHOOK and channels.of(endpoint.endpoint_id) is None
        if forgotten and endpoint.state != DISABLED:
            await store.set_state(endpoint.endpoint_id, DISABLED, NOT_CONFIGURED, clock.now_us())


def _endpoint(channel: Channel, now_us: int, since_seq: int) -> Endpoint:
    return Endpoint(
        endpoint_id=channel.endpoint_id,
        url=channel.place,
        secret="",
        kind=channel.kind,
        events=channel.events,
        note=channel.name,
        since_seq=since_seq,
        created_us=now_us,
        updated_us=now_us,
    )
