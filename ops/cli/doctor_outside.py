"""What the doctor says of services that help and are not needed: Redis, and channels to tell a person."""

from config import Settings
from ops.cli.command import Failed


class Away(Exception):
    """It is configured and can't be used now; trading goes on without it."""


def redis(chosen: Settings) -> str:
    """Whether the Redis of the settings answers; raises Away, or SettingsError for a bad address."""
    import trio

    from actors.model.shared import SharedAway
    from ops.cli.start import redis_link
    from persistence.postgres.pool import open_bridge
    from supervisors.process import SystemClock

    async def ask() -> tuple[str, SharedAway | None]:
        link = redis_link(chosen, "", SystemClock())
        if link is None:
            return "not used; it is not needed", None
        async with open_bridge(lambda _what, _error: None):
            try:
                await link.reach()
            except SharedAway as error:
                return "", error
            finally:
                await link.close()
        return "it answers", None

    answer, away = trio.run(ask)
    if away is not None:
        raise Away(f"{away}; trading goes on with local state")
    return answer


def channels(chosen: Settings) -> str:
    """By which channels a person is told; raises Away when there is none, and Failed for one that can't
    work.
    """
    from config import SettingsError
    from ops.cli.choices import allowed_hosts
    from ops.cli.notify import notify_channels

    try:
        known = notify_channels(chosen, allowed_hosts(chosen.webhooks)).known
    except SettingsError as error:
        raise Failed(str(error)) from error
    if not known:
        raise Away("nobody is told when trading is halted: see docs/notifications.md")
    return ", ".join(f"{each.name} ({each.kind})" for each in known)
