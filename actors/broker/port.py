"""The exchange as the broker sees it, whatever it is: simulated, dummy, or real through an adapter.

An adapter answers with outcomes, never with exceptions, for everything that an exchange or a network can
do. What it can't classify for certain is unresolved. It never resends and keeps no state that a restart
would need.
"""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Protocol, runtime_checkable

import msgspec

from actors.model.fill import Fill
from actors.model.instrument import Instrument
from actors.model.messages import Balance, BalanceMove, Tick
from actors.model.order import OrderIntent


class Confirmed(msgspec.Struct, frozen=True, kw_only=True):
    """The exchange took the order (or the cancel). `fills` are those that came with the answer, if it tells
    them.
    """

    exchange_order_id: str
    status: str = "open"
    """open, filled, canceled, expired: what the exchange says the order is now."""
    executed: Decimal | None = None
    """What it says is executed by now, in base units; None where the answer does not tell."""
    fills: tuple[Fill, ...] = ()


class Rejected(msgspec.Struct, frozen=True, kw_only=True):
    """The exchange definitely did not do it, and will not. `gone` for a cancel of an order that is no
    longer open.
    """

    code: str
    reason: str
    gone: bool = False
    throttled: bool = False
    retry_after_seconds: float | None = None


class Unresolved(msgspec.Struct, frozen=True, kw_only=True):
    """Nobody can say whether it was done. `signed_at_us` is the request's own timestamp, for the proof of
    absence.
    """

    reason: str
    signed_at_us: int | None = None


class NotSent(msgspec.Struct, frozen=True, kw_only=True):
    """Nothing left this machine. `local`: the order was refused here, the line was not even tried."""

    reason: str
    local: bool = False


Outcome = Confirmed | Rejected | Unresolved | NotSent


class OrderReport(msgspec.Struct, frozen=True, kw_only=True):
    """The exchange's own view of one order. `venue_id` is empty for an order that did not come from us.

    `status`: open, filled, canceled, expired, rejected. `executed` in base units.
    """

    symbol: str
    venue_id: str
    exchange_order_id: str
    side: str
    type: str
    quantity: Decimal
    limit_price: Decimal | None
    executed: Decimal
    status: str
    reason: str = ""
    at_us: int


class PositionReport(msgspec.Struct, frozen=True, kw_only=True):
    """The exchange's own view of one position: signed quantity in base units."""

    symbol: str
    quantity: Decimal
    average_price: Decimal | None


class Unavailable(Exception):
    """A question to the exchange got no usable answer. `kind`: timeout, network, exchange, throttled,
    banned.
    """

    def __init__(self, kind: str, detail: str, retry_after_seconds: float | None = None) -> None:
        super().__init__(f"{kind}: {detail}")
        self.kind = kind
        self.detail = detail
        self.retry_after_seconds = retry_after_seconds


class Capabilities(msgspec.Struct, frozen=True, kw_only=True):
    """What an exchange can do. `absence_window_seconds` None: absence can't be proven, the operator
    decides.
    """

    absence_window_seconds: float | None
    reports_positions: bool = True
    reports_balances: bool = True
    dead_mans_switch: bool = False
    fills_with_answer: bool = False
    opening_balances: bool = True
    amends_in_place: bool = False
    """Whether a working order can be changed (`AmendsInPlace`); else amends cancel and replace it."""
    takes_stops: bool = False
    """Whether it holds stop and stop-limit orders until they trigger, and lists them among the open ones."""


StreamItem = OrderReport | Fill
"""What an order stream brings. A Fill's `order_id` carries our venue id, or EXTERNAL for another's order.

Where the exchange tells only its own order id, the adapter asks it for the order before it calls a fill
EXTERNAL.
"""

EXTERNAL = "EXTERNAL"


class ExchangePort(Protocol):
    """One account at one exchange. Queries raise Unavailable; cancellation of any call leaves no state
    behind.

    Fills that come through this port have our venue id (or EXTERNAL) in `order_id`; the broker maps it to
    the order.
    """

    @property
    def capabilities(self) -> Capabilities: ...

    async def connect(self) -> None:
        """Make ready; raise Unavailable."""
        ...

    async def close(self) -> None: ...

    async def instruments(self) -> Sequence[Instrument]: ...

    async def submit(self, intent: OrderIntent) -> Outcome: ...

    async def cancel(self, symbol: str, venue_id: str, exchange_order_id: str | None) -> Outcome: ...

    async def order(self, symbol: str, venue_id: str) -> OrderReport | None:
        """The order by our id, or None when the exchange says that it does not have it."""
        ...

    async def open_orders(self, symbol: str | None = None) -> Sequence[OrderReport]: ...

    async def fills_since(self, symbol: str, since_us: int) -> Sequence[Fill]:
        """All fills of the account in the symbol at or after the time, oldest first."""
        ...

    async def balances(self) -> Sequence[Balance]: ...

    async def positions(self) -> Sequence[PositionReport]: ...

    async def server_time_us(self) -> int: ...

    async def follow_orders(self, deliver: Callable[[StreamItem], None]) -> None:
        """Deliver order and fill events until cancelled; raise Unavailable when the stream is lost."""
        ...

    async def follow_market(self, symbols: Sequence[str], deliver: Callable[[Tick], None]) -> None:
        """Deliver quotes and trades until cancelled; raise Unavailable when the stream is lost."""
        ...


class SendGate(Protocol):
    """What the broker asks synchronously right before a submit begins; `actors.halt.gate` implements it."""

    def may_send(self, intent: OrderIntent, reduces: bool) -> str | None:
        """None when the order may leave now, else the reason why not. `reduces`: verified to shrink the
        position.
        """
        ...

    def begin_send(self, order_id: str, amend_id: str = "") -> None:
        """A submit begins now, or this amend of the order; a kill from here on lists the order."""
        ...

    def end_send(self, order_id: str, amend_id: str = "") -> None:
        """The outcome of this submit or amend is evidence by now, or the order is known to be unresolved."""
        ...

    def in_force(self, kill_id: str) -> bool:
        """Whether nobody has lifted this kill."""
        ...

    @property
    def sends(self) -> tuple[tuple[str, str], ...]:
        """What is being sent, or was when the life that sent it ended: ids of orders and amends, oldest
        first.
        """
        ...


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """What an exchange's own headers say is used of a budget. `limit` and `window_seconds` None: as
    configured.
    """

    budget: str
    used: int
    limit: int | None = None
    window_seconds: float | None = None


@runtime_checkable
class Metered(Protocol):
    """An adapter that reads the exchange's own count of what was used."""

    def on_usage(self, report: Callable[[Usage], None]) -> None:
        """Call `report` with what each answer's headers tell, from now on."""
        ...


@runtime_checkable
class Priced(Protocol):
    """An adapter that knows what each call costs; without it every call costs one request."""

    def cost(self, call: str) -> Mapping[str, int]:
        """Units by budget name for a method of the port, e.g. {"weight": 1, "orders": 1} for `submit`."""
        ...


@runtime_checkable
class AmendsInPlace(Protocol):
    """An exchange that changes a working order itself, under the id that it has."""

    async def amend(self, intent: OrderIntent, exchange_order_id: str | None) -> Outcome:
        """Change quantity and limit price to those of `intent`, which has the order as it is to be there.

        The quantity is the whole order's, executed parts included. Confirmed says that it has the new terms
        (or ended by being amended, as its status says; with the status `taken` only the order itself tells),
        Rejected that it never will.
        """
        ...


@runtime_checkable
class DeadMansSwitch(Protocol):
    """An exchange that cancels our orders by itself when we stop renewing."""

    async def arm(self, seconds: float) -> None:
        """Cancel everything unless renewed within this time; raise Unavailable."""
        ...

    async def disarm(self) -> None:
        """Before a planned stop; raise Unavailable."""
        ...


@runtime_checkable
class AccountChecks(Protocol):
    """An adapter that can verify how the account is set up."""

    async def account_problems(self, symbols: Sequence[str]) -> Sequence[str]:
        """What is not as configured (position mode, leverage, margin mode, permissions) for trading these
        symbols; raise Unavailable.
        """
        ...


@runtime_checkable
class Statements(Protocol):
    """An exchange that lists what moved the account's balances besides its trades."""

    async def statement_since(self, since_us: int) -> Sequence[BalanceMove]:
        """Transfers, funding, interest and the like at or after the time, oldest first.

        Raise Unavailable; its kind is `exchange` where the key may not read them.
        """
        ...
