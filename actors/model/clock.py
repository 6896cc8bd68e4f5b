"""Time and ids come from outside: the real ones from the composition root, seeded ones under simulation."""

from typing import Protocol


class Clock(Protocol):
    """`now_us` is the wall clock in microseconds since 1970 UTC; `monotonic` never goes back, in seconds."""

    def now_us(self) -> int: ...

    def monotonic(self) -> float: ...


class Ids(Protocol):
    """Ids that are never given twice. `order_id` is a UUID text; `venue_id` at most 32 of `[A-Za-z0-9_-]`.

    A venue id carries the instance and the incarnation, which is drawn at each start outside the database,
    so that a restored backup can't use an id again.
    """

    @property
    def incarnation(self) -> str: ...

    def order_id(self) -> str: ...

    def venue_id(self) -> str: ...
