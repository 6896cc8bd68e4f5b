"""What can go wrong between the runtime and the simulated exchange.

The adapter asks these questions at every step; the answers decide what the runtime gets to see. The
exchange itself stays right: a fault loses, delays or repeats what it said, as networks do, and never
changes what it did.
"""

from typing import Protocol

import msgspec

from actors.broker.port import StreamItem


class CallFault(msgspec.Struct, frozen=True, kw_only=True):
    """What happens to one call; the default is that all goes well.

    `arrives`: the exchange gets the request, `delay_seconds` later than usual (and does not take it when
    its signed time is too old by then). `answers`: its answer comes back; else the call ends after the
    time-out (`silent`) or at once, as when a connection breaks or an HTML error page comes. `refused`:
    nothing leaves this machine. `throttled`: the exchange turns the request away unread, and asks to wait
    `retry_after_seconds`.
    """

    arrives: bool = True
    answers: bool = True
    silent: bool = True
    delay_seconds: float = 0.0
    refused: bool = False
    throttled: bool = False
    retry_after_seconds: float | None = None
    reason: str = ""


FINE = CallFault()


class Faults(Protocol):
    """Decided by a test or a simulation; asked synchronously, in the order in which things happen."""

    def call(self, operation: str, subject: str) -> CallFault:
        """What happens to a call. `operation` is the port's method, `subject` our order id or the symbol."""
        ...

    def stream(self, item: StreamItem) -> tuple[float, ...]:
        """After how many seconds an order item is delivered: once for each number; none: it is lost."""
        ...

    def cuts(self, stream: str) -> bool:
        """Whether the stream ("orders" or "market") breaks now."""
        ...

    def clock_skew_us(self) -> int:
        """How far the exchange's clock is ahead of ours."""
        ...


class NoFaults:
    """All goes well."""

    def call(self, operation: str, subject: str) -> CallFault:
        """Fine."""
        return FINE

    def stream(self, item: StreamItem) -> tuple[float, ...]:
        """At once, and once."""
        return (0.0,)

    def cuts(self, stream: str) -> bool:
        """Never."""
        return False

    def clock_skew_us(self) -> int:
        """None."""
        return 0
