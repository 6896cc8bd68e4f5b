"""From settings to the channels by which a person is told."""

from ssl import TLSVersion

from actors.webhook.adapters.http import HttpCarrier
from actors.webhook.adapters.messengers import messengers
from actors.webhook.events import EVENTS
from actors.webhook.notify.channel import DEFAULT_EVENTS, Channel, Incomplete, check
from actors.webhook.shell.channels import Channels
from actors.webhook.ssrf import Allowed
from config.settings import NotifySettings, Settings, SettingsError


def notify_channels(settings: Settings, allowed: Allowed) -> Channels:
    """The channels of the settings, checked; raises SettingsError for one that can't work."""
    known = tuple(_channel(each, allowed) for each in settings.notify)
    # Some of these services speak nothing newer.
    return Channels(known, messengers(HttpCarrier(allowed, oldest=TLSVersion.TLSv1_2)))


def _channel(chosen: NotifySettings, allowed: Allowed) -> Channel:
    prefix = f"TRADEWARDEN_NOTIFY__{chosen.name.upper()}__"
    unknown = [event for event in chosen.events if event not in EVENTS]
    if unknown:
        raise SettingsError(prefix + "EVENTS", found=unknown[0][:40], allowed=", ".join(EVENTS))
    channel = Channel(
        name=chosen.name,
        kind=chosen.kind,
        url="" if chosen.url is None else chosen.url.reveal(),
        token="" if chosen.token is None else chosen.token.reveal(),
        user=chosen.user,
        to=chosen.to,
        sender=chosen.sender,
        events=chosen.events or DEFAULT_EVENTS,
        pause_seconds=chosen.pause_seconds,
    )
    try:
        check(channel, allowed)
    except Incomplete as error:
        raise SettingsError(prefix + error.field, found="what does not fit", allowed=error.needs) from None
    return channel
