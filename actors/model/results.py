"""What the command port answers: the outcome of a command, told as data to whoever asked from outside.

One class an outcome, so that the web layer, the console and the simulator each translate it in one table.
`Refused`, `Resumed`, `LimitSet`, `Proposed` and others are said between the rooms too and live in
`actors.model.messages`.
"""

from decimal import Decimal

import msgspec

from actors.model.messages import (
    AlreadyClosed,
    BalanceBooked,
    LimitSet,
    NoSuchOrder,
    Proposed,
    Refused,
    Resumed,
)
from actors.model.order import Order, OrderIntent
from actors.model.position import Position


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """The base of all outcomes."""


# Of placing an order.


class Placement(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked: an order (see `CommandPort.place`) and how long its answer may take.

    Orders of one `group` are one request under one key: when one of them was asked for before as part of
    another request, or is being answered right now, none that is new is placed.
    """

    intent: OrderIntent
    wait_seconds: float
    correlation_id: str
    dry_run: bool = False
    group: str = ""


class Placed(Result, frozen=True, kw_only=True):
    """The intent is durable and the exchange has answered: the order as it is now."""

    order: Order


class Pending(Result, frozen=True, kw_only=True):
    """The command is durable but its outcome was not known in time: the order as it is. Also of a cancel or
    an amend.
    """

    order: Order


class Replayed(Result, frozen=True, kw_only=True):
    """The same request was made before under the same key or client order id: that order as it is now."""

    order: Order


class Previewed(Result, frozen=True, kw_only=True):
    """A dry run would have passed: the order as it would have been taken. Nothing was recorded."""

    order: Order


class Denied(Result, frozen=True, kw_only=True):
    """The order is recorded and over: a rule denied it, it was withdrawn unsent, or the exchange refused it.

    `limit`, `value` and `headroom` are canonical decimal texts: the limit that spoke, what broke it, what was
    left before the order. The order of a dry run was not recorded.
    """

    order: Order
    code: str
    detail: str
    limit: str | None = None
    value: str | None = None
    headroom: str | None = None


class Conflict(Result, frozen=True, kw_only=True):
    """The key or client order id is taken.

    `code`: IDEMPOTENCY_MISMATCH (by another request) or IN_PROGRESS (by one that is not answered yet).
    """

    code: str
    detail: str


# Of cancelling.


class Cancelled(Result, frozen=True, kw_only=True):
    """The order is off the exchange: the order as it is now."""

    order: Order


# Of amending.


class Amended(Result, frozen=True, kw_only=True):
    """The order has the terms that were asked for: the order as it is now."""

    order: Order


class NotAmended(Result, frozen=True, kw_only=True):
    """The terms that were asked for did not take effect; `code` and `detail` say why.

    The order works on as it was, unless its status says that it is over. `limit` and `value` are those of the
    rule that denied it.
    """

    order: Order
    code: str
    detail: str
    limit: str | None = None
    value: str | None = None


# Of the operator's commands and questions.


class Judged(Result, frozen=True, kw_only=True):
    """The verdict is journaled: the order as it ended."""

    order: Order


class KillResult(Result, frozen=True, kw_only=True):
    """The gate is closed.

    `durable` says whether the latch is on disk; `in_flight` names the orders whose submit had begun before.
    """

    kill_id: str
    trading_state: str
    durable: bool
    in_flight: tuple[str, ...] = ()


class Unsettled(Result, frozen=True, kw_only=True):
    """It is not known whether the command was done; reading what it would have changed will tell."""

    detail: str


class PositionView(Result, frozen=True, kw_only=True):
    """A position and the price it is valued at, in quote units; None when the market has none yet."""

    position: Position
    mark: Decimal | None


class NotReady(Result, frozen=True, kw_only=True):
    """One thing that keeps the runtime from taking orders, and why."""

    what: str
    why: str


PlaceResult = Placed | Pending | Replayed | Previewed | Denied | Conflict | Refused
AmendResult = Amended | Pending | NotAmended | Conflict | NoSuchOrder | Refused
CancelResult = Cancelled | Pending | AlreadyClosed | NoSuchOrder | Refused
ResumeResult = Resumed | Proposed | Refused
LimitResult = LimitSet | Proposed | Unsettled | Refused
VerdictResult = Judged | Pending | AlreadyClosed | NoSuchOrder | Refused
AdjustResult = BalanceBooked | Refused

__all__ = [
    "AdjustResult",
    "AlreadyClosed",
    "AmendResult",
    "Amended",
    "BalanceBooked",
    "CancelResult",
    "Cancelled",
    "Conflict",
    "Denied",
    "Judged",
    "KillResult",
    "LimitResult",
    "LimitSet",
    "NoSuchOrder",
    "NotAmended",
    "NotReady",
    "Pending",
    "PlaceResult",
    "Placed",
    "Placement",
    "PositionView",
    "Previewed",
    "Proposed",
    "Refused",
    "Replayed",
    "Result",
    "ResumeResult",
    "Resumed",
    "Unsettled",
    "VerdictResult",
]
