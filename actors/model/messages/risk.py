"""What is said to RiskActor (address `risk`), and its answers. BrokerState and Mark reach it as well."""

from decimal import Decimal

from actors.model.events import AmendAsked
from actors.model.messages.base import Message
from actors.model.order import OrderIntent


class PlaceOrder(Message, frozen=True, kw_only=True):
    """Ask: check, reserve and journal. Answered by `Admitted`, `Denied` or `Refused`; not by the commit.

    `venue_id` of the intent is empty: RiskActor draws it. With `dry_run` nothing is reserved or journaled.
    `closing` is said by the operator's actor alone: a kill of level `flatten` wants the position closed.
    """

    intent: OrderIntent
    correlation_id: str
    dry_run: bool = False
    closing: bool = False


class PlaceOrders(Message, frozen=True, kw_only=True):
    """Ask: the same for many, one after the other. Answered by a tuple of answers in the same order."""

    orders: tuple[PlaceOrder, ...]


class Admitted(Message, frozen=True, kw_only=True):
    """The order passed and its intent is on its way to the journal; watch the log for `OrderAccepted`."""

    order_id: str


class Denied(Message, frozen=True, kw_only=True):
    """A rule said no. An `OrderDenied` is on its way to the journal (unless it was a dry run)."""

    order_id: str
    code: str
    detail: str
    limit: str | None = None
    value: str | None = None
    headroom: str | None = None


class AmendOrder(Message, frozen=True, kw_only=True):
    """Ask: check, reserve and journal an amend of a working order.

    Answered by `Admitted`, `Denied` or `Refused` like an order; `Refused` also where the order can't be
    amended as it is now (ORDER_CLOSED, NOT_AMENDABLE, AMEND_IN_PROGRESS, QTY_BELOW_FILLED). Watch the log for
    what becomes of the order.
    """

    order_id: str
    asked: AmendAsked
    correlation_id: str


class ChangeLimit(Message, frozen=True, kw_only=True):
    """Ask to RiskActor: set a limit. Answered by `LimitSet`, `Proposed` or `Refused`, when certain."""

    name: str
    value: str
    by: str
    reason: str
    correlation_id: str = ""


class LimitSet(Message, frozen=True, kw_only=True):
    """The change is in the journal. It is in force since it was asked for, between two orders."""

    name: str
    old: str | None
    new: str
    by: str
    approved_by: str | None = None


class Proposed(Message, frozen=True, kw_only=True):
    """Nothing has changed yet: another person has to ask for the same until `until_us`."""

    what: str
    by: str
    reason: str
    until_us: int


class ReadLimits(Message, frozen=True):
    """Ask to RiskActor: the `LimitsView`."""


class LimitState(Message, frozen=True, kw_only=True):
    """A limit as it is in force, what the settings say, and what it may be set to. Values are texts."""

    name: str
    value: str
    settings: str
    allowed: str


class LimitsView(Message, frozen=True, kw_only=True):
    """Every limit, and the changes that wait for a second person."""

    limits: tuple[LimitState, ...]
    proposed: tuple[Proposed, ...] = ()


class ReadRisk(Message, frozen=True, kw_only=True):
    """Ask to RiskActor: the `RiskView`. `reservations` costs time for each open order."""

    reservations: bool = False


class LimitUse(Message, frozen=True, kw_only=True):
    """One limit: what is used of it and what is left. Without exchange and symbol it bounds the account."""

    code: str
    symbol: str | None
    limit: Decimal
    used: Decimal
    headroom: Decimal
    exchange: str | None = None


class Reservation(Message, frozen=True, kw_only=True):
    """What an open order may still do, and what that is worth at its reserve price; None without a rate."""

    order_id: str
    exchange: str
    symbol: str
    side: str
    quantity: Decimal
    value_usd: Decimal | None


class RiskView(Message, frozen=True, kw_only=True):
    """Used and left by limit, the trading state, and what each open order reserves (USD terms)."""

    trading_state: str
    limits: tuple[LimitUse, ...]
    reservations: tuple[Reservation, ...] = ()
    equity: Decimal
    day: str
    day_pnl: Decimal


class ClockSkew(Message, frozen=True, kw_only=True):
    """Told by BrokerActor whenever it has measured: the exchange's clock minus ours, in microseconds."""

    exchange: str
    skew_us: int
