"""What differs from exchange to exchange, as a Protocol: requests out, answers and frames in. All of it is
pure.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Protocol

import msgspec

from actors.broker.adapters.ccxt.markets import Market, Names
from actors.broker.adapters.ccxt.wire import Frame, Params, Reply, Watch
from actors.broker.port import Confirmed, OrderReport, PositionReport, StreamItem
from actors.model.fill import Fill
from actors.model.messages import Balance, BalanceMove, Tick
from actors.model.order import OrderIntent


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """A REST request: ccxt's name for the endpoint, and its parameters."""

    method: str
    params: Params


class FillPage(msgspec.Struct, frozen=True, kw_only=True):
    """Some fills, oldest first, and the request that brings the next ones (None: that was all).

    `unnamed` are exchange order ids whose fills came without a client order id: their orders must be asked
    for.
    """

    fills: tuple[Fill, ...]
    following: Request | None
    unnamed: tuple[str, ...] = ()


class AccountWish(msgspec.Struct, frozen=True, kw_only=True):
    """How the account shall be set up; None: not looked at. `margin_mode`: cross or isolated."""

    leverage: Decimal | None = None
    margin_mode: str | None = None


class StatementPage(msgspec.Struct, frozen=True, kw_only=True):
    """Some lines of a statement, and the request that brings the next ones (None: that was all)."""

    moves: tuple[BalanceMove, ...]
    following: Request | None


class Dialect(Protocol):
    """One exchange's way to say things. Decoders raise Malformed for an answer of another shape."""

    name: str
    family: str

    def submit(self, intent: OrderIntent, market: Market) -> Request: ...

    def confirmed(self, intent: OrderIntent, reply: Reply, names: Names) -> Confirmed | None:
        """What a success answer says, or None when it is not a complete one for this very order."""
        ...

    amends: bool
    """Whether a working order can be changed in place."""

    def amend(self, intent: OrderIntent, market: Market) -> Request:
        """Change the order to the quantity and price of the intent; only where `amends`."""
        ...

    def amended(self, intent: OrderIntent, reply: Reply, names: Names) -> Confirmed | None:
        """What a success answer says, or None when it does not say it of this very order."""
        ...

    def cancel(self, market: Market, venue_id: str, exchange_order_id: str | None) -> Request: ...

    def cancelled(self, venue_id: str, reply: Reply) -> Confirmed | None:
        """The same for a cancel."""
        ...

    def lookups(self, market: Market, venue_id: str) -> Sequence[Request]:
        """The requests to ask for one order by our id, in turn until one finds it."""
        ...

    def found(self, reply: Reply, names: Names) -> OrderReport | None:
        """The order in the answer of a lookup; None when the exchange says that it has none."""
        ...

    def open_orders(self, market: Market | None) -> Request: ...

    def orders(
        self, asked: Request, reply: Reply, names: Names
    ) -> tuple[Sequence[OrderReport], Request | None]:
        """The orders in the answer, and the request for the next page."""
        ...

    def fills(self, market: Market, since_us: int, now_us: int) -> Request:
        """The first request for fills since a time."""
        ...

    def fill_page(
        self, market: Market, asked: Request, reply: Reply, names: Names, now_us: int
    ) -> FillPage: ...

    def orders_from(self, market: Market, exchange_order_id: str) -> Request | None:
        """The request that names the orders from this one on, where fills come without client order ids."""
        ...

    def order_numbered(self, market: Market, exchange_order_id: str) -> Request:
        """The request to ask for one order by the exchange's own id; the answer is as of a lookup."""
        ...

    def balances(self) -> Request: ...

    def balances_in(self, reply: Reply, names: Names) -> Sequence[Balance]: ...

    def statement(self, since_us: int, now_us: int) -> Sequence[Request]:
        """The first request of each list that tells what moved the balances besides trades."""
        ...

    def statement_page(self, asked: Request, reply: Reply, now_us: int) -> StatementPage: ...

    def positions(self) -> Request | None:
        """None where the account has balances only."""
        ...

    def positions_in(
        self, asked: Request, reply: Reply, names: Names
    ) -> tuple[Sequence[PositionReport], Request | None]:
        """The positions in the answer, and the request for the next page."""
        ...

    def server_time(self) -> Request: ...

    def server_time_in(self, reply: Reply) -> int: ...

    def dead_mans_switch(self, markets: Sequence[Market], seconds: float) -> Sequence[Request]:
        """The requests that arm the switch for these markets (0: disarm); none where there is none."""
        ...

    def switch_problem(self, asked: Request, reply: Reply) -> str:
        """Why the switch is not armed although the request was answered; empty when it is."""
        ...

    def switch_topic(self) -> str:
        """The private topic whose loss fires the switch; empty where it is none of streams."""
        ...

    def account_questions(self, markets: Sequence[Market]) -> Sequence[Request]:
        """What to ask about the account's set-up, for trading these markets."""
        ...

    def account_problems(
        self, asked: Request, reply: Reply, names: Names, wish: AccountWish
    ) -> Sequence[str]:
        """What the answer says that trading here can't be done with, or that is not as wished."""
        ...

    def order_watches(self) -> tuple[Watch, ...]: ...

    def order_frame(self, frame: Frame, names: Names) -> Sequence[StreamItem] | None:
        """What an order stream's frame says; None when it is not one of ours to read."""
        ...

    def market_watches(self, markets: Sequence[Market]) -> tuple[Watch, ...]: ...

    def market_frame(self, frame: Frame, names: Names, now_us: int) -> Sequence[Tick] | None: ...


def plain(value: Decimal) -> str:
    """A decimal as exchanges read it: no exponent, no trailing zeros, not rounded."""
    digits = format(value, "f")
    return digits.rstrip("0").rstrip(".") if "." in digits else digits


def unlike(symbol: str, what: str, found: str, wanted: str) -> str:
    """A problem of the account's set-up: what it is, what it should be, and where to change it."""
    return (
        f"{symbol}: the {what} is {found}, configured is {wanted}; set it at the exchange, "
        "or change the setting"
    )
