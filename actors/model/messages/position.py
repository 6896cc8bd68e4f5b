"""What is said to PositionActor (address `position/<exchange>/<symbol with - for />`), and its answers."""

from actors.model.messages.base import Message
from actors.model.order import Order


class CancelOrder(Message, frozen=True, kw_only=True):
    """Ask: cancel. Answered at once by `CancelTaken`, `AlreadyClosed` or `NoSuchOrder`.

    The outcome is in the log.
    """

    order_id: str
    by: str
    correlation_id: str


class CancelTaken(Message, frozen=True, kw_only=True):
    """The cancel is on its way to the exchange."""

    order_id: str


class AlreadyClosed(Message, frozen=True, kw_only=True):
    """The order is over; nothing was done."""

    order: Order


class NoSuchOrder(Message, frozen=True, kw_only=True):
    """No open order has this id here."""

    order_id: str


class CancelOpening(Message, frozen=True, kw_only=True):
    """Tell: cancel every working order of the symbol (`all`), or only those that open exposure.

    Of all, reduce-only orders that were placed later than `exits_since_us` (µs) stay; None spares nothing.
    Orders later in the journal than `seen` stay too: whoever asks has not looked at them, and what restricted
    trading may be lifted when this is heard. None: it is for every order. `patient`: this is said every
    second, and an order whose cancel the exchange has refused lately is left alone for a while.
    """

    all: bool
    seen: int | None = None
    patient: bool = False
    exits_since_us: int | None = None
    by: str
    correlation_id: str


class EvidenceReady(Message, frozen=True, kw_only=True):
    """Told by BrokerActor, conflated: there is evidence in the outbox for this symbol."""
