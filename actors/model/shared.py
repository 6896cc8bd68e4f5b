"""State that several processes can share: what every room has to know of it.

Shared state is never the truth and never needed: whoever uses it goes on with what this process knows while
it is away, and says so.
"""

import msgspec


class SharedAway(Exception):
    """The shared state can't be used now (lost, slow, full, or not ours); nothing may depend on it."""


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the shared state can be used; `why` not, in words without secrets; since when (µs, UTC)."""

    there: bool
    why: str = ""
    since_us: int = 0
