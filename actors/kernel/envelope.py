"""What lies in a mailbox: a message, when it came, and what makes it stale.

An ask is an envelope of its own kind (`Reply`, in `future`), so that an ask costs one object, not two.
"""

from __future__ import annotations

from collections.abc import Hashable

__all__ = ["Envelope", "Token"]


class Token:
    """Something that an envelope rests on: once `live` is false the envelope is stale and is not handled.

    Timers and watches are tokens: cancelling one also takes back what it has already put in the mailbox.
    """

    __slots__ = ("live",)

    def __init__(self) -> None:
        self.live = True

    def taken(self) -> None:
        """Hear that the envelope is about to be handled."""


class Envelope:
    """One message on its way. `tag` is its conflation key or its `Token`; `at` is when it was sent."""

    __slots__ = ("at", "message", "tag")

    def __init__(self, message: object, at: float, tag: Hashable | None = None) -> None:
        self.message = message
        self.at = at
        self.tag = tag
