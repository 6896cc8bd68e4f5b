"""What is said to BrokerActor (address `broker/<exchange>`), and its answers."""

from decimal import Decimal

from actors.model.fill import Fill
from actors.model.messages.base import Message
from actors.model.order import Order


class TakeEvidence(Message, frozen=True, kw_only=True):
    """Ask, by PositionActor: drop evidence up to `acknowledged` (0: none), give what comes after in order."""

    symbol: str
    acknowledged: int


class Evidence(Message, frozen=True, kw_only=True):
    """What the exchange said of one of our orders, or of the account; `kind` says which fields count.

    kinds: sent, acknowledged, refused, unresolved, absent, not_sent, filled, cancel_refused, canceled,
    expired, amended, amend_refused (both with the `amend_id`), foreign_fill, opening.
    `foreign_fill` is another's trade on our account (fill.order_id is
    "EXTERNAL"); `opening` a position found with no history (quantity signed, price its valuation).
    `venue_id` is our id at the exchange.
    """

    number: int
    kind: str
    venue_id: str = ""
    exchange_order_id: str = ""
    code: str = ""
    reason: str = ""
    fill: Fill | None = None
    quantity: Decimal | None = None
    price: Decimal | None = None
    amend_id: str = ""


class EvidenceTaken(Message, frozen=True, kw_only=True):
    """Answer to TakeEvidence."""

    evidence: tuple[Evidence, ...]


class CancelAtExchange(Message, frozen=True, kw_only=True):
    """Tell, by PositionActor: cancel this order at the exchange, or withdraw it if it has not left yet."""

    order: Order
    correlation_id: str


class Sweep(Message, frozen=True, kw_only=True):
    """Tell, by the operator's actor: cancel all our orders in scope until the exchange confirms none is left.

    Works without the journal. Reduce-only orders that were placed later than `exits_since_us` (µs) are left
    alone: they are a person's way out. None spares nothing.
    """

    sweep_id: str
    symbol: str | None
    exits_since_us: int | None = None


class ReconcileSymbol(Message, frozen=True, kw_only=True):
    """Tell, by a restarted PositionActor: bring the symbol's evidence again from its watermark."""

    symbol: str


class RecordAbsence(Message, frozen=True, kw_only=True):
    """Ask, on behalf of a person: an unresolved order never reached its exchange.

    For exchanges where absence can't be proven. The verdict, who gave it and why become the proof in the
    journal. Answered by `AbsenceTaken` or `Refused`.
    """

    order_id: str
    by: str
    reason: str


class AbsenceTaken(Message, frozen=True, kw_only=True):
    """The verdict is on its way to the journal; watch the log for `OrderAbsent`."""

    order_id: str


class ReadBalances(Message, frozen=True):
    """Ask to BrokerActor: the `Balances` as last seen at the exchange."""


class Balance(Message, frozen=True, kw_only=True):
    """`total` and `free` of one asset."""

    exchange: str
    asset: str
    total: Decimal
    free: Decimal


class Balances(Message, frozen=True, kw_only=True):
    """Answer to ReadBalances."""

    balances: tuple[Balance, ...]
