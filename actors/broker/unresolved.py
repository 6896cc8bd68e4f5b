"""When it is proven that an exchange never took an order.

A submit whose answer is lost may still be on its way: in a socket's buffer, in a proxy, in the exchange's
own queue. The exchange refuses a request whose signed timestamp is older than its receive window, so once
*its* clock has passed timestamp + window + margin the request can't be taken any more. Only what is looked
up after that moment counts, and all three looks have to miss: the order by our id, the open orders, the
trades. One look that fails proves nothing.
"""

import msgspec

from actors.broker.port import OrderReport
from actors.model.fill import Fill


class Looked(msgspec.Struct, frozen=True, kw_only=True):
    """What one round of questions found. `server_us` is the exchange's clock read *before* the three
    looks.
    """

    server_us: int
    report: OrderReport | None
    among_open: OrderReport | None
    fills: tuple[Fill, ...]


class Found(msgspec.Struct, frozen=True):
    """The exchange has, or had, the order."""

    report: OrderReport | None


class Absent(msgspec.Struct, frozen=True):
    """The exchange never took the order and can't any more; the proof in words."""

    proof: str


class TooEarly(msgspec.Struct, frozen=True):
    """Nothing found, yet it may still arrive: ask again after this many microseconds of the exchange's
    clock.
    """

    remaining_us: int


class NeedsOperator(msgspec.Struct, frozen=True):
    """Nothing found, and at this exchange that never becomes a proof."""


Verdict = Found | Absent | TooEarly | NeedsOperator


def verdict(
    looked: Looked, signed_at_us: int, window_seconds: float | None, margin_seconds: float
) -> Verdict:
    """Judge one round of looks for an order whose request was signed no later than `signed_at_us`."""
    if looked.report is not None or looked.among_open is not None:
        return Found(looked.report or looked.among_open)
    if looked.fills:
        return Found(None)
    if window_seconds is None:
        return NeedsOperator()
    deadline_us = signed_at_us + round((window_seconds + margin_seconds) * 1_000_000)
    if looked.server_us <= deadline_us:
        return TooEarly(deadline_us - looked.server_us + 1)
    return Absent(
        f"the exchange's clock {looked.server_us} is past the signed time {signed_at_us}"
        f" + window {window_seconds:g} s"
        f" + margin {margin_seconds:g} s; not found by our id, among open orders or among trades"
    )
