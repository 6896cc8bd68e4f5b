"""A fill: one execution of an order at an exchange."""

import hashlib
from decimal import Decimal
from typing import NamedTuple

import msgspec

from actors.model.money import ZERO


class FillKey(NamedTuple):
    """What makes a fill the same fill, however it reached us."""

    exchange: str
    market_type: str
    symbol: str
    exchange_order_id: str
    trade_id: str


class Fill(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """`quantity` in base units, `price` in quote per base, `fee` in `fee_currency` (negative: a rebate)."""

    exchange: str
    market_type: str
    symbol: str
    exchange_order_id: str
    trade_id: str
    order_id: str
    side: str
    quantity: Decimal
    price: Decimal
    fee: Decimal = ZERO
    fee_currency: str
    liquidity: str = "taker"
    at_us: int

    @property
    def key(self) -> FillKey:
        """The identity under which a fill is applied exactly once."""
        return FillKey(self.exchange, self.market_type, self.symbol, self.exchange_order_id, self.trade_id)

    @property
    def fill_id(self) -> str:
        """A UUID derived from the key, so that every path to the same fill names it alike."""
        digest = hashlib.sha256("\x1f".join(self.key).encode()).hexdigest()
        return f"{digest[:8]}-{digest[8:12]}-8{digest[13:16]}-a{digest[17:20]}-{digest[20:32]}"
