"""What the venue lists, and the orders and trades on it.

Plain data; quantities in base units, prices in quote units.
"""

from dataclasses import dataclass, field
from decimal import Decimal

from actors.model.money import ZERO


@dataclass(frozen=True, kw_only=True)
class VenueMarket:
    """One listed market with its filters.

    `band` is how far a limit price may be from the last price, as a ratio.
    """

    market_id: str
    base: str
    quote: str
    tick: Decimal
    lot: Decimal
    min_quantity: Decimal
    max_quantity: Decimal
    min_notional: Decimal
    start_price: Decimal
    band: Decimal = Decimal(5)


@dataclass(frozen=True, kw_only=True)
class OrderSpec:
    """What a client asks for.

    `limit_price` None for a market order. `client_id` is never empty: dialects draw one.
    """

    market_id: str
    side: str
    quantity: Decimal
    limit_price: Decimal | None
    time_in_force: str
    client_id: str
    post_only: bool = False
    reduce_only: bool = False
    raw_type: str = ""


@dataclass(kw_only=True)
class VenueOrder:
    """One order on the venue. `status`: new, filled, canceled, expired, rejected."""

    number: int
    order_id: str
    owner: str
    spec: OrderSpec
    created_ms: int
    updated_ms: int
    executed: Decimal = ZERO
    cost: Decimal = ZERO
    fees: Decimal = ZERO
    locked: Decimal = ZERO
    status: str = "new"
    reason: str = ""
    cancel_client_id: str = ""

    @property
    def is_open(self) -> bool:
        return self.status == "new"

    @property
    def remaining(self) -> Decimal:
        return self.spec.quantity - self.executed


@dataclass(frozen=True, kw_only=True)
class VenueTrade:
    """One execution of one account's order. `number` is unique and grows within a market."""

    number: int
    order: VenueOrder
    quantity: Decimal
    price: Decimal
    fee: Decimal
    fee_asset: str
    maker: bool
    at_ms: int
    realized: Decimal = ZERO


@dataclass(kw_only=True)
class Quote:
    """Best bid and ask of a market, its last trade, and its mark price where somebody set one."""

    bid: Decimal
    ask: Decimal
    last: Decimal
    bid_size: Decimal = Decimal(10)
    ask_size: Decimal = Decimal(10)
    update: int = 1
    at_ms: int = 0
    prints: list["Print"] = field(default_factory=list)
    set_mark: Decimal | None = None

    @property
    def mark(self) -> Decimal:
        """What positions are valued at; the last price unless it was set."""
        return self.set_mark or self.last


@dataclass(frozen=True, kw_only=True)
class Print:
    """One public trade."""

    number: int
    market_id: str
    price: Decimal
    quantity: Decimal
    buyer_is_maker: bool
    at_ms: int


@dataclass(frozen=True, kw_only=True)
class OrderEvent:
    """Something happened to an order; `kind`: NEW, TRADE, CANCELED, EXPIRED. A snapshot: the order moves
    on.
    """

    kind: str
    order: VenueOrder
    trade: VenueTrade | None = None
    at_ms: int


class Refused(Exception):
    """The venue will not do it. `why` is the abstract reason, from which each dialect makes its own error."""

    def __init__(self, why: str, detail: str = "") -> None:
        super().__init__(f"{why}: {detail}" if detail else why)
        self.why = why
        self.detail = detail
