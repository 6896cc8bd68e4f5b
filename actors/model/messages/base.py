"""What every message between rooms is, and the refusal that any room may answer."""

import msgspec


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """The base of all messages between actors."""


class Refused(Message, frozen=True, kw_only=True):
    """Nothing was recorded: the runtime can't take it now. `code` is stable, like JOURNAL_UNAVAILABLE."""

    code: str
    detail: str
    retry_after_seconds: float | None = None
