"""What can be traded, and in which steps."""

from decimal import Decimal

import msgspec

from actors.model.money import EXACT, is_multiple


class FilterBreach(msgspec.Struct, frozen=True):
    """An order value that the instrument does not allow: which filter, its value, and what was asked."""

    code: str
    limit: Decimal
    value: Decimal


class Instrument(msgspec.Struct, frozen=True, kw_only=True):
    """One market of one exchange. Prices are in quote units per base unit, quantities in base units."""

    exchange: str
    symbol: str
    base: str
    quote: str
    tick: Decimal
    lot: Decimal
    min_notional: Decimal
    market_type: str = "spot"
    initial_margin: Decimal = Decimal(1)
    """Share of the notional that must be covered by equity: 1 is fully funded."""

    def price_breach(self, price: Decimal) -> FilterBreach | None:
        """A price off the tick grid, or None."""
        if is_multiple(price, self.tick):
            return None
        return FilterBreach("INVALID_TICK", self.tick, price)

    def quantity_breach(self, quantity: Decimal) -> FilterBreach | None:
        """A quantity off the lot grid, or None."""
        if is_multiple(quantity, self.lot):
            return None
        return FilterBreach("INVALID_LOT", self.lot, quantity)

    def notional_breach(self, quantity: Decimal, price: Decimal) -> FilterBreach | None:
        """A value below the minimum notional, or None."""
        notional = EXACT.multiply(quantity, price)
        if notional >= self.min_notional:
            return None
        return FilterBreach("MIN_NOTIONAL", self.min_notional, notional)
