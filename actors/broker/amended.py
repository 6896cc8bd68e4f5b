"""Which terms an order works under after an amend whose answer is lost. Pure.

The exchange's own report of the order tells its terms. The new ones say that the amend took effect. The old
ones say that it has not, *yet*: the request may still be on its way. As with a submit, that ends when the
exchange's own clock has passed the request's signed time, the receive window and a margin, and the order is
looked at after that. An order that is over under its old terms can't be amended any more.
"""

from decimal import Decimal

import msgspec

from actors.broker.port import OrderReport
from actors.broker.unresolved import NeedsOperator, TooEarly
from actors.model.amend import Amend
from actors.model.money import EXACT
from actors.model.order import Order


class TookEffect(msgspec.Struct, frozen=True):
    """The order has its new terms."""


class NotAmended(msgspec.Struct, frozen=True):
    """The order has its old terms and keeps them; the proof in words."""

    proof: str


class Contradiction(msgspec.Struct, frozen=True):
    """The order has terms that nobody here gave it, and had time to show any that are ours."""

    found: str


Verdict = TookEffect | NotAmended | TooEarly | NeedsOperator | Contradiction


def wanted(order: Order, amend: Amend) -> tuple[Decimal, Decimal]:
    """Quantity and price that the order has at the exchange once the amend took effect."""
    return EXACT.subtract(amend.quantity, order.carried), amend.limit_price


def verdict(
    report: OrderReport,
    order: Order,
    amend: Amend,
    *,
    server_us: int,
    signed_at_us: int,
    window_seconds: float | None,
    margin_seconds: float,
) -> Verdict:
    """Judge a report that was asked for after the exchange's clock showed `server_us`."""
    terms = (report.quantity, report.limit_price)
    if terms == wanted(order, amend):
        return TookEffect()
    known = terms == (order.placed, order.intent.limit_price)
    if known and report.status != "open":
        return NotAmended(f"the order is {report.status} under its old terms")
    if window_seconds is None:
        return NeedsOperator()
    deadline_us = signed_at_us + round((window_seconds + margin_seconds) * 1_000_000)
    if server_us <= deadline_us:
        return TooEarly(deadline_us - server_us + 1)
    if not known:
        return Contradiction(f"{report.quantity} at {report.limit_price}")
    return NotAmended(
        f"the order has its old terms, and the exchange's clock {server_us} is past the signed time "
        f"{signed_at_us} + window {window_seconds:g} s + margin {margin_seconds:g} s"
    )
