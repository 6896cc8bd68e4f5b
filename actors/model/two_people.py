"""The second person: what one has asked for, until another asks for the same. Pure.

An asking is kept in memory alone. It is not in force and may be forgotten: after a restart the first person
asks again.
"""

import msgspec

PATIENCE_US = 3_600_000_000
"""How long an asking waits for the second person."""


class Asking(msgspec.Struct, frozen=True, kw_only=True):
    """What one person asked for. `what` is the whole of it: the second has to ask for exactly that."""

    topic: str
    what: str
    by: str
    reason: str
    at_us: int
    until_us: int


class TwoPeople:
    """One asking for each topic; a newer one of somebody who wants something else replaces it."""

    def __init__(self, patience_us: int = PATIENCE_US) -> None:
        self._patience_us = patience_us
        self._askings: dict[str, Asking] = {}

    def ask(self, topic: str, what: str, by: str, reason: str, now_us: int) -> Asking:
        """Somebody asks. The asking of another person for the same, which is over with this; else their own,
        which waits now.
        """
        first = self._askings.get(topic)
        if first is not None and first.by != by and first.what == what and now_us <= first.until_us:
            return self._askings.pop(topic)
        until_us = now_us + self._patience_us
        asking = Asking(topic=topic, what=what, by=by, reason=reason, at_us=now_us, until_us=until_us)
        self._askings[topic] = asking
        return asking

    def forget(self, topic: str) -> None:
        """The topic is settled."""
        self._askings.pop(topic, None)

    def waiting(self, now_us: int) -> tuple[Asking, ...]:
        """The askings that a second person can still join."""
        return tuple(asking for asking in self._askings.values() if now_us <= asking.until_us)
